import type { Conversation, JsonObject, Reasoning } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { budgetToEffort, effortToBudget } from '../../reasoning.ts'
import { provenReasoning, spoken } from './messages.ts'
import { type BedrockModel, bedrockModel } from './model.ts'

type Effort = NonNullable<Reasoning['effort']>
type Claude = BedrockModel & { family: 'claude' }

/** What a request says of thinking. */
export interface ThinkingFields {
  /** For `additionalModelRequestFields`. */
  modelFields?: JsonObject
  /** `outputConfig.effort` */
  effort?: string
}

/** Claude takes no smaller budget. */
const leastBudget = 1024

/**
 * How much to think. Converse has a field for the effort; all else about thinking is the model maker's own:
 *
 * - Claude: see `claudeThinking`;
 * - Nova 2: `reasoningConfig` with low, medium or high (docs.aws.amazon.com/nova/latest/nova2-userguide/
 *   extended-thinking.html); Nova 1 does not think;
 * - OpenAI: `reasoning_effort` for gpt-oss, which always thinks, `reasoning.effort` for the others;
 * - others, and models whose id does not tell: Converse's own effort, of which Bedrock says if the model has none.
 *
 * Asked not to think, a model that cannot stop thinks at its lowest setting, noted as the drop `reasoning.effort`.
 */
export function thinkingFields(conversation: Conversation, context: RequestContext): ThinkingFields {
  const { reasoning } = conversation
  if (reasoning === undefined) return {}
  const model = bedrockModel(context.model)
  if (reasoning.summary !== undefined && !(model.family === 'claude' && showsOnDemand(model)))
    context.drop('reasoning.summary')
  if ((reasoning.effort ?? reasoning.budget ?? reasoning.adaptive) === undefined)
    return model.family === 'claude' ? claudeShown(reasoning, model) : {}
  if (model.family === 'claude') return claudeThinking(reasoning, model, conversation, context)
  const effort = reasoning.effort ?? (reasoning.budget === undefined ? undefined : nearestEffort(reasoning.budget))
  switch (model.family) {
    case 'nova':
      return novaThinking(effort ?? 'medium', model.version, context)
    case 'gpt-oss':
      if (effort === 'none') context.drop('reasoning.effort')
      return effort === undefined ? {} : { modelFields: { reasoning_effort: threeSteps[effort] } }
    case 'openai':
      return effort === undefined ? {} : { modelFields: { reasoning: { effort } } }
    default:
      if (effort === 'none') context.drop('reasoning.effort')
      return effort === undefined || effort === 'none' ? {} : { effort: fiveSteps[effort] }
  }
}

/** A budget asks for some thinking, however small. */
function nearestEffort(budget: number): Effort {
  return budgetToEffort(Math.max(budget, 1))
}

const threeSteps: Readonly<Record<Effort, string>> = {
  none: 'low',
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
  max: 'high',
}

/** The words of `outputConfig.effort`. */
const fiveSteps: Readonly<Record<Effort, string>> = {
  none: 'low',
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'xhigh',
  max: 'max',
}

function novaThinking(effort: Effort, version: number, context: RequestContext): ThinkingFields {
  if (version < 2) {
    if (effort !== 'none') refuseThinking(context, 'Nova 2')
    return {}
  }
  const config = effort === 'none' ? { type: 'disabled' } : { type: 'enabled', maxReasoningEffort: threeSteps[effort] }
  return { modelFields: { reasoningConfig: config } }
}

function refuseThinking(context: RequestContext, first: string): never {
  context.refuse('reasoning', `this model does not think. Leave the setting out or choose ${first} or later.`)
}

/**
 * Claude's generations (docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html and the
 * model pages of platform.claude.com):
 *
 * - before 3.7: no thinking; being asked for some is refused;
 * - 3.7 to 4.5: a budget of at least 1024 tokens, below the answer's own limit;
 * - 4.6: a budget, or adaptive with an effort, which is preferred;
 * - 4.7 and later: adaptive with an effort only. A budget becomes the effort that allows it.
 *
 * Off is the default up to 4.8. Later models think unless `disabled`, Sonnet from 5.5 on unless told `between_tools`;
 * Fable, Mythos and Opus from 5.5 on always do.
 */
function claudeThinking(
  reasoning: Reasoning,
  model: Claude,
  conversation: Conversation,
  context: RequestContext,
): ThinkingFields {
  if (reasoning.effort === 'none') return claudeWithout(model, context)
  if (model.version < 307) refuseThinking(context, 'Claude 3.7')
  const byBudget = reasoning.budget !== undefined && reasoning.effort === undefined && !reasoning.adaptive
  if (model.version < 406 || (byBudget && takesBudget(model))) return claudeBudget(reasoning, conversation, context)
  const effort = reasoning.effort ?? (reasoning.budget === undefined ? undefined : nearestEffort(reasoning.budget))
  return {
    modelFields: { thinking: { type: 'adaptive', ...display(reasoning, model) } },
    // 4.6 lacks `xhigh`: a step that a model lacks becomes the next higher one.
    ...(effort && { effort: effort === 'xhigh' && model.version < 407 ? 'max' : fiveSteps[effort] }),
  }
}

function takesBudget({ tier, version }: Claude): boolean {
  return version < 407 && tier !== 'mythos' && tier !== 'fable'
}

/** Models that hide their thinking unless asked to show it. */
function showsOnDemand(model: Claude): boolean {
  return model.version >= 307 && !takesBudget(model)
}

function display({ summary }: Reasoning, model: Claude): { display?: string } {
  if (summary === undefined || !showsOnDemand(model)) return {}
  return { display: summary === 'none' ? 'omitted' : 'summarized' }
}

/** Asked only to show its thinking, a model that thinks unless told otherwise is told just that. */
function claudeShown(reasoning: Reasoning, model: Claude): ThinkingFields {
  const thinks = alwaysThinks(model) || (model.version >= 500 && Number.isFinite(model.version))
  // To hide it is the default.
  if (!thinks || reasoning.summary === undefined || reasoning.summary === 'none') return {}
  return { modelFields: { thinking: { type: 'adaptive', ...display(reasoning, model) } } }
}

function alwaysThinks({ tier, version }: Claude): boolean {
  return tier === 'fable' || tier === 'mythos' || (tier === 'opus' && version >= 505)
}

function claudeWithout(model: Claude, context: RequestContext): ThinkingFields {
  const { tier, version } = model
  if (alwaysThinks(model)) {
    context.drop('reasoning.effort')
    return { effort: 'low' }
  }
  if (version < 500) return {}
  return { modelFields: { thinking: { type: tier === 'sonnet' && version >= 505 ? 'between_tools' : 'disabled' } } }
}

function claudeBudget(
  { effort, budget }: Reasoning,
  conversation: Conversation,
  context: RequestContext,
): ThinkingFields {
  if (continuesWithoutThinking(conversation)) {
    context.drop('reasoning')
    return {}
  }
  const { maxTokens } = conversation
  if (maxTokens !== undefined && maxTokens <= leastBudget)
    context.refuse(
      'reasoning',
      `this model thinks with at least ${leastBudget} tokens, which count towards the answer's limit of ${maxTokens}. Raise the limit or switch thinking off.`,
    )
  // Adaptive thinking, which the model lacks, is at high effort unless said otherwise.
  const tokens = budget ?? effortToBudget(effort ?? 'high')
  const thinking = {
    type: 'enabled',
    budget_tokens: Math.min(Math.max(tokens, leastBudget), (maxTokens ?? Number.POSITIVE_INFINITY) - 1),
  }
  return { modelFields: { thinking } }
}

/**
 * Whether tool results answer a turn of the model's that does not begin with proven thinking: another provider's, or
 * of a client that loses it. Claude before adaptive thinking then refuses to think (400, "Expected `thinking` …").
 */
function continuesWithoutThinking(conversation: Conversation): boolean {
  const turns = spoken(conversation)
  const [calls, results] = turns.slice(-2)
  if (calls?.role !== 'assistant' || !results?.parts.some((part) => part.type === 'tool_result')) return false
  const [first] = calls.parts.filter((part) => part.type !== 'reasoning' || provenReasoning(part).length > 0)
  return first?.type !== 'reasoning'
}
