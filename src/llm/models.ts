import type { LocalAnswer } from '../protocol.ts'
import type { LlmRules } from './compile.ts'
import type { JsonObject } from './conversation.ts'
import type { ClientDialectName } from './dialects/index.ts'
import { localJson } from './local.ts'

/**
 * GET /v1/models and /v1beta/models: the names of the rules, patterns left out since no client can ask for one.
 * @param may whether the caller may use a model; others are not shown, nor their aliases
 */
export function modelList(
  rules: LlmRules,
  format: ClientDialectName,
  may: (model: string) => boolean = () => true,
): LocalAnswer {
  const names = rules.modelNames.filter((name) => may(rules.alias(name))).sort()
  const list = names.map((name) => modelObject(rules, name, format))
  if (format === 'gemini') return localJson(200, { models: list })
  if (format === 'messages')
    return localJson(200, { data: list, has_more: false, first_id: names[0] ?? null, last_id: names.at(-1) ?? null })
  return localJson(200, { object: 'list', data: list })
}

/** GET /v1/models/NAME and /v1beta/models/NAME. */
export function oneModel(rules: LlmRules, name: string, format: ClientDialectName): LocalAnswer {
  return localJson(200, modelObject(rules, name, format))
}

function modelObject(rules: LlmRules, id: string, format: ClientDialectName): JsonObject {
  switch (format) {
    case 'gemini':
      return { name: `models/${id}`, displayName: id, supportedGenerationMethods: methodsOf(rules, id) }
    case 'messages':
      return { type: 'model', id, display_name: id, created_at: '1970-01-01T00:00:00Z' }
    default:
      return { id, object: 'model', created: 0, owned_by: 'chaperone' }
  }
}

function methodsOf(rules: LlmRules, name: string): string[] {
  const model = rules.model(rules.alias(name))
  return [
    ...(model?.lineup('generate_content') ? ['generateContent', 'streamGenerateContent'] : []),
    ...(model?.lineup('count_tokens') ? ['countTokens'] : []),
  ]
}
