import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Role } from '@a2a-js/sdk'
import { ClientFactory } from '@a2a-js/sdk/client'
import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { RulesInput } from '../src/config/schema.ts'
import { findEnvoy } from '../src/envoy/binary.ts'
import { dashboardQueries, metricsOf } from './compose/queries.ts'
import { eventually } from './gateway.ts'
import { freePort, upstream } from './harness.ts'
import { connectOld } from './mcp/clients.ts'
import { type RedisServer, startRedis } from './redis.ts'

/**
 * What docker-compose.yml starts with the profile demo, without the containers: the same commands and rules on other ports. All
 * kinds of traffic go through it, and the dashboard finds what it asks for. Prometheus' and Jaeger's parts are the test's.
 */

const { services } = parse(readFileSync('docker-compose.yml', 'utf8')) as {
  services: Record<string, { entrypoint?: string[]; command: string[]; environment: Record<string, string> }>
}
const demos = ['tools', 'agent', 'shop', 'orders'] as const

const directory = mkdtempSync(join(tmpdir(), 'chaperone-compose-'))
const socket = join(directory, 'service.sock')
const rulesFile = join(directory, 'chaperone.yaml')
const children: ChildProcess[] = []
/** Who has sent traces. */
const traced: string[] = []
let jaeger: Awaited<ReturnType<typeof upstream>>
let redis: RedisServer
let rules: RulesInput
let telemetry: string
let url: string

function start(command: string, args: readonly string[], env: Record<string, string> = {}): void {
  children.push(spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...env } }))
}

/** Arguments with other values behind some flags, each of which must be there. */
function withFlags(args: readonly string[], values: Record<string, string>): string[] {
  const changed = [...args]
  for (const [name, value] of Object.entries(values)) {
    if (!args.includes(name)) throw new Error(`${name} is not in ${args.join(' ')}`)
    changed[args.indexOf(name) + 1] = value
  }
  return changed
}

const chat = (model: string, stream = false) =>
  fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'hi' }] }),
  })

beforeAll(async () => {
  jaeger = await upstream((request, response) => {
    traced.push(`${request.url} ${request.headers['user-agent']}`)
    request.resume()
    response.setHeader('content-type', request.headers['content-type'] ?? 'application/x-protobuf').end()
  })
  const ports: Record<string, number> = {}
  for (const name of [...demos, 'provider', 'listener', 'telemetry']) ports[name] = await freePort()
  const local = (name: string) => ({ '--host': '127.0.0.1', '--port': String(ports[name]) })
  url = `http://127.0.0.1:${ports.listener}`
  telemetry = `http://127.0.0.1:${ports.telemetry}`
  for (const name of demos) {
    const here = { ...local(name), ...(name === 'agent' && { '--url': `${url}/agents/echo` }) }
    start(process.execPath, ['--import', 'tsx', 'src/demo/main.ts', ...withFlags(services[name]!.command, here)])
  }
  const { entrypoint, command } = services.provider!
  start(process.execPath, [
    entrypoint![1]!.replace(/^\/app\//, ''),
    ...withFlags(command, { ...local('provider'), '--fixtures': 'envoy/compose/demo/fixtures.json' }),
  ])

  const text = readFileSync('envoy/compose/demo/chaperone.yaml', 'utf8')
    .replaceAll(
      /http:\/\/(provider|tools|agent|shop|orders):\d+/g,
      (_, name: string) => `http://127.0.0.1:${ports[name]}`,
    )
    .replace('http://jaeger:4318', jaeger.url)
  rules = parse(text) as RulesInput
  rules.listeners!.default!.port = ports.listener!
  rules.telemetry = { ...rules.telemetry, port: ports.telemetry!, logLevel: 'error', accessLog: false }
  writeFileSync(rulesFile, JSON.stringify(rules))

  redis = await startRedis(services.redis!.command.slice(1, services.redis!.command.indexOf('--dir')))
  const { CHAPERONE_STORE, CHAPERONE_STATE } = services.chaperone!.environment
  start(process.execPath, ['bin/chaperone.mjs', 'serve', '--file', rulesFile, '--socket', socket], {
    CHAPERONE_STORE: CHAPERONE_STORE!.replace('redis:6379', `127.0.0.1:${redis.port}`),
    CHAPERONE_STATE: join(directory, CHAPERONE_STATE!),
  })
  const bootstrap = join(directory, 'bootstrap.yaml')
  writeFileSync(
    bootstrap,
    readFileSync('envoy/bootstrap.yaml', 'utf8').replaceAll('/run/chaperone/service.sock', socket),
  )
  const binary = await findEnvoy(process.env, () => undefined)
  start(binary, withFlags(services.envoy!.command.slice(1), { '--config-path': bootstrap }))
  await eventually(async () => {
    expect((await chat('gpt-5-mini')).status).toBe(200)
    expect((await fetch(`${url}/shop/items`)).status).toBe(200)
  }, 60_000)
})

afterAll(async () => {
  const ended = children.map((child) => new Promise((resolve) => child.once('exit', resolve)))
  for (const child of children) child.kill('SIGKILL')
  await Promise.all(ended)
  await jaeger?.close()
  await redis?.stop()
  rmSync(directory, { recursive: true, force: true })
})

test('models: an answer, a stream, a failover, and a limit', async () => {
  expect(await (await chat('gpt-5-mini')).json()).toMatchObject({ choices: [{ message: { content: /demo/ } }] })
  expect(await (await chat('gpt-5-mini', true)).text()).toMatch(/data: \[DONE\]\s*$/)
  expect((await chat('flaky')).status).toBe(200)
  const statuses: number[] = []
  for (let count = 0; count < 4; count++) statuses.push((await chat('limited')).status)
  expect(statuses).toEqual([200, 200, 200, 429])
})

test('MCP: a tool is called', async () => {
  const connected = await connectOld(`${url}/mcp`)
  expect(await connected.client.callTool({ name: 'tools_add', arguments: { a: 2, b: 3 } })).toMatchObject({
    content: [{ text: '5' }],
  })
  await connected.close()
})

test('A2A: the agent of the official SDK answers the SDK’s client, by its card', async () => {
  const client = await new ClientFactory().createFromUrl(url, '/agents/echo/.well-known/agent-card.json')
  const answer = await client.sendMessage({
    message: {
      messageId: 'm1',
      contextId: '',
      taskId: '',
      role: Role.ROLE_USER,
      parts: [{ content: { $case: 'text', value: 'hello' }, metadata: undefined, filename: '', mediaType: '' }],
      metadata: undefined,
      extensions: [],
      referenceTaskIds: [],
    },
    tenant: '',
    configuration: undefined,
    metadata: undefined,
  })
  expect(JSON.stringify(answer)).toContain('You said: hello')
})

test('HTTP and gRPC: the shop and its orders', async () => {
  expect(await (await fetch(`${url}/shop/items/2`)).json()).toMatchObject({ name: 'chair' })
  expect((await fetch(`${url}/shop/unwell`)).status).toBe(503)
  const bytes = (value: Buffer) => value
  const Health = makeGenericClientConstructor(
    {
      check: {
        path: '/grpc.health.v1.Health/Check',
        requestStream: false,
        responseStream: false,
        requestSerialize: bytes,
        requestDeserialize: bytes,
        responseSerialize: bytes,
        responseDeserialize: bytes,
      },
    },
    'Health',
  )
  const client = new Health(new URL(url).host, credentials.createInsecure())
  const answer = await new Promise<Buffer>((resolve, reject) =>
    client.check!(Buffer.alloc(0), (error: Error | null, value: Buffer) => (error ? reject(error) : resolve(value))),
  )
  client.close()
  expect(answer.toString('hex')).toBe('0801')
})

test('traces come from Envoy and from the service', async () => {
  await eventually(() => {
    for (const sender of ['Envoy', 'JavaScript'])
      expect(traced).toContainEqual(expect.stringMatching(new RegExp(`^/v1/traces OTel-OTLP-Exporter-${sender}/`)))
  }, 30_000)
})

/** Lines of Prometheus' text format: the labels of every series, by metric. */
async function series(path: string): Promise<Map<string, Set<string>[]>> {
  const found = new Map<string, Set<string>[]>()
  for (const line of (await (await fetch(telemetry + path)).text()).split('\n')) {
    const [, name, labels = ''] = /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? \S+/.exec(line) ?? []
    if (name === undefined) continue
    const names = new Set([...labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)].map(([, label]) => label!))
    found.set(name, [...(found.get(name) ?? []), names])
  }
  return found
}

test('every query of the dashboard finds its metrics with their labels', async () => {
  // Changed rules, for what counts changes.
  writeFileSync(rulesFile, JSON.stringify({ ...rules, aliases: { other: 'flaky' } }))
  await eventually(async () =>
    expect([...(await series('/metrics')).keys()]).toContain('chaperone_rules_changes_total'),
  )
  const found = new Map([...(await series('/metrics')), ...(await series('/metrics/envoy'))])
  for (const { title, expr, legend } of dashboardQueries()) {
    for (const { name, labels } of metricsOf(expr)) {
      const all = found.get(name)
      expect(all, `${title}: ${name}`).toBeDefined()
      expect(
        all!.some((each) => labels.every((label) => each.has(label))),
        `${title}: ${name} by ${labels}`,
      ).toBe(true)
      // A legend's labels are left over by the query: those it groups by, or all of them.
      const left = /\bby \(([^)]*)\)/.exec(expr)?.[1]?.split(/,\s*/) ?? [...all!.flatMap((each) => [...each])]
      for (const [, label] of legend.matchAll(/\{\{(\w+)\}\}/g)) expect(left, `${title}: ${legend}`).toContain(label)
    }
  }
})
