import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { fileURLToPath } from 'node:url'
import { Role } from '@a2a-js/sdk'
import { ClientFactory } from '@a2a-js/sdk/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startAgent, type TestAgent } from './a2a/agent.ts'
import { startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'
import { ask, type EchoServer, echoServer } from './http/echo.ts'
import { startOldServer } from './mcp/old-server.ts'

/** AI traffic where routes put it, shares of requests, and a certificate for each name, through a real Envoy. */

const file = (name: string) => fileURLToPath(new URL(`./tls/${name}`, import.meta.url))
const completion = JSON.stringify({
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'hi', refusal: null } }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
})

let provider: EchoServer
let a: EchoServer
let b: EchoServer
let tools: Awaited<ReturnType<typeof startOldServer>>
let agent: TestAgent
let gateway: TestGateway
let places: string
const placesPort = await freePort()
const tlsPort = await freePort()

beforeAll(async () => {
  ;[provider, a, b, tools, agent] = await Promise.all([
    echoServer('provider', completion),
    echoServer('a'),
    echoServer('b'),
    startOldServer(),
    startAgent([['JSONRPC', '1.0']]),
  ])
  const certificate = (name: string) => ({ certificateFile: file(`${name}.pem`), keyFile: file(`${name}-key.pem`) })
  gateway = await startGateway({
    listeners: {
      default: { port: await freePort() },
      places: { port: placesPort, serves: ['http'] },
      secure: {
        port: tlsPort,
        serves: ['http'],
        tls: {
          certificates: [
            { hosts: ['gateway.test', '*.gateway.test'], ...certificate('listener-1') },
            { hosts: ['second.test'], ...certificate('listener-2') },
          ],
        },
      },
    },
    providers: { own: { type: 'openai-compatible', baseUrl: `${provider.url}/v1` } },
    models: { small: { targets: [{ provider: 'own' }] }, large: { targets: [{ provider: 'own' }] } },
    mcp: { servers: { tools: { type: 'http', url: tools.url } }, endpoints: { here: { servers: ['tools'] } } },
    a2a: { agents: { planner: { url: agent.url } } },
    http: {
      services: { a: { url: a.url }, b: { url: b.url } },
      routes: [
        { name: 'models', listeners: ['places'], match: { prefix: '/llm' }, ai: { models: ['small'] } },
        { name: 'tools', listeners: ['places'], match: { prefix: '/tools' }, ai: { mcp: 'here' } },
        { name: 'agent', listeners: ['places'], match: { prefix: '/planner' }, ai: { agent: 'planner' } },
        { name: 'some', listeners: ['places'], match: { prefix: '/split', percent: 30 }, service: 'a' },
        { name: 'others', listeners: ['places'], match: { prefix: '/split' }, service: 'b' },
        { name: 'first', listeners: ['secure'], hosts: ['gateway.test', '*.gateway.test'], service: 'a' },
        { name: 'second', listeners: ['secure'], hosts: ['second.test'], service: 'b' },
      ],
    },
  })
  places = `http://127.0.0.1:${placesPort}`
}, 60_000)

afterAll(async () => {
  await gateway?.stop()
  await Promise.all([provider, a, b, agent].map((each) => each?.close()))
  await tools?.stop()
})

test('models are below the prefix of their route, and only those that it names', async () => {
  const client = new OpenAI({ apiKey: 'none', baseURL: `${places}/llm/v1`, maxRetries: 0 })
  const messages = [{ role: 'user' as const, content: 'hello' }]
  const { choices } = await client.chat.completions.create({ model: 'small', messages })
  expect(choices[0]?.message.content).toBe('hi')
  expect(provider.seen.at(-1)?.path).toBe('/v1/chat/completions')
  expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['small'])
  const refused = client.chat.completions.create({ model: 'large', messages })
  await expect(refused).rejects.toMatchObject({ status: 403, code: 'model_not_allowed' })
  expect((await ask(places, '/v1/models')).status).toBe(404)
})

test('errors on the way are those of the API, also there', async () => {
  const answer = await ask(places, '/llm/v1/messages', { body: '{', headers: { 'content-type': 'application/json' } })
  expect(answer.status).toBe(400)
  expect(answer.json()).toMatchObject({ type: 'error' })
})

test('an MCP endpoint is at the path of its route', async () => {
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(new URL(`${places}/tools`)))
  expect((await client.listTools()).tools.length).toBeGreaterThan(0)
  await client.close()
  expect((await ask(places, '/mcp', { body: '{}' })).status).toBe(404)
})

test('an agent is at the path of its route, and its card says so', async () => {
  const card = (await ask(places, '/planner/.well-known/agent-card.json')).json<{ url: string }>()
  expect(card.url).toBe(`${places}/planner`)
  const client = await new ClientFactory().createFromUrl(`${places}/planner/.well-known/agent-card.json`, '')
  const part = {
    content: { $case: 'text' as const, value: 'plan it' },
    metadata: undefined,
    filename: '',
    mediaType: '',
  }
  const message = {
    messageId: 'm',
    contextId: '',
    taskId: '',
    role: Role.ROLE_USER,
    parts: [part],
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
  }
  const task = await client.sendMessage({ tenant: '', message, configuration: undefined, metadata: undefined })
  expect(task).toMatchObject({ artifacts: [{ name: 'plan' }] })
})

test('a client cannot say where its request goes', async () => {
  const headers = { 'x-chaperone-route': 'responder', 'x-chaperone-cluster': 'service/a' }
  expect((await ask(places, '/llm/v1/models', { headers })).status).toBe(200)
})

test('a route with a share takes that share', async () => {
  const answers = await Promise.all(Array.from({ length: 200 }, () => ask(places, '/split')))
  const first = answers.filter(({ headers }) => headers['x-server'] === 'a').length
  expect(first).toBeGreaterThan(30)
  expect(first).toBeLessThan(95)
  expect(answers.every(({ status }) => status === 200)).toBe(true)
})

/** Asks over TLS for one name, and for a host that may be another. */
function secure(servername: string, host: string): Promise<{ status: number; server: unknown; subject: string }> {
  return new Promise((resolve, reject) => {
    const ca = readFileSync(file('ca.pem'))
    const agent = new Agent({ keepAlive: false })
    const call = request(
      {
        hostname: '127.0.0.1',
        port: tlsPort,
        servername,
        headers: { host },
        ca,
        agent,
        checkServerIdentity: () => undefined,
      },
      (response) => {
        const { subjectaltname = '' } = (response.socket as import('node:tls').TLSSocket).getPeerCertificate()
        response.resume()
        resolve({ status: response.statusCode ?? 0, server: response.headers['x-server'], subject: subjectaltname })
      },
    )
    call.on('error', reject)
    call.end()
  })
}

test('each name has its certificate, and a connection is for its own names only', async () => {
  expect(await secure('gateway.test', 'gateway.test')).toMatchObject({ status: 200, server: 'a' })
  expect(await secure('x.y.gateway.test', 'x.y.gateway.test')).toMatchObject({ status: 200, server: 'a' })
  const second = await secure('second.test', 'second.test')
  expect(second).toMatchObject({ status: 200, server: 'b' })
  expect(second.subject).toContain('second.test')
  expect((await secure('gateway.test', 'gateway.test')).subject).not.toContain('second.test')
  expect((await secure('gateway.test', 'second.test')).status).toBe(421)
  expect((await secure('second.test', 'gateway.test')).status).toBe(421)
  expect((await secure('second.test', 'third.test')).status).toBe(404)
  await expect(secure('third.test', 'third.test')).rejects.toThrow()
})
