import type { Reasoning } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { budgetToEffort, effortToBudget } from '../../reasoning.ts'
import { type GeminiModel, geminiModel } from './model.ts'
import type { ThinkingConfig } from './wire.ts'

type Effort = NonNullable<Reasoning['effort']>

/**
 * How much to think, in the words of the model's generation (ai.google.dev/gemini-api/docs/thinking):
 *
 * - before 2.5: no thinking; being asked for some is refused;
 * - 2.5: `thinkingBudget` in tokens, brought into the model's range; adaptive is -1, the model decides;
 * - 3 and later: `thinkingLevel`; a level the model lacks becomes the next higher one. Adaptive is the default.
 *
 * `none` switches thinking off where the model can (2.5 Flash and Flash-Lite). Gemini 3 and 2.5 Pro cannot: they get
 * their lowest setting, noted as the drop `reasoning.effort`.
 *
 * Thoughts are asked for where the client wants a summary, or asks by budget or adaptively: the API that has those
 * shows its thinking unless told otherwise, the one that has efforts does not.
 *
 * @returns undefined where the request need not say anything.
 */
export function thinkingConfig(reasoning: Reasoning, context: RequestContext): ThinkingConfig | undefined {
  const model = geminiModel(context.model)
  const off = reasoning.effort === 'none'
  const wanted = !off && (reasoning.effort ?? reasoning.budget ?? reasoning.adaptive) !== undefined
  if (model.generation < 2.5) {
    if (wanted)
      context.refuse('reasoning', 'this model does not think. Leave the setting out or choose Gemini 2.5 or later.')
    return undefined
  }
  const config: ThinkingConfig = model.generation < 3 ? byBudget(reasoning, model) : byLevel(reasoning, context.model)
  if (off && config.thinkingBudget !== 0) context.drop('reasoning.effort')
  if (!off && showsThoughts(reasoning)) config.includeThoughts = true
  return Object.keys(config).length === 0 ? undefined : config
}

function showsThoughts({ summary, budget, adaptive }: Reasoning): boolean {
  return summary === undefined ? budget !== undefined || adaptive === true : summary !== 'none'
}

/** Least and most thinking tokens of the 2.5 models, switching off apart. */
function budgetRange(model: GeminiModel): { least: number; most: number } {
  if (model.tier === 'pro') return { least: 128, most: 32_768 }
  return { least: model.tier === 'flash-lite' ? 512 : 1, most: 24_576 }
}

function byBudget(reasoning: Reasoning, model: GeminiModel): ThinkingConfig {
  const { least, most } = budgetRange(model)
  if (reasoning.effort === 'none') return { thinkingBudget: model.tier === 'pro' ? least : 0 }
  const tokens = reasoning.budget ?? (reasoning.effort && effortToBudget(reasoning.effort))
  if (tokens !== undefined) return { thinkingBudget: Math.min(Math.max(tokens, least), most) }
  return reasoning.adaptive ? { thinkingBudget: -1 } : {}
}

const levels: Record<Effort, NonNullable<ThinkingConfig['thinkingLevel']>> = {
  none: 'MINIMAL',
  minimal: 'MINIMAL',
  low: 'LOW',
  medium: 'MEDIUM',
  high: 'HIGH',
  xhigh: 'HIGH',
  max: 'HIGH',
}

/** Only the Flash models up to 3.6 have MINIMAL: Pro never had it, Flash lost it with 3.7. */
const hasMinimal = /(?:^|\/)gemini-3(?:\.[0-6])?-flash/
/** The first Gemini 3 Pro has LOW and HIGH only. */
const lacksMedium = /(?:^|\/)gemini-3-pro/

function byLevel(reasoning: Reasoning, name: string): ThinkingConfig {
  const effort =
    reasoning.effort ?? (reasoning.budget === undefined ? undefined : budgetToEffort(Math.max(reasoning.budget, 1)))
  if (effort === undefined) return {}
  const level = levels[effort]
  if (level === 'MINIMAL' && !hasMinimal.test(name)) return { thinkingLevel: 'LOW' }
  if (level === 'MEDIUM' && lacksMedium.test(name)) return { thinkingLevel: 'HIGH' }
  return { thinkingLevel: level }
}
