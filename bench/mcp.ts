import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { findEnvoy } from '../src/envoy/binary.ts'
import { Sealer } from '../src/mcp/seal.ts'
import { freePort } from '../test/harness.ts'
import { cpuSeconds } from './measure.ts'
import { memoryOf, Processes } from './processes.ts'

/**
 * `node --import tsx bench/mcp.ts`: tools/call directly and through the gateway at 1 and 16 connections in both eras, initialize and
 * tools/list over 1, 10 and 50 servers, sealing, and what idle streams take of the service's memory. The server answers at once, so
 * that what is measured is the way there; it, the service, Envoy and the clients are processes of their own.
 */

const seconds = 3
const slow = 20
type Era = 'legacy' | 'modern'

const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
}

let lastId = 0

function send(agent: Agent, url: string, era: Era, method: string, params: object, session?: string) {
  const { name } = params as { name?: string }
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: ++lastId,
    method,
    params: era === 'modern' ? { ...params, _meta: meta } : params,
  })
  return new Promise<IncomingMessage>((resolve, reject) => {
    const request = httpRequest(
      url,
      {
        agent,
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': era === 'modern' ? '2026-07-28' : '2025-11-25',
          ...(era === 'modern' && { 'mcp-method': method, ...(name !== undefined && { 'mcp-name': name }) }),
          ...(session !== undefined && { 'mcp-session-id': session }),
          'content-length': Buffer.byteLength(body),
        },
      },
      resolve,
    )
    request.on('error', reject)
    request.end(body)
  })
}

async function post(...args: Parameters<typeof send>): Promise<IncomingMessage['headers']> {
  const response = await send(...args)
  const answer = await text(response)
  if (response.statusCode !== 200 || !answer.includes('"result"')) throw new Error(`${response.statusCode} ${answer}`)
  return response.headers
}

const initialize = async (agent: Agent, url: string) => {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bench', version: '1' } }
  return String((await post(agent, url, 'legacy', 'initialize', params))['mcp-session-id'])
}

async function load(url: string, era: Era, name: string, connections: number, service?: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const session = era === 'legacy' ? await initialize(agent, url) : undefined
  const times: number[] = []
  const call = () => post(agent, url, era, 'tools/call', { name, arguments: {} }, session)
  for (let i = 0; i < 50; i++) await call()
  const until = performance.now() + seconds * 1000
  const before = service === undefined ? 0 : cpuSeconds(service)
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
  const cpuMs = service === undefined ? undefined : ((cpuSeconds(service) - before) * 1000) / times.length
  return { perSecond: times.length / seconds, cpuMs, ...quantiles(times) }
}

function quantiles(times: number[]): { p50: number; p99: number } {
  times.sort((one, other) => one - other)
  return { p50: times[Math.floor(times.length * 0.5)]!, p99: times[Math.floor(times.length * 0.99)]! }
}

const say = (line: string) => process.stdout.write(`${line}\n`)

async function calls(direct: string, gateway: string, service: number): Promise<void> {
  say('tools/call                          requests/s     p50 ms     p99 ms   service, ms of CPU a call')
  for (const era of ['legacy', 'modern'] as const)
    for (const connections of [1, 16])
      for (const [what, url, name] of [
        ['direct', direct, 'echo'],
        ['gateway', `${gateway}/${era}`, 'one_echo'],
      ] as const) {
        const measured = await load(url, era, name, connections, what === 'gateway' ? service : undefined)
        const { perSecond, p50, p99, cpuMs } = measured
        const cells = [
          perSecond.toFixed(0).padStart(10),
          p50.toFixed(2).padStart(11),
          p99.toFixed(2).padStart(11),
          (cpuMs?.toFixed(2) ?? '').padStart(11),
        ]
        say(`${`${what}, ${era}, ${connections} connections`.padEnd(36)}${cells.join('')}`)
      }
}

async function lists(gateway: string): Promise<void> {
  say(`\ninitialize and tools/list, as a new client, over servers whose lists take ${slow} ms`)
  const agent = new Agent({ keepAlive: true })
  for (const count of [1, 10, 50]) {
    const url = `${gateway}/of-${count}`
    const times: number[] = []
    for (let i = 0; i < 21; i++) {
      const began = performance.now()
      const session = await initialize(agent, url)
      await post(agent, url, 'legacy', 'tools/list', {}, session)
      if (i > 0) times.push(performance.now() - began)
    }
    say(`${String(count).padStart(4)} servers: ${quantiles(times).p50.toFixed(1)} ms (p50)`)
  }
  agent.destroy()
}

function seals(): void {
  const sealer = new Sealer([])
  const value = {
    i: 'x'.repeat(16),
    v: '2025-11-25',
    c: { sampling: {}, roots: {} },
    n: { name: 'client', version: '1' },
    s: Object.fromEntries(
      Array.from({ length: 10 }, (_, i) => [`server-${i}`, ['0123456789abcdef0123456789abcdef', 0, 0, null]]),
    ),
    k: [{ tools: { listChanged: true }, prompts: {}, resources: { subscribe: true } }],
  }
  const sealing: number[] = []
  const opening: number[] = []
  for (let i = 0; i < 40_000; i++) {
    const began = performance.now()
    const text = sealer.seal('session', 'bound', value, 2_000_000_000)
    const sealed = performance.now()
    sealer.open('session', 'bound', text, 1)
    if (i < 20_000) continue
    sealing.push((sealed - began) * 1000)
    opening.push((performance.now() - sealed) * 1000)
  }
  say('\na session with 10 servers        p50 µs     p99 µs')
  for (const [what, times] of [
    ['sealed', sealing],
    ['opened', opening],
  ] as const) {
    const { p50, p99 } = quantiles(times)
    say(`${what.padEnd(28)}${p50.toFixed(1).padStart(11)}${p99.toFixed(1).padStart(11)}`)
  }
}

/** Streams that are open and silent, each a connection of its own. */
async function streams(gateway: string, service: number): Promise<void> {
  say('')
  for (const era of ['legacy', 'modern'] as const) {
    const agents = Array.from({ length: 1000 }, () => new Agent({ keepAlive: true }))
    const sessions: string[] = []
    if (era === 'legacy') for (const agent of agents) sessions.push(await initialize(agent, `${gateway}/${era}`))
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    const before = memoryOf(service)
    await Promise.all(
      agents.map(async (agent, i) => {
        const response =
          era === 'modern'
            ? await send(agent, `${gateway}/${era}`, era, 'subscriptions/listen', {
                notifications: { toolsListChanged: true },
              })
            : await listen(agent, `${gateway}/${era}`, sessions[i]!)
        if (response.statusCode !== 200) throw new Error(`no stream: ${response.statusCode} ${await text(response)}`)
        response.resume()
      }),
    )
    // What was made on the way is collected when something else is done.
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    const more = memoryOf(service) - before
    say(`1000 idle streams, ${era}: ${more.toFixed(0)} MiB more of the service's memory`)
    for (const agent of agents) agent.destroy()
    await new Promise((resolve) => setTimeout(resolve, 2_000))
  }
}

function listen(agent: Agent, url: string, session: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = {
      accept: 'text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      'mcp-session-id': session,
    }
    httpRequest(url, { agent, method: 'GET', headers }, resolve).on('error', reject).end()
  })
}

const processes = new Processes()
const directory = mkdtempSync(join(tmpdir(), 'chaperone-bench-'))
try {
  const binary = await findEnvoy(process.env, (message) => console.error(message))
  const [fast, late, port] = [await freePort(), await freePort(), await freePort()]
  processes.start(process.execPath, ['--import', 'tsx', 'bench/mcp-server.ts', String(fast), '0'])
  processes.start(process.execPath, ['--import', 'tsx', 'bench/mcp-server.ts', String(late), String(slow)])
  const servers = Object.fromEntries(
    Array.from({ length: 50 }, (_, i) => [
      `s${i}`,
      { type: 'http', url: `http://127.0.0.1:${late}/mcp`, era: 'legacy' },
    ]),
  )
  const file = join(directory, 'rules.yaml')
  writeFileSync(
    file,
    JSON.stringify({
      listeners: { default: { port } },
      mcp: {
        servers: {
          one: { type: 'http', url: `http://127.0.0.1:${fast}/mcp`, era: 'modern' },
          old: { type: 'http', url: `http://127.0.0.1:${fast}/mcp`, era: 'legacy', prefix: 'one' },
          ...servers,
        },
        endpoints: {
          modern: { servers: ['one'] },
          legacy: { servers: ['old'] },
          ...Object.fromEntries([1, 10, 50].map((n) => [`of-${n}`, { servers: Object.keys(servers).slice(0, n) }])),
        },
      },
      telemetry: { port: await freePort(), accessLog: false, logLevel: 'error' },
    }),
  )
  const url = `http://127.0.0.1:${port}/mcp`
  const { service } = await processes.gateway({ directory, name: 'gateway', binary, url }, ['-f', file])
  say(`node ${process.version}`)
  await calls(`http://127.0.0.1:${fast}/mcp`, url, service)
  await lists(url)
  seals()
  await streams(url, service)
} finally {
  processes.stop()
  rmSync(directory, { recursive: true, force: true })
}
process.exit(0)
