import { describe, expect, test } from 'vitest'
import { openai } from './openai.ts'
import { env, requestTo, ruleOf, secretsOf } from './testing.ts'

const rule = (more: Record<string, unknown> = {}) => ruleOf({ type: 'openai', apiKey: env('OPENAI_API_KEY'), ...more })
const secrets = secretsOf({ [env('OPENAI_API_KEY')]: 'sk-1' })

describe('routes', () => {
  test.each([
    ['chat', 'chat', 'chat', '/v1/chat/completions'],
    ['chat', 'completions', 'completions', '/v1/completions'],
    ['chat', 'responses', 'responses', '/v1/responses'],
    ['chat', 'messages', 'chat', '/v1/chat/completions'],
    ['responses', 'messages', 'responses', '/v1/responses'],
    ['responses', 'chat', 'chat', '/v1/chat/completions'],
    ['chat', 'embeddings', 'openai-embeddings', '/v1/embeddings'],
    ['chat', 'count_tokens', 'responses', '/v1/responses/input_tokens'],
  ] as const)('translateTo %s: %s is %s at %s', (translateTo, operation, dialect, path) => {
    const provider = openai('o', rule({ translateTo }), secrets)
    expect(provider.route(operation, 'gpt', false)).toMatchObject({ operation, dialect, path })
  })

  test('only counting changes a body', () => {
    const provider = openai('o', rule(), secrets)
    const body = { model: 'gpt', input: 'hi', stream: false, store: false, max_output_tokens: 5, tools: [] }
    const count = provider.route('count_tokens', 'gpt', false)!
    expect(count.shaped).toBe(true)
    expect(provider.shape?.(body, count)).toEqual({ model: 'gpt', input: 'hi', tools: [] })
    const responses = provider.route('responses', 'gpt', false)!
    expect(responses.shaped).toBeUndefined()
    expect(provider.shape?.(body, responses)).toBe(body)
  })
})

test('the address', () => {
  expect(openai('o', rule(), secrets)).toMatchObject({
    name: 'o',
    type: 'openai',
    scheme: 'https',
    host: 'api.openai.com',
    port: 443,
    authority: 'api.openai.com',
  })
})

describe('authorize', () => {
  test('at once, with organization, project and the client’s openai-beta', () => {
    const provider = openai('o', rule({ organization: 'org-1', project: 'proj-1' }), secrets)
    const request = requestTo(provider, '/v1/chat/completions')
    const done = provider.authorize(request, { 'openai-beta': 'x=1', 'anthropic-beta': 'y' })
    expect(done).toBeUndefined()
    expect(request.headers).toEqual({
      authorization: 'Bearer sk-1',
      'openai-organization': 'org-1',
      'openai-project': 'proj-1',
      'openai-beta': 'x=1',
    })
  })

  test('a rotated key is used by the next request', async () => {
    const table = { [env('OPENAI_API_KEY')]: 'sk-1' }
    const provider = openai('o', rule(), secretsOf(table))
    table[env('OPENAI_API_KEY')] = 'sk-2'
    const request = requestTo(provider, '/')
    await provider.authorize(request, {})
    expect(request.headers.authorization).toBe('Bearer sk-2')
  })

  test('names provider and reference where there is no key', () => {
    const provider = openai('mine', rule(), secretsOf({}))
    expect(() => provider.authorize(requestTo(provider, '/'), {})).toThrow(
      `provider mine: ${env('OPENAI_API_KEY')} is not set`,
    )
  })
})
