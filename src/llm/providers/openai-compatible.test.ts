import { describe, expect, test } from 'vitest'
import { openaiCompatible } from './openai-compatible.ts'
import type { Operation } from './provider.ts'
import { env, requestTo, ruleOf, secretsOf } from './testing.ts'

const make = (more: Record<string, unknown> = {}) =>
  openaiCompatible(
    'local',
    ruleOf({ type: 'openai-compatible', baseUrl: 'http://localhost:8000/v1', ...more }),
    secretsOf({ [env('KEY')]: 'k' }),
  )

const operations: Operation[] = ['chat', 'completions', 'messages', 'responses', 'embeddings', 'count_tokens']

describe('routes by the APIs a server has', () => {
  test.each<[string[] | undefined, (string | undefined)[]]>([
    [
      undefined,
      [
        '/v1/chat/completions',
        '/v1/completions',
        '/v1/chat/completions',
        '/v1/chat/completions',
        '/v1/embeddings',
        undefined,
      ],
    ],
    [
      ['chat'],
      [
        '/v1/chat/completions',
        '/v1/chat/completions',
        '/v1/chat/completions',
        '/v1/chat/completions',
        undefined,
        undefined,
      ],
    ],
    [
      ['chat', 'messages', 'responses'],
      [
        '/v1/chat/completions',
        '/v1/chat/completions',
        '/v1/messages',
        '/v1/responses',
        undefined,
        '/v1/messages/count_tokens',
      ],
    ],
    [['responses'], ['/v1/responses', '/v1/responses', '/v1/responses', '/v1/responses', undefined, undefined]],
    [
      ['messages'],
      ['/v1/messages', '/v1/messages', '/v1/messages', '/v1/messages', undefined, '/v1/messages/count_tokens'],
    ],
    [['embeddings'], [undefined, undefined, undefined, undefined, '/v1/embeddings', undefined]],
    [['completions'], [undefined, '/v1/completions', undefined, undefined, undefined, undefined]],
  ])('%j', (apis, paths) => {
    const provider = make(apis && { apis })
    expect(operations.map((operation) => provider.route(operation, 'm', false)?.path)).toEqual(paths)
  })

  test('each route says the dialect of its path', () => {
    const provider = make({ apis: ['chat', 'completions', 'messages', 'embeddings'] })
    expect(operations.map((operation) => provider.route(operation, 'm', false)?.dialect)).toEqual([
      'chat',
      'completions',
      'messages',
      'chat',
      'openai-embeddings',
      'messages',
    ])
  })
})

test('quirks are the rule’s', () => {
  expect(make().quirks).toMatchObject({
    maxTokensField: 'max_tokens',
    developerRole: false,
    streamUsage: true,
    jsonSchema: true,
  })
  expect(make({ quirks: { developerRole: true, maxTokensField: 'max_completion_tokens' } }).quirks).toMatchObject({
    maxTokensField: 'max_completion_tokens',
    developerRole: true,
  })
})

test.each([
  ['no key', {}, {}],
  ['a key', { apiKey: env('KEY') }, { authorization: 'Bearer k' }],
  ['messages', { apis: ['messages'] }, { 'anthropic-version': '2023-06-01', 'anthropic-beta': 'b' }],
])('authorize: %s', (_, more, headers) => {
  const provider = make(more)
  const request = requestTo(provider, '/')
  expect(provider.authorize(request, { 'anthropic-beta': 'b', 'openai-beta': 'x' })).toBeUndefined()
  expect(request.headers).toEqual(headers)
})
