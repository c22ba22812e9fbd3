import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../conversation.ts'
import { invalid } from '../errors.ts'
import { bedrockCohere, bedrockTitan } from './bedrock.ts'
import type { EmbeddingAnswer, EmbeddingContext, EmbeddingDialect, EmbeddingRequest } from './dialect.ts'
import { gemini } from './gemini.ts'
import { embeddingDialects } from './index.ts'
import { vertexEmbedContent, vertexPredict } from './vertex.ts'

function context(model: string): EmbeddingContext & { dropped: string[] } {
  const dropped: string[] = []
  return {
    model,
    dropped,
    drop: (field) => void dropped.push(field),
    refuse: (field, why) => {
      throw invalid(field, why)
    },
  }
}

const asking = (texts: string[], fields: Partial<EmbeddingRequest> = {}): EmbeddingRequest => ({
  input: { kind: 'texts', texts },
  encoding: 'float',
  extra: {},
  ...fields,
})

const titan2 = 'amazon.titan-embed-text-v2:0'
const cohere4 = 'eu.cohere.embed-v4:0'
const cohere3 = 'cohere.embed-multilingual-v3'

describe('requests', () => {
  test.each<[EmbeddingDialect, string, EmbeddingRequest, JsonObject]>([
    [
      gemini,
      'gemini-embedding-001',
      asking(['a', 'b'], { dimensions: 256 }),
      {
        requests: [
          { content: { parts: [{ text: 'a' }] }, outputDimensionality: 256 },
          { content: { parts: [{ text: 'b' }] }, outputDimensionality: 256 },
        ],
      },
    ],
    [gemini, 'gemini-embedding-001', asking(['a']), { requests: [{ content: { parts: [{ text: 'a' }] } }] }],
    [
      vertexPredict,
      'text-embedding-005',
      asking(['a', 'b'], { dimensions: 256 }),
      {
        instances: [{ content: 'a' }, { content: 'b' }],
        parameters: { autoTruncate: false, outputDimensionality: 256 },
      },
    ],
    [
      vertexEmbedContent,
      'gemini-embedding-2',
      asking(['a'], { dimensions: 256 }),
      {
        content: { parts: [{ text: 'a' }] },
        embedContentConfig: { autoTruncate: false, outputDimensionality: 256 },
      },
    ],
    [bedrockTitan, titan2, asking(['a'], { dimensions: 512 }), { inputText: 'a', dimensions: 512 }],
    [bedrockTitan, 'amazon.titan-embed-text-v1', asking(['a']), { inputText: 'a' }],
    [
      bedrockTitan,
      'amazon.titan-embed-image-v1',
      asking(['a'], { dimensions: 384 }),
      { inputText: 'a', embeddingConfig: { outputEmbeddingLength: 384 } },
    ],
    [
      bedrockCohere,
      cohere4,
      asking(['a', 'b'], { dimensions: 512, extra: { input_type: 'search_query', truncate: 'RIGHT' } }),
      {
        texts: ['a', 'b'],
        input_type: 'search_query',
        truncate: 'RIGHT',
        embedding_types: ['float'],
        output_dimension: 512,
      },
    ],
    [
      bedrockCohere,
      cohere3,
      asking(['a']),
      { texts: ['a'], input_type: 'search_document', embedding_types: ['float'] },
    ],
  ])('$name (%#)', (dialect, model, request, body) => {
    expect(dialect.writeRequest(request, context(model))).toEqual(body)
  })

  const all = [
    [gemini, 'gemini-embedding-001'],
    [vertexPredict, 'text-embedding-005'],
    [vertexEmbedContent, 'gemini-embedding-2'],
    [bedrockTitan, titan2],
    [bedrockCohere, cohere4],
  ] as const

  test.each(all)('$name: the end user is a documented drop', (dialect, model) => {
    const noted = context(model)
    dialect.writeRequest(asking(['a'], { user: 'u' }), noted)
    expect(noted.dropped).toEqual(['user'])
    expect(dialect.drops).toHaveProperty('user')
  })

  test.each(all)('$name: tokens and unknown fields are refused by name', (dialect, model) => {
    const tokens = asking([], { input: { kind: 'tokens', tokens: [[1]] } })
    expect(() => dialect.writeRequest(tokens, context(model))).toThrow(
      expect.objectContaining({ status: 400, param: 'input' }),
    )
    expect(() => dialect.writeRequest(asking(['a'], { extra: { task: 'x' } }), context(model))).toThrow(
      expect.objectContaining({ status: 400, param: 'task' }),
    )
  })

  test.each<[EmbeddingDialect, string, string, EmbeddingRequest]>([
    [bedrockTitan, titan2, 'input', asking(['a', 'b'])],
    [vertexEmbedContent, 'gemini-embedding-2', 'input', asking(['a', 'b'])],
    [bedrockTitan, 'amazon.titan-embed-text-v1', 'dimensions', asking(['a'], { dimensions: 512 })],
    [bedrockTitan, 'amazon.titan-embed-g1-text-02', 'dimensions', asking(['a'], { dimensions: 512 })],
    [bedrockCohere, cohere3, 'dimensions', asking(['a'], { dimensions: 512 })],
    [bedrockCohere, cohere3, 'input_type', asking(['a'], { extra: { input_type: 1 } })],
  ])('$name refuses what it cannot say (%#)', (dialect, model, param, request) => {
    expect(() => dialect.writeRequest(request, context(model))).toThrow(expect.objectContaining({ status: 400, param }))
  })
})

describe('answers', () => {
  test.each<[EmbeddingDialect, JsonObject, EmbeddingAnswer]>([
    [
      gemini,
      { embeddings: [{ values: [1, 2] }, { values: [3, 4] }] },
      {
        vectors: [
          [1, 2],
          [3, 4],
        ],
        model: '',
      },
    ],
    [
      gemini,
      { embeddings: [{ values: [1] }], usageMetadata: { promptTokenCount: 5 } },
      { vectors: [[1]], model: '', inputTokens: 5 },
    ],
    [
      vertexPredict,
      {
        predictions: [
          { embeddings: { values: [1], statistics: { truncated: false, token_count: 4 } } },
          { embeddings: { values: [2], statistics: { truncated: false, token_count: 3 } } },
        ],
        metadata: { billableCharacterCount: 20 },
      },
      { vectors: [[1], [2]], model: '', inputTokens: 7 },
    ],
    [vertexPredict, { predictions: [{ embeddings: { values: [1] } }] }, { vectors: [[1]], model: '' }],
    [
      vertexEmbedContent,
      { embedding: { values: [1] }, usageMetadata: { promptTokenCount: 4 }, truncated: false },
      { vectors: [[1]], model: '', inputTokens: 4 },
    ],
    [
      bedrockTitan,
      { embedding: [1, 2], inputTextTokenCount: 3, embeddingsByType: { float: [1, 2] } },
      { vectors: [[1, 2]], model: '', inputTokens: 3 },
    ],
    [
      bedrockCohere,
      { id: 'x', embeddings: { float: [[1], [2]] }, texts: ['a', 'b'], response_type: 'embeddings_by_type' },
      { vectors: [[1], [2]], model: '' },
    ],
    [
      bedrockCohere,
      { id: 'x', embeddings: [[1], [2]], response_type: 'embeddings_floats' },
      { vectors: [[1], [2]], model: '' },
    ],
  ])('$name (%#)', (dialect, body, answer) => {
    expect(dialect.readAnswer(body)).toEqual(answer)
  })

  const nonsense = [
    {},
    { embeddings: [], predictions: [], embedding: [] },
    { embeddings: ['x'], predictions: [null], embedding: 'x' },
    { embeddings: [[1, '2']], predictions: [{ embeddings: { values: [] } }], embedding: [1, null] },
  ]
  test.each(
    [gemini, vertexPredict, vertexEmbedContent, bedrockTitan, bedrockCohere].flatMap((dialect) =>
      nonsense.map((body) => [dialect, body] as const),
    ),
  )('$name does not take nonsense (%#)', (dialect, body) => {
    expect(() => dialect.readAnswer(body)).toThrow(expect.objectContaining({ name: 'ApiError', status: 502 }))
  })
})

test('each API stands in the list under its own name', () => {
  for (const [name, dialect] of Object.entries(embeddingDialects)) expect(dialect.name).toBe(name)
})
