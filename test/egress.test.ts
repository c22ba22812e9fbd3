import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { AgentCard } from '@a2a-js/sdk'
import { ClientFactory, ClientFactoryOptions } from '@a2a-js/sdk/client'
import { GrpcTransportFactory } from '@a2a-js/sdk/client/grpc'
import { LLMock } from '@copilotkit/aimock'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ProxyAgent, fetch as undiciFetch } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { type RulesInput, rulesSchema } from '../src/config/schema.ts'
import { startAgent, type TestAgent } from './a2a/agent.ts'
import { message } from './a2a/message.ts'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'
import { ask, type EchoServer, echoServer } from './http/echo.ts'
import { startOldServer } from './mcp/old-server.ts'

/** Agents that know nothing of the gateway, and whose calls go through it all the same: as HTTP_PROXY and HTTPS_PROXY. */

const file = (name: string) => fileURLToPath(new URL(`./tls/${name}`, import.meta.url))
const run = promisify(execFile)
const directory = mkdtempSync(join(tmpdir(), 'chaperone-egress-'))
const mock = new LLMock({ port: 0, logLevel: 'silent' })
/** What reached the provider. */
const shown: IncomingHttpHeaders[] = []

let front: ReturnType<typeof createServer>
let echo: EchoServer
let elsewhere: Server
let tcp: Server
let mcp: Awaited<ReturnType<typeof startOldServer>>
let agent: TestAgent
let speaker: TestAgent
let gateway: TestGateway
let input: RulesInput
let proxy: string
let keyed: string
let keyedPort: number
let research: string
let sales: string

const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port
const listen = (server: Server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))

beforeAll(async () => {
  mock.onMessage('hello', { content: 'Hello from the mock.' })
  await mock.start()
  process.env.TEST_OPENAI_KEY = 'sk-the-gateways'
  // Tells which credentials come to the provider.
  front = createServer((request, response) => {
    shown.push(request.headers)
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', async () => {
      const answer = await fetch(mock.url + request.url, {
        method: request.method!,
        headers: { 'content-type': 'application/json', authorization: 'Bearer x' },
        ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
      })
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type')! })
      response.end(Buffer.from(await answer.arrayBuffer()))
    })
  })
  echo = await echoServer('echo')
  elsewhere = createSecureServer(
    { key: readFileSync(file('provider-key.pem')), cert: readFileSync(file('provider.pem')) },
    (_, response) => response.end('from elsewhere'),
  )
  tcp = createTcpServer((socket) => socket.end('a server that speaks first'))
  await Promise.all([front, elsewhere, tcp].map(listen))
  ;[mcp, agent, speaker] = await Promise.all([startOldServer(), startAgent(), startAgent([['GRPC', '1.0']])])
  const port = await freePort()
  keyedPort = await freePort()
  proxy = `http://127.0.0.1:${port}`
  keyed = `http://127.0.0.1:${keyedPort}`
  input = {
    listeners: {
      default: { port: await freePort() },
      proxy: { port, serves: ['egress'], maxRequestBytes: 65_536 },
      keyed: { port: keyedPort, serves: ['egress'], identity: { accept: ['key'] } },
    },
    teams: { research: {}, sales: {} },
    providers: {
      mock: { type: 'openai', baseUrl: `http://127.0.0.1:${portOf(front)}/v1`, apiKey: '${env:TEST_OPENAI_KEY}' },
    },
    models: {
      'gpt-*': { targets: [{ provider: 'mock' }] },
      'claude-*': { targets: [{ provider: 'mock', model: 'gpt-5' }] },
      'gemini-*': { targets: [{ provider: 'mock', model: 'gpt-5' }] },
    },
    policies: { rules: { sales: { effect: 'deny', when: 'identity.team == "sales" && model == "gpt-big"' } } },
    mcp: { servers: { tools: { type: 'http', url: mcp.url, tools: { deny: ['test_simple_text'] } } } },
    a2a: { agents: { planner: { url: agent.url }, speaker: { url: speaker.url, hosts: [speaker.grpc] } } },
    egress: {
      authority: { directory },
      rules: [
        {
          name: 'sales',
          hosts: ['localhost'],
          when: 'identity.team == "sales"',
          action: 'deny',
        },
        {
          name: 'elsewhere',
          hosts: ['localhost'],
          ports: [portOf(elsewhere)],
          action: 'log',
          addresses: ['127.0.0.0/8'],
        },
        { name: 'echo', hosts: ['127.0.0.1'], ports: [echo.port, portOf(tcp)], action: 'allow' },
        { name: 'rebound', hosts: ['localhost'], action: 'allow' },
        { name: 'missing', hosts: ['nowhere.invalid'], action: 'allow' },
        { name: 'dead', hosts: ['127.0.0.1'], ports: [1], action: 'allow' },
      ],
    },
  }
  gateway = await startGateway(input)
  research = (await gateway.keys.create({ name: 'research', team: 'research' })).text
  sales = (await gateway.keys.create({ name: 'sales', team: 'sales' })).text
}, 120_000)

afterAll(async () => {
  await gateway?.stop()
  await Promise.all([mock.stop(), echo?.close(), mcp?.stop(), agent?.close(), speaker?.close()])
  for (const server of [front, elsewhere, tcp]) server?.close()
  rmSync(directory, { recursive: true, force: true })
})

const apply = async (change: Partial<RulesInput>) =>
  expect(await gateway.gateway.apply(rulesSchema.parse({ ...input, ...change }))).toMatchObject({ type: 'applied' })

/** What a proxy answers to CONNECT, and what comes through then. */
function tunnel(base: string, authority: string, headers = ''): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(base).port), '127.0.0.1')
    let text = ''
    socket.on('data', (data) => {
      text += data
      const [, status] = /^HTTP\/1\.1 (\d+).*?\r\n\r\n/s.exec(text) ?? []
      if (status !== undefined && status !== '200' && text.includes('}')) socket.destroy()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]), text }))
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${headers}\r\n`)
  })
}

const basic = (key: string) => `proxy-authorization: Basic ${Buffer.from(`agent:${key}`).toString('base64')}\r\n`
const errorOf = ({ text }: { text: string }) => JSON.parse(text.slice(text.indexOf('{'))).error

/** A client that trusts the gateway's authority, as NODE_EXTRA_CA_CERTS makes it. */
function through(base: string, key?: string) {
  const ca = readFileSync(join(directory, 'ca.pem'))
  const dispatcher = new ProxyAgent({
    uri: base,
    requestTls: { ca },
    ...(key !== undefined && { token: `Basic ${Buffer.from(`agent:${key}`).toString('base64')}` }),
  })
  return (url: string, init: object = {}) => undiciFetch(url, { ...init, dispatcher } as never)
}

const chat = (model: string) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', authorization: 'Bearer sk-agents-own' },
  body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }] }),
})

describe('models', () => {
  test('an agent with the SDKs of OpenAI and Anthropic, told of the proxy by its environment alone', async () => {
    shown.length = 0
    const { stdout } = await run(process.execPath, ['test/egress/agent.mjs'], {
      env: {
        PATH: process.env.PATH,
        HTTPS_PROXY: proxy,
        HTTP_PROXY: proxy,
        NODE_EXTRA_CA_CERTS: join(directory, 'ca.pem'),
      },
    })
    const hello = 'Hello from the mock.'
    expect(JSON.parse(stdout)).toEqual({
      whole: hello,
      streamed: hello,
      other: hello,
      claude: hello,
      refused: { status: 403, message: expect.stringContaining('Of api.openai.com:443 only the APIs') },
      denied: 'model_not_found',
    })
    // The agent's own keys go nowhere.
    expect(shown).toHaveLength(4)
    for (const headers of shown) {
      expect(headers.authorization).toBe('Bearer sk-the-gateways')
      expect(JSON.stringify(headers)).not.toMatch(/agents-own|x-chaperone/)
    }
    expect(gateway.records.slice(-4).map(({ operation, caller }) => [operation, caller?.listener])).toEqual([
      ['chat', 'proxy'],
      ['chat', 'proxy'],
      ['chat', 'proxy'],
      ['messages', 'proxy'],
    ])
  })

  test.each([
    ['https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent', 'generate_content'],
    ['https://generativelanguage.googleapis.com/v1beta/openai/chat/completions', 'chat'],
    [
      'https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/publishers/google/models/gemini-2.5-pro:generateContent',
      'generate_content',
    ],
    ['https://openrouter.ai/api/v1/chat/completions', 'chat'],
    ['https://resource.openai.azure.com/openai/v1/chat/completions', 'chat'],
    ['https://resource.openai.azure.com/openai/deployments/gpt-5/chat/completions?api-version=2024-10-21', 'chat'],
    ['https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1/chat/completions', 'chat'],
  ])('curl %s', async (url, operation) => {
    const body =
      operation === 'chat'
        ? {
            ...(!url.includes('/deployments/') && { model: 'gpt-5' }),
            messages: [{ role: 'user', content: 'hello' }],
          }
        : { contents: [{ role: 'user', parts: [{ text: 'hello' }] }] }
    const { stdout } = await run(
      'curl',
      ['--silent', '--show-error', '--max-time', '10', url, '--json', JSON.stringify(body)],
      { env: { PATH: process.env.PATH, https_proxy: proxy, CURL_CA_BUNDLE: join(directory, 'bundle.pem') } },
    )
    expect(stdout).toContain('Hello from the mock.')
    expect(gateway.records.at(-1)?.operation).toBe(operation)
  })

  test('refusals are in the words of the API that was asked', async () => {
    const ask = through(proxy)
    const anthropic = await ask('https://api.anthropic.com/v1/messages', chat('unknown'))
    expect(await anthropic.json()).toMatchObject({ type: 'error', error: { type: 'not_found_error' } })
    const google = await ask('https://generativelanguage.googleapis.com/v1beta/models/x:generateContent', chat('x'))
    expect(await google.json()).toMatchObject({ error: { code: 404, status: 'NOT_FOUND' } })
    const long = { ...chat('gpt-5'), body: JSON.stringify({ model: 'gpt-5', text: 'x'.repeat(70_000) }) }
    expect(await (await ask('https://api.openai.com/v1/chat/completions', long)).json()).toMatchObject({
      error: { code: 'request_too_large' },
    })
  })

  test('a provider of the rules without TLS, asked directly', async () => {
    const answer = await ask(proxy, `http://127.0.0.1:${portOf(front)}/v1/chat/completions`, {
      host: `127.0.0.1:${portOf(front)}`,
      headers: { 'content-type': 'application/json' },
      body: chat('gpt-5').body,
    })
    expect(answer.json<unknown>()).toMatchObject({ choices: [{ message: { content: 'Hello from the mock.' } }] })
  })

  test.each([
    ['/v1//chat/completions', 400],
    ['/v1/%63hat/completions', 400],
    ['/V1/chat/completions', 400],
    ['/v1/files', 403],
    ['/.well-known/x', 404],
  ])('%s of a known host: %s', async (path, status) => {
    const answer = await ask(proxy, `http://127.0.0.1:${portOf(front)}${path}`, { host: `127.0.0.1:${portOf(front)}` })
    expect(answer.status).toBe(status)
  })

  test('the certificate is for the host, from the authority, and its key is nobody’s to read', async () => {
    expect(statSync(join(directory, 'authority.pem')).mode & 0o777).toBe(0o600)
    const socket = connect(Number(new URL(proxy).port), '127.0.0.1')
    socket.write('CONNECT api.mistral.ai:443 HTTP/1.1\r\nhost: api.mistral.ai:443\r\n\r\n')
    await new Promise((resolve) => socket.once('data', resolve))
    const secure = connectTls({ socket, servername: 'api.mistral.ai', ca: readFileSync(join(directory, 'ca.pem')) })
    await new Promise((resolve, reject) => secure.once('secureConnect', resolve).once('error', reject))
    const { subjectaltname, ext_key_usage } = secure.getPeerCertificate()
    expect(subjectaltname).toBe('DNS:api.mistral.ai')
    expect(ext_key_usage).toEqual(['1.3.6.1.5.5.7.3.1'])
    secure.destroy()
  })

  test('for a name that is not known there is no certificate, and nothing is kept of it', async () => {
    const active = () => gateway.envoy.admin('/stats?filter=on_demand_secret.cert_active')
    const before = await active()
    for (let count = 0; count < 3; count++) {
      const socket = connect(Number(new URL(proxy).port), '127.0.0.1')
      socket.write('CONNECT api.mistral.ai:443 HTTP/1.1\r\nhost: api.mistral.ai:443\r\n\r\n')
      await new Promise((resolve) => socket.once('data', resolve))
      const secure = connectTls({ socket, servername: `bank-${count}.example.com`, rejectUnauthorized: false })
      await expect(
        new Promise((resolve, reject) => secure.once('secureConnect', resolve).once('error', reject)),
      ).rejects.toThrow()
    }
    expect(await active()).toEqual(before)
  })
})

describe('MCP servers and agents', () => {
  test('an MCP server of the rules, asked where it is: its own names, without what the rules deny', async () => {
    const client = new Client({ name: 'agent', version: '1' })
    const transport = new StreamableHTTPClientTransport(new URL(mcp.url), { fetch: through(proxy) as never })
    await client.connect(transport)
    const { tools } = await client.listTools()
    const names = tools.map(({ name }) => name)
    expect(names).toContain('test_image_content')
    expect(names).not.toContain('test_simple_text')
    const { content } = await client.callTool({ name: 'test_image_content', arguments: {} })
    expect(content).toMatchObject([{ type: 'image' }])
    await client.close()
    expect(gateway.mcpRecords.map(({ method, server }) => [method, server])).toContainEqual(['tools/call', 'tools'])
  })

  test('an agent of the rules: the card has its own host, and its calls come through', async () => {
    const ask = through(proxy)
    const { origin } = new URL(agent.url)
    const card = (await (await ask(`${agent.url}/.well-known/agent-card.json`)).json()) as {
      supportedInterfaces: { url: string; protocolBinding: string }[]
    }
    const there = card.supportedInterfaces.find(({ protocolBinding }) => protocolBinding === 'JSONRPC')!.url
    expect(there).toBe(`${origin}/a2a/planner`)
    for (const url of [there, agent.url]) {
      const answer = await ask(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'a2a-version': '1.0' },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'SendMessage',
          params: { message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'only words' }] } },
        }),
      })
      expect(await answer.json()).toMatchObject({ jsonrpc: '2.0', id: 1, result: expect.anything() })
    }
  })
})

describe('an agent of gRPC, whose client (grpc-js) is told of the proxy by its environment', () => {
  test.each([
    [
      'by the card that comes by the proxy',
      async () => (await through(proxy)(`${speaker.url}/.well-known/agent-card.json`)).json(),
    ],
    ['by its own card', async () => (await fetch(`${speaker.url}/.well-known/agent-card.json`)).json()],
  ])('%s', async (_, card) => {
    process.env.grpc_proxy = proxy
    try {
      const factory = new ClientFactory(
        ClientFactoryOptions.createFrom(ClientFactoryOptions.default, {
          transports: [new GrpcTransportFactory()],
          preferredTransports: ['GRPC'],
        }),
      )
      const client = await factory.createFromAgentCard(AgentCard.fromJSON(await card()))
      expect(await client.sendMessage(message('only words'))).toMatchObject({
        parts: [{ content: { value: 'you said only words' } }],
      })
      expect(gateway.egress.at(-1)).toMatchObject({ known: 'speaker', method: 'tunnel', action: 'read' })
      expect(gateway.a2aRecords.at(-1)).toMatchObject({ agent: 'speaker', binding: 'grpc' })
    } finally {
      delete process.env.grpc_proxy
    }
  })
})

describe('everything else', () => {
  test('what a rule lets through is between the agent and the host', async () => {
    const dispatcher = new ProxyAgent({ uri: proxy, requestTls: { ca: readFileSync(file('ca.pem')) } })
    const answer = await undiciFetch(`https://localhost:${portOf(elsewhere)}/`, { dispatcher })
    expect(await answer.text()).toBe('from elsewhere')
    expect(gateway.egress.at(-1)).toMatchObject({
      host: 'localhost',
      port: portOf(elsewhere),
      method: 'tunnel',
      action: 'log',
      rule: 'egress.rules.elsewhere',
    })
  })

  test('a request that is asked of the proxy goes on as it came, whatever its length', async () => {
    const body = 'x'.repeat(200_000)
    const answer = await ask(proxy, `http://127.0.0.1:${echo.port}/a//b?c=%2F`, {
      host: `127.0.0.1:${echo.port}`,
      headers: {
        x_under: 'score',
        authorization: 'Bearer the-hosts',
        'proxy-authorization': 'Basic eDp5',
        'x-chaperone-key': 'k',
      },
      body,
    })
    expect(answer.status).toBe(200)
    const seen = answer.json()
    expect(seen).toMatchObject({ method: 'POST', path: '/a//b?c=%2F', body })
    expect(seen.headers).toMatchObject({ x_under: 'score', authorization: 'Bearer the-hosts' })
    expect(JSON.stringify(seen.headers)).not.toMatch(/chaperone|proxy-|x-forwarded|x-envoy|x-request-id/)
  })

  test('a tunnel to a server that speaks first', async () => {
    const { status, text } = await tunnel(proxy, `127.0.0.1:${portOf(tcp)}`)
    expect(status).toBe(200)
    expect(text).toContain('a server that speaks first')
  })

  test.each([
    ['example.com:443', 403, 'egress_denied', 'egress.default'],
    ['127.0.0.1:22', 403, 'egress_denied', 'egress.default'],
    ['169.254.169.254:80', 403, 'egress_denied', 'egress.default'],
    ['[::1]:443', 403, 'egress_denied', 'egress.default'],
    // A rule names the host, not where it leads.
    ['localhost:80', 403, 'address_denied', 'egress.rules.rebound'],
    ['nowhere.invalid:443', 502, 'unknown_host', 'egress.rules.missing'],
    ['127.1:443', 400, 'bad_request', undefined],
    ['0x7f000001:443', 400, 'bad_request', undefined],
  ])('CONNECT %s: %s %s', async (authority, status, code, rule) => {
    const answer = await tunnel(proxy, authority)
    expect(answer.status).toBe(status)
    expect(errorOf(answer)).toMatchObject({ status, code, ...(rule !== undefined && { rule }) })
    expect(gateway.egress.at(-1)).toMatchObject({ listener: 'proxy', action: 'deny', code })
  })

  test('CONNECT to what is no host with a port: 400', async () => {
    expect((await tunnel(proxy, 'host:99999')).status).toBe(400)
  })

  test('a host that does not answer', async () => {
    const answer = await tunnel(proxy, '127.0.0.1:1')
    expect(answer.status).toBe(503)
    expect(errorOf(answer)).toMatchObject({ code: 'host_unreachable' })
  })

  test('what a client says of the gateway’s own ways leads nowhere', async () => {
    const said = [
      'x-chaperone-address: 127.0.0.1:22',
      'x-chaperone-cluster: outside',
      'x-chaperone-route: egress-tunnel',
      'x-chaperone-tunnel: 1',
      '',
    ].join('\r\n')
    expect((await tunnel(proxy, 'example.com:443', said)).status).toBe(403)
  })
})

describe('who asks', () => {
  test.each([
    ['nothing', ''],
    ['a wrong key', basic('sk-chp-wrong')],
  ])('%s: 407', async (_, headers) => {
    const answer = await tunnel(keyed, `localhost:${portOf(elsewhere)}`, headers)
    expect(answer.status).toBe(407)
    expect(answer.text).toContain('proxy-authenticate: Basic realm="chaperone"')
  })

  test('rules for some', async () => {
    const place = `localhost:${portOf(elsewhere)}`
    const refused = await tunnel(keyed, place, basic(sales))
    expect(errorOf(refused)).toMatchObject({ code: 'egress_denied', rule: 'egress.rules.sales' })
    expect(gateway.egress.at(-1)).toMatchObject({ team: 'sales', action: 'deny' })
    const socket = connect(keyedPort, '127.0.0.1')
    socket.write(`CONNECT ${place} HTTP/1.1\r\nhost: ${place}\r\n${basic(research)}\r\n`)
    const first = await new Promise<Buffer>((resolve) => socket.once('data', resolve))
    expect(String(first)).toContain('200')
    socket.destroy()
  })

  test('who opened the tunnel asks inside of it', async () => {
    const answer = await through(keyed, research)('https://api.openai.com/v1/chat/completions', chat('gpt-5'))
    expect(answer.status).toBe(200)
    const record = await gateway.recordOf(answer.headers.get('x-request-id')!)
    expect(record.caller).toMatchObject({ identity: 'key', team: 'research', listener: 'keyed' })
    // Nothing of the tunnel goes to the provider.
    expect(JSON.stringify(shown.at(-1))).not.toContain('x-chaperone')
    const denied = await through(keyed, sales)('https://api.openai.com/v1/chat/completions', chat('gpt-big'))
    expect(await denied.json()).toMatchObject({ error: { code: 'policy_denied' } })
  })

  test('no tunnel is taken for another', async () => {
    const callers = [research, sales, research, sales, research, sales]
    const answers = await Promise.all(
      callers.map((key) => through(keyed, key)('https://api.openai.com/v1/chat/completions', chat('gpt-5'))),
    )
    const teams = await Promise.all(
      answers.map(async ({ headers }) => (await gateway.recordOf(headers.get('x-request-id')!)).caller?.team),
    )
    expect(teams).toEqual(['research', 'sales', 'research', 'sales', 'research', 'sales'])
  })

  test('a key inside of the tunnel comes first', async () => {
    const ca = readFileSync(join(directory, 'ca.pem'))
    const dispatcher = new ProxyAgent({ uri: keyed, requestTls: { ca }, token: basic(sales).slice(21).trim() })
    const init = chat('gpt-5')
    const headers = { ...init.headers, 'x-chaperone-key': research }
    const url = 'https://api.openai.com/v1/chat/completions'
    const answer = await undiciFetch(url, { ...init, headers, dispatcher })
    expect((await gateway.recordOf(answer.headers.get('x-request-id')!)).caller?.team).toBe('research')
  })
})

describe('changed rules', () => {
  test('without an authority TLS to known hosts is refused, or goes through unread where the rules say so', async () => {
    const { authority: _, ...rest } = input.egress!
    await apply({ egress: rest })
    const answer = await tunnel(proxy, 'api.openai.com:443')
    expect(answer.status).toBe(403)
    expect(errorOf(answer)).toMatchObject({ code: 'egress_denied', rule: 'egress.withoutAuthority' })
    // What has no TLS can be read all the same.
    const plain = await through(proxy)(`http://127.0.0.1:${portOf(front)}/v1/chat/completions`, chat('gpt-5'))
    expect(plain.status).toBe(200)
    await apply({
      egress: { ...rest, withoutAuthority: 'log' },
      providers: {
        ...input.providers,
        local: { type: 'openai', baseUrl: `https://localhost:${portOf(elsewhere)}`, apiKey: '${env:TEST_OPENAI_KEY}' },
      },
    })
    const dispatcher = new ProxyAgent({ uri: proxy, requestTls: { ca: readFileSync(file('ca.pem')) } })
    const through2 = await undiciFetch(`https://localhost:${portOf(elsewhere)}/`, { dispatcher })
    expect(await through2.text()).toBe('from elsewhere')
    expect(gateway.egress.at(-1)).toMatchObject({ known: 'local', action: 'log', rule: 'egress.withoutAuthority' })
    await apply({})
  })

  test('other paths of known hosts', async () => {
    await apply({ egress: { ...input.egress, otherPaths: 'log' } })
    const answer = await through(proxy)(`http://127.0.0.1:${portOf(front)}/v1/files`)
    expect(answer.status).toBe(200)
    expect(shown.at(-1)).not.toHaveProperty('x-chaperone-address')
    expect(gateway.egress.at(-1)).toMatchObject({
      known: 'mock',
      method: 'GET',
      action: 'log',
      rule: 'egress.otherPaths',
    })
    await apply({})
  })

  test('an authority that cannot be used is refused, and the one before stays', async () => {
    const wrong = (authority: NonNullable<RulesInput['egress']>['authority']) =>
      gateway.gateway.apply(rulesSchema.parse({ ...input, egress: { ...input.egress, authority } }))
    await expect(wrong({ certificateFile: '/nowhere.pem', keyFile: '/nowhere.pem' })).rejects.toThrow('/nowhere.pem')
    await expect(wrong({ certificateFile: file('provider.pem'), keyFile: file('provider-key.pem') })).rejects.toThrow(
      'not one of an authority',
    )
    await expect(wrong({ certificateFile: file('ca.pem'), keyFile: file('provider-key.pem') })).rejects.toThrow(
      'the key is not the certificate’s',
    )
    const answer = await through(proxy)('https://api.openai.com/v1/chat/completions', chat('gpt-5'))
    expect(answer.status).toBe(200)
  })

  test('an authority of one’s own', async () => {
    const [key, certificate] = [join(directory, 'own-key.pem'), join(directory, 'own.pem')]
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp384r1', '-nodes', '-days', '30'],
        ...['-keyout', key, '-out', certificate, '-subj', '/CN=Own', '-addext', 'basicConstraints=critical,CA:TRUE'],
      ],
      { stdio: 'ignore' },
    )
    await apply({ egress: { ...input.egress, authority: { certificateFile: certificate, keyFile: key } } })
    await eventually(async () => {
      const { stdout } = await run('curl', ['-sS', '--max-time', '5', 'https://api.openai.com/v1/models'], {
        env: { PATH: process.env.PATH, https_proxy: proxy, CURL_CA_BUNDLE: certificate },
      })
      expect(JSON.parse(stdout)).toMatchObject({ object: 'list' })
    })
    await apply({})
  })
})

test('the configuration of the page', async () => {
  const example = readFileSync('examples/egress.yaml', 'utf8')
  expect(readFileSync('docs/egress.md', 'utf8')).toContain(`\`\`\`yaml\n${example}\`\`\``)
  const page = parse(example) as RulesInput
  // As it is, but for where things live.
  for (const provider of Object.values(page.providers!)) Object.assign(provider, input.providers!.mock)
  page.egress!.authority = { directory }
  page.listeners = {
    default: input.listeners!.default!,
    proxy: { ...page.listeners!.proxy, ...input.listeners!.proxy },
  }
  expect(await gateway.gateway.apply(rulesSchema.parse(page))).toMatchObject({ type: 'applied' })
  const answer = await through(proxy)('https://api.openai.com/v1/chat/completions', chat('gpt-5'))
  expect(answer.status).toBe(200)
  expect(errorOf(await tunnel(proxy, 'a.files.example.com:80'))).toMatchObject({ rule: 'egress.default' })
  await tunnel(proxy, 'a.files.example.com:443')
  expect(gateway.egress.at(-1)).toMatchObject({ rule: 'egress.rules.packages' })
  expect(errorOf(await tunnel(proxy, '10.0.0.9:5432'))).toMatchObject({ rule: 'egress.default' })
  await apply({})
})

test('nothing went wrong on the way', () => {
  expect(gateway.reports).toEqual([])
})
