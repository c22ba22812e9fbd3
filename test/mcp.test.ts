import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { RulesInput } from '../src/config/schema.ts'
import { rulesSchema } from '../src/config/schema.ts'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { freePort, upstream } from './harness.ts'
import { startNewServer } from './mcp/new-server.ts'
import { startOldServer } from './mcp/old-server.ts'

/** MCP through the whole gateway: real SDK clients of both eras, a real Envoy, servers that others wrote. */

const everything = {
  type: 'stdio' as const,
  command: process.execPath,
  args: ['node_modules/@modelcontextprotocol/server-everything/dist/index.js', 'stdio'],
}

let gateway: TestGateway
let input: RulesInput
let old: Awaited<ReturnType<typeof startOldServer>>
let fresh: Awaited<ReturnType<typeof startNewServer>>
let twins: Awaited<ReturnType<typeof startOldServer>>[]
let keyed: number
let oauth: number
const keys: Record<string, string> = {}

const directory = mkdtempSync(join(tmpdir(), 'chaperone-mcp-'))
/** A REST API, and what it was asked. */
let rest: Awaited<ReturnType<typeof upstream>>
const rested: string[] = []

/** A server of the test's own, for what it is shown. */
let seen: Awaited<ReturnType<typeof upstream>>
const shown: { headers: IncomingHttpHeaders; body: string }[] = []

beforeAll(async () => {
  ;[old, fresh] = await Promise.all([startOldServer(), startNewServer()])
  twins = await Promise.all([startOldServer(), startOldServer(), startOldServer()])
  seen = await upstream((request, response) => {
    let body = ''
    request.on('data', (piece) => {
      body += piece
    })
    request.on('end', () => {
      if (request.url === '/token') {
        tokens.push({ authorization: request.headers.authorization, form: new URLSearchParams(body) })
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ access_token: `token-${tokens.length}`, expires_in: 3600, token_type: 'Bearer' }))
        return
      }
      shown.push({ headers: request.headers, body })
      const { id, method } = JSON.parse(body) as { id: number; method: string }
      response.setHeader('content-type', 'application/json')
      const result =
        method === 'server/discover'
          ? { supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, ttlMs: 0, cacheScope: 'private' }
          : method === 'tools/list'
            ? { tools: [{ name: 'look', inputSchema: { type: 'object' } }], ttlMs: 0, cacheScope: 'public' }
            : { content: [{ type: 'text', text: 'seen' }] }
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result: { resultType: 'complete', ...result } }))
    })
  })
  process.env.MCP_SECRET = 's3cret'
  rest = await upstream((request, response) => {
    rested.push(`${request.method} ${request.url} ${request.headers.authorization}`)
    request.resume()
    response.setHeader('content-type', 'application/json')
    if (request.url!.includes('404')) response.writeHead(404).end('{"message":"no such pet"}')
    else response.end('{"name":"Rex"}')
  })
  const pet = { parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }] }
  writeFileSync(
    join(directory, 'api.json'),
    JSON.stringify({
      openapi: '3.1.0',
      info: { title: 'Pets', version: '1' },
      paths: {
        '/pets/{id}': {
          get: { operationId: 'getPet', summary: 'One pet', ...pet },
          delete: { operationId: 'dropPet', ...pet },
        },
      },
    }),
  )
  process.env.MCP_SEAL = randomBytes(32).toString('base64')
  keyed = await freePort()
  oauth = await freePort()
  input = {
    listeners: {
      default: { port: await freePort() },
      keyed: { port: keyed, identity: { accept: ['key'] } },
      oauth: { port: oauth, identity: { accept: ['jwt'] } },
    },
    identities: {
      issuers: {
        corp: { issuer: 'https://login.example.com', audiences: ['mcp'], jwksUri: 'https://login.example.com/jwks' },
      },
    },
    mcp: {
      servers: {
        every: everything,
        old: { type: 'http', url: old.url, approval: 'tool.name == "test_image_content"' },
        fresh: { type: 'http', url: fresh.url, approval: 'tool.name == "test_image_content"' },
        twins: { type: 'http', url: 'http://localhost/mcp', replicas: twins.map(({ url }) => new URL(url).host) },
        api: {
          type: 'openapi',
          document: join(directory, 'api.json'),
          url: `${rest.url}/v2`,
          credential: { type: 'bearer', token: '${env:MCP_SECRET}' },
          operations: { dropPet: { hide: true } },
        },
        weather: {
          type: 'openapi',
          document: join(directory, 'api.json'),
          url: `${rest.url}/w`,
          credential: { type: 'query', parameters: { appid: '${env:MCP_SECRET}' } },
        },
        dead: { type: 'http', url: `http://127.0.0.1:${await freePort()}/mcp`, listTimeout: '500ms' },
        must: { type: 'http', url: `http://127.0.0.1:${await freePort()}/mcp`, onFailure: 'fail' },
        seen: {
          type: 'http',
          url: `${seen.url}/mcp`,
          credential: {
            type: 'client-credentials',
            tokenUrl: `${seen.url}/token`,
            clientId: 'gateway',
            clientSecret: '${env:MCP_SECRET}',
            scopes: ['read'],
          },
        },
        pinned: { type: 'http', url: fresh.url, pins: 'quarantine' },
        crash: {
          type: 'stdio',
          command: process.execPath,
          args: ['-e', 'console.error("no database"); process.exit(1)'],
          prefix: 'c',
        },
      },
      endpoints: {
        default: { servers: ['every', 'old', 'fresh', 'dead'] },
        every: { servers: ['every'] },
        old: { servers: ['old'] },
        fresh: { servers: ['fresh'], origins: ['https://app.example.com'] },
        twins: { servers: ['twins'] },
        api: { servers: ['api', 'weather'] },
        must: { servers: ['every', 'must'] },
        seen: { servers: ['seen'] },
        crash: { servers: ['crash', 'fresh'] },
        pinned: { servers: ['pinned'] },
        paged: { servers: ['every', 'old'], pageSize: 7 },
      },
      sessions: { keys: [{ id: 'k1', secret: '${env:MCP_SEAL}' }] },
      keepAlive: '300ms',
    },
    policies: {
      rules: {
        'no-env': { effect: 'deny', when: 'tool.server == "every" && tool.name == "get-env"' },
        'small-sums': {
          effect: 'deny',
          when: 'tool.name == "get-sum" && tool.arguments.a > 1000.0',
          message: 'Sums go up to 1000.',
        },
      },
    },
    limits: {
      echo: {
        requests: 3,
        per: 'day',
        when: 'tool.name == "echo" && request.path == "/mcp/every"',
        by: ['key', { expression: 'tool.server + "/" + tool.name' }],
      },
    },
  }
  gateway = await startGateway(input)
  for (const user of ['ann', 'bob']) keys[user] = (await gateway.keys.create({ user, name: user })).text
}, 60_000)

const tokens: { authorization: string | undefined; form: URLSearchParams }[] = []

afterAll(async () => {
  await gateway?.stop()
  rmSync(directory, { recursive: true, force: true })
  await Promise.all([
    old?.stop(),
    fresh?.stop(),
    seen?.close(),
    rest?.close(),
    ...(twins ?? []).map((twin) => twin.stop()),
  ])
})

const url = (endpoint: string) => new URL(`${gateway.url}/mcp${endpoint}`)

/** A client of the old era. */
async function connect(endpoint: string, key?: string): Promise<Client> {
  const client = new Client(
    { name: 'test', version: '1' },
    { capabilities: { sampling: {}, elicitation: { form: {} }, roots: { listChanged: true } } },
  )
  client.setRequestHandler(CreateMessageRequestSchema, () => ({
    role: 'assistant',
    model: 'm',
    content: { type: 'text', text: 'sampled' },
  }))
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ann' } }))
  client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///root', name: 'root' }] }))
  const target = key === undefined ? url(endpoint) : new URL(`http://127.0.0.1:${keyed}/mcp${endpoint}`)
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` }
  await client.connect(new StreamableHTTPClientTransport(target, { requestInit: { headers } }))
  return client
}

/** A client of the new era. */
async function connectModern(endpoint: string): Promise<ModernClient> {
  const client = new ModernClient(
    { name: 'test', version: '1' },
    {
      capabilities: { sampling: {}, elicitation: { form: {} }, roots: {} },
      versionNegotiation: { mode: { pin: '2026-07-28' } },
    },
  )
  client.setRequestHandler('sampling/createMessage', () => ({
    role: 'assistant',
    model: 'm',
    content: { type: 'text', text: 'sampled' },
  }))
  client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { name: 'Ann' } }))
  client.setRequestHandler('roots/list', () => ({ roots: [{ uri: 'file:///root', name: 'root' }] }))
  await client.connect(new ModernTransport(url(endpoint)))
  return client
}

/** One message as it is, without an SDK. */
async function post(
  endpoint: string,
  message: unknown,
  headers: Record<string, string> = {},
): Promise<{
  status: number
  headers: Headers
  json: { error?: { code: number; message: string }; result?: unknown }
}> {
  const response = await fetch(url(endpoint), {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: typeof message === 'string' ? message : JSON.stringify(message),
  })
  const text = await response.text()
  const streamed = response.headers.get('content-type')?.includes('event-stream')
  const json = streamed ? (/^data: (.*)$/m.exec(text)?.[1] ?? '{}') : text
  return { status: response.status, headers: response.headers, json: json === '' ? {} : JSON.parse(json) }
}

const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
}
const modern = (method: string, params: object = {}, id: unknown = 1) => ({
  jsonrpc: '2.0',
  id,
  method,
  params: { ...params, _meta: modernMeta },
})
const modernHeaders = (method: string, name?: string) => ({
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': method,
  ...(name !== undefined && { 'mcp-name': name }),
})

async function session(endpoint: string): Promise<{ 'mcp-session-id': string }> {
  const { headers } = await post(endpoint, {
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
  })
  return { 'mcp-session-id': headers.get('mcp-session-id')! }
}

describe.each([
  ['old', connect],
  ['new', connectModern],
] as const)('a client of the %s era', (_, open) => {
  test('lists what all servers have, each under its name, and what the rules hide is not there', async () => {
    const client = await open('')
    const { tools, _meta } = await client.listTools()
    const names = tools.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['every_echo', 'old_test_simple_text', 'fresh_test_simple_text']))
    expect(names.indexOf('every_echo')).toBeLessThan(names.indexOf('old_test_simple_text'))
    expect(names).not.toContain('every_get-env')
    for (const name of names) expect(name).toMatch(/^[a-zA-Z0-9_-]{1,64}$/)
    expect(_meta).toMatchObject({ 'dev.chaperone/unavailable': ['dead'] })
    const { resources } = await client.listResources()
    expect(resources.map(({ uri }) => uri)).toContain('every+demo://resource/static/document/architecture.md')
    const { resourceTemplates } = await client.listResourceTemplates()
    expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toContain(
      'every+demo://resource/dynamic/text/{resourceId}',
    )
    const { prompts } = await client.listPrompts()
    expect(prompts.map(({ name }) => name)).toContain('every_simple-prompt')
    await client.close()
  })

  test('calls, reads, gets and completes by those names', async () => {
    const client = await open('')
    const called = await client.callTool({ name: 'every_get-sum', arguments: { a: 2, b: 3 } })
    expect(called.content).toEqual([{ type: 'text', text: 'The sum of 2 and 3 is 5.' }])
    const linked = await client.callTool({ name: 'every_get-resource-links', arguments: { count: 1 } })
    const link = (linked.content as { type: string; uri?: string }[]).find(({ type }) => type === 'resource_link')!
    expect(link.uri).toMatch(/^every\+demo:/)
    const { contents } = await client.readResource({ uri: link.uri! })
    expect(contents[0]!.uri).toBe(link.uri)
    const prompt = await client.getPrompt({ name: 'every_simple-prompt' })
    expect(prompt.messages).toHaveLength(1)
    const { completion } = await client.complete({
      ref: { type: 'ref/prompt', name: 'every_completable-prompt' },
      argument: { name: 'department', value: 'E' },
    })
    expect(completion.values).toContain('Engineering')
    for (const name of ['old_test_simple_text', 'fresh_test_simple_text']) {
      const { content } = await client.callTool({ name, arguments: {} })
      expect(content).toEqual([{ type: 'text', text: 'A simple text.' }])
    }
    await client.close()
  })

  test.each([
    ['a server of the old era', 'old'],
    ['a server of the new era', 'fresh'],
    ['a process', 'every'],
  ])('%s asks it for samples, and hears of progress', async (_, server) => {
    const client = await open(`/${server}`)
    const [tool, args] =
      server === 'every'
        ? ([`${server}_trigger-sampling-request`, { prompt: 'p' }] as const)
        : ([`${server}_test_sampling`, { prompt: 'p' }] as const)
    const { content } = await client.callTool({ name: tool, arguments: args })
    expect(JSON.stringify(content)).toContain('sampled')
    const progress: number[] = []
    const long =
      server === 'every'
        ? { name: 'every_trigger-long-running-operation', arguments: { duration: 0.2, steps: 2 } }
        : { name: `${server}_test_tool_with_progress`, arguments: {} }
    const onprogress = ({ progress: done }: { progress: number }) => void progress.push(done)
    await ('setRequestHandler' in client && client instanceof Client
      ? client.callTool(long, undefined, { onprogress })
      : (client as ModernClient).callTool(long, { onprogress }))
    expect(progress.length).toBeGreaterThan(1)
    await client.close()
  })

  test.each(['old', 'fresh'])('a human approves a call to %s, or does not', async (server) => {
    const client = await open(`/${server}`)
    const asked: string[] = []
    let approve = true
    const answer = ({ params }: { params: { message: string } }) => {
      asked.push(params.message)
      return { action: 'accept' as const, content: { approve } }
    }
    if (client instanceof Client) client.setRequestHandler(ElicitRequestSchema, answer)
    else client.setRequestHandler('elicitation/create', answer as never)
    const call = () => client.callTool({ name: `${server}_test_image_content`, arguments: {} })
    expect((await call()).content).toMatchObject([{ type: 'image' }])
    approve = false
    await expect(call()).rejects.toThrow('It was not approved')
    expect(asked).toHaveLength(2)
    expect(asked[0]).toContain(`The tool test_image_content of ${server} is about to be called`)
    await client.close()
  })

  test('what a policy says of arguments decides at the call', async () => {
    const client = await open('/every')
    await expect(client.callTool({ name: 'every_get-sum', arguments: { a: 5000, b: 1 } })).rejects.toThrow(
      'Sums go up to 1000',
    )
    await expect(client.callTool({ name: 'every_get-env', arguments: {} })).rejects.toThrow('Unknown tool')
    expect(gateway.mcpRecords.at(-2)).toMatchObject({
      method: 'tools/call',
      server: 'every',
      name: 'get-sum',
      reason: 'policy_denied',
      rule: 'policies.rules.small-sums',
    })
    await client.close()
  })
})

test('lists come in pages that go through all servers, once each', async () => {
  const client = await connect('/paged')
  const names: string[] = []
  let cursor: string | undefined
  let pages = 0
  do {
    const page = await client.listTools(cursor === undefined ? {} : { cursor })
    expect(page.tools.length).toBeLessThanOrEqual(7)
    names.push(...page.tools.map(({ name }) => name))
    cursor = page.nextCursor
    pages++
  } while (cursor !== undefined)
  expect(pages).toBeGreaterThan(3)
  expect(new Set(names).size).toBe(names.length)
  expect(names).toEqual(expect.arrayContaining(['every_echo', 'old_test_simple_text']))
  await expect(client.listTools({ cursor: 'nonsense' })).rejects.toThrow('Invalid cursor')
  await client.close()
})

test('a limit counts a tool’s calls for each key, and says when it opens', async () => {
  const [ann, bob] = await Promise.all([connect('/every', keys.ann), connect('/every', keys.bob)])
  const echo = (client: Client) => client.callTool({ name: 'every_echo', arguments: { message: 'x' } })
  for (let i = 0; i < 3; i++) await echo(ann)
  await expect(echo(ann)).rejects.toThrow(/limit echo of \S+every%2Fecho .*is used up/)
  await echo(bob)
  await Promise.all([ann.close(), bob.close()])
})

test('a server that lists must not be without makes them fail; one that dies at its start takes only itself away', async () => {
  const must = await connect('/must')
  await expect(must.listTools()).rejects.toThrow('must')
  expect((await must.callTool({ name: 'every_echo', arguments: { message: 'a' } })).content).toHaveLength(1)
  await must.close()
  const crash = await connect('/crash')
  const { tools, _meta } = await crash.listTools()
  expect(tools.length).toBeGreaterThan(3)
  expect(_meta).toMatchObject({ 'dev.chaperone/unavailable': ['crash'] })
  await eventually(() =>
    expect(gateway.reports.map(({ error }) => String(error)).join()).toContain('it said last: no database'),
  )
  await crash.close()
})

test('a process that dies is started again', async () => {
  const client = await connect('/every', keys.bob)
  const before = await client.callTool({ name: 'every_get-sum', arguments: { a: 1, b: 1 } })
  expect(before.isError).toBeFalsy()
  execFileSync('pkill', ['-9', '-P', String(process.pid), '-f', 'server-everything'])
  await eventually(async () => {
    const after = await client.callTool({ name: 'every_get-sum', arguments: { a: 1, b: 2 } })
    expect(JSON.stringify(after.content)).toContain('is 3')
  })
  await client.close()
})

describe('sessions', () => {
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }

  test('are sealed: what is none, or somebody else’s, is not found', async () => {
    const header = await session('/every')
    expect((await post('/every', list, header)).status).toBe(200)
    expect((await post('/every', list)).status).toBe(400)
    const id = header['mcp-session-id']
    for (const wrong of ['x', `${id}x`, `${id.slice(0, -3)}AAA`, id.replace('k1.', 'k2.'), 'k1.AAAA']) {
      const { status, json } = await post('/every', list, { 'mcp-session-id': wrong })
      expect(status).toBe(404)
      expect(json.error!.message).toContain('Session not found')
    }
    // Sealed for another endpoint, and for another caller.
    expect((await post('/old', list, header)).status).toBe(404)
    const other = await fetch(`http://127.0.0.1:${keyed}/mcp/every`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${keys.ann}`,
        ...header,
      },
      body: JSON.stringify(list),
    })
    expect(other.status).toBe(404)
  })

  test('end by DELETE, at the servers as well', async () => {
    const before = old.sessions.size
    const header = await session('/old')
    expect((await post('/old', list, header)).status).toBe(200)
    expect(old.sessions.size).toBe(before + 1)
    const response = await fetch(url('/old'), { method: 'DELETE', headers: header })
    expect(response.status).toBe(204)
    expect(old.sessions.size).toBe(before)
    expect((await post('/old', list, header)).status).toBe(404)
  })

  test('every message of a session reaches the replica that began it', async () => {
    const clients = await Promise.all(Array.from({ length: 9 }, () => connect('/twins')))
    expect(twins.filter(({ sessions }) => sessions.size > 0).length).toBeGreaterThan(1)
    const counts = twins.map(({ sessions }) => sessions.size)
    for (let i = 0; i < 5; i++)
      for (const client of clients) {
        const { content } = await client.callTool({ name: 'twins_test_simple_text', arguments: {} })
        expect(content).toHaveLength(1)
      }
    // A session that had come to another replica would have been begun anew there.
    expect(twins.map(({ sessions }) => sessions.size)).toEqual(counts)
    for (const client of clients) await client.close()
  })

  test('a server that lost its sessions gets new ones behind the client’s back, and the client hears of it', async () => {
    const client = await connect('/old')
    let changed = 0
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
      changed++
    })
    await client.callTool({ name: 'old_test_simple_text', arguments: {} })
    await new Promise((resolve) => setTimeout(resolve, 200))
    await old.forget()
    const { content } = await client.callTool({ name: 'old_test_simple_text', arguments: {} })
    expect(content).toEqual([{ type: 'text', text: 'A simple text.' }])
    await eventually(() => expect(changed).toBeGreaterThan(0))
    await client.close()
  })
})

describe('rules that change', () => {
  const hidden = 'old_test_simple_text'

  test('are heard of on open streams of both eras, and no call is lost', async () => {
    const [one, other] = await Promise.all([connect('/old'), connectModern('/old')])
    let [legacy, recent] = [0, 0]
    one.setNotificationHandler(ToolListChangedNotificationSchema, () => {
      legacy++
    })
    other.setNotificationHandler('notifications/tools/list_changed', () => {
      recent++
    })
    await other.listen({ toolsListChanged: true })
    await new Promise((resolve) => setTimeout(resolve, 300))
    const slow = one.callTool({ name: 'old_test_tool_with_progress', arguments: {} })
    const changed = structuredClone(input)
    changed.policies!.rules!.hide = { effect: 'deny', when: `tool.name == "test_simple_text"` }
    expect((await gateway.gateway.apply(rulesSchema.parse(changed))).type).toBe('applied')
    await eventually(() => expect(Math.min(legacy, recent)).toBeGreaterThan(0))
    expect((await one.listTools()).tools.map(({ name }) => name)).not.toContain(hidden)
    expect((await other.listTools()).tools.map(({ name }) => name)).not.toContain(hidden)
    expect((await slow).isError).toBeFalsy()
    expect((await gateway.gateway.apply(rulesSchema.parse(input))).type).toBe('applied')
    expect((await one.listTools()).tools.map(({ name }) => name)).toContain(hidden)
    await Promise.all([one.close(), other.close()])
  })
})

test('tools that nobody has approved are neither listed nor callable, and at once when somebody has', async () => {
  const client = await connect('/pinned')
  expect((await client.listTools()).tools).toEqual([])
  await expect(client.callTool({ name: 'pinned_test_simple_text', arguments: {} })).rejects.toThrow('Unknown tool')
  await eventually(() => expect(gateway.pins.pins('pinned').waiting.size).toBeGreaterThan(3))
  expect(gateway.pinned[0]).toMatchObject({ server: 'pinned', why: 'new', held: true })
  let changed = 0
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
    changed++
  })
  await new Promise((resolve) => setTimeout(resolve, 200))
  const { digest } = gateway.pins.pins('pinned').waiting.get('test_simple_text')!
  await gateway.pins.approve('pinned', [{ tool: 'test_simple_text', digest }], { by: 'ann' })
  await eventually(() => expect(changed).toBeGreaterThan(0))
  expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['pinned_test_simple_text'])
  expect((await client.callTool({ name: 'pinned_test_simple_text', arguments: {} })).content).toHaveLength(1)
  await client.close()
})

test('log messages come as loud as the client wants them', async () => {
  const client = await connect('/fresh')
  const levels: string[] = []
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void levels.push(params.level))
  await client.setLoggingLevel('debug')
  await client.callTool({ name: 'fresh_test_tool_with_logging', arguments: {} })
  await eventually(() => expect(levels.length).toBeGreaterThan(0))
  levels.length = 0
  await client.setLoggingLevel('emergency')
  await client.callTool({ name: 'fresh_test_tool_with_logging', arguments: {} })
  expect(levels).toEqual([])
  await client.close()
})

test('a server sees the gateway’s credentials and none of the client’s', async () => {
  const call = modern('tools/call', { name: 'seen_look', arguments: { q: 'secret words' } })
  const headers = {
    ...modernHeaders('tools/call', 'seen_look'),
    authorization: 'Bearer the-clients-own',
    cookie: 'a=b',
    'x-api-key': 'k',
  }
  const { json } = await post('/seen', call, headers)
  expect(json.result).toMatchObject({ content: [{ type: 'text', text: 'seen' }] })
  const last = shown.at(-1)!
  expect(last.headers.authorization).toBe('Bearer token-1')
  expect(last.headers['mcp-name']).toBe('look')
  expect(JSON.stringify(last.headers)).not.toMatch(/the-clients-own|a=b|chaperone/)
  await post('/seen', call, headers)
  expect(tokens).toHaveLength(1)
  expect(tokens[0]!.authorization).toBe(`Basic ${Buffer.from('gateway:s3cret').toString('base64')}`)
  expect(Object.fromEntries(tokens[0]!.form)).toEqual({
    grant_type: 'client_credentials',
    resource: `${seen.url}/mcp`,
    scope: 'read',
  })
  // The audit has what was called, and not what was said.
  const record = gateway.mcpRecords.at(-1)!
  expect(record).toMatchObject({ server: 'seen', name: 'look', arguments: { q: 'string(12)' } })
  expect(JSON.stringify(record)).not.toContain('secret words')
})

test.each([
  ['old', connect],
  ['new', connectModern],
] as const)('the operations of an API are tools for a client of the %s era', async (_, open) => {
  const client = await open('/api')
  const { tools } = await client.listTools()
  expect(tools.map(({ name }) => name)).toEqual(['api_getPet', 'weather_getPet', 'weather_dropPet'])
  expect(tools[0]).toMatchObject({ description: 'One pet', annotations: { readOnlyHint: true } })
  const call = (id: string) => client.callTool({ name: 'api_getPet', arguments: { id } })
  expect(await call('7/../8')).toMatchObject({ structuredContent: { name: 'Rex' } })
  expect(rested.at(-1)).toBe('GET /v2/pets/7%2F..%2F8 Bearer s3cret')
  // A key may have to stand in the query.
  await client.callTool({ name: 'weather_getPet', arguments: { id: '9' } })
  expect(rested.at(-1)).toBe('GET /w/pets/9?appid=s3cret undefined')
  expect(await call('404')).toMatchObject({
    isError: true,
    content: [{ text: 'HTTP 404' }, { text: '{"message":"no such pet"}' }],
  })
  expect(await client.callTool({ name: 'api_getPet', arguments: {} })).toMatchObject({
    isError: true,
    content: [{ text: 'The argument "id" is missing.' }],
  })
  await expect(client.callTool({ name: 'api_dropPet', arguments: { id: '1' } })).rejects.toThrow()
  await client.close()
})

test('a client without a token learns who gives them', async () => {
  const at = `http://127.0.0.1:${oauth}`
  const refused = await fetch(`${at}/mcp/fresh`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  })
  expect(refused.status).toBe(401)
  const asked = /resource_metadata="([^"]+)"/.exec(refused.headers.get('www-authenticate')!)![1]!
  expect(asked).toBe(`${at}/.well-known/oauth-protected-resource/mcp/fresh`)
  const metadata = await fetch(asked)
  expect(metadata.headers.get('access-control-allow-origin')).toBe('*')
  expect(await metadata.json()).toEqual({
    resource: `${at}/mcp/fresh`,
    authorization_servers: ['https://login.example.com'],
    bearer_methods_supported: ['header'],
  })
  expect(await (await fetch(`${at}/.well-known/oauth-protected-resource`)).json()).toMatchObject({
    resource: `${at}/mcp`,
  })
  expect((await fetch(`${at}/.well-known/oauth-protected-resource/mcp/nowhere`)).status).toBe(404)
  // Where tokens are not taken there is nothing to say of them.
  expect((await fetch(`${gateway.url}/.well-known/oauth-protected-resource/mcp`)).status).toBe(404)
  const wrong = await fetch(`${at}/mcp`, {
    method: 'POST',
    headers: { authorization: 'Bearer a.b.c', 'content-type': 'application/json' },
    body: '{}',
  })
  expect(wrong.headers.get('www-authenticate')).toContain('error="invalid_token"')
})

describe('a browser', () => {
  test.each([
    ['https://evil.example.com', '/fresh', 403],
    ['https://app.example.com', '/every', 403],
    ['https://app.example.com', '/fresh', 200],
    ['http://localhost:5173', '/fresh', 200],
    ['null', '/fresh', 403],
  ])('of %s at %s: %i', async (origin, endpoint, status) => {
    const answer = await post(endpoint, modern('server/discover'), { ...modernHeaders('server/discover'), origin })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('access-control-allow-origin')).toBe(status === 200 ? origin : null)
    if (status === 200) expect(answer.headers.get('access-control-expose-headers')).toContain('mcp-session-id')
  })

  test('asks first what it may', async () => {
    const response = await fetch(url('/fresh'), {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example.com', 'access-control-request-method': 'POST' },
    })
    expect(response.status).toBe(204)
    expect(response.headers.get('access-control-allow-headers')).toContain('mcp-session-id')
    const mirrored = await fetch(url('/fresh'), {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example.com',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type,mcp-param-region,x-secret',
      },
    })
    expect(mirrored.headers.get('access-control-allow-headers')).toContain('mcp-param-region')
    expect(mirrored.headers.get('access-control-allow-headers')).not.toContain('x-secret')
    // Where tokens come from is asked for first, and from everywhere.
    const metadata = await fetch(`http://127.0.0.1:${oauth}/.well-known/oauth-protected-resource/mcp/fresh`, {
      method: 'OPTIONS',
      headers: { origin: 'https://other.example.com', 'access-control-request-headers': 'mcp-protocol-version' },
    })
    expect(metadata.status).toBe(204)
    expect(metadata.headers.get('access-control-allow-origin')).toBe('*')
    expect(metadata.headers.get('access-control-allow-headers')).toContain('mcp-protocol-version')
  })

  test('that asks by a name that was rebound is refused', async () => {
    const { port } = new URL(gateway.url)
    const status = await new Promise((resolve) => {
      httpRequest(
        {
          port,
          path: '/mcp/fresh',
          method: 'POST',
          headers: { host: 'evil.example.com', origin: 'http://localhost', 'content-type': 'application/json' },
        },
        ({ statusCode }) => resolve(statusCode),
      ).end('{}')
    })
    expect(status).toBe(403)
  })
})

describe('bad input', () => {
  test.each<[string, unknown, number, number]>([
    ['no JSON', '{', 400, -32700],
    ['a batch', [modern('tools/list')], 400, -32600],
    ['a string', '"x"', 400, -32700],
    ['no version', { id: 1, method: 'tools/list' }, 400, -32600],
    ['an id that is null', { ...modern('tools/list'), id: null }, 400, -32600],
    ['an id that is an object', { ...modern('tools/list'), id: {} }, 400, -32600],
    ['an id that is true', { ...modern('tools/list'), id: true }, 400, -32600],
    ['params that are a list', { jsonrpc: '2.0', id: 1, method: 'tools/list', params: [] }, 400, -32600],
    ['a method that is a number', { jsonrpc: '2.0', id: 1, method: 7 }, 400, -32600],
    ['neither', { jsonrpc: '2.0', id: 1 }, 400, -32600],
    [
      'deep JSON',
      `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`,
      400,
      -32700,
    ],
    ['an unknown method', modern('tools/destroy'), 404, -32601],
    ['a removed method', modern('ping'), 404, -32601],
    ['a missing name', modern('tools/call', { arguments: {} }), 400, -32602],
  ])('%s', async (_, message, status, code) => {
    const method = (message as { method?: string }).method
    const answer = await post('/fresh', message, modernHeaders(String(method ?? 'tools/list')))
    expect([answer.status, answer.json.error?.code]).toEqual([status, code])
  })

  test('headers that do not say what the body says', async () => {
    const call = modern('tools/call', { name: 'fresh_test_simple_text', arguments: {} })
    for (const headers of [
      { 'mcp-protocol-version': '2026-07-28' },
      modernHeaders('tools/list'),
      modernHeaders('tools/call', 'fresh_other'),
      modernHeaders('tools/call'),
      { ...modernHeaders('tools/call', 'fresh_test_simple_text'), 'mcp-protocol-version': '2025-11-25' },
      modernHeaders('tools/call', '=?base64?????='),
    ]) {
      const { status, json } = await post('/fresh', call, headers)
      expect([status, json.error?.code]).toEqual([400, -32020])
    }
    const encoded = `=?base64?${Buffer.from('fresh_test_simple_text').toString('base64')}?=`
    expect((await post('/fresh', call, modernHeaders('tools/call', encoded))).status).toBe(200)
  })

  test('a large call arrives whole; one that is too large does not at all', async () => {
    const large = 'x'.repeat(10 * 1024 * 1024)
    const { json } = await post(
      '/seen',
      modern('tools/call', { name: 'seen_look', arguments: { large } }),
      modernHeaders('tools/call', 'seen_look'),
    )
    expect(json.result).toMatchObject({ content: [{ type: 'text', text: 'seen' }] })
    expect(shown.at(-1)!.body).toContain(large)
    const answer = await fetch(url('/fresh'), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: Buffer.alloc(40 * 1024 * 1024, 32),
    })
    expect(answer.status).toBe(413)
    expect(await answer.json()).toMatchObject({
      jsonrpc: '2.0',
      id: null,
      error: {
        code: -32600,
        message: expect.stringContaining('maxRequestBytes'),
        data: { reason: 'request_too_large' },
      },
    })
  })

  test('what a client says of itself is bounded, for it is in the session’s id', async () => {
    const begin = (capabilities: object, clientInfo: object) =>
      post('/old', {
        jsonrpc: '2.0',
        id: 0,
        method: 'initialize',
        params: { protocolVersion: '2025-11-25', capabilities, clientInfo },
      })
    const info = { name: 'raw', version: '1', icons: [{ src: `data:image/png;base64,${'A'.repeat(1_000_000)}` }] }
    const { headers, status } = await begin({}, info)
    expect(status).toBe(200)
    expect(headers.get('mcp-session-id')!.length).toBeLessThan(2_000)
    const { json } = await begin({ experimental: { x: 'x'.repeat(10_000) } }, { name: 'raw', version: '1' })
    expect(json.error).toMatchObject({ code: -32602, message: expect.stringContaining('4096') })
  })

  test('other types, methods and places', async () => {
    expect((await post('/fresh', '{}', { 'content-type': 'text/plain' })).status).toBe(415)
    expect((await fetch(url('/fresh'), { method: 'PUT' })).status).toBe(405)
    expect((await fetch(url('/nowhere'), { method: 'POST', body: '{}' })).status).toBe(404)
    expect((await fetch(url('/fresh'), { headers: { accept: 'application/json' } })).status).toBe(406)
  })
})

test('docs/mcp.md: its configuration runs', async () => {
  const page = readFileSync('docs/mcp.md', 'utf8')
  const rules = parse(/^```yaml\n(.*?)^```$/ms.exec(page)![1]!) as RulesInput
  process.env.GITHUB_TOKEN = 't'
  // As it is, but for where the servers are.
  Object.assign(rules.mcp!.servers!.github!, { url: fresh.url, tools: { allow: ['test_simple_*'] } })
  Object.assign(rules.mcp!.servers!.memory!, {
    command: process.execPath,
    args: ['node_modules/@modelcontextprotocol/server-memory/dist/index.js'],
    env: {},
  })
  const other = await startGateway(rules)
  try {
    const client = new Client({ name: 'docs', version: '1' })
    await client.connect(new StreamableHTTPClientTransport(new URL(`${other.url}/mcp`)))
    expect(client.getInstructions()).toMatch(/^Search before you write\./)
    const names = (await client.listTools()).tools.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['github_test_simple_text', 'memory_create_entities']))
    expect(names.filter((name) => name.startsWith('github_'))).toHaveLength(1)
    expect(names).not.toContain('memory_delete_entities')
    await client.close()
    const notes = new Client({ name: 'docs', version: '1' })
    await notes.connect(new StreamableHTTPClientTransport(new URL(`${other.url}/mcp/notes`)))
    for (const { name } of (await notes.listTools()).tools) expect(name).toMatch(/^memory_/)
    await notes.close()
    expect(other.reports).toEqual([])
  } finally {
    await other.stop()
  }
})

test('nothing went wrong on the way', () => {
  const unexpected = gateway.reports.filter(
    ({ error }) => !/MCP server (?:must|dead|crash|every)\b/.test((error as Error).message),
  )
  expect(unexpected).toEqual([])
})
