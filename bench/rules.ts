import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { findEnvoy } from '../src/envoy/binary.ts'
import { freePort } from '../test/harness.ts'
import { startRedis } from '../test/redis.ts'
import { load, type Measured } from './measure.ts'
import { Processes } from './processes.ts'
import { writeBenchConfig } from './upstream.ts'

/**
 * `node --import tsx bench/rules.ts`: what identity, policies, limits and budgets cost: the same gateway without them, with them and
 * counts in memory, and with them and counts in Redis, in short slices, in turn.
 */
const seconds = 2
const slices = 18
/** Slices that do not count. */
const warmUp = 2
const root = fileURLToPath(new URL('..', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'chaperone-bench-'))
const processes = new Processes()
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
  const source = store === undefined ? ['-f', file] : ['--state', join(directory, name)]
  const url = `http://127.0.0.1:${port}/v1/chat/completions`
  const { key } = JSON.parse(made) as { key: string }
  return { name, url, key, pids: await processes.gateway({ directory, name, binary, url }, [...source, ...where]) }
}

interface Slice extends Measured {
  /** Of Redis. */
  calls: number
}

/** Scripts are what sidecars call at work: for leases and for usage. */
async function redisCalls(client: Redis): Promise<number> {
  const stats = await client.info('commandstats')
  return [...stats.matchAll(/^cmdstat_(?:eval|evalsha):calls=(\d+)/gm)].reduce(
    (sum, [, calls]) => sum + Number(calls),
    0,
  )
}

/** All slices of a gateway together: whatever else the machine did in that time fell on all of them alike. */
function report(all: ReadonlyMap<string, readonly Slice[]>): void {
  console.log(`node ${process.version}, 2 KiB, 16 connections, ${slices} slices of ${seconds} s each, in turn\n`)
  console.log('                                          CPU ms a request            Redis calls')
  console.log('                      req/s  of without   Envoy  service  Redis         per 1,000  failed')
  const rates = new Map(
    [...all].map(([name, list]) => [name, mean(list.map(({ requestsPerSecond }) => requestsPerSecond))]),
  )
  for (const [name, list] of all) {
    const rate = rates.get(name)!
    const requests = rate * seconds * list.length
    const perRequest = (of: (slice: Slice) => number) =>
      list.reduce((sum, slice) => sum + of(slice) * slice.requestsPerSecond * seconds, 0) / requests
    const cells: [text: string, width: number][] = [
      [rate.toFixed(0), 7],
      [`${((rate / rates.get('without rules')!) * 100).toFixed(1)} %`, 12],
      [perRequest(({ cpu }) => cpu.envoy!).toFixed(3), 8],
      [perRequest(({ cpu }) => cpu.service!).toFixed(3), 9],
      [perRequest(({ cpu }) => cpu.redis!).toFixed(3), 7],
      [((list.reduce((sum, { calls }) => sum + calls, 0) / requests) * 1_000).toFixed(1), 18],
      [String(list.reduce((sum, { failed }) => sum + failed, 0)), 8],
    ]
    console.log(name.padEnd(20) + cells.map(([text, width]) => text.padStart(width)).join(''))
  }
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

async function main(): Promise<void> {
  const binary = await findEnvoy(process.env, (message) => console.error(message))
  const redis = await startRedis()
  const client = new Redis(redis.url)
  try {
    const ports = {
      whole: await freePort(),
      stream: await freePort(),
      bare: await freePort(),
      bareStream: await freePort(),
    }
    processes.start(binary, [
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
    const redisPid = Number(/^process_id:(\d+)/m.exec(await client.info('server'))![1])
    const body = JSON.stringify({ model: 'same', messages: [{ role: 'user', content: 'x'.repeat(2_000) }] })
    const all = new Map<string, Slice[]>(gateways.map(({ name }) => [name, []]))
    for (let slice = -warmUp; slice < slices; slice++) {
      // What one leaves behind, such as usage that is told a second later, falls on each of the others in turn.
      gateways.push(gateways.shift()!)
      for (const { name, url, key, pids } of slice % 2 === 0 ? gateways : [...gateways].reverse()) {
        const before = await redisCalls(client)
        const measured = await load(url, body, 16, seconds, { ...pids, redis: redisPid }, key)
        const calls = (await redisCalls(client)) - before
        if (slice >= 0) all.get(name)!.push({ ...measured, calls })
      }
    }
    report(all)
  } finally {
    processes.stop()
    client.disconnect()
    await redis.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

await main()
