import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { stringify } from 'yaml'
import { z } from 'zod'
import { startDemo } from '../../src/demo.ts'
import { findEnvoy } from '../../src/envoy/binary.ts'
import { RedisKeyStore } from '../../src/identity/redis-key-store.ts'
import { connectRedis } from '../../src/store/redis-client.ts'
import { type CallTree, callTrees } from '../../src/usage/call-tree.ts'
import { RedisBooks } from '../../src/usage/redis-books.ts'
import { freePort } from '../../test/harness.ts'
import { startRedis } from '../../test/redis.ts'
import { type Answer, askAgent } from './ask.ts'
import { type Span, startCollector } from './collector.ts'

/** Three agents in three pods: a process each, with a sidecar each (Envoy and the service). */
export const agents = ['planner', 'researcher', 'writer'] as const
type Name = (typeof agents)[number]

const here = import.meta.dirname
const tenant = 'default'

/** The running example. */
export interface Example {
  /** Where each agent's sidecar is. */
  readonly sidecars: Readonly<Record<Name, string>>
  readonly redis: string
  /** Alice's virtual key. */
  readonly key: string
  /** What the collector has. */
  readonly spans: readonly Span[]
  /** The trace contexts that the MCP server was told of in `_meta`. */
  readonly toolTraces: readonly string[]
  /** Alice asks the planner. @param budget what she lets it spend at most, such as `tool-calls=1` */
  ask(text: string, budget?: string): Promise<{ traceId: string; answer: Answer | Error }>
  /** What came of it, as `chaperone trace` shows it. @param id of a trace, a tree, a task or a request */
  trees(id: string): Promise<CallTree[]>
  stop(): Promise<void>
}

/** Starts everything. What was started is stopped where something does not start. */
export async function startExample(): Promise<Example> {
  const stops: (() => unknown)[] = []
  const stop = async () => {
    for (const end of stops.splice(0).reverse()) await end()
  }
  try {
    return await start(stops, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

async function start(stops: (() => unknown)[], stop: () => Promise<void>): Promise<Example> {
  const directory = mkdtempSync(join(tmpdir(), 'chaperone-agents-'))
  stops.push(() => rmSync(directory, { recursive: true, force: true }))
  const redis = await startRedis()
  stops.push(() => redis.stop())
  const collector = await startCollector()
  stops.push(() => collector.stop())
  const demo = await startDemo()
  stops.push(() => demo.stop())
  const tools = await startTools()
  stops.push(() => tools.stop())
  const client = connectRedis(redis.url, () => undefined)
  stops.push(() => client.disconnect())

  const store = await RedisKeyStore.open(client, { tenant, report: () => undefined })
  const keyOf = async (name: string, user?: string) => store.create({ name, ...(user !== undefined && { user }) })
  const alice = await keyOf('alice', 'alice')
  const issued = await each((name) => keyOf(name))
  await store.close()

  const signer = join(directory, 'signer.pem')
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(signer, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  const ports = await each(() => freePort())
  const sidecars = await each(async (name) => `http://127.0.0.1:${ports[name]}`)
  const agentPorts = await each(() => freePort())
  const startAgent = (name: Name) => {
    const env = { CHAPERONE_URL: sidecars[name], CHAPERONE_KEY: issued[name].text }
    return said(run(['--import', 'tsx', join(here, 'agent.ts'), name, String(agentPorts[name])], env, stops), /ready/)
  }
  const envoy = await findEnvoy(process.env, (message) => process.stderr.write(`${message}\n`))
  const startSidecar = async (name: Name) => {
    const file = join(directory, `${name}.yaml`)
    const rules = {
      listeners: { default: { port: ports[name], identity: { accept: ['key'] } } },
      telemetry: { port: await freePort(), otlpEndpoint: process.env.OTEL_EXPORTER_OTLP_ENDPOINT ?? collector.url },
      providers: { demo: { type: 'openai-compatible', baseUrl: demo.url } },
      models: { demo: { targets: [{ provider: 'demo' }] } },
      prices: { 'demo/demo': { input: 2, output: 8 } },
      mcp: { servers: { sums: { type: 'http', url: tools.url } } },
      a2a: {
        signer: { keyFile: signer, id: 'example' },
        tree: { usd: 0.05, toolCalls: 10, delegations: 5, time: '60s' },
        agents: Object.fromEntries(
          agents.map((agent) => {
            const callers = [`key:${issued[agent].record.id}`]
            return [agent, { url: `http://127.0.0.1:${agentPorts[agent]}`, callers }]
          }),
        ),
        delegation: { required: true },
      },
    }
    writeFileSync(file, stringify(rules))
    const state = join(directory, name)
    const command = ['run', '--file', file, '--store', redis.url, '--state', state, '--concurrency', '1']
    const child = run([join(here, '../../bin/chaperone.mjs'), ...command], { ENVOY_PATH: envoy }, stops)
    await said(child, /Chaperone is ready/)
  }
  await each((name) => Promise.all([startAgent(name), startSidecar(name)]))

  const books = new RedisBooks(client, tenant)
  return {
    sidecars,
    redis: redis.url,
    key: alice.text,
    spans: collector.spans,
    toolTraces: tools.traces,
    async ask(text, budget) {
      const traceId = randomBytes(16).toString('hex')
      const answer = await askAgent(`${sidecars.planner}/a2a/planner`, text, {
        authorization: `Bearer ${alice.text}`,
        traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-01`,
        ...(budget !== undefined && { 'chaperone-budget': budget }),
      }).catch((error: Error) => error)
      return { traceId, answer }
    },
    trees: async (id) => callTrees(await books.calls(id)),
    stop,
  }
}

/** The same for each of the agents, all at once. */
async function each<T>(make: (name: Name) => Promise<T>): Promise<Record<Name, T>> {
  const made = await Promise.all(agents.map(async (name) => [name, await make(name)] as const))
  return Object.fromEntries(made) as Record<Name, T>
}

/** Starts a process of Node's, which ends with the example. */
function run(args: readonly string[], env: Record<string, string>, stops: (() => unknown)[]): ChildProcess {
  const child = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  stops.push(
    () =>
      new Promise<void>((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve()
        child.once('exit', () => resolve())
        child.kill()
        setTimeout(() => child.kill('SIGKILL'), 5_000).unref()
      }),
  )
  return child
}

/** Waits until a process has said something. @throws {Error} with all it said, where it ends or a minute goes by */
function said(child: ChildProcess, what: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = ''
    const fail = (why: string) => reject(new Error(`${why}: ${text}`))
    const timer = setTimeout(() => fail('nothing came in a minute'), 60_000)
    child.once('exit', () => fail('it has ended'))
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (piece: string) => {
        text = (text + piece).slice(-100_000)
        if (!what.test(text)) return
        clearTimeout(timer)
        resolve()
      })
  })
}

/** An MCP server with one tool, which notes the trace that each call says it is part of. */
async function startTools(): Promise<{ url: string; traces: string[]; stop(): void }> {
  const traces: string[] = []
  const server = createServer(async (request, response) => {
    const tools = new McpServer({ name: 'sums', version: '1.0.0' })
    const inputSchema = { a: z.number(), b: z.number() }
    tools.registerTool('add', { description: 'Adds two numbers.', inputSchema }, ({ a, b }, { _meta }) => {
      traces.push(String(_meta?.traceparent))
      return { content: [{ type: 'text', text: String(a + b) }] }
    })
    const transport = new StreamableHTTPServerTransport({})
    response.on('close', () => {
      void transport.close()
      void tools.close()
    })
    await tools.connect(transport as Parameters<typeof tools.connect>[0])
    await transport.handleRequest(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = () => {
    server.close()
    server.closeAllConnections()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, traces, stop }
}
