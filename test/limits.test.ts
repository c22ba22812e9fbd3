import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Admission, Ticket } from '../src/limits/admission.ts'
import type { Call, MeterId } from '../src/limits/authority.ts'
import { RemoteClock } from '../src/limits/clock.ts'
import { FileJournal } from '../src/limits/journal.ts'
import { type BudgetAlert, Ledger, type LedgerEvent, type LedgerOptions } from '../src/limits/ledger.ts'
import { Limiter } from '../src/limits/limiter.ts'
import { MemoryAuthority } from '../src/limits/memory-authority.ts'
import { RedisAuthority } from '../src/limits/redis-authority.ts'
import { compileRules, factsOf, nothing } from '../src/limits/testing.ts'
import { type RedisServer, startRedis } from './redis.ts'

type Written = Parameters<typeof compileRules>[0]

let server: RedisServer
let admin: Redis
const closers: (() => unknown)[] = []

beforeAll(async () => {
  server = await startRedis()
  admin = new Redis(server.url)
  admin.on('error', () => {})
})
afterAll(async () => {
  for (const close of closers) await close()
  admin.disconnect()
  await server.stop()
})
beforeEach(async () => {
  await admin.flushall()
})

interface Sidecar {
  readonly limiter: Limiter
  readonly ledger: Ledger
  readonly client: Redis
  readonly events: LedgerEvent[]
  readonly alerts: BudgetAlert[]
  /** Ends it as a kill would: nothing more is told. */
  drop(): void
}

/** A sidecar's limits on a connection of its own. */
async function sidecar(written: Written, options: Partial<LedgerOptions> = {}, clock?: RemoteClock): Promise<Sidecar> {
  const client = new Redis(server.url)
  client.on('error', () => {})
  const events: LedgerEvent[] = []
  const alerts: BudgetAlert[] = []
  const ledger = new Ledger({
    authority: new RedisAuthority(client, 'acme', clock),
    report: (event) => events.push(event),
    alert: (alert) => alerts.push(alert),
    ...options,
  })
  await ledger.start()
  closers.push(() => client.disconnect())
  const drop = () => client.disconnect()
  return { limiter: new Limiter(ledger, compileRules(written)), ledger, client, events, alerts, drop }
}

const anyone = factsOf({ user: 'ann', team: 'blue' })
const ticketOf = (admission: Admission): Ticket | undefined =>
  admission.type === 'admitted' ? admission.ticket : undefined

/** The sum of a field of all meters. */
async function stored(field: string): Promise<number> {
  let sum = 0
  for (const key of await admin.keys('chaperone:{acme}:meter:*')) sum += Number((await admin.hget(key, field)) ?? 0)
  return sum
}

test('the script says what the memory authority says', async () => {
  const client = new Redis(server.url)
  const sidecars = ['a', 'b', 'c']
  const meters: MeterId[] = [
    { key: 'one', endMs: Number.POSITIVE_INFINITY, alerts: [] },
    { key: 'two', endMs: Date.now() + 1e7, alerts: [{ threshold: 0.5 }, { threshold: 1 }] },
    { key: 'three', endMs: undefined, alerts: [{ threshold: 0.1 }] },
  ]
  const amount = fc.oneof(fc.nat(30), fc.nat(2 ** 50))
  const order = fc.record({ meter: fc.nat(2), spent: amount, hold: amount, need: amount, more: amount })
  const call = fc.record({
    sidecar: fc.constantFrom(...sidecars),
    leaving: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    late: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    repeat: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
    capacity: fc.constantFrom(100, 1_000, 2 ** 50),
    orders: fc.uniqueArray(order, { maxLength: 3, selector: ({ meter }) => meter }),
  })
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 25 }), async (calls) => {
      const memory = new MemoryAuthority()
      const redis = new RedisAuthority(client, `tenant-${run++}`)
      let turn = 10
      const sequences = new Map<string, number>()
      for (const { sidecar, leaving, late, repeat, capacity, orders } of calls) {
        const sequence = (sequences.get(sidecar) ?? 0) + (repeat ? 0 : 1)
        sequences.set(sidecar, sequence)
        const told: Call = {
          ...{ sidecar, leaving, sequence, turn: late ? turn - 5 : ++turn },
          orders: orders.map(({ meter, spent, hold, need, more }) => ({
            ...{ meter: meters[meter]!, capacity, spent, hold, need, want: Math.min(2 ** 50, need + more) },
          })),
        }
        expect(await redis.exchange(told)).toEqual(memory.exchange(told))
      }
    }),
    { numRuns: 150 },
  )
  client.disconnect()
})

test('four sidecars, 400 requests at once: the overspend is at most what was in flight as each one’s share ran out', async () => {
  const capacity = 2_000_000_000
  const written: Written = { budgets: { pot: { usd: 2, per: 'total' } } }
  const sidecars = await Promise.all([1, 2, 3, 4].map(() => sidecar(written)))
  let spent = 0
  /** For each sidecar what the requests cost that were in flight when it admitted its last one. */
  const inFlight = sidecars.map(() => new Set<{ cost: number }>())
  const lastInFlight = [0, 0, 0, 0]
  let admissions = 0
  let refusals = 0
  const client = async (index: number, seed: number) => {
    const { limiter } = sidecars[index]!
    for (let i = 0; refusals < 4_000 && i < 500; i++) {
      const estimate = 1_000_000
      // From nothing to five times the estimate.
      const cost = Math.floor(((seed * 7919 + i * 104_729) % 5_000) * 1_000)
      const ticket = ticketOf(await limiter.admit(anyone, () => ({ tokens: 0, nanoUsd: estimate })))
      if (!ticket) {
        refusals++
        await sleep(20)
        continue
      }
      admissions++
      const request = { cost }
      inFlight[index]!.add(request)
      lastInFlight[index] = [...inFlight[index]!].reduce((sum, { cost }) => sum + cost, 0)
      await sleep(5 + (cost % 40))
      inFlight[index]!.delete(request)
      spent += cost
      ticket.settle({ tokens: 0, nanoUsd: cost })
    }
  }
  await Promise.all(Array.from({ length: 400 }, (_, n) => client(n % 4, n)))
  for (const { ledger } of sidecars) await ledger.close()
  const bound = lastInFlight.reduce((sum, cost) => sum + cost, 0)
  expect(await stored('s')).toBe(spent)
  expect(refusals).toBeGreaterThanOrEqual(4_000)
  expect(admissions).toBeGreaterThan(500)
  expect(spent).toBeGreaterThan(capacity * 0.98)
  expect(spent - capacity).toBeLessThanOrEqual(bound)
  // And that is no more than 400 requests can cost; far less in fact.
  expect(bound).toBeLessThan(400 * 5_000_000)
  const told = sidecars.flatMap(({ alerts }) => alerts.map(({ threshold }) => threshold))
  expect(told.sort()).toEqual([0.8, 1])
  expect(await stored('l')).toBe(0)
})

test('limits of requests and slots are never exceeded, with a Redis that is deaf at times, and are used to the last one', async () => {
  const written: Written = {
    limits: {
      pace: { requests: 1_000, per: 'day', onStoreFailure: 'deny' },
      few: { concurrent: 30, onStoreFailure: 'deny' },
    },
  }
  const sidecars = await Promise.all([1, 2, 3, 4].map(() => sidecar(written)))
  let admitted = 0
  let running = 0
  let most = 0
  let stop = false
  const client = async (index: number) => {
    while (!stop) {
      const ticket = ticketOf(await sidecars[index]!.limiter.admit(anyone, () => nothing))
      if (!ticket) {
        await sleep(30)
        continue
      }
      admitted++
      most = Math.max(most, ++running)
      await sleep(3)
      running--
      ticket.settle(nothing)
    }
  }
  const clients = Array.from({ length: 200 }, (_, n) => client(n % 4))
  for (let i = 0; i < 2; i++) {
    await sleep(60)
    server.pause()
    await sleep(200)
    server.resume()
  }
  for (let i = 0; i < 200 && admitted < 1_000; i++) await sleep(100)
  await sleep(500)
  stop = true
  await Promise.all(clients)
  expect(sidecars.some(({ events }) => events.some(({ type }) => type === 'store_down'))).toBe(true)
  expect(admitted).toBe(1_000)
  expect(most).toBeLessThanOrEqual(30)
  expect(most).toBeGreaterThan(15)
  for (const { ledger } of sidecars) await ledger.close()
  expect(await stored('s')).toBe(1_000)
})

test('what a sidecar had on lease when it was killed comes back', async () => {
  const written: Written = { limits: { few: { concurrent: 8 }, pace: { requests: 8, per: 'day' } } }
  const [dead, alive] = [await sidecar(written), await sidecar(written)]
  const took = []
  for (let i = 0; i < 8; i++) took.push((await dead.limiter.admit(anyone, () => nothing)).type)
  expect(took).toEqual(Array(8).fill('admitted'))
  dead.drop()
  expect(await alive.limiter.admit(anyone, () => nothing)).toMatchObject({ type: 'refused', why: 'reserved' })
  await sleep(31_000)
  const back = []
  for (let i = 0; i < 9; i++) back.push((await alive.limiter.admit(anyone, () => nothing)).type)
  expect(back).toEqual([...Array(8).fill('admitted'), 'refused'])
  await alive.ledger.close()
})

test('at 500 requests a second Redis is called at most 20 times for 1,000', async () => {
  const written: Written = {
    limits: { pace: { requests: 100_000, by: ['user'] }, rate: { tokens: 50_000_000 }, few: { concurrent: 500 } },
    budgets: { pot: { usd: 1_000 } },
  }
  const { limiter, ledger } = await sidecar(written)
  const estimate = () => ({ tokens: 2_000, nanoUsd: 10_000_000 })
  let requests = 0
  let waited = 0
  const burst = async (seconds: number) => {
    for (let tick = 0; tick < seconds * 50; tick++) {
      for (let i = 0; i < 10; i++) {
        requests++
        const admission = limiter.admit(factsOf({ user: `user-${requests % 20}` }), estimate)
        if (admission instanceof Promise) waited++
        const ticket = ticketOf(await admission)
        setTimeout(() => ticket?.settle({ tokens: 1_500, nanoUsd: 7_000_000 }), 50)
      }
      await sleep(20)
    }
  }
  await burst(1)
  requests = 0
  waited = 0
  await admin.config('RESETSTAT')
  await burst(6)
  const calls = Number(/cmdstat_evalsha:calls=(\d+)/.exec(await admin.info('commandstats'))?.[1])
  expect(requests).toBe(3_000)
  const perThousand = (calls * 1_000) / requests
  console.log(`${perThousand.toFixed(1)} Redis calls per 1,000 requests, ${waited} of ${requests} waited`)
  expect(calls).toBeGreaterThan(0)
  expect(perThousand).toBeLessThanOrEqual(20)
  expect(waited / requests).toBeLessThan(0.02)
  await ledger.close()
})

test.each([
  ['at once', 0],
  ['every 10 ms', 10],
])(
  'with a journal that is written %s, a kill −9 loses nothing that was written and counts nothing twice',
  async (_, everyMs) => {
    const directory = mkdtempSync(join(tmpdir(), 'chaperone-journal-'))
    const path = join(directory, 'usage.journal')
    const child = `
    const { Redis } = await import('ioredis')
    const { randomUUID } = await import('node:crypto')
    const { writeSync } = await import('node:fs')
    const { Ledger } = await import('./src/limits/ledger.ts')
    const { Limiter } = await import('./src/limits/limiter.ts')
    const { FileJournal } = await import('./src/limits/journal.ts')
    const { RedisAuthority } = await import('./src/limits/redis-authority.ts')
    const { compileRules, factsOf } = await import('./src/limits/testing.ts')
    const { Soon } = await import('./src/usage/soon.ts')
    const sidecar = randomUUID()
    let settled = 0
    const tell = () => {
      // A pipe that is full for the moment is no reason to end.
      while (settled > 0) try { settled -= writeSync(1, '.'.repeat(settled)) } catch (error) { if (error.code !== 'EAGAIN') throw error }
    }
    const pace = ${everyMs} === 0 ? undefined : (write) => new Soon(() => { write(); tell() }, ${everyMs})
    const journal = new FileJournal(${JSON.stringify(path)}, sidecar, pace)
    const authority = new RedisAuthority(new Redis(${JSON.stringify(server.url)}), 'acme')
    const ledger = new Ledger({ authority, journal, sidecar })
    const limiter = new Limiter(ledger, compileRules({ budgets: { pot: { tokens: 1000000000, by: ['user'] } } }))
    await ledger.start()
    for (let i = 0; ; i++) {
      const { ticket } = await limiter.admit(factsOf({ user: 'u' + (i % 5) }), () => ({ tokens: 10, nanoUsd: 0 }))
      ticket.settle({ tokens: 10, nanoUsd: 0 })
      settled++
      if (!pace) tell()
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }`
    let settled = 0
    const lives = 4
    for (let life = 0; life < lives; life++) {
      const process_ = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', child])
      let errors = ''
      process_.stderr.on('data', (data) => {
        errors += data
      })
      let told = 0
      process_.stdout.on('data', (data: Buffer) => {
        told += data.length
      })
      for (let i = 0; i < 200 && told === 0; i++) await sleep(50)
      await sleep(300 + life * 130)
      const ended = new Promise((resolve) => process_.once('close', resolve))
      process_.kill('SIGKILL')
      await ended
      expect(errors).toBe('')
      expect(told).toBeGreaterThan(100)
      settled += told
    }
    // What was in the journal may not have been told to us: one, or those of one write.
    const untold = everyMs === 0 ? lives : settled / 2
    const heir = new FileJournal(path, 'heir')
    const { ledger } = await sidecar({}, { journal: heir, sidecar: 'heir' })
    for (let i = 0; i < 100 && readdirSync(directory).length > 0; i++) await sleep(50)
    expect(readdirSync(directory)).toEqual([])
    const counted = (await stored('s')) / 10
    expect(counted).toBeGreaterThanOrEqual(settled)
    expect(counted).toBeLessThanOrEqual(settled + untold)
    await ledger.close()
    rmSync(directory, { recursive: true })
  },
)

test('while Redis is deaf no request waits long, and each rule goes on as it says', async () => {
  const by = ['user'] as ['user']
  const share: Written = { limits: { pace: { requests: 100, per: 'day', by } } }
  const deny: Written = { limits: { pace: { requests: 100, per: 'day', by, onStoreFailure: 'deny' } } }
  const allow: Written = { limits: { pace: { requests: 100, per: 'day', by, onStoreFailure: 'allow' } } }
  const one = await sidecar(share)
  const two = await sidecar(share)
  const others = [new Limiter(one.ledger, compileRules(deny)), new Limiter(one.ledger, compileRules(allow))]
  await two.ledger.flush()
  await one.limiter.admit(factsOf({ user: 'warm' }), () => nothing)
  server.pause()
  try {
    const count = async (limiter: Limiter, user: string) => {
      let admitted = 0
      let slowest = 0
      let refused: Admission | undefined
      for (let i = 0; i < 150; i++) {
        const began = performance.now()
        const admission = await limiter.admit(factsOf({ user }), () => nothing)
        slowest = Math.max(slowest, performance.now() - began)
        if (admission.type === 'admitted') {
          admitted++
          admission.ticket.settle(nothing)
        } else refused = admission
      }
      return { admitted, slowest, refused }
    }
    const local = await count(one.limiter, 'bob')
    expect(one.ledger.live).toBe(2)
    expect(local.admitted).toBe(50)
    expect(local.refused).toMatchObject({ why: 'store', opensInMs: 1_000 })
    expect(local.slowest).toBeLessThan(200)
    expect((await count(others[0]!, 'cid')).admitted).toBe(0)
    expect((await count(others[1]!, 'dan')).admitted).toBe(150)
    expect(one.events.map(({ type }) => type)).toEqual(['store_down'])
  } finally {
    server.resume()
  }
  for (let i = 0; i < 100 && one.ledger.down; i++) await sleep(50)
  await one.ledger.flush()
  // What was admitted meanwhile is counted.
  expect(await stored('s')).toBe(50 + 150)
  expect(one.events.map(({ type }) => type)).toEqual(['store_down', 'store_up'])
  await Promise.all([one.ledger.close(), two.ledger.close()])
})

test('a Redis that takes no changes for a while: each rule goes on as it says, and what was used is counted afterwards', async () => {
  const written: Written = {
    budgets: { local: { tokens: 1_000, by: ['user'] } },
    limits: { strict: { requests: 100, by: ['team'], onStoreFailure: 'deny' } },
  }
  const { limiter, ledger, events } = await sidecar(written)
  const use = { tokens: 5, nanoUsd: 0 }
  const bob = factsOf({ user: 'bob' })
  ticketOf(await limiter.admit(bob, () => use))!.settle(use)
  await ledger.flush()
  // As of a replica, or a master that has lost too many of its own: what is in it can still be read.
  await admin.call('REPLICAOF', '127.0.0.1', '1')
  for (let i = 0; i < 20; i++) {
    ticketOf(await limiter.admit(bob, () => use))!.settle(use)
    await sleep(10)
  }
  await ledger.flush()
  expect(events).toMatchObject([{ type: 'store_down', error: { message: expect.stringMatching(/READONLY/) } }])
  expect(await limiter.admit(anyone, () => use)).toMatchObject({ type: 'refused', rule: 'strict', why: 'store' })
  await admin.call('REPLICAOF', 'NO', 'ONE')
  for (let i = 0; i < 100 && (await stored('s')) < 105; i++) await sleep(50)
  expect(await stored('s')).toBe(105)
  expect(events.map(({ type }) => type)).toEqual(['store_down', 'store_up'])
  await ledger.close()
})

test('a Redis that restarts empty, loses its scripts or holds something else under a key is gone on with', async () => {
  const written: Written = { limits: { pace: { requests: 100, per: 'day', by: ['user'] } } }
  const { limiter, ledger, events } = await sidecar(written)
  const admit = async (user: string) => (await limiter.admit(factsOf({ user }), () => nothing)).type
  expect(await admit('ann')).toBe('admitted')
  await admin.script('FLUSH')
  expect(await admit('bob')).toBe('admitted')
  // Down for so long that somebody notices, however fast it starts.
  await server.kill()
  const until = async (type: string) => {
    for (let i = 0; i < 600 && events.at(-1)?.type !== type; i++) {
      await admit(`cid-${type}-${i}`)
      await sleep(50)
    }
  }
  await until('store_down')
  await server.restart()
  await until('store_up')
  expect(events.map(({ type }) => type)).toEqual(['store_down', 'store_up'])
  await ledger.flush()
  const day = new Date(ledger.now()).toISOString().slice(0, 10)
  // The lease that was held before the restart is stated anew.
  const key = (user: string) => `chaperone:{acme}:meter:limit:pace:requests:day:${day}:${user}`
  expect(Number(await admin.hget(key('ann'), 'l'))).toBeGreaterThan(0)
  await admin.set(key('eve'), 'something else')
  expect(await admit('eve')).toBe('admitted')
  expect(events.at(-1)).toEqual({ type: 'meter_broken', key: key('eve').slice('chaperone:{acme}:meter:'.length) })
  expect(await admit('fay')).toBe('admitted')
  await ledger.close()
})

test('a sidecar whose clock is an hour wrong counts in Redis’ periods, which expire', async () => {
  const wrong = new RemoteClock(undefined, () => Date.now() + 3_600_000)
  const { limiter, ledger } = await sidecar({ limits: { pace: { requests: 10, per: 'hour' } } }, {}, wrong)
  const [seconds] = await admin.time()
  ticketOf(await limiter.admit(anyone, () => nothing))!.settle(nothing)
  await ledger.flush()
  const [key] = await admin.keys('chaperone:{acme}:meter:*')
  const hour = new Date(Number(seconds) * 1_000).toISOString().slice(0, 13)
  expect(key).toBe(`chaperone:{acme}:meter:limit:pace:requests:hour:${hour}:`)
  const end = Date.parse(`${hour}:00:00Z`) + 3_600_000
  expect(await admin.pexpiretime(key!)).toBe(end + 3_600_000)
  await ledger.close()
})

test('a Cluster of three: all keys of a tenant are in one slot, and the counts are exact', async () => {
  const nodes = await Promise.all([1, 2, 3].map(() => startRedis(['--cluster-enabled', 'yes'])))
  const direct = nodes.map(({ url }) => new Redis(url))
  const edges = [0, 5_461, 10_923, 16_384]
  for (const [i, node] of direct.entries()) await node.cluster('ADDSLOTSRANGE', edges[i]!, edges[i + 1]! - 1)
  for (const { port } of nodes.slice(1)) await direct[0]!.cluster('MEET', '127.0.0.1', port)
  for (let i = 0; i < 200; i++) {
    const infos = await Promise.all(direct.map((node) => node.cluster('INFO')))
    if (infos.every((info) => String(info).includes('cluster_state:ok'))) break
    await sleep(50)
  }
  const cluster = new Cluster(nodes.map(({ port }) => ({ host: '127.0.0.1', port })))
  await new Promise((resolve) => cluster.once('ready', resolve))
  for (const tenant of ['acme', 'bolt', 'coop']) {
    const ledger = new Ledger({ authority: new RedisAuthority(cluster, tenant) })
    const rules = compileRules({
      limits: { pace: { requests: 20, per: 'day' }, few: { concurrent: 50 } },
      budgets: { pot: { tokens: 1_000, by: ['user'] } },
    })
    const limiter = new Limiter(ledger, rules)
    await ledger.start()
    const types = []
    for (let i = 0; i < 25; i++) {
      const admission = await limiter.admit(anyone, () => ({ tokens: 5, nanoUsd: 0 }))
      types.push(admission.type)
      ticketOf(admission)?.settle({ tokens: 5, nanoUsd: 0 })
    }
    expect(types).toEqual([...Array(20).fill('admitted'), ...Array(5).fill('refused')])
    await ledger.close()
  }
  cluster.disconnect()
  for (const node of direct) node.disconnect()
  await Promise.all(nodes.map((node) => node.stop()))
})
