import { type Conversation, mergeTurns, type Reasoning } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { effortToBudget } from '../../reasoning.ts'
import { thinkingFields } from '../converse/thinking.ts'
import { type Claude, claudeModel } from './model.ts'
import { isSystem, provenThinking } from './write-messages.ts'

/** What a request says of thinking, and what follows from it for the answer's length. */
export interface ThinkingConfig {
  /** The field `thinking`. */
  thinking?: Thinking
  /** `output_config.effort` */
  effort?: string
  max_tokens: number
}

interface Thinking {
  type?: string
  budget_tokens?: number
  display?: string
}

/** The API demands a limit. What the client leaves open is this, and room for the thinking. */
const answerTokens = 4096

/**
 * How much to think, and how long the answer may be.
 *
 * What each generation of Claude takes (`thinking` with a budget or adaptive, `output_config.effort`) is the same as
 * on Bedrock, and so is known in one place only, src/llm/dialects/converse/thinking.ts. A model whose name does not
 * tell, such as a deployment's, counts as the newest.
 *
 * @throws {ApiError} 400 where the model cannot think, or together with what the API does not allow beside thinking:
 *   a temperature other than 1, a `top_p` below 0.95, `top_k` and a call that is forced
 *   (platform.claude.com/docs/en/build-with-claude/extended-thinking)
 */
export function thinkingConfig(conversation: Conversation, context: RequestContext): ThinkingConfig {
  const { maxTokens } = conversation
  const model = claudeModel(context.model)
  // Whether the turns allow it is looked at here, for the proof must be Anthropic's, not Bedrock's.
  const fields = thinkingFields({ ...conversation, turns: [] }, { ...context, model: model.id })
  const thinking = fields.modelFields?.thinking as Thinking | undefined
  if (thinking?.type === 'enabled' && continuesWithoutThinking(conversation)) {
    context.drop('reasoning')
    return { max_tokens: maxTokens ?? answerTokens }
  }
  if (thinking?.type === 'enabled' || thinking?.type === 'adaptive') refuseBesideThinking(conversation, context)
  const effort = fields.effort === undefined ? {} : { effort: fields.effort }
  if (maxTokens !== undefined) return { ...(thinking && { thinking }), ...effort, max_tokens: maxTokens }
  if (thinking?.budget_tokens !== undefined) {
    const budget = Math.min(thinking.budget_tokens, outputLimit(model) - answerTokens)
    return { thinking: { ...thinking, budget_tokens: budget }, ...effort, max_tokens: budget + answerTokens }
  }
  const room = thinks(thinking, model) ? effortToBudget((fields.effort as Effort | undefined) ?? 'high') : 0
  return { ...(thinking && { thinking }), ...effort, max_tokens: room + answerTokens }
}

type Effort = NonNullable<Reasoning['effort']>

/** Whether the answer has thinking in it: since 5 also where nothing is said. */
function thinks(thinking: Thinking | undefined, { version, untold }: Claude): boolean {
  if (thinking !== undefined) return thinking.type !== 'disabled'
  return version >= 500 && !untold
}

/** The longest answer of models that think by a budget (the model pages of platform.claude.com). */
function outputLimit({ tier, version }: Claude): number {
  return tier === 'opus' && version < 405 ? 32_000 : 64_000
}

function refuseBesideThinking({ temperature, topP, topK, toolChoice }: Conversation, context: RequestContext): void {
  const instead = 'Leave it out, or switch thinking off.'
  if (temperature !== undefined && temperature !== 1)
    context.refuse('temperature', `Claude thinks at a temperature of 1 only. ${instead}`)
  if (topP !== undefined && topP < 0.95)
    context.refuse('top_p', `Claude takes a top_p of 0.95 and more while it thinks. ${instead}`)
  if (topK !== undefined) context.refuse('top_k', `Claude takes no top_k while it thinks. ${instead}`)
  const mode = toolChoice?.type === 'allowed' ? toolChoice.mode : toolChoice?.type
  if (mode === 'required' || mode === 'tool')
    context.refuse('tool_choice', `Claude cannot be made to call a tool while it thinks. ${instead}`)
}

/**
 * Whether tool results answer a turn of the model's that does not begin with proven thinking: another provider's, or
 * of a client that loses it. Claude before adaptive thinking then refuses to think (400, "Expected `thinking` …").
 */
function continuesWithoutThinking({ turns }: Conversation): boolean {
  const [calls, results] = mergeTurns(turns.filter((turn) => !isSystem(turn))).slice(-2)
  if (calls?.role !== 'assistant' || !results?.parts.some((part) => part.type === 'tool_result')) return false
  const [first] = calls.parts.filter((part) => part.type !== 'reasoning' || provenThinking(part).length > 0)
  return first?.type !== 'reasoning'
}
