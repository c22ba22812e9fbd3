import { LLMock } from '@copilotkit/aimock'
import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'

/** What Envoy calls over our own HTTP/2 it can call over grpc-js as well, with the same answers. */
const mock = new LLMock({ port: 0, logLevel: 'silent' })
let gateway: TestGateway | undefined

beforeAll(async () => {
  process.env.TRANSPORT_KEY = 'k'
  mock.onMessage('hello', { content: 'Hello from the mock.' })
  await mock.start()
})
afterEach(async () => {
  await gateway?.stop()
  gateway = undefined
})
afterAll(() => mock.stop())

describe.each(['own', 'grpc-js'] as const)('%s', (transport) => {
  test('whole answers, streams, and more requests than a connection may have with grpc-js', async () => {
    gateway = await startGateway(
      {
        providers: {
          openai: { type: 'openai', baseUrl: `${mock.url}/v1`, apiKey: '${env:TRANSPORT_KEY}' },
          anthropic: { type: 'anthropic', baseUrl: mock.url, apiKey: '${env:TRANSPORT_KEY}' },
        },
        models: {
          same: { targets: [{ provider: 'openai' }] },
          translated: { targets: [{ provider: 'anthropic', model: 'claude-sonnet-4-5' }] },
        },
      },
      { transport },
    )
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'x', maxRetries: 0 })
    const messages = [{ role: 'user' as const, content: 'hello' }]
    for (const model of ['same', 'translated']) {
      const answer = await client.chat.completions.create({ model, messages })
      expect(answer.choices[0]?.message.content).toBe('Hello from the mock.')
      let text = ''
      for await (const chunk of await client.chat.completions.create({ model, messages, stream: true }))
        text += chunk.choices[0]?.delta.content ?? ''
      expect(text).toBe('Hello from the mock.')
    }
    const statuses = new Map<number | string, number>()
    const one = async () => {
      const response = await fetch(`${gateway!.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'same', messages }),
      }).catch(String)
      if (typeof response !== 'string') await response.arrayBuffer()
      const status = typeof response === 'string' ? response : response.status
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let i = 0; i < 150; i++) await one()
      }),
    )
    expect(Object.fromEntries(statuses)).toEqual({ 200: 1_200 })
    expect(gateway.reports).toEqual([])
    expect(gateway.gateway.plans.size).toBe(0)
  })
})
