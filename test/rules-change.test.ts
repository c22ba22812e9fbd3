import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Rules, rulesSchema } from '../src/config/schema.ts'
import { eventually, startGateway, type TestGateway } from './gateway.ts'

const one = new LLMock({ port: 0, logLevel: 'silent' })
const two = new LLMock({ port: 0, logLevel: 'silent' })
let gateway: TestGateway

beforeAll(async () => {
  process.env.TEST_KEY = 'k'
  one.onMessage(/.*/, { content: 'one' })
  two.onMessage(/.*/, { content: 'two' })
  await one.start()
  await two.start()
  gateway = await startGateway({
    providers: { openai: { type: 'openai', baseUrl: `${one.url}/v1`, apiKey: '${env:TEST_KEY}' } },
    models: { gpt: { targets: [{ provider: 'openai' }] } },
  })
})

afterAll(async () => {
  await gateway?.stop()
  await one.stop()
  await two.stop()
})

const rulesAt = (url: string, more: object = {}): Rules =>
  rulesSchema.parse({
    listeners: gateway.rules.listeners,
    providers: { openai: { type: 'openai', baseUrl: `${url}/v1`, apiKey: '${env:TEST_KEY}' } },
    models: { gpt: { targets: [{ provider: 'openai' }] } },
    ...more,
  })

const ask = () =>
  fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"model":"gpt","messages":[{"role":"user","content":"hi"}]}',
  })

const answer = async (response: Response) =>
  ((await response.json()) as { choices: { message: { content: string } }[] }).choices[0]?.message.content

test('a provider moves to another address under load, again and again, and no request is lost', async () => {
  let stop = false
  const statuses = new Map<string, number>()
  const count = (key: string) => statuses.set(key, (statuses.get(key) ?? 0) + 1)
  const load = Promise.all(
    Array.from({ length: 8 }, async () => {
      while (!stop) {
        try {
          const response = await ask()
          count(response.status === 200 ? `200 ${await answer(response)}` : String(response.status))
          if (response.status !== 200) await response.arrayBuffer()
        } catch (error) {
          count(String(error))
        }
      }
    }),
  )
  for (let i = 0; i < 8; i++) {
    const outcome = await gateway.gateway.apply(rulesAt(i % 2 === 0 ? two.url : one.url))
    expect(outcome).toMatchObject({ type: 'applied', nodes: 1, silent: [] })
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  stop = true
  await load
  expect([...statuses.keys()].sort()).toEqual(['200 one', '200 two'])
  expect(statuses.get('200 one')).toBeGreaterThan(50)
  expect(statuses.get('200 two')).toBeGreaterThan(50)
}, 90_000)

test('a listener’s change does not cut a stream under way', async () => {
  one.onMessage('long', { content: 'word '.repeat(200) }, { chunkSize: 5, latency: 10 } as never)
  await gateway.gateway.apply(rulesAt(one.url))
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"model":"gpt","stream":true,"messages":[{"role":"user","content":"long"}]}',
  })
  const reading = response.text()
  const [name, listener] = Object.entries(gateway.rules.listeners)[0]!
  await gateway.gateway.apply(
    rulesAt(one.url, { listeners: { [name]: { ...listener, maxRequestBytes: listener.maxRequestBytes / 2 } } }),
  )
  expect(await reading).toContain('data: [DONE]')
})

test('a configuration that Envoy refuses leaves the last good one in force and says why', async () => {
  await gateway.gateway.apply(rulesAt(one.url))
  const [name, listener] = Object.entries(gateway.rules.listeners)[0]!
  const outcome = await gateway.gateway.apply(
    rulesAt(two.url, { listeners: { [name]: listener, other: { address: '203.0.113.77', port: listener.port } } }),
  )
  expect(outcome.type).toBe('rejected')
  if (outcome.type === 'rejected') expect(outcome.rejections[0]).toMatchObject({ type: 'listener' })
  if (outcome.type === 'rejected') expect(outcome.rejections[0]?.message).toContain('203.0.113.77')
  expect(await answer(await ask())).toBe('one')
  expect(await gateway.gateway.apply(rulesAt(two.url))).toMatchObject({ type: 'applied' })
  await eventually(async () => expect(await answer(await ask())).toBe('two'))
})
