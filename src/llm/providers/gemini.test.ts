import { describe, expect, test } from 'vitest'
import { gemini } from './gemini.ts'
import { env, requestTo, ruleOf, secretsOf } from './testing.ts'

const provider = gemini('g', ruleOf({ type: 'gemini', apiKey: env('KEY') }), secretsOf({ [env('KEY')]: 'AIza' }))

describe('routes', () => {
  test.each([
    ['chat', 'gemini-2.5-flash', false, 'gemini', '/v1beta/models/gemini-2.5-flash:generateContent'],
    ['chat', 'gemini-2.5-flash', true, 'gemini', '/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse'],
    ['completions', 'gemini-2.5-flash', false, 'gemini', '/v1beta/models/gemini-2.5-flash:generateContent'],
    ['messages', 'gemini-2.5-flash', false, 'gemini', '/v1beta/models/gemini-2.5-flash:generateContent'],
    ['responses', 'models/gemini-2.5-flash', false, 'gemini', '/v1beta/models/gemini-2.5-flash:generateContent'],
    ['chat', 'tunedModels/mine', false, 'gemini', '/v1beta/tunedModels/mine:generateContent'],
    [
      'embeddings',
      'gemini-embedding-001',
      false,
      'gemini-embeddings',
      '/v1beta/models/gemini-embedding-001:batchEmbedContents',
    ],
    ['count_tokens', 'gemini-2.5-flash', false, 'gemini', '/v1beta/models/gemini-2.5-flash:countTokens'],
    ['chat', 'x:deleteModel?a=', false, 'gemini', '/v1beta/models/x%3AdeleteModel%3Fa%3D:generateContent'],
  ] as const)('%s of %s (stream: %s) is %s at %s', (operation, model, stream, dialect, path) => {
    expect(provider.route(operation, model, stream)).toMatchObject({ operation, dialect, path })
  })

  test.each(['..', 'models/', 'models/..', 'tunedModels/../../x', 'models/a/../b'])('refuses %j', (model) => {
    expect(provider.route('chat', model, false)).toBeUndefined()
  })
})

describe('shape', () => {
  test('counting wraps the whole request, so that instructions and tools count', () => {
    const body = { contents: [], systemInstruction: { parts: [] }, tools: [] }
    expect(provider.shape?.(body, provider.route('count_tokens', 'gemini-2.5-flash', false)!)).toEqual({
      generateContentRequest: { ...body, model: 'models/gemini-2.5-flash' },
    })
    expect(body).not.toHaveProperty('model')
  })

  test('each request of a batch names the path’s model', () => {
    const body = { requests: [{ model: 'alias', content: { parts: [{ text: 'a' }] } }] }
    expect(provider.shape?.(body, provider.route('embeddings', 'gemini-embedding-001', false)!)).toEqual({
      requests: [{ model: 'models/gemini-embedding-001', content: { parts: [{ text: 'a' }] } }],
    })
  })

  test('an answer’s request stays as it is', () => {
    const body = { contents: [] }
    expect(provider.shape?.(body, provider.route('chat', 'gemini-2.5-flash', false)!)).toBe(body)
  })
})

test('the key is a header, never part of the path', () => {
  const request = requestTo(provider, '/')
  expect(provider.authorize(request, { 'anthropic-beta': 'x' })).toBeUndefined()
  expect(request.headers).toEqual({ 'x-goog-api-key': 'AIza' })
})
