import fc from 'fast-check'
import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../conversation.ts'
import type { EmbeddingAnswer, EmbeddingRequest } from './dialect.ts'
import { decodeVector, encodeVector, openai, readEmbeddingRequest, writeEmbeddingAnswer } from './openai.ts'

const model = 'text-embedding-3-small'

describe('a client asks', () => {
  test.each<[JsonObject, EmbeddingRequest]>([
    [{ input: 'a' }, { input: { kind: 'texts', texts: ['a'] }, encoding: 'float', extra: {} }],
    [
      { input: ['a', 'b'], encoding_format: 'base64', dimensions: 256, user: 'u', task: 'x' },
      {
        input: { kind: 'texts', texts: ['a', 'b'] },
        encoding: 'base64',
        dimensions: 256,
        user: 'u',
        extra: { task: 'x' },
      },
    ],
    [{ input: [1, 2] }, { input: { kind: 'tokens', tokens: [[1, 2]] }, encoding: 'float', extra: {} }],
    [{ input: [[1], [2, 3]] }, { input: { kind: 'tokens', tokens: [[1], [2, 3]] }, encoding: 'float', extra: {} }],
    [
      { input: 'a', encoding_format: null, dimensions: null, user: null, task: null },
      { input: { kind: 'texts', texts: ['a'] }, encoding: 'float', extra: {} },
    ],
  ])('%j', (body, request) => {
    expect(readEmbeddingRequest({ model, ...body })).toEqual(request)
  })

  test.each<[string, JsonObject]>([
    ['input', {}],
    ['input', { input: '' }],
    ['input', { input: [] }],
    ['input', { input: 7 }],
    ['input', { input: { text: 'a' } }],
    ['input', { input: [1, 'a'] }],
    ['input', { input: [1.5] }],
    ['input[1]', { input: ['a', 2] }],
    ['input[1]', { input: ['a', ''] }],
    ['input[0]', { input: [null] }],
    ['input[1]', { input: [[1], []] }],
    ['input[1]', { input: [[1], [-1]] }],
    ['dimensions', { input: 'a', dimensions: 0 }],
    ['dimensions', { input: 'a', dimensions: '256' }],
    ['encoding_format', { input: 'a', encoding_format: 'int8' }],
    ['user', { input: 'a', user: 1 }],
  ])('%s is wrong in %j', (param, body) => {
    expect(() => readEmbeddingRequest(body)).toThrow(expect.objectContaining({ status: 400, param }))
  })

  test('and the same goes to a provider of this API', () => {
    const body = { model, input: ['a'], encoding_format: 'base64', dimensions: 8, user: 'u', task: 'x' }
    const context = {
      model,
      drop: () => {
        throw new Error('nothing is dropped')
      },
      refuse: () => {
        throw new Error('nothing is refused')
      },
    }
    expect(openai.writeRequest(readEmbeddingRequest(body), context)).toEqual(body)
  })
})

describe('a client is answered', () => {
  const asked = (encoding: EmbeddingRequest['encoding']): EmbeddingRequest => ({
    input: { kind: 'texts', texts: ['a', 'b'] },
    encoding,
    extra: {},
  })
  const answer: EmbeddingAnswer = {
    vectors: [
      [0.5, -1.25],
      [3, 0],
    ],
    model: 'x',
    inputTokens: 7,
  }

  test('in numbers', () => {
    expect(writeEmbeddingAnswer(answer, asked('float'), model)).toEqual({
      object: 'list',
      data: [
        { object: 'embedding', index: 0, embedding: [0.5, -1.25] },
        { object: 'embedding', index: 1, embedding: [3, 0] },
      ],
      model,
      usage: { prompt_tokens: 7, total_tokens: 7 },
    })
  })

  test.each(['float', 'base64'] as const)('in %s, and this dialect reads it back', (encoding) => {
    const body = writeEmbeddingAnswer(answer, asked(encoding), 'x')
    expect(openai.readAnswer(body)).toEqual(answer)
  })

  test('and the SDK of OpenAI, which asks for base64 by itself, reads it', async () => {
    let encoding: unknown
    const client = new OpenAI({
      apiKey: 'none',
      baseURL: 'http://gateway.test/v1',
      fetch: async (_, init) => {
        const request = readEmbeddingRequest(JSON.parse(String(init?.body)))
        encoding = request.encoding
        return Response.json(writeEmbeddingAnswer(answer, request, model))
      },
    })
    const { data, usage } = await client.embeddings.create({ model, input: ['a', 'b'] })
    expect(encoding).toBe('base64')
    expect(data.map(({ embedding }) => embedding)).toEqual(answer.vectors)
    expect(usage.prompt_tokens).toBe(7)
  })

  test('with an error where vectors are missing', () => {
    expect(() => writeEmbeddingAnswer({ ...answer, vectors: [[1]] }, asked('float'), model)).toThrow(
      expect.objectContaining({ name: 'ApiError', status: 502 }),
    )
  })

  test('in base64 that holds any 32-bit floats', () => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true })
    fc.assert(
      fc.property(fc.array(float, { minLength: 1 }), (vector) => {
        expect(decodeVector(encodeVector(vector))).toEqual(vector)
      }),
    )
  })
})

describe('a provider of this API answers', () => {
  test('out of order', () => {
    const data = [
      { index: 1, embedding: [2] },
      { index: 0, embedding: [1] },
    ]
    expect(openai.readAnswer({ data, model })).toEqual({ vectors: [[1], [2]], model })
  })

  test.each([{}, { data: [] }, { data: [{ embedding: [] }] }, { data: [{ embedding: 'AAA=' }] }, { data: [null] }])(
    'nonsense: %j',
    (body) => {
      expect(() => openai.readAnswer(body)).toThrow(expect.objectContaining({ name: 'ApiError', status: 502 }))
    },
  )
})
