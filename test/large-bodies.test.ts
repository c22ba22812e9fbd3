import { once } from 'node:events'
import { connect } from 'node:http2'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'
import { upstream } from './harness.ts'

let provider: Awaited<ReturnType<typeof upstream>>
let gateway: TestGateway

/** Answers with as much as it was sent. */
beforeAll(async () => {
  provider = await upstream(async (request, response) => {
    let length = 0
    for await (const piece of request) length += (piece as Buffer).length
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({
        id: 'c',
        object: 'chat.completion',
        created: 1,
        model: 'm',
        choices: [{ index: 0, message: { role: 'assistant', content: 'y'.repeat(length) }, finish_reason: 'stop' }],
      }),
    )
  })
  gateway = await startGateway({
    providers: { mock: { type: 'openai-compatible', baseUrl: `${provider.url}/v1` } },
    models: { m: { targets: [{ provider: 'mock', model: 'another-name' }] } },
  })
})

afterAll(async () => {
  await gateway?.stop()
  await provider?.close()
})

async function ask(size: number): Promise<{ status: number; length: number }> {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x'.repeat(size) }] }),
  })
  return { status: response.status, length: (await response.arrayBuffer()).byteLength }
}

// Together far above what Envoy buffers on one connection: with wide windows of the service's, Envoy 1.40 died of this.
test('many large bodies at once', { timeout: 60_000 }, async () => {
  const { pid } = gateway.envoy
  await Promise.all(
    Array.from({ length: 64 }, async () => {
      for (let i = 0; i < 6; i++) {
        const { status, length } = await ask(200_000)
        expect(status).toBe(200)
        expect(length).toBeGreaterThan(200_000)
      }
    }),
  )
  expect(gateway.envoy.pid).toBe(pid)
  expect(gateway.reports).toEqual([])
})

test('one body near the limit', { timeout: 60_000 }, async () => {
  const { status, length } = await ask(30 * 1024 * 1024)
  expect(status).toBe(200)
  expect(length).toBeGreaterThan(30 * 1024 * 1024)
})

// An answer that has ended at its source while the client has not yet taken it: Envoy 1.40 died of that as well.
test.each(['http/1.1', 'h2'])(
  'a client that is slower than the provider, over %s',
  { timeout: 60_000 },
  async (protocol) => {
    const { pid } = gateway.envoy
    const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x'.repeat(24 * 1024 * 1024) }] })
    const length = protocol === 'h2' ? await slowly(body) : await slowlyOverHttp1(body)
    expect(length).toBeGreaterThan(24 * 1024 * 1024)
    expect(gateway.envoy.pid).toBe(pid)
    expect(gateway.reports).toEqual([])
  },
)

async function slowlyOverHttp1(body: string): Promise<number> {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  await setTimeout(1_000)
  return (await response.arrayBuffer()).byteLength
}

async function slowly(body: string): Promise<number> {
  const session = connect(gateway.url)
  const stream = session.request({
    ':method': 'POST',
    ':path': '/v1/chat/completions',
    'content-type': 'application/json',
  })
  stream.end(body)
  await once(stream, 'response')
  await setTimeout(1_000)
  let length = 0
  for await (const piece of stream) length += (piece as Buffer).length
  session.close()
  return length
}
