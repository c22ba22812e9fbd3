import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RulesInput, rulesSchema } from '../src/config/schema.ts'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'
import { startNewServer } from './mcp/new-server.ts'
import { startOldServer } from './mcp/old-server.ts'

/** Calls that go client → Envoy → server, in the client's own request. */

let gateway: TestGateway
let input: RulesInput
let old: Awaited<ReturnType<typeof startOldServer>>
let fresh: Awaited<ReturnType<typeof startNewServer>>
let twins: Awaited<ReturnType<typeof startOldServer>>[]
let own: Server

/** What the test's own server was sent. */
const calls: { headers: IncomingHttpHeaders; body: string }[] = []
/** How it answers a call of a tool; it answers plainly where nothing is here. */
let act: ((id: number, response: ServerResponse) => void) | undefined

beforeAll(async () => {
  ;[old, fresh] = await Promise.all([startOldServer(), startNewServer()])
  twins = await Promise.all([startOldServer(), startOldServer(), startOldServer()])
  own = createServer((request, response) => {
    let body = ''
    request.on('data', (piece) => {
      body += piece
    })
    request.on('end', () => {
      const { id, method, params } = JSON.parse(body || '{}') as { id?: number; method: string; params?: object }
      const json = (result: object) =>
        response
          .writeHead(200, { 'content-type': 'application/json', 'set-cookie': 'a=b', 'x-inner': 'yes' })
          .end(JSON.stringify({ jsonrpc: '2.0', id, result }))
      if (method === 'tools/call') {
        calls.push({ headers: request.headers, body })
        if (act) act(id!, response)
        else json({ content: [{ type: 'text', text: JSON.stringify(params) }] })
      } else if (method === 'initialize')
        json({
          protocolVersion: '2025-11-25',
          capabilities: { tools: {} },
          serverInfo: { name: 'own', version: '1' },
        })
      else if (method === 'tools/list') json({ tools: [{ name: 'say', inputSchema: { type: 'object' } }] })
      else if (id === undefined) response.writeHead(202).end()
      else response.writeHead(400).end()
    })
  })
  await new Promise<void>((resolve) => own.listen(0, '127.0.0.1', resolve))
  input = {
    listeners: { default: { port: await freePort() } },
    mcp: {
      servers: {
        // By a name: it may have several addresses.
        old: { type: 'http', url: old.url.replace('127.0.0.1', 'localhost') },
        twins: { type: 'http', url: 'http://localhost/mcp', replicas: twins.map(({ url }) => new URL(url).host) },
        fresh: { type: 'http', url: fresh.url },
        own: { type: 'http', url: `http://127.0.0.1:${(own.address() as AddressInfo).port}/mcp?a=b`, era: 'legacy' },
      },
    },
  }
  gateway = await startGateway(input)
})
afterAll(async () => {
  await gateway?.stop()
  await Promise.all([old, fresh, ...(twins ?? [])].map((server) => server?.stop()))
  own?.closeAllConnections()
  own?.close()
})

async function connect(headers: Record<string, string> = {}): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`), { requestInit: { headers } }))
  return client
}

async function connectModern(): Promise<ModernClient> {
  const client = new ModernClient(
    { name: 'test', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  await client.connect(new ModernTransport(new URL(`${gateway.url}/mcp`)))
  return client
}

/** Requests that a server got, and those that came through the egress listener, so far. */
async function counts(server: string): Promise<{ all: number; egress: number }> {
  const { body } = await gateway.envoy.admin('/stats?filter=upstream_rq_total|egress.downstream_rq_total')
  const sum = (pattern: RegExp) =>
    body.split('\n').reduce((all, line) => all + (pattern.test(line) ? Number(line.split(': ')[1]) : 0), 0)
  return {
    all: sum(new RegExp(`^cluster\\.mcp/${server}@[0-9a-f]+\\.upstream_rq_total`)),
    egress: sum(/^http\.egress\.downstream_rq_total/),
  }
}

const text = (result: unknown) => (result as { content: { text: string }[] }).content[0]?.text

describe('a call that is known to be plain', () => {
  test('goes straight to a server of the old era', async () => {
    const client = await connect()
    await client.listTools()
    const call = () => client.callTool({ name: 'old_test_simple_text', arguments: {} })
    expect(text(await call())).toContain('simple text')
    const before = await counts('old')
    for (let i = 0; i < 5; i++) expect(text(await call())).toContain('simple text')
    const after = await counts('old')
    expect(after.all - before.all).toBe(5)
    expect(after.egress - before.egress).toBe(0)
    await client.close()
  })

  test('goes straight to the replica that began the session', async () => {
    const clients = await Promise.all(Array.from({ length: 6 }, () => connect()))
    for (const client of clients) await client.callTool({ name: 'twins_test_simple_text', arguments: {} })
    const sessions = twins.map((twin) => twin.sessions.size)
    expect(sessions.filter((size) => size > 0).length).toBeGreaterThan(1)
    const before = await counts('twins')
    for (let i = 0; i < 5; i++)
      for (const client of clients)
        expect(text(await client.callTool({ name: 'twins_test_simple_text', arguments: {} }))).toContain('simple text')
    const after = await counts('twins')
    expect(after.all - before.all).toBe(30)
    expect(after.egress - before.egress).toBe(0)
    // A session that had come to another replica would have been begun anew there.
    expect(twins.map((twin) => twin.sessions.size)).toEqual(sessions)
    for (const client of clients) await client.close()
  })

  test('goes straight to a server of the new era', async () => {
    const client = await connectModern()
    await client.listTools()
    const call = () => client.callTool({ name: 'fresh_test_simple_text', arguments: {} })
    await call()
    const before = await counts('fresh')
    for (let i = 0; i < 5; i++) expect(text(await call())).toContain('simple text')
    const after = await counts('fresh')
    expect(after.all - before.all).toBe(5)
    expect(after.egress - before.egress).toBe(0)
    await client.close()
  })

  test('shows the server what is meant for it, and the client what is meant for it', async () => {
    act = undefined
    const client = await connect({
      authorization: 'Bearer client-secret',
      cookie: 'session=client-secret',
      'x-other-key': 'client-secret',
      'x-forwarded-for': '6.6.6.6',
    })
    const session = (client.transport as StreamableHTTPClientTransport).sessionId!
    await client.callTool({ name: 'own_say', arguments: { a: 1 } })
    calls.length = 0
    expect(text(await client.callTool({ name: 'own_say', arguments: { a: 2 } }))).toBe(
      '{"name":"say","arguments":{"a":2}}',
    )
    const { headers, body } = calls[0]!
    expect(JSON.stringify(headers) + body).not.toContain('client-secret')
    expect(headers).not.toHaveProperty('x-forwarded-for')
    expect(headers).not.toHaveProperty('mcp-session-id')
    expect(headers['mcp-protocol-version']).toBe('2025-11-25')

    const response = await fetch(`${gateway.url}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-session-id': session,
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 'x', method: 'tools/call', params: { name: 'own_say' } }),
    })
    expect(response.headers.get('set-cookie')).toBeNull()
    expect(response.headers.get('x-inner')).toBeNull()
    expect(await response.json()).toMatchObject({ id: 'x', result: { content: [{ type: 'text' }] } })
    expect(gateway.mcpRecords.at(-1)).toMatchObject({ server: 'own', name: 'say', method: 'tools/call' })
    await client.close()
  })

  test.each([
    ['an object', 'application/json', (message: string) => message],
    ['a stream', 'text/event-stream', (message: string) => `event: message\ndata: ${message}\n\n`],
  ])('brings 3 MiB back as %s', async (_, type, write) => {
    const client = await connect()
    const long = 'é'.repeat(1_500_000)
    act = undefined
    await client.callTool({ name: 'own_say', arguments: {} })
    act = (id, response) =>
      response
        .writeHead(200, { 'content-type': type })
        .end(write(JSON.stringify({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: long }] } })))
    const before = await counts('own')
    expect(text(await client.callTool({ name: 'own_say', arguments: {} }))).toBe(long)
    const after = await counts('own')
    expect(after.all - before.all).toBe(1)
    expect(after.egress - before.egress).toBe(0)
    await client.close()
  })

  test('is not made twice where the server dies over it, and the client is told', async () => {
    for (const kill of [
      (_: number, response: ServerResponse) => void response.destroy(),
      (_: number, response: ServerResponse) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write(
          `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'error', data: 1 } })}\n\n`,
        )
        setTimeout(() => response.destroy(), 50)
      },
    ]) {
      const client = await connect()
      act = undefined
      await client.callTool({ name: 'own_say', arguments: {} })
      calls.length = 0
      act = kill
      await expect(client.callTool({ name: 'own_say', arguments: {} })).rejects.toThrow(
        /own (cannot|broke)|of the MCP server own/,
      )
      expect(calls).toHaveLength(1)
      // And the next one takes the longer way.
      act = undefined
      expect(text(await client.callTool({ name: 'own_say', arguments: {} }))).toContain('say')
      await client.close()
    }
  })

  test('begins a new session behind the client’s back where the server has forgotten it', async () => {
    const client = await connect()
    await client.callTool({ name: 'old_test_simple_text', arguments: {} })
    await old.forget()
    expect(text(await client.callTool({ name: 'old_test_simple_text', arguments: {} }))).toContain('simple text')
    await client.close()
  })

  test('ends at the server when the client goes away', async () => {
    act = undefined
    const client = await connect()
    await client.callTool({ name: 'own_say', arguments: {} })
    let closed = false
    let begun = false
    act = (_, response) => {
      begun = true
      response.on('close', () => {
        closed = true
      })
    }
    const controller = new AbortController()
    const waiting = fetch(`${gateway.url}/mcp`, {
      method: 'POST',
      signal: controller.signal,
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-session-id': (client.transport as StreamableHTTPClientTransport).sessionId!,
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 'gone', method: 'tools/call', params: { name: 'own_say' } }),
    }).catch(() => undefined)
    await eventually(() => expect(begun).toBe(true))
    controller.abort()
    await waiting
    await eventually(() => expect(closed).toBe(true))
    await eventually(() => expect(gateway.mcpRecords.at(-1)).toMatchObject({ reason: 'client_gone' }))
    act = undefined
    await client.close()
  })
})

describe('a change of the listener', () => {
  test('cuts neither streams nor calls that are under way', async () => {
    const client = await connect()
    let changes = 0
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => void changes++)
    act = undefined
    await client.callTool({ name: 'own_say', arguments: {} })
    let finish: (() => void) | undefined
    act = (id, response) => {
      finish = () => {
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: 'late' }] } }))
      }
    }
    const errors: unknown[] = []
    client.onerror = (error) => errors.push(error)
    const call = client.callTool({ name: 'own_say', arguments: {} })
    await eventually(() => expect(finish).toBeDefined())
    const active = async () => {
      const { body } = await gateway.envoy.admin('/stats?filter=listener_manager.lds.update_success|listener_modified')
      return body
    }
    const before = await active()
    const listener = { ...input.listeners!.default!, maxRequestBytes: 5_000_000 }
    await gateway.gateway.apply(rulesSchema.parse({ ...input, listeners: { default: listener } }))
    await eventually(async () => expect(await active()).not.toBe(before))
    await eventually(() => expect(changes).toBeGreaterThan(0))
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    finish!()
    expect(text(await call)).toBe('late')
    // The stream that told of the first change tells of the next.
    const seen = changes
    await gateway.gateway.apply(rulesSchema.parse(input))
    await eventually(() => expect(changes).toBeGreaterThan(seen))
    expect(errors).toEqual([])
    act = undefined
    await client.close()
    const { body } = await gateway.envoy.admin('/server_info')
    // What else has the old configuration is closed after this time.
    expect(JSON.parse(body)).toMatchObject({ command_line_options: { drain_time: '604800s' } })
  })
})
