import type { JsonObject } from '../conversation.ts'
import { drops, inputTokens, objectOf, onlyText, textsOf, vectorsOf } from './common.ts'
import type { EmbeddingContext, EmbeddingDialect } from './dialect.ts'

/**
 * Embeddings on Amazon Bedrock: InvokeModel with the body of the model's maker.
 * Path of all: `/model/MODEL/invoke`. Every answer has the header `x-amzn-bedrock-input-token-count`.
 */

const tokensHeader = 'x-amzn-bedrock-input-token-count'

/**
 * Amazon Titan (docs.aws.amazon.com/bedrock: model-parameters-titan-embed-text, model-parameters-titan-embed-mm). One
 * text a call. Text Embeddings V2 and the multimodal model have vectors of several lengths, G1 of one.
 */
export const bedrockTitan: EmbeddingDialect = {
  name: 'titan-embeddings',
  drops,
  tokensHeader,

  writeRequest(request, context) {
    const inputText = onlyText(request, context)
    const { dimensions } = request
    if (dimensions === undefined) return { inputText }
    if (context.model.includes('titan-embed-image'))
      return { inputText, embeddingConfig: { outputEmbeddingLength: dimensions } }
    if (!context.model.includes('titan-embed-text-v2'))
      context.refuse('dimensions', 'this model has vectors of one length only. Leave the field out.')
    return { inputText, dimensions }
  },

  readAnswer(body) {
    return { vectors: vectorsOf([body.embedding]), model: '', ...inputTokens(body.inputTextTokenCount) }
  },
}

/**
 * Cohere Embed v3 and v4 (docs.aws.amazon.com/bedrock: model-parameters-embed-v3, model-parameters-embed-v4).
 * They want to know what the vectors are for, which OpenAI's API does not tell: `input_type`, a Cohere field that
 * clients may add, is passed on, and is `search_document` where they do not.
 */
export const bedrockCohere: EmbeddingDialect = {
  name: 'cohere-embeddings',
  drops,
  tokensHeader,

  writeRequest(request, context) {
    const { input_type, truncate, ...extra } = request.extra
    const dimensions = request.dimensions
    if (dimensions !== undefined && !/embed-v4/.test(context.model))
      context.refuse('dimensions', 'this model has vectors of one length only. Leave the field out.')
    return {
      texts: textsOf({ ...request, extra }, context),
      input_type: cohereWord('input_type', input_type, context) ?? 'search_document',
      embedding_types: ['float'],
      ...(truncate !== undefined && { truncate: cohereWord('truncate', truncate, context) }),
      ...(dimensions !== undefined && { output_dimension: dimensions }),
    }
  },

  readAnswer(body) {
    return { vectors: vectorsOf(cohereVectors(body)), model: '' }
  },
}

function cohereWord(field: string, value: unknown, context: EmbeddingContext): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  context.refuse(field, 'it must be one of the words that Cohere documents for it.')
}

/** `embeddings` is the vectors themselves, or, where types were asked for, the vectors of each. */
function cohereVectors({ embeddings }: JsonObject): unknown {
  return Array.isArray(embeddings) ? embeddings : objectOf(embeddings).float
}
