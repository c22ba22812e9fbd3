import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { render } from '../src/cli/render.ts'
import { supportedFeatures } from '../src/gateway-api/features.ts'
import { startAgent, type TestAgent } from './a2a/agent.ts'
import { Commands, ready } from './command.ts'
import { eventually } from './gateway.ts'
import { freePort } from './harness.ts'
import { ask, type EchoServer, echoServer } from './http/echo.ts'
import { startOldServer } from './mcp/old-server.ts'

/** docs/gateway-api.md: its objects, with servers of this machine in the places of its own, through `chaperone run` and a real Envoy. */

const page = readFileSync('docs/gateway-api.md', 'utf8')
const commands = new Commands()
const completion = {
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'hi' } }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
}

let cart: EchoServer
let provider: EchoServer
let tools: Awaited<ReturnType<typeof startOldServer>>
let agent: TestAgent
let manifests: string
const [port, telemetry] = [await freePort(), await freePort()]
const url = `http://127.0.0.1:${port}`
const file = join(commands.directory, 'objects.yaml')

beforeAll(async () => {
  ;[cart, provider, tools, agent] = await Promise.all([
    echoServer('cart'),
    echoServer('provider', JSON.stringify(completion)),
    startOldServer(),
    startAgent([['JSONRPC', '1.0']]),
  ])
  const [, objects = ''] = /```yaml\n([\s\S]*?)```/.exec(page) ?? []
  manifests = `${objects
    .replace('port: 8080', `port: ${port}`)
    .replace('https://api.openai.com', provider.url)
    .replace('http://tickets.team-a.svc:8080/mcp', tools.url)
    .replace('http://planner.team-a.svc:9000', agent.url)}
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: team-a }
spec: { ports: [{ port: 80 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: cart-1, namespace: team-a, labels: { kubernetes.io/service-name: cart } }
addressType: IPv4
endpoints: [{ addresses: [127.0.0.1] }]
ports: [{ port: ${cart.port} }]
---
apiVersion: v1
kind: Secret
metadata: { name: keys, namespace: team-a }
stringData: { openai: sk-of-the-secret }
`
  writeFileSync(file, manifests)
  writeFileSync(join(commands.directory, 'own.yaml'), `telemetry: { port: ${telemetry}, accessLog: false }\n`)
  await ready(await commands.start(['run', '--file', 'own.yaml', '--gateway-api', file]))
}, 90_000)

afterAll(async () => {
  await commands.end()
  await Promise.all([cart, provider, agent].map((server) => server?.close()))
  await tools?.stop()
})

const shop = (options: object = {}) => ask(url, '/cart/1', { host: 'shop.example.com', ...options })
/** What `chaperone render` prints. */
async function rendered(options: { status?: boolean }): Promise<string> {
  let text = ''
  const write = (piece: string) => {
    text += piece
  }
  expect(await render({ gatewayApi: [file], socket: '/tmp/none.sock', ...options }, write)).toBe(0)
  return text
}
const chat = (model: string) =>
  ask(url, '/llm/v1/chat/completions', {
    host: 'ai.example.com',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }] }),
  })

test('a Service', async () => {
  expect((await shop()).headers['x-server']).toBe('cart')
})

test('an AccessPolicy holds for its route, and for no other', async () => {
  const refused = await shop({ method: 'DELETE' })
  expect(refused.status).toBe(403)
  expect(refused.text).toContain('Carts are emptied, not deleted.')
  expect(refused.text).toContain('policies.rules.team-a_no-deletions')
  expect((await ask(url, '/tools', { host: 'ai.example.com', method: 'DELETE' })).status).not.toBe(403)
})

test('models, with the key of a Secret', async () => {
  expect((await chat('fast')).json<typeof completion>().choices[0]?.message.content).toBe('hi')
  expect(provider.seen.at(-1)?.headers.authorization).toBe('Bearer sk-of-the-secret')
  expect((await chat('other')).status).toBe(404)
})

test('an MCP server', async () => {
  const client = new Client({ name: 'test', version: '1' })
  const headers = { host: 'ai.example.com' }
  // fetch cannot say a Host: the SDK is given one that can.
  const viaNode = async (input: string | URL, init: RequestInit = {}) => {
    const answer = await ask(String(input), new URL(input).pathname, {
      ...headers,
      method: init.method ?? 'GET',
      headers: Object.fromEntries(new Headers(init.headers)),
      ...(typeof init.body === 'string' && { body: init.body }),
    })
    const { 'content-length': _, 'transfer-encoding': __, connection: ___, ...rest } = answer.headers
    return new Response(answer.status === 202 || answer.status === 204 ? null : answer.text, {
      status: answer.status,
      headers: rest as Record<string, string>,
    })
  }
  await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/tools`), { fetch: viaNode as typeof fetch }))
  const { tools: listed } = await client.listTools()
  expect(listed.every(({ name }) => name.startsWith('tickets_'))).toBe(true)
  expect(listed.length).toBeGreaterThan(0)
})

test('an agent, whose card says where the route put it', async () => {
  const card = await ask(url, '/planner/.well-known/agent-card.json', { host: 'ai.example.com' })
  expect(card.json<{ url: string }>().url).toBe('http://ai.example.com/planner')
})

test('render says what is said of each object', async () => {
  const text = await rendered({ status: true })
  const statuses = JSON.parse(text) as { kind: string; status: object }[]
  expect(statuses.map(({ kind }) => kind).toSorted()).toEqual([
    'AccessPolicy',
    'Agent',
    'Gateway',
    'GatewayClass',
    'HTTPRoute',
    'HTTPRoute',
    'McpServer',
    'Model',
    'Provider',
    'TrafficPolicy',
  ])
  expect(text).not.toMatch(/"(?:Accepted|ResolvedRefs|Programmed)",\s*"status": "False"/)
  expect(await rendered({})).not.toContain('sk-of-the-secret')
})

test('a policy that cannot be put into force closes its route, and no other', async () => {
  writeFileSync(file, manifests.replace('request.method == "DELETE"', 'request.nonsense == 1'))
  await eventually(async () => expect((await shop()).status).toBe(500))
  expect((await chat('fast')).status).toBe(200)
  expect(await rendered({ status: true })).toMatch(/column \d+ of the expression/)
})

test('the page lists the features that are claimed, and no other as claimed', () => {
  const [, table = ''] = /## Features\n([\s\S]*?)Not claimed/.exec(page) ?? []
  const listed = [...table.matchAll(/`((?:Gateway|HTTPRoute|GRPCRoute|BackendTLSPolicy|ReferenceGrant)\w*)`/g)].map(
    ([, name]) => name!,
  )
  expect(listed.toSorted()).toEqual([...supportedFeatures].toSorted())
  const tests = readFileSync('test/gateway-api.test.ts', 'utf8')
  const basic = new Set([
    'Gateway',
    'HTTPRoute',
    'GRPCRoute',
    'GatewayPort8080',
    'HTTPRouteNamedRouteRule',
    'HTTPRoute303RedirectStatusCode',
    'HTTPRoute307RedirectStatusCode',
    'HTTPRoute308RedirectStatusCode',
  ])
  for (const feature of supportedFeatures) if (!basic.has(feature)) expect(tests).toContain(feature)
})
