import { describe, expect, test } from 'vitest'
import { type Call, endpointOf } from './endpoints.ts'

const post = (path: string) => endpointOf('POST', path, false)
const get = (path: string, anthropic = false) => endpointOf('GET', path, anthropic)
const refused = (status: number, format: string, code: string) => ({
  type: 'refused',
  format,
  error: { status, code },
})

describe('endpointOf', () => {
  const calls: [path: string, call: Call][] = [
    ['/v1/chat/completions', { operation: 'chat', format: 'chat' }],
    ['/v1/chat/completions?x=y', { operation: 'chat', format: 'chat' }],
    ['/v1/completions', { operation: 'completions', format: 'completions' }],
    ['/v1/embeddings', { operation: 'embeddings', format: 'openai-embeddings' }],
    ['/v1/responses', { operation: 'responses', format: 'responses' }],
    ['/v1/messages?beta=true', { operation: 'messages', format: 'messages' }],
    ['/v1/messages/count_tokens', { operation: 'count_tokens', format: 'messages' }],
  ]
  test.each(calls)('POST %s', (path, call) => {
    expect(post(path)).toEqual({ type: 'call', ...call })
  })

  const generate = (model: string, stream = false) => ({
    type: 'call',
    operation: 'generate_content',
    format: 'gemini',
    model,
    stream,
  })
  test.each([
    ['/v1beta/models/gemini-2.5-pro:generateContent', generate('gemini-2.5-pro')],
    ['/v1/models/gemini-2.5-pro:generateContent?key=secret', generate('gemini-2.5-pro')],
    ['/v1beta/models/llama3:8b:generateContent', generate('llama3:8b')],
    ['/v1beta/models/meta/llama3:generateContent', generate('meta/llama3')],
    ['/v1beta/models/my%20model%3A8b:generateContent', generate('my model:8b')],
    ['/v1beta/models/100%:generateContent', generate('100%')],
    ['/v1beta/models/m:streamGenerateContent?alt=sse', generate('m', true)],
    ['/v1/models/m:streamGenerateContent?key=k&alt=sse', generate('m', true)],
    ['/v1beta/models/m:countTokens', { ...generate('m'), operation: 'count_tokens' }],
  ])('POST %s', (path, endpoint) => {
    expect(post(path)).toEqual(endpoint)
  })

  test.each(['', '?alt=json', '?alt=', '?altx=sse'])(
    'a stream with the query “%s” is refused, and told how',
    (query) => {
      const endpoint = post(`/v1beta/models/m:streamGenerateContent${query}`)
      expect(endpoint).toMatchObject(refused(400, 'gemini', 'unsupported_field'))
      expect(endpoint).toMatchObject({ error: { message: expect.stringContaining('?alt=sse') } })
    },
  )

  test.each([
    ['/v1/models', false, 'chat', undefined],
    ['/v1/models', true, 'messages', undefined],
    ['/v1/models/gpt-4o', false, 'chat', 'gpt-4o'],
    ['/v1/models/llama3:8b', false, 'chat', 'llama3:8b'],
    ['/v1/models/a%2Fb', true, 'messages', 'a/b'],
    ['/v1beta/models', false, 'gemini', undefined],
    ['/v1beta/models/?pageSize=5', false, 'gemini', undefined],
    ['/v1beta/models/llama3:8b', false, 'gemini', 'llama3:8b'],
  ])('GET %s', (path, anthropic, format, name) => {
    expect(get(path, anthropic)).toEqual({ type: 'models', format, name })
  })

  test.each([
    ['POST', '/v1/unknown', refused(404, 'chat', 'unknown_endpoint')],
    ['POST', '/v1beta/models/m:embedContent', refused(404, 'gemini', 'unknown_endpoint')],
    ['POST', '/v1beta/models/m:constructor', refused(404, 'gemini', 'unknown_endpoint')],
    ['POST', '/v1/models/m:embedContent', refused(404, 'gemini', 'unknown_endpoint')],
    ['GET', '/v1beta/files', refused(404, 'gemini', 'unknown_endpoint')],
    ['GET', '/v1beta', refused(404, 'gemini', 'unknown_endpoint')],
    ['POST', `/v1beta/models/${'m'.repeat(5000)}:generateContent`, refused(404, 'gemini', 'unknown_endpoint')],
    ['GET', '/v1/messages', refused(405, 'messages', 'method_not_allowed')],
    ['GET', '/v1/chat/completions', refused(405, 'chat', 'method_not_allowed')],
    ['DELETE', '/v1/models/m', refused(405, 'chat', 'method_not_allowed')],
    ['DELETE', '/v1beta/models/m', refused(405, 'gemini', 'method_not_allowed')],
    ['PUT', '/v1beta/models/m:generateContent', refused(405, 'gemini', 'method_not_allowed')],
    ['POST', '/v1beta/models', refused(405, 'gemini', 'method_not_allowed')],
  ])('%s %s is refused', (method, path, endpoint) => {
    expect(endpointOf(method, path, false)).toMatchObject(endpoint)
  })
})
