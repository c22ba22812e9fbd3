import type { IncomingMessage } from 'node:http'
import { GoogleGenAI } from '@google/genai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'
import { freePort, upstream } from './harness.ts'

/** What Google's SDKs and plain HTTP clients of its API get: the matrix test has their chats. */

interface Seen {
  path: string
  headers: IncomingMessage['headers']
  body: string
}
let seen: Seen[] = []
let server: Awaited<ReturnType<typeof upstream>>
let gateway: TestGateway
let google: GoogleGenAI

const answer = {
  candidates: [{ content: { role: 'model', parts: [{ text: 'Hello' }] }, finishReason: 'STOP', index: 0, newField: 1 }],
  usageMetadata: { promptTokenCount: 11, candidatesTokenCount: 7, totalTokenCount: 18 },
  modelVersion: 'gemini-3-pro',
  responseId: 'r1',
}

beforeAll(async () => {
  process.env.TEST_KEY = 'provider-key'
  server = await upstream(async (request, response) => {
    let body = ''
    for await (const piece of request) body += String(piece)
    const path = request.url ?? ''
    seen.push({ path, headers: request.headers, body })
    if (path.endsWith('alt=sse')) {
      response.setHeader('content-type', 'text/event-stream')
      response.end(`data: ${JSON.stringify(answer)}\r\n\r\n`)
      return
    }
    response.setHeader('content-type', 'application/json')
    if (path.endsWith(':countTokens')) response.end('{"totalTokens":42}')
    else if (path.endsWith('/count_tokens')) response.end('{"input_tokens":43}')
    else response.end(JSON.stringify(answer))
  })
  gateway = await startGateway({
    listeners: { default: { port: await freePort(), maxRequestBytes: 100_000 } },
    providers: {
      gemini: { type: 'gemini', baseUrl: `${server.url}/v1beta`, apiKey: '${env:TEST_KEY}' },
      anthropic: { type: 'anthropic', baseUrl: server.url, apiKey: '${env:TEST_KEY}' },
      nobody: { type: 'gemini', baseUrl: `http://127.0.0.1:${await freePort()}/v1beta`, apiKey: '${env:TEST_KEY}' },
    },
    models: {
      smart: { targets: [{ provider: 'gemini', model: 'gemini-3-pro' }] },
      claude: { targets: [{ provider: 'anthropic', model: 'claude-sonnet-4-5' }] },
      away: { targets: [{ provider: 'nobody', model: 'gemini-3-pro' }] },
      'gemini-*': { targets: [{ provider: 'gemini' }] },
    },
  })
  google = new GoogleGenAI({ apiKey: 'client-key', httpOptions: { baseUrl: gateway.url } })
})

afterAll(async () => {
  await gateway?.stop()
  await server?.close()
})

const post = (path: string, body: string, headers: Record<string, string> = {}) => {
  seen = []
  return fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })
}
const contents = [{ role: 'user', parts: [{ text: 'Hi' }] }]
const hello = JSON.stringify({ contents })

describe('to Gemini itself', () => {
  test.each(['/v1beta', '/v1'])(
    'under %s the bytes go through, the path is written anew, no key goes along',
    async (version) => {
      const body = '{ "contents": [{"parts":[{"text":"\\u0048i"}]}], "newField": 1.0 }'
      const response = await post(`${version}/models/smart:generateContent?key=client-key&alt=json`, body, {
        'x-goog-api-key': 'client-key',
        'x-goog-api-client': 'sdk/1',
        authorization: 'Bearer client-key',
      })
      expect(await response.json()).toEqual(answer)
      expect(seen).toHaveLength(1)
      const [sent] = seen
      expect(sent).toMatchObject({ path: '/v1beta/models/gemini-3-pro:generateContent', body })
      expect(sent!.headers['x-goog-api-key']).toBe('provider-key')
      expect(JSON.stringify(sent)).not.toContain('client-key')
      expect(response.headers.get('x-chaperone-input-tokens')).toBe('11')
    },
  )

  test('a stream goes through, its figures are recorded', async () => {
    const response = await post('/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse', hello)
    expect(await response.text()).toBe(`data: ${JSON.stringify(answer)}\r\n\r\n`)
    expect(seen[0]).toMatchObject({
      path: '/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
      body: hello,
    })
    const record = await gateway.recordOf(response.headers.get('x-request-id')!)
    expect(record).toMatchObject({
      operation: 'generate_content',
      stream: true,
      usage: { input: 11, output: 7 },
      finishReasons: ['stop'],
    })
  })

  test('what another provider made stays behind', async () => {
    const text = 'Y2hhcGVyb25lLmFudGhyb3BpYy5zaWduYXR1cmU6c2ln' // chaperone.anthropic.signature:sig
    const body = {
      contents: [
        ...contents,
        { role: 'model', parts: [{ text: 'Hm', thought: true, thoughtSignature: text }, { text: 'Hello' }] },
        ...contents,
      ],
    }
    await (await post('/v1beta/models/smart:generateContent', JSON.stringify(body))).arrayBuffer()
    expect(JSON.parse(seen[0]!.body)).toEqual({
      contents: [...contents, { role: 'model', parts: [{ text: 'Hello' }] }, ...contents],
    })
  })
})

test('tokens are counted, at Gemini and elsewhere', async () => {
  seen = []
  expect(await google.models.countTokens({ model: 'smart', contents: 'Hi' })).toMatchObject({ totalTokens: 42 })
  expect(seen[0]!.path).toBe('/v1beta/models/gemini-3-pro:countTokens')
  expect(JSON.parse(seen[0]!.body)).toEqual({ generateContentRequest: { contents, model: 'models/gemini-3-pro' } })

  const request = { model: 'models/smart', contents, systemInstruction: { parts: [{ text: 'Be brief.' }] } }
  const inner = JSON.stringify({ generateContentRequest: request })
  await (await post('/v1beta/models/smart:countTokens', inner)).arrayBuffer()
  expect(JSON.parse(seen[0]!.body)).toEqual({ generateContentRequest: { ...request, model: 'models/gemini-3-pro' } })

  const other = await post('/v1beta/models/claude:countTokens', inner)
  expect(await other.json()).toEqual({ totalTokens: 43 })
  expect(seen[0]!.path).toBe('/v1/messages/count_tokens')
  expect(JSON.parse(seen[0]!.body)).toMatchObject({
    model: 'claude-sonnet-4-5',
    system: [{ type: 'text', text: 'Be brief.' }],
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
  })
})

test('the SDK lists the models of the rules', async () => {
  const models = []
  for await (const model of await google.models.list()) models.push(model)
  expect(models.map(({ name }) => name)).toEqual(['models/away', 'models/claude', 'models/smart'])
  const model = await google.models.get({ model: 'claude' })
  expect(model.name).toBe('models/claude')
  const response = await fetch(`${gateway.url}/v1beta/models/claude`)
  expect(await response.json()).toMatchObject({
    supportedGenerationMethods: ['generateContent', 'streamGenerateContent', 'countTokens'],
  })
})

describe('errors are Google’s', () => {
  const big = `{"x":"${'x'.repeat(200_000)}"}`
  test.each([
    ['malformed JSON', '/v1beta/models/smart:generateContent', '{', 400, 'INVALID_ARGUMENT', 'INVALID_JSON'],
    ['an unknown model', '/v1beta/models/nope:generateContent', hello, 404, 'NOT_FOUND', 'MODEL_NOT_FOUND'],
    ['no model', '/v1beta/models/:generateContent', hello, 400, 'INVALID_ARGUMENT', 'MISSING_MODEL'],
    ['an unknown method', '/v1beta/models/smart:embedContent', hello, 404, 'NOT_FOUND', 'UNKNOWN_ENDPOINT'],
    [
      'a stream as an array',
      '/v1beta/models/smart:streamGenerateContent',
      hello,
      400,
      'INVALID_ARGUMENT',
      'UNSUPPORTED_FIELD',
    ],
    [
      'a field that the target cannot express',
      '/v1beta/models/claude:generateContent',
      `{"cachedContent":"c",${hello.slice(1)}`,
      400,
      'INVALID_ARGUMENT',
      'UNSUPPORTED_FIELD',
    ],
    [
      'no provider to be reached',
      '/v1beta/models/away:generateContent',
      hello,
      503,
      'UNAVAILABLE',
      'UPSTREAM_UNREACHABLE',
    ],
    // Envoy's own answers.
    [
      'a body over the limit',
      '/v1beta/models/smart:generateContent',
      big,
      413,
      'INVALID_ARGUMENT',
      'REQUEST_TOO_LARGE',
    ],
    ['a body over the limit', '/v1/models/smart:generateContent', big, 413, 'INVALID_ARGUMENT', 'REQUEST_TOO_LARGE'],
  ])('%s, %s', async (_, path, body, code, status, reason) => {
    const response = await post(path, body)
    expect(response.status).toBe(code)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.json()).toMatchObject({
      error: {
        code,
        status,
        message: expect.stringMatching(/\w{3}.*\.$/s),
        details: expect.arrayContaining([
          { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'chaperone' },
          {
            '@type': 'type.googleapis.com/google.rpc.RequestInfo',
            requestId: response.headers.get('x-request-id'),
          },
        ]),
      },
    })
  })
})
