import type { Conversation, JsonObject } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { ApiError } from '../../errors.ts'
import { writeRequest } from './request.ts'

/**
 * The body of `:countTokens`, where the two APIs part: the Gemini API counts system instruction and tools only inside
 * a `generateContentRequest` that names the model again; Vertex AI takes the fields of generateContent as they are,
 * tool configuration apart.
 * @throws {ApiError} 400 as writeRequest does.
 */
export function writeCountRequest(
  conversation: Conversation,
  context: RequestContext,
  api: 'gemini' | 'vertex' = 'gemini',
): JsonObject {
  const request = writeRequest(conversation, context)
  if (api === 'gemini') {
    const model = context.model.startsWith('models/') ? context.model : `models/${context.model}`
    return { generateContentRequest: { model, ...request } }
  }
  const { toolConfig: _, ...counted } = request
  return counted
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
