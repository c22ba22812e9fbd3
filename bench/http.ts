import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findEnvoy } from '../src/envoy/binary.ts'
import { bootstrap } from '../src/envoy/bootstrap.ts'
import { freePort } from '../test/harness.ts'
import { load } from './measure.ts'
import { writeBenchConfig } from './upstream.ts'

/**
 * What a route of plain HTTP costs beside a bare Envoy with a static file, measured in turn in one run: the same binary, one
 * worker thread each, the same load, the same upstream.
 *
 *   npx tsx bench/http.ts [seconds a figure]
 */
const seconds = Number(process.argv[2] ?? 4)
const slices = 8
const connections = 16

const root = fileURLToPath(new URL('..', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'chaperone-bench-http-'))
const children: ChildProcess[] = []

function start(command: string, args: string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...env },
  })
  children.push(child)
  return child
}

async function until(url: string): Promise<void> {
  for (let i = 0; i < 300; i++) {
    try {
      const response = await fetch(url, { method: 'POST', body: '{}' })
      await response.arrayBuffer()
      if (response.status === 200) return
    } catch {}
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`${url} does not answer`)
}

/** One thing that is measured. */
interface Subject {
  label: string
  url: string
  pids: { envoy: number; service?: number }
  rates: number[]
  cpu: number[]
  service: number[]
  p50: number[]
  failed: number
}

const middle = (values: number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

async function main(): Promise<void> {
  const binary = await findEnvoy(process.env, (message) => console.error(message))
  const envoyArgs = ['--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'error', '-c']
  const ports = {
    whole: await freePort(),
    stream: await freePort(),
    bare: await freePort(),
    bareStream: await freePort(),
  }
  const config = writeBenchConfig(directory, ports)
  start(binary, [...envoyArgs, config.upstream])
  const bare = start(binary, [...envoyArgs, config.bare])

  const [httpPort, bothPort, telemetryPort] = [await freePort(), await freePort(), await freePort()]
  const rules = join(directory, 'chaperone.yaml')
  const service = 'upstream'
  writeFileSync(
    rules,
    JSON.stringify({
      listeners: { http: { port: httpPort, serves: ['http'] }, both: { port: bothPort } },
      providers: { p: { type: 'openai-compatible', baseUrl: `http://127.0.0.1:${ports.whole}/v1` } },
      models: { m: { targets: [{ provider: 'p' }] } },
      http: {
        services: { upstream: { url: `http://127.0.0.1:${ports.whole}` } },
        routes: [
          { name: 'native', match: { path: '/native' }, service },
          { name: 'governed', listeners: ['both'], match: { path: '/governed' }, service, governed: true },
          // Filters that are in the chain because of these routes, and off on the others.
          {
            name: 'filters',
            listeners: ['both'],
            match: { path: '/filters' },
            service,
            cors: { origins: ['*'] },
            clients: { addresses: ['127.0.0.0/8'] },
            rateLimit: { requests: 1_000_000_000 },
            maxRequestBytes: 1_000_000,
            compression: {},
            affinity: { cookie: { name: 'c' } },
          },
        ],
      },
      telemetry: { port: telemetryPort, accessLog: false, logLevel: 'error' },
    }),
  )
  const socket = join(directory, 'service.sock')
  const decides = start(process.execPath, ['bin/chaperone.mjs', 'serve', '-f', rules, '-s', socket])
  const file = join(directory, 'bootstrap.json')
  writeFileSync(
    file,
    JSON.stringify(bootstrap({ nodeId: 'bench', socket, adminSocket: join(directory, 'admin.sock') })),
  )
  const gateway = start(binary, [...envoyArgs, file])
  const at = (port: number, path: string) => `http://127.0.0.1:${port}${path}`
  const ours = { envoy: gateway.pid!, service: decides.pid! }
  const subject = (label: string, url: string, pids: Subject['pids']): Subject => ({
    ...{ label, url, pids, rates: [], cpu: [], service: [], p50: [], failed: 0 },
  })
  const subjects = [
    subject('bare Envoy', at(ports.bare, '/native'), { envoy: bare.pid! }),
    subject('native, a listener for http', at(httpPort, '/native'), ours),
    subject('native, beside AI and filters that are off', at(bothPort, '/native'), ours),
    subject('CORS, addresses, rate, body limit, compression, affinity', at(bothPort, '/filters'), ours),
    subject('governed', at(bothPort, '/governed'), ours),
  ]
  const body = 'x'.repeat(2_000)
  for (const { url } of subjects) {
    await until(url)
    await load(url, body, connections, 1, {})
  }
  for (let slice = 0; slice < slices; slice++)
    for (const each of subjects) {
      const measured = await load(each.url, body, connections, seconds / slices, { ...each.pids })
      each.rates.push(measured.requestsPerSecond)
      each.cpu.push(measured.cpu.envoy ?? 0)
      each.service.push(measured.cpu.service ?? 0)
      each.p50.push(measured.p50Ms)
      each.failed += measured.failed
    }
  const [reference] = subjects
  console.log(
    `node ${process.version}, POST of 2 kB, ${connections} connections, medians of ${slices} slices in turn\n`,
  )
  console.log('req/s   of bare   CPU ms of Envoy a request   of bare   of the service   p50 ms   failed')
  for (const { label, rates, cpu, service, p50, failed } of subjects)
    console.log(
      [
        middle(rates).toFixed(0).padStart(5),
        `${((100 * middle(rates)) / middle(reference!.rates)).toFixed(0)} %`.padStart(9),
        middle(cpu).toFixed(3).padStart(27),
        `${((100 * middle(cpu)) / middle(reference!.cpu)).toFixed(0)} %`.padStart(9),
        middle(service).toFixed(3).padStart(16),
        middle(p50).toFixed(2).padStart(8),
        String(failed).padStart(8),
        `  ${label}`,
      ].join(' '),
    )
}

main()
  .catch((error: unknown) => {
    console.error(error)
    process.exitCode = 1
  })
  .finally(() => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  })
