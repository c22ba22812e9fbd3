import type { ProviderRuleOf } from '../../config/schema.ts'
import type { JsonObject } from '../conversation.ts'
import { parseEndpoint } from './endpoint.ts'
import { secretHeader } from './headers.ts'
import { modelSegment } from './model-path.ts'
import type { Provider, Route, Secrets } from './provider.ts'
import { standardQuirks } from './quirks.ts'

/**
 * The Gemini API (Google AI Studio). Every chat API becomes generateContent. https://ai.google.dev/api
 * @throws {RangeError} where the rule cannot be carried out; the message names the field
 */
export function gemini(name: string, rule: ProviderRuleOf<'gemini'>, secrets: Secrets): Provider {
  const { path, ...address } = parseEndpoint(name, rule.baseUrl)
  return {
    name,
    type: 'gemini',
    ...address,
    quirks: standardQuirks,
    route(operation, asked, stream) {
      const { collection, id } = splitName(asked)
      const segment = modelSegment(id)
      if (segment === undefined) return undefined
      const at = `${path}/${collection}/${segment}`
      const model = `${collection}/${id}`
      if (operation === 'count_tokens')
        return { operation, dialect: 'gemini', path: `${at}:countTokens`, model, shaped: true }
      if (operation === 'embeddings')
        return { operation, dialect: 'gemini-embeddings', path: `${at}:batchEmbedContents`, model, shaped: true }
      return { operation, dialect: 'gemini', path: at + generateMethod(stream), model }
    },
    shape,
    authorize(request, client) {
      request.headers['x-goog-api-key'] = secretHeader(name, rule.apiKey, secrets, client)
    },
  }
}

/** The method that answers a conversation, on the Gemini API and on Vertex. */
export function generateMethod(stream: boolean): string {
  return stream ? ':streamGenerateContent?alt=sse' : ':generateContent'
}

/** Google lists models as `models/ID`, tuned ones as `tunedModels/ID`; both are understood, and a bare id. */
function splitName(model: string): { collection: string; id: string } {
  const match = /^(models|tunedModels)\/(.*)$/s.exec(model)
  return match ? { collection: match[1]!, id: match[2]! } : { collection: 'models', id: model }
}

/**
 * What these two methods want beside the path: countTokens takes system instruction and tools only inside a whole
 * generateContentRequest, and each request of a batch repeats the model's name.
 */
function shape(body: JsonObject, { operation, model }: Route): JsonObject {
  if (operation === 'count_tokens') return { generateContentRequest: { ...body, model } }
  if (operation === 'embeddings' && Array.isArray(body.requests))
    return { ...body, requests: body.requests.map((request: JsonObject) => ({ ...request, model })) }
  return body
}
