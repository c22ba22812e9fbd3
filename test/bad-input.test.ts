import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'

const mock = new LLMock({ port: 0, logLevel: 'silent' })
let gateway: TestGateway

beforeAll(async () => {
  process.env.TEST_KEY = 'k'
  mock.onMessage(/.*/, { content: 'fine' })
  await mock.start()
  gateway = await startGateway({
    listeners: { default: { port: await freePort(), maxRequestBytes: 100_000 } },
    providers: {
      openai: { type: 'openai', baseUrl: `${mock.url}/v1`, apiKey: '${env:TEST_KEY}' },
      anthropic: { type: 'anthropic', baseUrl: mock.url, apiKey: '${env:TEST_KEY}' },
      keyless: { type: 'openai', baseUrl: `${mock.url}/v1`, apiKey: '${env:TEST_KEY_THAT_IS_NOT_SET}' },
    },
    models: {
      gpt: { targets: [{ provider: 'openai' }] },
      claude: { targets: [{ provider: 'anthropic' }] },
      keyless: { targets: [{ provider: 'keyless' }] },
    },
  })
})

afterAll(async () => {
  await gateway?.stop()
  await mock.stop()
})

const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })

const hello = '"messages":[{"role":"user","content":"hi"}]'

const cases: [name: string, send: () => Promise<Response>, status: number, code: string][] = [
  ['malformed JSON', () => post('/v1/chat/completions', '{"model":"gpt",'), 400, 'invalid_json'],
  ['an array', () => post('/v1/chat/completions', '[]'), 400, 'invalid_json'],
  ['no body', () => post('/v1/chat/completions', ''), 400, 'empty_body'],
  ['no model', () => post('/v1/chat/completions', `{${hello}}`), 400, 'missing_model'],
  ['a model that is no string', () => post('/v1/chat/completions', `{"model":7,${hello}}`), 400, 'missing_model'],
  ['an unknown model', () => post('/v1/chat/completions', `{"model":"nope",${hello}}`), 404, 'model_not_found'],
  [
    'a wrong content type',
    () => post('/v1/chat/completions', '{}', { 'content-type': 'text/plain' }),
    415,
    'unsupported_content_type',
  ],
  [
    'a compressed body',
    () => post('/v1/chat/completions', '{}', { 'content-encoding': 'gzip' }),
    415,
    'unsupported_content_encoding',
  ],
  [
    'a body over the limit',
    () => post('/v1/chat/completions', `{"model":"gpt","x":"${'x'.repeat(200_000)}"}`),
    413,
    'request_too_large',
  ],
  ['an unknown endpoint', () => post('/v1/nothing', '{}'), 404, 'unknown_endpoint'],
  ['a wrong method', () => fetch(`${gateway.url}/v1/chat/completions`), 405, 'method_not_allowed'],
  [
    'a field of the wrong type, on its way to another API',
    () => post('/v1/chat/completions', '{"model":"claude","messages":"hi"}'),
    400,
    'invalid_value',
  ],
  [
    'a field that the target cannot express',
    () => post('/v1/chat/completions', `{"model":"claude","n":3,${hello}}`),
    400,
    'unsupported_field',
  ],
  [
    'an operation that the target does not have',
    () => post('/v1/embeddings', '{"model":"claude","input":"x"}'),
    400,
    'unsupported_operation',
  ],
  [
    'a provider without a key',
    () => post('/v1/chat/completions', `{"model":"keyless",${hello}}`),
    502,
    'provider_credentials',
  ],
]

test.each(cases)('%s gets an error in OpenAI’s form', async (_, send, status, code) => {
  const response = await send()
  const body = (await response.json()) as { error: { code: string; message: string; type: string }; request_id: string }
  expect({ status: response.status, code: body.error.code }).toEqual({ status, code })
  expect(body.error.message).toMatch(/\w.*[.]$/)
  expect(body.request_id).toBe(response.headers.get('x-request-id'))
})

test.each([
  ['malformed JSON', '{', 400, 'invalid_request_error'],
  ['an unknown model', `{"model":"nope","max_tokens":1,${hello}}`, 404, 'not_found_error'],
  ['a body over the limit', `{"model":"claude","x":"${'x'.repeat(200_000)}"}`, 413, 'request_too_large'],
])('%s gets an error in Anthropic’s form on /v1/messages', async (_, text, status, type) => {
  const response = await post('/v1/messages', text)
  const body = (await response.json()) as { type: string; error: { type: string; message: string }; request_id: string }
  expect(response.status).toBe(status)
  expect(body).toMatchObject({ type: 'error', error: { type } })
  expect(body.request_id).toBe(response.headers.get('x-request-id'))
})

test('no secret and no reference is in an error', async () => {
  const response = await post('/v1/chat/completions', `{"model":"keyless",${hello}}`)
  expect(await response.text()).not.toContain('TEST_KEY')
  expect(String(gateway.reports.at(-1)?.error)).toContain('TEST_KEY_THAT_IS_NOT_SET')
})

test('a client cannot choose the cluster, the route or the plan', async () => {
  const response = await post('/v1/chat/completions', `{"model":"nope",${hello}}`, {
    'x-chaperone-cluster': 'chaperone',
    'x-chaperone-route': 'llm-120000-600000-1',
  })
  expect(response.status).toBe(404)
  await response.arrayBuffer()
  const allowed = await post('/v1/chat/completions', `{"model":"gpt",${hello}}`, {
    'x-chaperone-cluster': 'chaperone',
    'x-chaperone-route': 'nonsense',
    'x-envoy-max-retries': '50',
    'x-envoy-upstream-rq-timeout-ms': '1',
  })
  expect(allowed.status).toBe(200)
  await allowed.arrayBuffer()
})

test('two requests with one request id are two requests', async () => {
  const id = 'chosen-by-the-client'
  const responses = await Promise.all(
    Array.from({ length: 5 }, () => post('/v1/chat/completions', `{"model":"gpt",${hello}}`, { 'x-request-id': id })),
  )
  for (const response of responses) {
    expect(response.status).toBe(200)
    await response.arrayBuffer()
  }
  expect(new Set(responses.map((response) => response.headers.get('x-request-id'))).size).toBe(5)
})

test('a deeply nested body neither hangs nor ends the service', async () => {
  const deep = `${'['.repeat(40_000)}${']'.repeat(40_000)}`
  const response = await post('/v1/chat/completions', `{"model":"claude",${hello},"tools":${deep}}`)
  expect(response.status).toBe(400)
  await response.arrayBuffer()
  expect((await fetch(`${gateway.url}/v1/models`)).status).toBe(200)
})
