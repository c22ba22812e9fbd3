import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  CreateMessageRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, startGateway, type TestGateway } from './gateway.ts'

/** Servers that break the protocol: the caller gets an error, nothing hangs, and nobody else notices. */

type Handler = (call: { id: number; name: string }, response: ServerResponse, request: IncomingMessage) => void

const handlers: Record<string, Handler> = {
  good: ({ id }, response) => json(response, { jsonrpc: '2.0', id, result: text('good') }),
  'lies-about-id': (_, response) => json(response, { jsonrpc: '2.0', id: 'another', result: text('not yours') }),
  'lies-in-stream': (_, response) => {
    events(response, { jsonrpc: '2.0', id: 'another', result: text('not yours') })
    response.end()
  },
  'no-json': (_, response) => response.setHeader('content-type', 'application/json').end('<html>'),
  'no-rpc': (_, response) => json(response, { hello: 'world' }),
  html: (_, response) => response.setHeader('content-type', 'text/html').end('<h1>Welcome</h1>'),
  'server-error': (_, response) => response.writeHead(500).end('oops: secret-token-123'),
  denied: (_, response) => response.writeHead(401).end(),
  redirect: (_, response) => response.writeHead(307, { location: 'http://169.254.169.254/' }).end(),
  silent: () => undefined,
  cut: (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1000 })
    response.write('{"jsonrpc"')
    setTimeout(() => response.destroy(), 20)
  },
  'cut-stream': (_, response) => {
    events(response, { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'begun' } })
    setTimeout(() => response.destroy(), 20)
  },
  'ends-early': (_, response) => {
    events(response)
    response.end()
  },
  'for-ever': (_, response) => {
    const timer = setInterval(
      () => events(response, { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x' } }),
      20,
    )
    response.on('close', () => {
      clearInterval(timer)
      ended.push('for-ever')
    })
  },
  huge: ({ id }, response) => {
    response.setHeader('content-type', 'application/json')
    response.write(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"content":[{"type":"text","text":"`)
    const piece = 'x'.repeat(1024 * 1024)
    let pieces = 0
    const more = () => {
      while (!response.destroyed && pieces++ < 200) if (!response.write(piece)) return void response.once('drain', more)
      response.destroy()
    }
    response.on('close', () => ended.push('huge'))
    more()
  },
  deep: ({ id }, response) =>
    response
      .setHeader('content-type', 'application/json')
      .end(
        `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"content":[],"x":${'['.repeat(5000)}${']'.repeat(5000)}}}`,
      ),
  'asks-unasked': ({ id }, response) => {
    events(
      response,
      { jsonrpc: '2.0', id: 'q1', method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } },
      { jsonrpc: '2.0', id: 'q2', method: 'tools/steal', params: {} },
      { jsonrpc: '2.0', id: { no: 'id' }, method: 'roots/list' },
      { jsonrpc: '2.0', id, result: text('done all the same') },
    )
    response.end()
  },
  'asks-much': ({ id }, response) => {
    for (let i = 0; i < 500; i++) events(response, { jsonrpc: '2.0', id: `m${i}`, method: 'roots/list' })
    setTimeout(() => {
      events(response, { jsonrpc: '2.0', id, result: text('enough') })
      response.end()
    }, 500)
  },
  floods: ({ id }, response) => {
    for (let i = 0; i < 20_000; i++)
      events(response, { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: i } })
    events(response, { jsonrpc: '2.0', id, result: text('after the flood') })
    response.end()
  },
}

const ended: string[] = []
const answered: unknown[] = []
let server: Server
let gateway: TestGateway
let client: Client

const text = (value: string) => ({ content: [{ type: 'text', text: value }] })
const json = (response: ServerResponse, value: object) =>
  response.setHeader('content-type', 'application/json').end(JSON.stringify(value))

function events(response: ServerResponse, ...messages: object[]): void {
  if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (const message of messages) response.write(`data: ${JSON.stringify(message)}\n\n`)
}

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = ''
    request.on('data', (piece) => {
      body += piece
    })
    request.on('end', () => {
      if (request.method !== 'POST') return void response.writeHead(405).end()
      const message = JSON.parse(body) as { id: number; method?: string; params?: { name: string } }
      if (message.method === undefined) {
        answered.push(message)
        response.writeHead(202).end()
      } else if (message.method === 'initialize')
        json(response.setHeader('mcp-session-id', 's'), {
          jsonrpc: '2.0',
          id: message.id,
          result: {
            protocolVersion: '2025-11-25',
            capabilities: { tools: {}, logging: {} },
            serverInfo: { name: 'bad', version: '1' },
          },
        })
      else if (message.method === 'tools/list')
        json(response, {
          jsonrpc: '2.0',
          id: message.id,
          result: { tools: Object.keys(handlers).map((name) => ({ name, inputSchema: { type: 'object' } })) },
        })
      else if (message.method === 'tools/call')
        handlers[message.params!.name]!({ id: message.id, name: message.params!.name }, response, request)
      else if (message.id === undefined) response.writeHead(202).end()
      else response.writeHead(400).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  gateway = await startGateway({
    mcp: {
      servers: {
        bad: { type: 'http', url: `http://127.0.0.1:${port}/mcp`, callTimeout: '1500ms', prefix: '' },
        // The same, for what takes a busy machine its time.
        patient: { type: 'http', url: `http://127.0.0.1:${port}/mcp` },
      },
    },
  })
  client = new Client({ name: 'test', version: '1' }, { capabilities: {} })
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`)))
}, 60_000)

afterAll(async () => {
  await client?.close()
  await gateway?.stop()
  server?.closeAllConnections()
  server?.close()
})

const call = (name: string) => client.callTool({ name, arguments: {} })

test.each([
  ['lies-about-id', /answered another request/],
  ['lies-in-stream', /answered another request/],
  ['no-json', /no JSON-RPC/],
  ['no-rpc', /no JSON-RPC/],
  ['html', /does not answer as an MCP server \(HTTP 200\)/],
  ['server-error', /does not answer as an MCP server \(HTTP 500\)/],
  ['denied', /does not accept the gateway’s credentials \(HTTP 401\)/],
  ['redirect', /HTTP 307/],
  ['silent', /did not answer within the 1.5 s/],
  ['cut', /broke off/],
  ['cut-stream', /broke off/],
  ['ends-early', /ended its stream without an answer/],
  ['for-ever', /did not answer within the 1.5 s/],
  ['patient_huge', /broke off or is too long/],
  ['deep', /no JSON-RPC/],
])('%s', async (name, message) => {
  const error = await call(name).catch((reason: Error) => reason)
  expect(String(error)).toMatch(message)
  expect(String(error)).not.toContain('secret-token')
  // Nobody else notices.
  expect((await call('good')).content).toEqual([{ type: 'text', text: 'good' }])
})

test('a call that ran out of its time is ended at the server as well', async () => {
  await eventually(() => expect(ended).toEqual(expect.arrayContaining(['for-ever', 'huge'])))
})

test('requests that nobody can answer are answered with errors, and the call goes on', async () => {
  let asked = 0
  client.setNotificationHandler(LoggingMessageNotificationSchema, () => undefined)
  expect(() =>
    client.setRequestHandler(CreateMessageRequestSchema, () => {
      asked++
      throw new Error('never')
    }),
  ).toThrow()
  const error = await call('asks-unasked').catch((reason: Error) => reason)
  // A request whose id is an object is no JSON-RPC: with it the stream is at its end.
  expect(String(error)).toMatch(/no JSON-RPC/)
  expect(asked).toBe(0)
  await eventually(() =>
    expect(answered).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ id: 'q1', error: expect.objectContaining({ code: -32601 }) }),
        expect.objectContaining({ id: 'q2', error: expect.objectContaining({ code: -32601 }) }),
      ]),
    ),
  )
})

test('a flood of notifications reaches the caller, and the gateway keeps none of it', async () => {
  let heard = 0
  client.setNotificationHandler(LoggingMessageNotificationSchema, () => {
    heard++
  })
  const before = process.memoryUsage().heapUsed
  expect((await call('patient_floods')).content).toEqual([{ type: 'text', text: 'after the flood' }])
  await eventually(() => expect(heard).toBe(20_000))
  global.gc?.()
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(200 * 1024 * 1024)
})

test('a server that asks a client more than it could answer is refused what is too much', async () => {
  const asking = new Client({ name: 'test', version: '1' }, { capabilities: { roots: {} } })
  await asking.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`)))
  let asked = 0
  asking.setRequestHandler(ListRootsRequestSchema, async () => {
    asked++
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    return { roots: [] }
  })
  expect((await asking.callTool({ name: 'patient_asks-much', arguments: {} })).content).toEqual([
    { type: 'text', text: 'enough' },
  ])
  expect(asked).toBe(200)
  await asking.close()
})

test('the log tells the operator which server it was, and nothing of what it said', () => {
  expect(gateway.reports.length).toBeGreaterThan(10)
  for (const { error } of gateway.reports) expect(String(error)).toMatch(/MCP server (?:bad|patient)/)
  expect(JSON.stringify(gateway.reports.map(({ error }) => String(error)))).not.toContain('secret-token')
})
