import type { JsonObject } from '../conversation.ts'
import type { EmbeddingApi } from '../providers/provider.ts'

/**
 * Embeddings: OpenAI's `/v1/embeddings` in front, any provider's own API behind. Clients speak OpenAI's form only
 * (openai.ts reads and writes it); one file here writes and reads each provider API.
 */

/** What a client asks for, from OpenAI's body. Fields are absent where the client did not set them. */
export interface EmbeddingRequest {
  input: EmbeddingInput
  /** Length of the vectors. */
  dimensions?: number
  /** How the client wants the numbers: as JSON (the default) or as base64 of little-endian 32-bit floats. */
  encoding: 'float' | 'base64'
  /** Stable id of the end user. */
  user?: string
  /** Top-level fields that OpenAI's API does not know, by name. */
  extra: JsonObject
}

/** One vector each. Token numbers mean something to OpenAI's models only. */
export type EmbeddingInput = { kind: 'texts'; texts: string[] } | { kind: 'tokens'; tokens: number[][] }

export interface EmbeddingAnswer {
  /** In the order of the input. */
  vectors: number[][]
  /** The model's name as the provider reports it; empty where it does not. */
  model: string
  /** Tokens read; absent where the body does not say (see EmbeddingDialect.tokensHeader). */
  inputTokens?: number
}

export interface EmbeddingContext {
  /** The model's name as the provider knows it. */
  model: string
  /** Notes a documented drop. */
  drop(field: string): void
  /** Refuses the request: the provider cannot express this field. `why` is a sentence that ends in what to do. */
  refuse(field: string, why: string): never
}

/** One provider API of embeddings. Pure, as the dialects of chat are. */
export interface EmbeddingDialect {
  readonly name: EmbeddingApi | 'vertex-embed-content'
  /** Fields left out because what the client asked for stays true without them, with the reason. */
  readonly drops: Readonly<Record<string, string>>
  /** The response header (lower case) that tells the tokens read, where the body does not. */
  readonly tokensHeader?: string
  /** @throws {ApiError} 400 through `context.refuse` where the API cannot express what the client asked. */
  writeRequest(request: EmbeddingRequest, context: EmbeddingContext): JsonObject
  /** @throws {ApiError} 502 where it is not an answer of this API. */
  readAnswer(body: JsonObject): EmbeddingAnswer
}
