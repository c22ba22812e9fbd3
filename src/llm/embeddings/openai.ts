import type { JsonObject } from '../conversation.ts'
import { ApiError, invalid } from '../errors.ts'
import { inputTokens, objectOf, vectorOf, vectorsOf } from './common.ts'
import type { EmbeddingAnswer, EmbeddingDialect, EmbeddingInput, EmbeddingRequest } from './dialect.ts'

/**
 * OpenAI's `POST /v1/embeddings` (platform.openai.com/docs/api-reference/embeddings): the client's side, and the
 * provider's side for OpenAI and those in its likeness, should a request to them be written anew.
 */

/**
 * Reads a client's request. `model` is the caller's business; null is as absent.
 * @throws {ApiError} 400 with the path of the field at fault.
 */
export function readEmbeddingRequest(body: JsonObject): EmbeddingRequest {
  const { model: _, input, dimensions, encoding_format, user, ...extra } = body
  const request: EmbeddingRequest = {
    input: readInput(input),
    encoding: readEncoding(encoding_format),
    extra: Object.fromEntries(Object.entries(extra).filter(([, value]) => value !== null && value !== undefined)),
  }
  if (dimensions !== undefined && dimensions !== null) {
    if (typeof dimensions !== 'number' || !Number.isSafeInteger(dimensions) || dimensions < 1)
      throw invalid('dimensions', 'dimensions must be a whole number of at least 1.')
    request.dimensions = dimensions
  }
  if (user !== undefined && user !== null) {
    if (typeof user !== 'string') throw invalid('user', 'user must be a string.')
    request.user = user
  }
  return request
}

function readEncoding(value: unknown): EmbeddingRequest['encoding'] {
  if (value === undefined || value === null) return 'float'
  if (value === 'float' || value === 'base64') return value
  throw invalid('encoding_format', 'encoding_format must be float or base64.')
}

/** A text, several, or their token numbers. The first item of an array says which of the four forms it is. */
function readInput(input: unknown): EmbeddingInput {
  if (typeof input === 'string') return { kind: 'texts', texts: [readText(input, 'input')] }
  if (!Array.isArray(input) || input.length === 0)
    throw invalid('input', 'input must be a string, or an array of strings, token numbers or arrays of token numbers.')
  const [first]: unknown[] = input
  if (typeof first === 'number') return { kind: 'tokens', tokens: [readTokens(input, 'input')] }
  if (Array.isArray(first)) return { kind: 'tokens', tokens: input.map((item, at) => readTokens(item, `input[${at}]`)) }
  return { kind: 'texts', texts: input.map((item, at) => readText(item, `input[${at}]`)) }
}

function readText(value: unknown, path: string): string {
  if (typeof value !== 'string' || value === '') throw invalid(path, `${path} must be a string that is not empty.`)
  return value
}

function readTokens(value: unknown, path: string): number[] {
  const tokens =
    Array.isArray(value) && value.length > 0 && value.every((item) => Number.isSafeInteger(item) && item >= 0)
  if (!tokens) throw invalid(path, `${path} must be an array of token numbers that is not empty.`)
  return value as number[]
}

/**
 * Writes the answer for a client.
 * @param request the client's, for the encoding it asked for
 * @param model the name to show it: the one it asked for
 * @throws {ApiError} 502 where the provider gave more or fewer vectors than there are inputs.
 */
export function writeEmbeddingAnswer(answer: EmbeddingAnswer, request: EmbeddingRequest, model: string): JsonObject {
  const { input } = request
  const inputs = (input.kind === 'texts' ? input.texts : input.tokens).length
  if (answer.vectors.length !== inputs)
    throw new ApiError(
      502,
      'api_error',
      `The provider answered with ${answer.vectors.length} embeddings for ${inputs} inputs. Try again.`,
      { code: 'bad_provider_answer' },
    )
  const tokens = answer.inputTokens ?? 0
  return {
    object: 'list',
    data: answer.vectors.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: request.encoding === 'base64' ? encodeVector(vector) : vector,
    })),
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  }
}

/** Base64 of the numbers as little-endian 32-bit floats, which is what OpenAI's SDKs decode. */
export function encodeVector(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4)
  for (const [at, number] of vector.entries()) bytes.writeFloatLE(Math.fround(number), at * 4)
  return bytes.toString('base64')
}

/** Undoes encodeVector. @returns undefined where the text is not such a vector. */
export function decodeVector(text: string): number[] | undefined {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length === 0 || bytes.length % 4 !== 0) return undefined
  return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(at * 4))
}

/** Path: `/v1/embeddings`. */
export const openai: EmbeddingDialect = {
  name: 'openai-embeddings',
  drops: {},

  writeRequest({ input, dimensions, encoding, user, extra }, { model }) {
    return {
      ...extra,
      model,
      input: input.kind === 'texts' ? input.texts : input.tokens,
      encoding_format: encoding,
      ...(dimensions !== undefined && { dimensions }),
      ...(user !== undefined && { user }),
    }
  },

  readAnswer(body) {
    const data = Array.isArray(body.data) ? body.data.map(objectOf) : []
    const place = ({ index }: JsonObject) => (typeof index === 'number' ? index : 0)
    const vectors = data
      .toSorted((a, b) => place(a) - place(b))
      .map(({ embedding }) => (typeof embedding === 'string' ? decodeVector(embedding) : vectorOf(embedding)))
    return {
      vectors: vectorsOf(vectors),
      model: typeof body.model === 'string' ? body.model : '',
      ...inputTokens(objectOf(body.usage).prompt_tokens),
    }
  },
}
