import type { Conversation, JsonObject } from '../../conversation.ts'
import { isObject } from '../../fields.ts'
import { readRequest } from './read-request.ts'

/**
 * The request whose tokens the body of `:countTokens` asks for: inside `generateContentRequest` at the Gemini API,
 * the body itself at Vertex AI and where only contents are counted.
 * @see {@link https://ai.google.dev/api/tokens}
 */
export function countedRequest(body: JsonObject): JsonObject {
  const inner = body.generateContentRequest ?? body.generate_content_request
  return isObject(inner) ? inner : body
}

/** Reads the body of `:countTokens`. @throws {ApiError} 400 as readRequest does */
export function readCountRequest(body: JsonObject): Conversation {
  return readRequest(countedRequest(body))
}

/** Writes a count as this API's answer (the SDK's `CountTokensResponse`). */
export function writeCountAnswer(tokens: number): JsonObject {
  return { totalTokens: tokens }
}
