import type { Conversation, JsonObject } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { ApiError } from '../../errors.ts'
import { countOf, definedOnly } from '../../fields.ts'
import { readPrompt } from './read-request.ts'
import { writeRequest } from './write-request.ts'

/**
 * Reads the body of `POST /v1/messages/count_tokens`: a request for an answer without what bounds and samples one.
 * @throws {ApiError} 400 as readRequest does
 * @see {@link https://platform.claude.com/docs/en/api/messages/count_tokens}
 */
export function readCountRequest(body: JsonObject): Conversation {
  return readPrompt(body)
}

/** Writes a count as this API's answer (the SDK's `MessageTokensCount`). */
export function writeCountAnswer(tokens: number): JsonObject {
  return { input_tokens: tokens }
}

/** The fields of a request for a count (the SDK's `MessageCountTokensParams`) that writeRequest may write. */
const counted = ['model', 'system', 'messages', 'tools', 'tool_choice', 'thinking', 'output_config'] as const

/**
 * Writes a request for a count: what bounds and samples an answer is left out, for it counts nothing.
 * @throws {ApiError} 400 as writeRequest does
 */
export function writeCountRequest(conversation: Conversation, context: RequestContext): JsonObject {
  const { turns, tools, toolChoice, parallelToolCalls, output, reasoning, extra } = conversation
  const prompt = { turns, tools, toolChoice, parallelToolCalls, output, reasoning, stream: false, extra }
  const body = writeRequest(definedOnly<Conversation>(prompt), context)
  return Object.fromEntries(counted.filter((field) => body[field] !== undefined).map((field) => [field, body[field]]))
}

/**
 * @returns the tokens of the prompt
 * @throws {ApiError} 502 where the answer does not say
 */
export function readCountAnswer(body: JsonObject): number {
  const tokens = countOf(body.input_tokens)
  if (tokens !== undefined) return tokens
  throw new ApiError(502, 'api_error', "The provider's answer holds no count of tokens. Try again.", {
    code: 'bad_provider_answer',
  })
}
