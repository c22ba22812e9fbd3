import { isObject } from '../json.ts'
import type { Use } from '../limits/admission.ts'
import type { ClientRequest } from './client-request.ts'
import type { Model } from './compile.ts'
import type { JsonObject } from './conversation.ts'
import type { LlmContext } from './plan.ts'

/** The answer's length where the client sets no bound: what chats usually take. */
const usualOutput = 500
const bytesPerToken = 4

/** What a request may use up, before anything is known: limits and budgets reserve this much until it is settled. */
export function estimateOf(client: ClientRequest, model: Model, context: Pick<LlmContext, 'cost'>): Use {
  if (client.operation === 'count_tokens') return { tokens: 0, nanoUsd: 0 }
  const input = Math.ceil(client.bytes.length / bytesPerToken)
  const output = client.operation === 'embeddings' ? 0 : Math.min(bound(client.json) ?? usualOutput, usualOutput)
  const target = model.lineup(client.operation)?.groups[0]?.[0]
  const cost = target && context.cost(target, target.model ?? client.model, { input, output })
  return { tokens: input + output, nanoUsd: cost ? Math.round(cost.usd * 1_000_000_000) : 0 }
}

/** The client's own bound on the answer's tokens, wherever its API has it. */
function bound(json: JsonObject): number | undefined {
  const config = json.generationConfig
  const value =
    json.max_completion_tokens ??
    json.max_tokens ??
    json.max_output_tokens ??
    (isObject(config) ? config.maxOutputTokens : undefined)
  return typeof value === 'number' && value >= 0 ? value : undefined
}
