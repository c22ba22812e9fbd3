import { drops, inputTokens, objectOf, onlyText, textsOf, vectorsOf } from './common.ts'
import type { EmbeddingDialect } from './dialect.ts'

/**
 * Vertex AI has two APIs for embeddings, and each model answers on one of them: `predict` for text-embedding-*,
 * text-multilingual-embedding-* and gemini-embedding-001, `embedContent` for the Gemini ones after that.
 */

/** Path: `/v1/projects/PROJECT/locations/LOCATION/publishers/google/models/MODEL:predict`. */
export const vertexPredict: EmbeddingDialect = {
  name: 'vertex-embeddings',
  drops,

  writeRequest(request, context) {
    return {
      instances: textsOf(request, context).map((content) => ({ content })),
      parameters: {
        // OpenAI answers a text that is too long with an error; Vertex cuts it short in silence unless told.
        autoTruncate: false,
        ...(request.dimensions !== undefined && { outputDimensionality: request.dimensions }),
      },
    }
  },

  readAnswer(body) {
    const predictions = Array.isArray(body.predictions) ? body.predictions : []
    const embeddings = predictions.map((prediction) => objectOf(objectOf(prediction).embeddings))
    const counts = embeddings.map(({ statistics }) => objectOf(statistics).token_count)
    const known = counts.filter((count) => typeof count === 'number')
    return {
      vectors: vectorsOf(embeddings.map(({ values }) => values)),
      model: '',
      ...(known.length > 0 && inputTokens(known.reduce((sum, count) => sum + count, 0))),
    }
  },
}

/** Path: `/v1/projects/PROJECT/locations/LOCATION/publishers/google/models/MODEL:embedContent`. One text a call. */
export const vertexEmbedContent: EmbeddingDialect = {
  name: 'vertex-embed-content',
  drops,

  writeRequest(request, context) {
    return {
      content: { parts: [{ text: onlyText(request, context) }] },
      embedContentConfig: {
        autoTruncate: false,
        ...(request.dimensions !== undefined && { outputDimensionality: request.dimensions }),
      },
    }
  },

  readAnswer(body) {
    return {
      vectors: vectorsOf([objectOf(body.embedding).values]),
      model: '',
      ...inputTokens(objectOf(body.usageMetadata).promptTokenCount),
    }
  },
}
