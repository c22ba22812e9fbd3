import type { Conversation, JsonObject } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { ApiError } from '../../errors.ts'
import { countOf } from '../../fields.ts'
import { writeRequest } from './request.ts'

/**
 * What `/model/ID/count-tokens` counts: the body of Converse. That CountTokens wants it as `input.converse`, and not all
 * of it, is for the provider's `shape` to do.
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
  const tokens = countOf(body.inputTokens)
  if (tokens !== undefined) return tokens
  throw new ApiError(502, 'api_error', "The provider's answer holds no count of tokens. Try again.", {
    code: 'bad_provider_answer',
  })
}
