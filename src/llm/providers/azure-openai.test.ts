import { describe, expect, test } from 'vitest'
import { azureOpenai } from './azure-openai.ts'
import { CredentialError } from './provider.ts'
import { env, requestTo, ruleOf, secretsOf } from './testing.ts'

const secrets = secretsOf({ [env('KEY')]: 'k', [env('TOKEN')]: 't' })
const make = (more: Record<string, unknown> = {}) =>
  azureOpenai(
    'az',
    ruleOf({ type: 'azure-openai', baseUrl: 'https://r.openai.azure.com', apiKey: env('KEY'), ...more }),
    secrets,
  )

describe('routes', () => {
  test.each([
    ['v1', 'chat', 'chat', '/openai/v1/chat/completions'],
    ['v1', 'completions', 'completions', '/openai/v1/completions'],
    ['v1', 'messages', 'chat', '/openai/v1/chat/completions'],
    ['v1', 'responses', 'responses', '/openai/v1/responses'],
    ['v1', 'embeddings', 'openai-embeddings', '/openai/v1/embeddings'],
    ['v1', 'count_tokens', 'responses', '/openai/v1/responses/input_tokens'],
    ['preview', 'chat', 'chat', '/openai/v1/chat/completions?api-version=preview'],
    ['2024-10-21', 'chat', 'chat', '/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21'],
    ['2024-10-21', 'completions', 'completions', '/openai/deployments/my%20gpt/completions?api-version=2024-10-21'],
    ['2024-10-21', 'embeddings', 'openai-embeddings', '/openai/deployments/my%20gpt/embeddings?api-version=2024-10-21'],
    ['2024-10-21', 'messages', 'chat', '/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21'],
    ['2024-10-21', 'responses', 'chat', '/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21'],
    ['2025-04-01-preview', 'responses', 'responses', '/openai/responses?api-version=2025-04-01-preview'],
  ] as const)('%s: %s is %s at %s', (apiVersion, operation, dialect, path) => {
    expect(make({ apiVersion }).route(operation, 'my gpt', true)).toMatchObject({ operation, dialect, path })
  })

  test('messages become responses where the rule says so and the version has them', () => {
    const translateTo = 'responses'
    expect(make({ translateTo }).route('messages', 'd', false)?.path).toBe('/openai/v1/responses')
    expect(make({ translateTo, apiVersion: '2025-04-01-preview' }).route('messages', 'd', false)).toMatchObject({
      dialect: 'responses',
      path: '/openai/responses?api-version=2025-04-01-preview',
    })
    expect(make({ translateTo, apiVersion: '2024-10-21' }).route('messages', 'd', false)).toMatchObject({
      dialect: 'chat',
      path: '/openai/deployments/d/chat/completions?api-version=2024-10-21',
    })
  })

  test('dated versions do not count tokens', () => {
    expect(make({ apiVersion: '2025-04-01-preview' }).route('count_tokens', 'd', false)).toBeUndefined()
  })

  test('a deployment that is no name is refused', () => {
    expect(make({ apiVersion: '2024-10-21' }).route('chat', '../x', false)).toBeUndefined()
  })

  test.each(['', '/', '/openai', '/openai/v1', '/openai/v1/'])('the address may end in %j', (end) => {
    const provider = make({ baseUrl: `https://r.openai.azure.com${end}` })
    expect(provider.route('chat', 'd', false)?.path).toBe('/openai/v1/chat/completions')
  })

  test('a gateway’s prefix stays', () => {
    const provider = make({ baseUrl: 'https://apim.example/team/openai' })
    expect(provider.route('chat', 'd', false)?.path).toBe('/team/openai/v1/chat/completions')
  })

  test.each(['v2', '2024', '2024-10-21&x=y', ''])('refuses the version %j', (apiVersion) => {
    expect(() => make({ apiVersion })).toThrow(/providers\.az\.apiVersion/)
  })
})

test.each([
  ['v1', 'max_completion_tokens', true, true, true],
  ['2025-04-01-preview', 'max_completion_tokens', true, true, true],
  ['2024-10-21', 'max_completion_tokens', false, true, true],
  ['2024-08-01-preview', 'max_tokens', false, false, true],
  ['2024-06-01', 'max_tokens', false, false, false],
])('quirks of %s', (apiVersion, maxTokensField, developerRole, streamUsage, jsonSchema) => {
  expect(make({ apiVersion }).quirks).toEqual({ maxTokensField, developerRole, streamUsage, jsonSchema })
})

describe('authorize', () => {
  test.each([
    [{ apiKey: env('KEY') }, { 'api-key': 'k' }],
    [{ apiKey: undefined, bearerToken: env('TOKEN') }, { authorization: 'Bearer t' }],
  ])('%j', (credentials, headers) => {
    const provider = make(credentials)
    const request = requestTo(provider, '/')
    expect(provider.authorize(request, { 'openai-beta': 'x' })).toBeUndefined()
    expect(request.headers).toEqual(headers)
  })

  test('neither key nor token', () => {
    const provider = make({ apiKey: undefined })
    expect(() => provider.authorize(requestTo(provider, '/'), {})).toThrow(CredentialError)
  })
})
