import { drops, inputTokens, objectOf, textsOf, vectorsOf } from './common.ts'
import type { EmbeddingDialect } from './dialect.ts'

/**
 * The Gemini API's batchEmbedContents (ai.google.dev/api/embeddings), which serves one text as well as many.
 * Path: `/v1beta/models/MODEL:batchEmbedContents`. Each request of the batch must repeat the path's model, which the
 * provider's `shape` adds.
 */
export const gemini: EmbeddingDialect = {
  name: 'gemini-embeddings',
  drops,

  writeRequest(request, context) {
    return {
      requests: textsOf(request, context).map((text) => ({
        content: { parts: [{ text }] },
        ...(request.dimensions !== undefined && { outputDimensionality: request.dimensions }),
      })),
    }
  },

  readAnswer(body) {
    const embeddings = Array.isArray(body.embeddings) ? body.embeddings : []
    return {
      vectors: vectorsOf(embeddings.map((embedding) => objectOf(embedding).values)),
      model: '',
      ...inputTokens(objectOf(body.usageMetadata).promptTokenCount),
    }
  },
}
