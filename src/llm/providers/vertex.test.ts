import { describe, expect, test } from 'vitest'
import { env, requestTo, ruleOf, secretsOf } from './testing.ts'
import { vertex } from './vertex.ts'

type Headers = Record<string, string>

const make = (
  more: Record<string, unknown> = {},
  headers: Headers | Promise<Headers> = { authorization: 'Bearer t' },
) =>
  vertex('v', ruleOf({ type: 'vertex', project: 'my-project', ...more }), secretsOf({ [env('UNUSED')]: '' }), {
    headers: () => headers,
  })

const google = '/v1/projects/my-project/locations/global/publishers/google/models'
const claude = '/v1/projects/my-project/locations/global/publishers/anthropic/models'

describe('routes', () => {
  test.each([
    ['chat', 'gemini-2.5-pro', false, 'gemini', `${google}/gemini-2.5-pro:generateContent`],
    ['chat', 'gemini-2.5-pro', true, 'gemini', `${google}/gemini-2.5-pro:streamGenerateContent?alt=sse`],
    ['messages', 'google/gemini-2.5-pro', false, 'gemini', `${google}/gemini-2.5-pro:generateContent`],
    [
      'responses',
      'publishers/google/models/gemini-2.5-pro',
      false,
      'gemini',
      `${google}/gemini-2.5-pro:generateContent`,
    ],
    ['count_tokens', 'gemini-2.5-pro', false, 'gemini', `${google}/gemini-2.5-pro:countTokens`],
    ['embeddings', 'text-embedding-005', false, 'vertex-embeddings', `${google}/text-embedding-005:predict`],
    ['embeddings', 'gemini-embedding-001', false, 'vertex-embeddings', `${google}/gemini-embedding-001:predict`],
    ['embeddings', 'gemini-embedding-2', false, 'vertex-embed-content', `${google}/gemini-embedding-2:embedContent`],
    ['chat', 'claude-sonnet-4-5@20250929', false, 'messages', `${claude}/claude-sonnet-4-5@20250929:rawPredict`],
    ['messages', 'claude-opus-4-6', true, 'messages', `${claude}/claude-opus-4-6:streamRawPredict`],
    ['completions', 'anthropic/claude-opus-4-6', false, 'messages', `${claude}/claude-opus-4-6:rawPredict`],
    ['chat', 'publishers/anthropic/models/claude-opus-4-6', false, 'messages', `${claude}/claude-opus-4-6:rawPredict`],
    ['count_tokens', 'claude-opus-4-6', false, 'messages', `${claude}/count-tokens:rawPredict`],
  ] as const)('%s of %s (stream: %s) is %s at %s', (operation, model, stream, dialect, path) => {
    expect(make().route(operation, model, stream)).toMatchObject({ operation, dialect, path })
  })

  test.each([
    ['chat', 'meta/llama-4'],
    ['chat', 'publishers/mistralai/models/mistral-medium'],
    ['chat', 'projects/other/locations/us/publishers/google/models/gemini-2.5-pro'],
    ['chat', '../../x'],
    ['chat', 'publishers/google/models/../../x'],
    ['chat', 'claude/../x'],
    ['embeddings', 'claude-opus-4-6'],
  ] as const)('has no %s of %s', (operation, model) => {
    expect(make().route(operation, model, false)).toBeUndefined()
  })
})

describe('the address', () => {
  test.each([
    ['global', 'aiplatform.googleapis.com'],
    ['us', 'aiplatform.us.rep.googleapis.com'],
    ['eu', 'aiplatform.eu.rep.googleapis.com'],
    ['europe-west4', 'europe-west4-aiplatform.googleapis.com'],
  ])('of %s is %s', (location, host) => {
    const provider = make({ location })
    expect(provider).toMatchObject({ host, authority: host, port: 443, scheme: 'https' })
    expect(provider.route('chat', 'gemini-2.5-pro', false)?.path).toContain(`/locations/${location}/`)
  })

  test.each([
    ['http://127.0.0.1:9', '/v1/projects/'],
    ['http://127.0.0.1:9/proxy', '/proxy/v1/projects/'],
    ['http://127.0.0.1:9/v1beta1', '/v1beta1/projects/'],
  ])('may be %s', (baseUrl, start) => {
    const provider = make({ baseUrl })
    expect(provider.authority).toBe('127.0.0.1:9')
    expect(provider.route('chat', 'gemini-2.5-pro', false)?.path.startsWith(start)).toBe(true)
  })

  test.each([{ location: 'evil.com/' }, { project: '../x' }])('refuses %j', (more) => {
    expect(() => make(more)).toThrow(RangeError)
  })
})

describe('shape', () => {
  const body = { model: 'claude', max_tokens: 5, stream: true, messages: [] }

  test('Claude: the path names the model, the body the API’s version', () => {
    const provider = make()
    const shaped = provider.shape?.(body, provider.route('messages', 'claude-opus-4-6', true)!)
    expect(shaped).toEqual({ max_tokens: 5, stream: true, messages: [], anthropic_version: 'vertex-2023-10-16' })
    expect(body).toHaveProperty('model', 'claude')
  })

  test('Claude, counting: the body names the model, without its publisher', () => {
    const provider = make()
    const route = provider.route('count_tokens', 'publishers/anthropic/models/claude-opus-4-6', false)!
    expect(provider.shape?.({ model: 'publishers/anthropic/models/claude-opus-4-6', messages: [] }, route)).toEqual({
      model: 'claude-opus-4-6',
      messages: [],
      anthropic_version: 'vertex-2023-10-16',
    })
  })

  test('Gemini, counting: only what countTokens takes', () => {
    const provider = make()
    const gemini = { contents: [], systemInstruction: {}, tools: [], toolConfig: {}, safetySettings: [] }
    expect(provider.shape?.(gemini, provider.route('count_tokens', 'gemini-2.5-pro', false)!)).toEqual({
      contents: [],
      systemInstruction: {},
      tools: [],
    })
  })

  test('Gemini: nothing', () => {
    const provider = make()
    const gemini = { contents: [] }
    expect(provider.shape?.(gemini, provider.route('chat', 'gemini-2.5-pro', false)!)).toBe(gemini)
  })
})

describe('authorize', () => {
  test('at once with a token at hand', () => {
    const provider = make({}, { authorization: 'Bearer t', 'x-goog-user-project': 'q' })
    const request = requestTo(provider, `${google}/gemini-2.5-pro:generateContent`)
    expect(provider.authorize(request, { 'anthropic-beta': 'x' })).toBeUndefined()
    expect(request.headers).toEqual({ authorization: 'Bearer t', 'x-goog-user-project': 'q' })
  })

  test('later where one is fetched', async () => {
    const provider = make({}, Promise.resolve({ authorization: 'Bearer later' }))
    const request = requestTo(provider, `${google}/gemini-2.5-pro:generateContent`)
    const done = provider.authorize(request, {})
    expect(request.headers).toEqual({})
    await done
    expect(request.headers).toEqual({ authorization: 'Bearer later' })
  })

  test.each([
    ['claude-opus-4-6', 'messages', true, 'flag-1'],
    ['claude-opus-4-6', 'count_tokens', false, undefined],
    ['gemini-2.5-pro', 'chat', false, undefined],
  ] as const)('beta flags of %s, %s', async (model, operation, stream, expected) => {
    const provider = make()
    const request = requestTo(provider, provider.route(operation, model, stream)!.path)
    await provider.authorize(request, { 'anthropic-beta': 'flag-1', 'anthropic-version': '2023-06-01' })
    expect(request.headers['anthropic-beta']).toBe(expected)
    expect(request.headers).not.toHaveProperty('anthropic-version')
  })
})
