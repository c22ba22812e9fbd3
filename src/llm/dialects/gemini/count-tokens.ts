import type { Conversation, JsonObject } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { ApiError } from '../../errors.ts'
import { writeRequest } from './request.ts'

/**
 * What `:countTokens` counts: the body of generateContent. The two APIs take it differently (the Gemini API inside a
 * `generateContentRequest`, Vertex AI as it is, without toolConfig), which is for the provider's `shape` to do.
 * @throws {ApiError} 400 as writeRequest does.
 */
export function writeCountRequest(conversation: Conversation, context: RequestContext): JsonObject {
  return writeRequest(conversation, context)
}

/**
 * @returns the tokens of the prompt.
 * @throws {ApiError} 502 where the answer does not say.
 */
export function readCountAnswer(body: JsonObject): number {
  const { totalTokens } = body
  if (typeof totalTokens === 'number' && Number.isFinite(totalTokens)) return totalTokens
  throw new ApiError(502, 'api_error', "The provider's answer holds no count of tokens. Try again.", {
    code: 'bad_provider_answer',
  })
}
