import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findEnvoy } from '../src/envoy/binary.ts'
import { bootstrap } from '../src/envoy/bootstrap.ts'
import { freePort } from '../test/harness.ts'
import { startRedis } from '../test/redis.ts'
import { load, type Measured } from './measure.ts'
import { writeBenchConfig } from './upstream.ts'

/**
 * `node --import tsx bench/rules.ts`: what identity, policies, limits and budgets cost: the same gateway without them, with them and
 * counts in memory, and with them and counts in Redis, in turn, several times in one run.
 */
const seconds = 4
const rounds = 3
const root = fileURLToPath(new URL('..', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'chaperone-bench-'))
const children: ChildProcess[] = []
const start = (command: string, args: string[]): ChildProcess => {
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, BENCH_KEY: 'k' },
  })
  children.push(child)
  return child
}
const chaperone = (...args: string[]) =>
  execFileSync(process.execPath, ['bin/chaperone.mjs', ...args], { cwd: root, encoding: 'utf8' })

const governed = {
  teams: { research: { organization: 'acme' } },
  policies: {
    rules: {
      large: { effect: 'deny', when: 'request.bytes > 10000000' },
      opus: { effect: 'deny', when: 'model.startsWith("opus") && identity.team != "research"' },
    },
  },
  limits: {
    requests: { requests: 100_000_000, per: 'minute', by: ['key'] },
    tokens: { tokens: 10_000_000_000, per: 'day', by: ['team', 'model'] },
    slots: { concurrent: 10_000, by: ['user'] },
  },
  budgets: { team: { usd: 1_000_000, per: 'month', by: ['team'] } },
}

async function gateway(name: string, upstreamPort: number, binary: string, rules: object, store?: string) {
  const port = await freePort()
  const file = join(directory, `${name}.yaml`)
  const keys = join(directory, `${name}.keys.json`)
  const accept = Object.keys(rules).length > 0 ? ['key'] : ['anonymous']
  writeFileSync(
    file,
    JSON.stringify({
      listeners: { default: { port, identity: { accept } } },
      providers: {
        openai: { type: 'openai', baseUrl: `http://127.0.0.1:${upstreamPort}/v1`, apiKey: '${env:BENCH_KEY}' },
      },
      models: { same: { targets: [{ provider: 'openai', model: 'gpt-4o-mini' }] } },
      telemetry: { port: await freePort(), accessLog: false, logLevel: 'error' },
      ...rules,
    }),
  )
  const where = store === undefined ? ['--keys', keys] : ['--store', store]
  if (store !== undefined) chaperone('rules', 'apply', '-f', file, '--store', store)
  const made = chaperone(
    'keys',
    'create',
    '--name',
    'bench',
    '--user',
    'ann',
    '--team',
    'research',
    '-o',
    'json',
    ...where,
  )
  const socket = join(directory, `${name}.sock`)
  const source = store === undefined ? ['-f', file] : ['--state', join(directory, name)]
  const service = start(process.execPath, ['bin/chaperone.mjs', 'serve', ...source, ...where, '-s', socket])
  const config = join(directory, `${name}.json`)
  writeFileSync(
    config,
    JSON.stringify(bootstrap({ nodeId: name, socket, adminSocket: join(directory, `${name}.admin`) })),
  )
  const envoy = start(binary, ['--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'error', '-c', config])
  const url = `http://127.0.0.1:${port}/v1/chat/completions`
  const { key } = JSON.parse(made) as { key: string }
  for (let i = 0; i < 300; i++) {
    const response = await fetch(url, { method: 'POST' }).catch(() => undefined)
    if (response && response.status !== 503) break
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return { name, url, key, pids: { envoy: envoy.pid!, service: service.pid! } }
}

async function main(): Promise<void> {
  const binary = await findEnvoy(process.env, (message) => console.error(message))
  const redis = await startRedis()
  try {
    const ports = {
      whole: await freePort(),
      stream: await freePort(),
      bare: await freePort(),
      bareStream: await freePort(),
    }
    start(binary, [
      '--use-dynamic-base-id',
      '--concurrency',
      '1',
      '--log-level',
      'error',
      '-c',
      writeBenchConfig(directory, ports).upstream,
    ])
    const gateways = [
      await gateway('without rules', ports.whole, binary, {}),
      await gateway('with rules', ports.whole, binary, governed),
      await gateway('with rules, Redis', ports.whole, binary, governed, redis.url),
    ]
    const body = JSON.stringify({ model: 'same', messages: [{ role: 'user', content: 'x'.repeat(2_000) }] })
    const totals = new Map<string, Measured[]>()
    for (let round = -1; round < rounds; round++)
      for (const { name, url, key, pids } of gateways) {
        const measured = await load(url, body, 16, round < 0 ? 2 : seconds, pids, key)
        if (round >= 0) totals.set(name, [...(totals.get(name) ?? []), measured])
      }
    console.log(`node ${process.version}, 2 KiB, 16 connections, ${rounds} × ${seconds} s each, in turn\n`)
    console.log('                     req/s   of without   failed   CPU s per 1,000: Envoy  service')
    const mean = (name: string, of: (measured: Measured) => number) => {
      const list = totals.get(name)!
      return list.reduce((sum, measured) => sum + of(measured), 0) / list.length
    }
    const base = mean('without rules', ({ requestsPerSecond }) => requestsPerSecond)
    for (const { name } of gateways) {
      const rate = mean(name, ({ requestsPerSecond }) => requestsPerSecond)
      console.log(
        `${name.padEnd(20)} ${rate.toFixed(0).padStart(5)} ${`${((rate / base) * 100).toFixed(0)}%`.padStart(10)} ${String(totals.get(name)!.reduce((sum, { failed }) => sum + failed, 0)).padStart(8)} ${mean(
          name,
          ({ cpu }) => cpu.envoy!,
        )
          .toFixed(3)
          .padStart(24)} ${mean(name, ({ cpu }) => cpu.service!)
          .toFixed(3)
          .padStart(8)}`,
      )
    }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await redis.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

await main()
