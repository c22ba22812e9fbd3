import { describe, expect, test } from 'vitest'
import { anthropic } from './anthropic.ts'
import { env, requestTo, ruleOf, secretsOf } from './testing.ts'

const make = (more: Record<string, unknown> = {}) =>
  anthropic('a', ruleOf({ type: 'anthropic', apiKey: env('KEY'), ...more }), secretsOf({ [env('KEY')]: 'sk-ant' }))

describe('routes', () => {
  test.each(['chat', 'completions', 'responses', 'messages'] as const)('%s is messages', (operation) => {
    expect(make().route(operation, 'claude', true)).toEqual({ operation, dialect: 'messages', path: '/v1/messages' })
  })

  test('counting', () => {
    expect(make().route('count_tokens', 'claude', false)).toMatchObject({
      dialect: 'messages',
      path: '/v1/messages/count_tokens',
    })
  })

  test('there are no embeddings', () => {
    expect(make().route('embeddings', 'claude', false)).toBeUndefined()
  })

  test.each([
    ['https://api.anthropic.com/v1', '/v1/messages'],
    ['https://r.services.ai.azure.com/anthropic', '/anthropic/v1/messages'],
  ])('under %s', (baseUrl, path) => {
    expect(make({ baseUrl }).route('messages', 'claude', false)?.path).toBe(path)
  })
})

test.each([
  ['the rule’s version', {}, { 'anthropic-version': '2023-06-01' }],
  ['the client’s version', { 'anthropic-version': '2099-01-01' }, { 'anthropic-version': '2099-01-01' }],
  [
    'beta flags go through',
    { 'anthropic-beta': 'a-2025-01-01,b-2025-01-01', 'openai-beta': 'x' },
    { 'anthropic-version': '2023-06-01', 'anthropic-beta': 'a-2025-01-01,b-2025-01-01' },
  ],
])('authorize: %s', (_, client, headers) => {
  const provider = make()
  const request = requestTo(provider, '/v1/messages')
  expect(provider.authorize(request, client)).toBeUndefined()
  expect(request.headers).toEqual({ 'x-api-key': 'sk-ant', ...headers })
})
