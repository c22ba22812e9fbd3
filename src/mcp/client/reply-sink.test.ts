import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import type { Body, CarriedResponse } from '../server/carrier.ts'
import type { Egress } from '../server/egress.ts'
import { HttpServer } from '../server/http-server.ts'
import { LegacyHttpLink } from '../server/legacy-http-link.ts'
import type { CallHooks, Link } from '../server/link.ts'
import { ModernHttpLink } from '../server/modern-link.ts'
import { Reply } from './reply.ts'
import { goneOf, ResponseSink } from './reply-sink.ts'

/** A client over real HTTP that takes nothing until it is told to. */

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function stalled(): Promise<{ response: ServerResponse; client: Socket }> {
  let accept: (response: ServerResponse) => void = () => undefined
  const accepted = new Promise<ServerResponse>((resolve) => {
    accept = resolve
  })
  const server = createServer((_, response) => accept(response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.pause()
  client.on('error', () => undefined)
  client.write('GET / HTTP/1.1\r\nhost: h\r\n\r\n')
  closing.push(() => {
    client.destroy()
    server.closeAllConnections()
    server.close()
  })
  return { response: await accepted, client }
}

/** A server that tells of its work without end, as long as it is read. */
function endless() {
  const state = { pieces: 0, ended: false }
  const event = `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(500_000) } })}\n\n`
  const body = (signal: AbortSignal): Body => ({
    destroy: () => undefined,
    async *[Symbol.asyncIterator]() {
      try {
        while (!signal.aborted) {
          state.pieces++
          yield Buffer.from(event)
          await sleep(0)
        }
      } finally {
        state.ended = true
      }
    },
  })
  const egress = {
    request: async (...[, , , , sent, signal]: Parameters<Egress['request']>): Promise<CarriedResponse> =>
      String(sent).includes('tools/call')
        ? { status: 200, headers: { 'content-type': 'text/event-stream' }, body: body(signal) }
        : { status: 202, headers: {}, body: Object.assign((async function* () {})(), { destroy: () => undefined }) },
  } as unknown as Egress
  const upstream = { id: 'u', scheme: 'http', host: 'h', port: 80 } as never
  const server = new HttpServer('endless', upstream, '/mcp', egress, { pool: 'p', routeClass: 'r' })
  return { state, server }
}

const client = { capabilities: {}, clientInfo: {}, headers: [] }
const links: [string, (server: HttpServer) => Link][] = [
  [
    'old',
    (server) =>
      new LegacyHttpLink(
        server,
        { id: 's', version: '2025-11-25' },
        { era: 'legacy', version: '2025-11-25', capabilities: {} },
        client,
      ),
  ],
  [
    'new',
    (server) =>
      new ModernHttpLink(server, { era: 'modern', version: '2026-07-28', capabilities: {} }, client, () => undefined),
  ],
]

test.each(links)('a server of the %s era is not read on while its client takes nothing', async (_, linkTo) => {
  const { response, client: slow } = await stalled()
  const reply = new Reply(new ResponseSink(response), true)
  const { state, server } = endless()
  const hooks: CallHooks = {
    notified: (method, params) => reply.notify(method, params),
    asked: () => Promise.reject(new Error('never')),
    takesInputRequired: false,
    signal: goneOf(response),
    room: () => reply.room,
  }
  const call = linkTo(server).request('tools/call', { name: 't' }, hooks)
  call.catch(() => undefined)
  await vi.waitUntil(() => reply.room !== undefined, 10_000)
  await sleep(50)
  const held = state.pieces
  await sleep(100)
  expect(state.pieces).toBe(held)
  expect(response.writableLength).toBeLessThan(4 * 1024 * 1024)
  // It goes on when the client does, and ends with it.
  slow.resume()
  await vi.waitUntil(() => state.pieces > held + 5, 10_000)
  slow.destroy()
  await expect(call).rejects.toThrow()
  await vi.waitUntil(() => state.ended, 10_000)
})

test('a client that takes nothing of what cannot be held back is let go', async () => {
  const { response } = await stalled()
  const sink = new ResponseSink(response)
  const text = 'x'.repeat(1024 * 1024)
  let written = 0
  while (!sink.gone && written < 200) {
    sink.write(text)
    written++
  }
  expect(sink.gone).toBe(true)
  expect(written).toBeLessThan(40)
})
