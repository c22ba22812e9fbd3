import type { IncomingMessage, ServerResponse } from 'node:http'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { rulesSchema } from '../src/config/schema.ts'
import type { TargetInput } from '../src/envoy/targets/target.ts'
import { type Attach, startGateway, type TestGateway, type TestRules } from './gateway.ts'
import { upstream } from './harness.ts'
import { startOldServer } from './mcp/old-server.ts'
import { meshes } from './mesh/meshes.ts'
import { oldEnvoy } from './mesh/old-envoy.ts'

/** Rules that are rendered for somebody else's Envoy: the real Envoy carries them out, and is told nothing by the service. */

interface Provider {
  url: string
  close(): Promise<void>
  seen: { headers: IncomingMessage['headers']; body: string }[]
  behave: (response: ServerResponse) => void
}

async function provider(): Promise<Provider> {
  const self: Provider = { url: '', close: async () => undefined, seen: [], behave: () => undefined }
  const server = await upstream((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      self.seen.push({ headers: request.headers, body })
      self.behave(response)
    })
  })
  return Object.assign(self, { url: server.url, close: server.close })
}

const json = (response: ServerResponse, status: number, body: object) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
const chatAnswer = (response: ServerResponse) =>
  json(response, 200, {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content: 'from the first' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  })
const messagesAnswer = (response: ServerResponse) =>
  json(response, 200, {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude',
    content: [{ type: 'text', text: 'from the second' }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: 3, output_tokens: 2 },
  })
const overloaded = (response: ServerResponse) => json(response, 503, { error: { message: 'busy' } })

let first: Provider
let second: Provider
let twins: Awaited<ReturnType<typeof startOldServer>>[]

beforeAll(async () => {
  process.env.MESH_FIRST_KEY = 'key-of-first'
  process.env.MESH_SECOND_KEY = 'key-of-second'
  ;[first, second] = await Promise.all([provider(), provider()])
  twins = await Promise.all([startOldServer(), startOldServer()])
})
afterAll(() => Promise.all([first.close(), second.close(), ...twins.map((twin) => twin.stop())]))

const rules = (): TestRules => ({
  providers: {
    first: { type: 'openai-compatible', baseUrl: `${first.url}/v1`, apiKey: '${env:MESH_FIRST_KEY}' },
    second: { type: 'anthropic', baseUrl: second.url, apiKey: '${env:MESH_SECOND_KEY}' },
  },
  models: {
    both: {
      targets: [
        { provider: 'first', model: 'a' },
        { provider: 'second', model: 'b', priority: 1 },
      ],
    },
    // Two targets of one provider are one cluster twice.
    twice: {
      targets: [
        { provider: 'first', model: 'a' },
        { provider: 'first', model: 'b', priority: 1 },
        { provider: 'second', model: 'c', priority: 2 },
      ],
    },
  },
  mcp: {
    servers: { twins: { type: 'http', url: twins[0]!.url, replicas: twins.map(({ url }) => new URL(url).host) } },
  },
})

const cases: [name: string, mesh: keyof typeof meshes, failover: TargetInput['failover'], old: boolean][] = [
  ['a static file', 'envoy-static', 'composite', false],
  ['files that Envoy follows', 'envoy-files', 'composite', false],
  ['Istio’s sidecar', 'istio', undefined, false],
  ['Envoy Gateway', 'envoy-gateway', undefined, false],
  ['Envoy 1.36, which has no composite clusters', 'envoy-static', 'aggregate', true],
]

describe.each(cases)('%s', (_, mesh, failover, old) => {
  let gateway: TestGateway
  let chat: (model: string, headers?: Record<string, string>) => Promise<Response>

  beforeAll(async () => {
    const attach: Attach = (parts) => meshes[mesh](parts, failover)
    gateway = await startGateway(rules(), { attach, ...(old && { binary: await oldEnvoy() }) })
    chat = (model, headers = {}) =>
      fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: 'Bearer of-the-client', ...headers },
        body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }),
      })
  })
  afterAll(() => gateway?.stop())
  beforeEach(() => {
    for (const each of [first, second]) each.seen = []
    first.behave = overloaded
    second.behave = messagesAnswer
    for (const [, health] of gateway.gateway.health.entries())
      Object.assign(health, { failures: 0, outUntil: 0, outs: 0 })
  })

  test('a chat completion fails over, and each provider sees its own key', async () => {
    const response = await chat('both')
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'from the second' } }] })
    expect(response.headers.get('x-chaperone-tried')).toBe('first/a=503, second/b=200')
    expect(first.seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer key-of-first'])
    expect(second.seen).toHaveLength(1)
    expect(second.seen[0]!.headers['x-api-key']).toBe('key-of-second')
    expect(JSON.stringify(second.seen[0]!.headers)).not.toMatch(/key-of-first|of-the-client|x-chaperone/)
    first.behave = chatAnswer
    expect(await (await chat('both')).json()).toMatchObject({ choices: [{ message: { content: 'from the first' } }] })
  })

  test('a provider with two targets in a row is asked twice, and then the next one', async () => {
    const response = await chat('twice')
    expect(response.headers.get('x-chaperone-tried')).toBe('first/a=503, first/b=503, second/c=200')
    expect(first.seen.map(({ body }) => JSON.parse(body).model)).toEqual(['a', 'b'])
  })

  test('when all have failed the client is told so in its own format', async () => {
    second.behave = overloaded
    const response = await chat('both')
    expect(response.status).toBe(503)
    expect(response.headers.get('x-chaperone-tried')).toBe('first/a=503, second/b=503')
    expect(await response.json()).toMatchObject({ error: { message: 'busy' } })
    expect([first.seen.length, second.seen.length]).toEqual([1, 1])
  })

  test('headers that name a way are no way around the decision', async () => {
    const [pool] = [...gateway.gateway.envoyConfig.cluster.keys()].filter((name) => name.startsWith('pool/'))
    const [direct] = [...gateway.gateway.envoyConfig.cluster.keys()].filter((name) => name.startsWith('upstream/'))
    const routes = JSON.stringify([...gateway.gateway.envoyConfig.route.values()])
    const [, route] = /"exact":"(llm-[^"]+)"/.exec(routes)!
    for (const cluster of [pool!, direct!]) {
      const response = await chat('no-such-model', { 'x-chaperone-cluster': cluster, 'x-chaperone-route': route! })
      expect(response.status).toBe(404)
      expect(await response.json()).toMatchObject({ error: { code: 'model_not_found' } })
    }
    expect([first.seen, second.seen]).toEqual([[], []])
  })

  test('a body that is too large is refused by Envoy in the client’s format', async () => {
    const response = await fetch(`${gateway.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: Buffer.alloc(gateway.rules.listeners.default!.maxRequestBytes + 1, 'x'),
    })
    expect(response.status).toBe(413)
    expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'request_too_large' } })
  })

  test('an MCP session stays with the replica that began it', async () => {
    const clients = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const client = new Client({ name: 'test', version: '1' })
        await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`)))
        return client
      }),
    )
    const call = (client: Client) => client.callTool({ name: 'twins_test_simple_text', arguments: {} })
    for (const client of clients) expect(JSON.stringify(await call(client))).toContain('simple text')
    const sessions = twins.map((twin) => twin.sessions.size)
    for (let i = 0; i < 3; i++) for (const client of clients) await call(client)
    expect(twins.map((twin) => twin.sessions.size)).toEqual(sessions)
    for (const client of clients) await client.close()
  })

  // Last: the rules are others after it.
  test('what Envoy has not been told of is refused in clear words, and the rest goes on', async () => {
    const { models, providers, ...others } = rules()
    const later = rulesSchema.parse({
      ...others,
      listeners: { default: { port: gateway.rules.listeners.default!.port } },
      providers: { ...providers, third: { type: 'openai-compatible', baseUrl: `${first.url}/third/v1` } },
      models: {
        ...models,
        'other-provider': { targets: [{ provider: 'third' }] },
        'other-times': { targets: [{ provider: 'first' }], timeouts: { firstByte: '3s', total: '4s' } },
      },
    })
    await gateway.gateway.apply(later)
    for (const model of ['other-provider', 'other-times']) {
      const response = await chat(model)
      expect(response.status, model).toBe(503)
      expect(await response.json(), model).toMatchObject({ error: { code: 'gateway_not_ready' } })
    }
    expect([first.seen, second.seen]).toEqual([[], []])
    expect((await chat('both')).status).toBe(200)
  })
})
