import type { LocalAnswer } from '../protocol.ts'
import type { LlmRules } from './compile.ts'
import { localJson } from './local.ts'

/**
 * GET /v1/models: the names of the rules, patterns left out since no client can ask for one.
 * @param anthropic whether the client speaks Anthropic's API (it sends anthropic-version), whose list looks different
 */
export function modelList(rules: LlmRules, anthropic: boolean): LocalAnswer {
  const names = [...rules.modelNames].sort()
  return localJson(
    200,
    anthropic
      ? {
          data: names.map(anthropicModel),
          has_more: false,
          first_id: names[0] ?? null,
          last_id: names.at(-1) ?? null,
        }
      : { object: 'list', data: names.map(openaiModel) },
  )
}

/** GET /v1/models/NAME. */
export function oneModel(name: string, anthropic: boolean): LocalAnswer {
  return localJson(200, anthropic ? anthropicModel(name) : openaiModel(name))
}

const openaiModel = (id: string) => ({ id, object: 'model', created: 0, owned_by: 'chaperone' })
const anthropicModel = (id: string) => ({ type: 'model', id, display_name: id, created_at: '1970-01-01T00:00:00Z' })
