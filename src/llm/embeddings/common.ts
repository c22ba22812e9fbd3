import type { JsonObject } from '../conversation.ts'
import { ApiError } from '../errors.ts'
import type { EmbeddingContext, EmbeddingDialect, EmbeddingRequest } from './dialect.ts'

/** What no provider but OpenAI has a field for. */
export const drops: EmbeddingDialect['drops'] = {
  user: 'No field for the end user.',
}

/**
 * The texts of a request, for APIs that take text only, with all that none of these APIs has settled: `user` is
 * dropped, unknown fields are refused by name.
 */
export function textsOf(request: EmbeddingRequest, context: EmbeddingContext): string[] {
  if (request.user !== undefined) context.drop('user')
  for (const field of Object.keys(request.extra))
    context.refuse(field, 'the provider behind this model has no such field. Leave it out.')
  if (request.input.kind === 'tokens')
    context.refuse(
      'input',
      'token numbers mean something to models of OpenAI only, and the one behind this name is not. Send the texts.',
    )
  return request.input.texts
}

/** The only text, for APIs that take one a call. */
export function onlyText(request: EmbeddingRequest, context: EmbeddingContext): string {
  const [text, ...more] = textsOf(request, context)
  if (text === undefined || more.length > 0)
    context.refuse('input', 'this model takes one text a request. Send a request for each.')
  return text
}

/** @returns the value where it is a vector of numbers. */
export function vectorOf(value: unknown): number[] | undefined {
  const numbers = Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number')
  return numbers ? value : undefined
}

/**
 * @param values one candidate vector an input
 * @throws {ApiError} 502 where there is none, or one is no vector.
 */
export function vectorsOf(values: unknown): number[][] {
  const vectors = Array.isArray(values) ? values.map(vectorOf) : []
  if (vectors.length === 0 || vectors.includes(undefined))
    throw new ApiError(502, 'api_error', "The provider's answer holds no embeddings. Try again.", {
      code: 'bad_provider_answer',
    })
  return vectors as number[][]
}

export function objectOf(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {}
}

/** @returns `{ inputTokens }` where the value is a count, for spreading. */
export function inputTokens(value: unknown): { inputTokens?: number } {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? { inputTokens: value } : {}
}
