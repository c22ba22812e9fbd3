import { LLMock } from '@copilotkit/aimock'
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'

const mock = new LLMock({ port: 0, logLevel: 'silent' })
let gateway: TestGateway
let client: OpenAI

/** The body of the last request that reached the provider. */
const sent = () => mock.getLastRequest()!.body as unknown as Record<string, unknown>

beforeAll(async () => {
  process.env.TEST_OPENAI_KEY = 'sk-test-openai'
  mock.onMessage('hello', {
    content: 'Hello from the mock.',
    usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
  })
  await mock.start()
  gateway = await startGateway({
    providers: {
      openai: { type: 'openai', baseUrl: `${mock.url}/v1`, apiKey: '${env:TEST_OPENAI_KEY}' },
    },
    models: {
      small: { targets: [{ provider: 'openai', model: 'gpt-4o-mini' }] },
      'gpt-*': { targets: [{ provider: 'openai' }] },
    },
  })
  client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'the-client-s-own', maxRetries: 0 })
})

afterAll(async () => {
  await gateway?.stop()
  await mock.stop()
})

test('a chat completion goes through Envoy and both stages', async () => {
  const { data, response } = await client.chat.completions
    .create({ model: 'small', messages: [{ role: 'user', content: 'hello' }] })
    .withResponse()
  expect(data.choices[0]?.message.content).toBe('Hello from the mock.')
  expect(data.usage?.total_tokens).toBe(18)
  expect(response.headers.get('x-chaperone-provider')).toBe('openai')
  expect(response.headers.get('x-chaperone-model')).toBe('gpt-4o-mini')
  expect(response.headers.get('x-chaperone-input-tokens')).toBe('11')
  expect(response.headers.get('x-chaperone-output-tokens')).toBe('7')
  // The mock allows every page to read it; whether pages may read the gateway is not for it to say.
  expect(response.headers.get('access-control-allow-origin')).toBeNull()
  const upstream = mock.getLastRequest()!
  // The mock keeps no credentials; test/failover.test.ts sees which key goes where.
  expect(upstream.headers.authorization).toBeDefined()
  expect((upstream.body as unknown as { model: string }).model).toBe('gpt-4o-mini')
  const id = response.headers.get('x-request-id')!
  const record = await gateway.recordOf(id)
  expect(record.usage).toMatchObject({ input: 11, output: 7 })
  expect(record.cost?.usd).toBeGreaterThan(0)
  expect(gateway.gateway.plans.size).toBe(0)
})

test('a stream arrives event by event, and its usage is counted though the client did not ask for it', async () => {
  const { data: stream, response } = await client.chat.completions
    .create({ model: 'small', messages: [{ role: 'user', content: 'hello' }], stream: true })
    .withResponse()
  let text = ''
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? ''
    expect(chunk.usage ?? null).toBeNull()
    expect(chunk.choices.length).toBeGreaterThan(0)
  }
  expect(text).toBe('Hello from the mock.')
  expect(sent().stream_options).toEqual({ include_usage: true })
  const record = await gateway.recordOf(response.headers.get('x-request-id')!)
  expect(record).toMatchObject({ stream: true, usage: { input: 11, output: 7 }, aborted: false })
})

test('usage is in the last chunk where the client asked for it', async () => {
  const stream = await client.chat.completions.create({
    model: 'small',
    messages: [{ role: 'user', content: 'hello' }],
    stream: true,
    stream_options: { include_usage: true },
  })
  let usage: OpenAI.CompletionUsage | null | undefined
  for await (const chunk of stream) usage = chunk.usage ?? usage
  expect(usage).toMatchObject({ prompt_tokens: 11, completion_tokens: 7 })
})

test('a pattern passes the name of the model on', async () => {
  await client.chat.completions.create({ model: 'gpt-5-nano', messages: [{ role: 'user', content: 'hello' }] })
  expect(sent().model).toBe('gpt-5-nano')
})

test('unknown fields reach the provider', async () => {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"model" : "gpt-4o",\n "new_field": {"deep":[1.5, "ü"]}, "messages":[{"role":"user","content":"hello"}]}',
  })
  expect(response.status).toBe(200)
  expect(sent().new_field).toEqual({
    deep: [1.5, 'ü'],
  })
})

test('GET /v1/models lists the names of the rules', async () => {
  const models = await client.models.list()
  expect(models.data.map(({ id }) => id)).toEqual(['small'])
})
