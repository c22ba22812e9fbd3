import { Agent, type IncomingMessage, request } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'
import { startNewServer } from './mcp/new-server.ts'

/** Many streams, as after a restart, when all clients come back at once. */

let gateway: TestGateway
let server: Awaited<ReturnType<typeof startNewServer>>

beforeAll(async () => {
  server = await startNewServer()
  gateway = await startGateway({ mcp: { servers: { fresh: { type: 'http', url: server.url } } } })
})
afterAll(async () => {
  await gateway?.stop()
  await server?.stop()
})

test('a thousand streams that are opened at once are all opened', async () => {
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'subscriptions/listen',
    params: {
      notifications: { toolsListChanged: true },
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    },
  })
  const agent = new Agent()
  const opened = await Promise.all(
    Array.from(
      { length: 1000 },
      () =>
        new Promise<IncomingMessage>((resolve, reject) => {
          const headers = {
            'content-type': 'application/json',
            accept: 'text/event-stream',
            'mcp-protocol-version': '2026-07-28',
            'mcp-method': 'subscriptions/listen',
          }
          const call = request(`${gateway.url}/mcp`, { agent, method: 'POST', headers }, resolve)
          call.on('error', reject)
          call.end(body)
        }),
    ),
  )
  const statuses = new Map<number, number>()
  for (const { statusCode = 0 } of opened) statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1)
  for (const response of opened) response.on('error', () => undefined).destroy()
  expect(Object.fromEntries(statuses)).toEqual({ 200: 1000 })
}, 60_000)
