import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findEnvoy } from '../src/envoy/binary.ts'
import { freePort } from '../test/harness.ts'
import { latency, load, type Measured, residentMiB, streams } from './measure.ts'
import { chunksPerStream, writeBenchConfig } from './upstream.ts'

/**
 * `npm run bench`: what the gateway costs next to a bare Envoy, both measured in turn in one run on this machine.
 * Absolute figures differ from machine to machine; the ratios are what counts.
 *
 *   npm run bench -- --seconds 5 --soak 60
 */
const seconds = Number(option('seconds') ?? 4)
const soakSeconds = Number(option('soak') ?? 20)

function option(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`)
  return at === -1 ? undefined : process.argv[at + 1]
}

const root = fileURLToPath(new URL('..', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'chaperone-bench-'))
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
      if (response.status !== 503) return
    } catch {}
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`${url} does not answer`)
}

const envoyArgs = ['--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'error', '-c']

async function main(): Promise<void> {
  const binary = await findEnvoy(process.env, (message) => console.error(message))
  const ports = {
    whole: await freePort(),
    stream: await freePort(),
    bare: await freePort(),
    bareStream: await freePort(),
  }
  const gatewayPort = await freePort()
  const config = writeBenchConfig(directory, ports)
  start(binary, [...envoyArgs, config.upstream])
  start(process.execPath, ['--import', 'tsx', 'bench/upstream.ts', 'serve', String(ports.stream)])
  const bare = start(binary, [...envoyArgs, config.bare])

  const rules = join(directory, 'chaperone.yaml')
  const telemetryPort = await freePort()
  writeFileSync(
    rules,
    JSON.stringify({
      listeners: { default: { port: gatewayPort } },
      providers: {
        openai: { type: 'openai', baseUrl: `http://127.0.0.1:${ports.whole}/v1`, apiKey: '${env:BENCH_KEY}' },
        anthropic: { type: 'anthropic', baseUrl: `http://127.0.0.1:${ports.whole}`, apiKey: '${env:BENCH_KEY}' },
        'openai-stream': { type: 'openai', baseUrl: `http://127.0.0.1:${ports.stream}/v1`, apiKey: '${env:BENCH_KEY}' },
        'anthropic-stream': {
          type: 'anthropic',
          baseUrl: `http://127.0.0.1:${ports.stream}`,
          apiKey: '${env:BENCH_KEY}',
        },
      },
      models: {
        same: { targets: [{ provider: 'openai', model: 'gpt-4o-mini' }] },
        other: { targets: [{ provider: 'anthropic', model: 'claude-sonnet-4-5' }] },
        'same-stream': { targets: [{ provider: 'openai-stream', model: 'gpt-4o-mini' }] },
        'other-stream': { targets: [{ provider: 'anthropic-stream', model: 'claude-sonnet-4-5' }] },
      },
      telemetry: { port: telemetryPort, accessLog: false, logLevel: 'error' },
    }),
  )
  const socket = join(directory, 'service.sock')
  const service = start(process.execPath, ['bin/chaperone.mjs', 'serve', '-f', rules, '-s', socket], { BENCH_KEY: 'k' })
  const rendered = join(directory, 'bootstrap.json')
  const { bootstrap } = await import('../src/envoy/bootstrap.ts')
  writeFileSync(
    rendered,
    JSON.stringify(bootstrap({ nodeId: 'bench', socket, adminSocket: join(directory, 'admin.sock') })),
  )
  const gateway = start(binary, [...envoyArgs, rendered])
  const bareUrl = `http://127.0.0.1:${ports.bare}/v1/chat/completions`
  const bareStreamUrl = `http://127.0.0.1:${ports.bareStream}/v1/chat/completions`
  const url = `http://127.0.0.1:${gatewayPort}/v1/chat/completions`
  await until(bareUrl)
  await until(url)

  const body = (model: string, bytes: number, stream = false) =>
    JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'x'.repeat(bytes) }] })
  const pids = { envoy: gateway.pid!, service: service.pid! }

  console.log(`node ${process.version}, ${seconds} s a figure, one Envoy thread\n`)
  console.log('whole answers, 16 connections')
  console.log(
    '                     req/s   of bare   p50 ms  p99 ms  failed   CPU s per 1,000: Envoy  service  service ÷ bare',
  )
  for (const [size, label] of [
    [2_000, '2 KiB'],
    [200_000, '200 KiB'],
  ] as const) {
    await load(url, body('same', size), 16, 2, pids) // warm
    const base = await load(bareUrl, body('same', size), 16, seconds, { envoy: bare.pid! })
    row(`bare, ${label}`, base, base)
    row(`same, ${label}`, await load(url, body('same', size), 16, seconds, pids), base)
    await load(url, body('other', size), 16, 1, pids)
    row(`translated, ${label}`, await load(url, body('other', size), 16, seconds, pids), base)
  }

  console.log('\nwhole answers, 1 connection, 2 KiB')
  console.log('                    p50 ms  added   p99 ms  added')
  const one = await latency(bareUrl, body('same', 2_000), 2_000)
  latencyRow('bare', one, one)
  latencyRow('same', await latency(url, body('same', 2_000), 2_000), one)
  latencyRow('translated', await latency(url, body('other', 2_000), 2_000), one)

  console.log(`\nstreams of ${chunksPerStream} chunks, 16 connections`)
  console.log('                  chunks/s   of bare   first ms   failed   CPU s per 1,000 chunks: Envoy  service')
  const answers = 160
  const bareStream = await streams(bareStreamUrl, body('same-stream', 2_000, true), 16, answers, { envoy: bare.pid! })
  const streamRow = (name: string, measured: Awaited<ReturnType<typeof streams>>) => {
    const per = (cpu: number | undefined) => (cpu === undefined ? '' : ((cpu / measured.chunks) * 1000).toFixed(4))
    console.log(
      `${name.padEnd(16)} ${measured.chunksPerSecond.toFixed(0).padStart(9)} ${percent(measured.chunksPerSecond / bareStream.chunksPerSecond).padStart(9)} ${measured.firstMs.toFixed(1).padStart(10)} ${String(measured.failed).padStart(8)}   ${per(measured.cpu.envoy).padStart(29)} ${per(measured.cpu.service).padStart(8)}`,
    )
  }
  streamRow('bare', bareStream)
  streamRow('same', await streams(url, body('same-stream', 2_000, true), 16, answers, pids))
  streamRow('translated', await streams(url, body('other-stream', 2_000, true), 16, answers, pids))

  if (soakSeconds > 0) {
    const before = { service: residentMiB(service.pid!), envoy: residentMiB(gateway.pid!) }
    await load(url, body('same', 2_000), 16, soakSeconds, pids)
    console.log(`\nresident memory, MiB, before and after ${soakSeconds} s at full speed`)
    console.log(`service  ${before.service.toFixed(0)} → ${residentMiB(service.pid!).toFixed(0)}`)
    console.log(`Envoy    ${before.envoy.toFixed(0)} → ${residentMiB(gateway.pid!).toFixed(0)}`)
  }
}

const percent = (ratio: number) => `${(ratio * 100).toFixed(0)}%`

function row(name: string, measured: Measured, base: Measured): void {
  const { service, envoy } = measured.cpu
  console.log(
    `${name.padEnd(19)} ${measured.requestsPerSecond.toFixed(0).padStart(7)} ${percent(measured.requestsPerSecond / base.requestsPerSecond).padStart(9)} ${measured.p50Ms.toFixed(1).padStart(8)} ${measured.p99Ms.toFixed(1).padStart(7)} ${String(measured.failed).padStart(7)} ${(envoy ?? 0).toFixed(3).padStart(24)} ${service === undefined ? '' : service.toFixed(3).padStart(8)} ${service === undefined ? '' : (service / base.cpu.envoy!).toFixed(2).padStart(15)}`,
  )
}

function latencyRow(
  name: string,
  measured: { p50Ms: number; p99Ms: number },
  base: { p50Ms: number; p99Ms: number },
): void {
  console.log(
    `${name.padEnd(19)} ${measured.p50Ms.toFixed(2).padStart(6)} ${(measured.p50Ms - base.p50Ms).toFixed(2).padStart(6)} ${measured.p99Ms.toFixed(2).padStart(8)} ${(measured.p99Ms - base.p99Ms).toFixed(2).padStart(6)}`,
  )
}

try {
  await main()
} finally {
  for (const child of children) child.kill('SIGTERM')
  rmSync(directory, { recursive: true, force: true })
}
