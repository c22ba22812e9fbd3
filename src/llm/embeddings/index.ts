import { bedrockCohere, bedrockTitan } from './bedrock.ts'
import type { EmbeddingDialect } from './dialect.ts'
import { gemini } from './gemini.ts'
import { openai } from './openai.ts'
import { vertexEmbedContent, vertexPredict } from './vertex.ts'

export { readEmbeddingRequest, writeEmbeddingAnswer } from './openai.ts'

/** The embedding APIs of providers, by the name that a provider's route gives (Route.dialect). */
export const embeddingDialects: { readonly [Name in EmbeddingDialect['name']]: EmbeddingDialect } = {
  'openai-embeddings': openai,
  'gemini-embeddings': gemini,
  'vertex-embeddings': vertexPredict,
  'vertex-embed-content': vertexEmbedContent,
  'titan-embeddings': bedrockTitan,
  'cohere-embeddings': bedrockCohere,
}
