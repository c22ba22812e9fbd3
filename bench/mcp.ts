import { Agent, createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Sealer } from '../src/mcp/seal.ts'
import { startGateway } from '../test/gateway.ts'
import { freePort } from '../test/harness.ts'

/**
 * `node --import tsx bench/mcp.ts`: tools/call directly and through the gateway at 1 and 16 connections, initialize and
 * tools/list over 1, 10 and 50 servers, sealing, and what idle streams take of memory. The server answers at once, so that what is
 * measured is the way there.
 */

const seconds = 3

/** A server of the new era that does nothing but answer; `delayMs` before lists. */
async function fastServer(delayMs = 0): Promise<{ url: string; close(): void }> {
  const tools = [{ name: 'echo', description: 'Says it again.', inputSchema: { type: 'object', properties: {} } }]
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (piece) => {
      body += piece
    })
    request.on('end', () => {
      const { id, method } = JSON.parse(body) as { id: number; method: string }
      const caching = { ttlMs: 60_000, cacheScope: 'public' }
      const result =
        method === 'server/discover'
          ? { supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, ...caching }
          : method === 'tools/list'
            ? { tools, ...caching }
            : { content: [{ type: 'text', text: 'hello' }] }
      const text = JSON.stringify({ jsonrpc: '2.0', id, result: { resultType: 'complete', ...result } })
      const answer = () => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
        response.end(text)
      }
      if (delayMs > 0 && method === 'tools/list') setTimeout(answer, delayMs)
      else answer()
    })
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, close: () => server.close() }
}

const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
}

function post(agent: Agent, url: string, method: string, params: object, name?: string): Promise<string> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: meta } })
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      url,
      {
        agent,
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': '2026-07-28',
          'mcp-method': method,
          ...(name !== undefined && { 'mcp-name': name }),
          'content-length': Buffer.byteLength(body),
        },
      },
      (response) => {
        let text = ''
        response.on('data', (piece) => {
          text += piece
        })
        response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))))
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}

async function load(
  url: string,
  name: string,
  connections: number,
): Promise<{ perSecond: number; p50: number; p99: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const times: number[] = []
  const call = () => post(agent, url, 'tools/call', { name, arguments: {} }, name)
  for (let i = 0; i < 50; i++) await call()
  const until = performance.now() + seconds * 1000
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() < until) {
        const began = performance.now()
        await call()
        times.push(performance.now() - began)
      }
    }),
  )
  agent.destroy()
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(times.length * share)]!
  return { perSecond: times.length / seconds, p50: at(0.5), p99: at(0.99) }
}

const say = (line: string) => process.stdout.write(`${line}\n`)
const server = await fastServer()
const many = await Promise.all(Array.from({ length: 50 }, () => fastServer(20)))
const servers = Object.fromEntries(many.map(({ url }, i) => [`s${i}`, { type: 'http' as const, url }]))
const gateway = await startGateway({
  listeners: { default: { port: await freePort() } },
  mcp: {
    servers: { one: { type: 'http', url: server.url }, ...servers },
    endpoints: {
      default: { servers: ['one'] },
      ...Object.fromEntries([1, 10, 50].map((n) => [`of-${n}`, { servers: Object.keys(servers).slice(0, n) }])),
    },
  },
})

say('tools/call                    requests/s     p50 ms     p99 ms')
for (const connections of [1, 16])
  for (const round of [1, 2]) {
    const direct = await load(server.url, 'echo', connections)
    const through = await load(`${gateway.url}/mcp`, 'one_echo', connections)
    for (const [what, { perSecond, p50, p99 }] of [
      ['direct', direct],
      ['gateway', through],
    ] as const)
      say(
        `${`${what}, ${connections} connections, ${round}`.padEnd(30)}${perSecond.toFixed(0).padStart(10)}${p50.toFixed(2).padStart(11)}${p99.toFixed(2).padStart(11)}`,
      )
  }

const agent = new Agent({ keepAlive: true })
say('\ntools/list over servers that take 20 ms each')
for (const count of [1, 10, 50]) {
  const url = `${gateway.url}/mcp/of-${count}`
  await post(agent, url, 'tools/list', {})
  const times: number[] = []
  for (let i = 0; i < 20; i++) {
    const began = performance.now()
    await post(agent, url, 'tools/list', {})
    times.push(performance.now() - began)
  }
  times.sort((a, b) => a - b)
  say(`${String(count).padStart(4)} servers: ${times[10]!.toFixed(1)} ms (half)`)
}

const sealer = new Sealer([])
const sealTimes: number[] = []
const value = {
  i: 'x'.repeat(16),
  v: '2025-11-25',
  c: { sampling: {}, roots: {} },
  n: { name: 'client', version: '1' },
  s: Object.fromEntries(
    Array.from({ length: 10 }, (_, i) => [
      `server-${i}`,
      ['0123456789abcdef0123456789abcdef', '2025-11-25', { tools: {} }],
    ]),
  ),
}
for (let i = 0; i < 20_000; i++) {
  const began = performance.now()
  sealer.open('session', 'bound', sealer.seal('session', 'bound', value, 2_000_000_000), 1)
  sealTimes.push((performance.now() - began) * 1000)
}
sealTimes.sort((a, b) => a - b)
say(
  `\nseal and open a session with 10 servers: ${sealTimes[10_000]!.toFixed(1)} µs (half), ${sealTimes[19_800]!.toFixed(1)} µs (p99)`,
)

global.gc?.()
const before = process.memoryUsage().rss
const streams = await Promise.all(
  Array.from({ length: 1000 }, async () => {
    const own = new Agent({ keepAlive: true })
    return new Promise<() => void>((resolve, reject) => {
      const body = JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'subscriptions/listen',
        params: { notifications: { toolsListChanged: true }, _meta: meta },
      })
      const request = httpRequest(
        `${gateway.url}/mcp`,
        {
          agent: own,
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            accept: 'text/event-stream',
            'mcp-protocol-version': '2026-07-28',
            'mcp-method': 'subscriptions/listen',
          },
        },
        (response) => response.once('data', () => resolve(() => own.destroy())),
      )
      request.on('error', reject)
      request.end(body)
    })
  }),
)
global.gc?.()
say(
  `1000 idle streams: ${((process.memoryUsage().rss - before) / 1024 / 1024).toFixed(0)} MiB more, the clients' side included`,
)
for (const close of streams) close()
agent.destroy()
await gateway.stop()
server.close()
for (const each of many) each.close()
process.exit(0)
