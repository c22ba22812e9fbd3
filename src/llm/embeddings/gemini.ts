import { drops, inputTokens, objectOf, textsOf, vectorsOf } from './common.ts'
import type { EmbeddingDialect } from './dialect.ts'

/**
 * The Gemini API's batchEmbedContents (ai.google.dev/api/embeddings), which serves one text as well as many.
 * Path: `/v1beta/models/MODEL:batchEmbedContents`.
 */
export const gemini: EmbeddingDialect = {
  name: 'gemini',
  drops,

  writeRequest(request, context) {
    // Each request names the model again, and it must be the path's.
    const model = context.model.startsWith('models/') ? context.model : `models/${context.model}`
    return {
      requests: textsOf(request, context).map((text) => ({
        model,
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
