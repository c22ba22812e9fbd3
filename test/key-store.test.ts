import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster, Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { KeyStoreError } from '../src/identity/key-store-error.ts'
import { keyStoreSuite } from '../src/identity/key-store-suite.ts'
import { RedisKeyStore, type RedisKeyStoreOptions } from '../src/identity/redis-key-store.ts'
import { type RedisServer, startRedis } from './redis.ts'

/** Virtual keys in a real Redis: what every store does, what sidecars obey within a second, and what Redis may suffer. */

let server: RedisServer
let directory: string
let tenants = 0
const clients: Redis[] = []
const stores: RedisKeyStore[] = []
const reports: KeyStoreError[] = []

beforeAll(async () => {
  server = await startRedis()
  directory = mkdtempSync(join(tmpdir(), 'chaperone-keys-'))
})
afterAll(async () => {
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
})
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()))
  for (const client of clients.splice(0)) client.disconnect()
  reports.length = 0
})

function connect(): Redis {
  const client = new Redis(server.url, { retryStrategy: () => 50 })
  client.on('error', () => {})
  clients.push(client)
  return client
}

async function open(
  options: Partial<RedisKeyStoreOptions> & { tenant: string },
  client: Redis | Cluster = connect(),
): Promise<RedisKeyStore> {
  const store = await RedisKeyStore.open(client, { report: (error) => reports.push(error), timeoutMs: 500, ...options })
  stores.push(store)
  return store
}

const newTenant = () => `t${++tenants}`
const see = (store: RedisKeyStore, text: string) => {
  const answer = store.directory().verify(text, Date.now())
  return typeof answer === 'string' ? answer : 'let in'
}

describe('does what every store does', () => {
  keyStoreSuite(async (now) => {
    const tenant = newTenant()
    return {
      store: await open({ tenant, now }),
      open: () => open({ tenant, now }),
      // afterEach closes them.
      close: () => Promise.resolve(),
    }
  }, 1000)
})

describe('sidecars', () => {
  test('twenty obey a revocation within a second', async () => {
    const tenant = newTenant()
    const [first, ...others] = await Promise.all(Array.from({ length: 20 }, () => open({ tenant })))
    const { record, text } = await first!.create({ name: 'k' })
    await expect
      .poll(() => others.every((store) => see(store, text) === 'let in'), { interval: 5, timeout: 1000 })
      .toBe(true)
    await first!.revoke(record.id)
    await expect
      .poll(() => others.every((store) => see(store, text) === 'revoked'), { interval: 5, timeout: 1000 })
      .toBe(true)
  })

  test('also where the message is lost', async () => {
    const tenant = newTenant()
    const writer = await open({ tenant })
    const { record, text } = await writer.create({ name: 'k' })
    const client = connect()
    const reader = await open({ tenant }, client)
    // Whoever listens is cut off, and what is said meanwhile is lost.
    await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await writer.revoke(record.id)
    await expect.poll(() => see(reader, text), { interval: 5, timeout: 1000 }).toBe('revoked')
  })

  test('tenants see their own keys only', async () => {
    const one = await open({ tenant: newTenant() })
    const other = await open({ tenant: newTenant() })
    const { record, text } = await one.create({ name: 'k' })
    expect(await other.get(record.id)).toBeUndefined()
    expect(see(other, text)).toBe('unknown')
    await expect(open({ tenant: 'a}b' })).rejects.toMatchObject({ code: 'invalid' })
  })

  test('in a cluster, whose nodes hold a tenant’s keys together', async () => {
    // A node that has met no other does not know its own address.
    const node = await startRedis(['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'])
    const admin = new Redis(node.url)
    const started: Cluster[] = []
    const joined = () => {
      const cluster = new Cluster([{ host: '127.0.0.1', port: node.port }])
      started.push(cluster)
      return cluster
    }
    try {
      await admin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
      await expect.poll(() => admin.call('CLUSTER', 'INFO'), { timeout: 5000 }).toContain('cluster_state:ok')
      const tenant = newTenant()
      const writer = await open({ tenant, timeoutMs: 5000 }, joined())
      const reader = await open({ tenant, timeoutMs: 5000, everyMs: 60_000 }, joined())
      const { record, text } = await writer.create({ name: 'k' })
      // The reader may still be joining the channel; it is told the rest of it then.
      await expect.poll(() => see(reader, text), { interval: 5, timeout: 5000 }).toBe('let in')
      await writer.revoke(record.id)
      await expect.poll(() => see(reader, text), { interval: 5, timeout: 1000 }).toBe('revoked')
    } finally {
      await Promise.all(stores.splice(0).map((store) => store.close()))
      for (const client of [admin, ...started]) client.disconnect()
      await node.stop()
    }
  })

  test('more changes than a page holds', async () => {
    const tenant = newTenant()
    const reader = await open({ tenant, everyMs: 60_000 })
    const writer = await open({ tenant })
    const client = connect()
    const { record, text } = await writer.create({ name: 'k' })
    await reader.list()
    const stored = JSON.parse((await client.hget(`chaperone:{${tenant}}:keys`, record.id))!) as Record<string, unknown>
    const pipeline = client.pipeline()
    for (let i = 0; i < 2500; i++) {
      const id = `copy${String(i).padStart(8, '0')}`
      pipeline.hset(`chaperone:{${tenant}}:keys`, id, JSON.stringify({ ...stored, id }))
      pipeline.zadd(`chaperone:{${tenant}}:keys:changes`, i + 2, id)
    }
    pipeline.set(`chaperone:{${tenant}}:keys:version`, 2501)
    await pipeline.exec()
    expect(await reader.get('copy00002499')).toMatchObject({ name: 'k' })
    expect(see(reader, text)).toBe('let in')
    let seen = 0
    for (let cursor: string | undefined, more = true; more; ) {
      const page = await reader.list({ limit: 1000, cursor })
      seen += page.keys.length
      cursor = page.next
      more = cursor !== undefined
    }
    expect(seen).toBe(2501)
  })

  test('two that change one key at once lose nothing', async () => {
    const tenant = newTenant()
    const a = await open({ tenant })
    const b = await open({ tenant })
    const { record } = await a.create({ name: 'k' })
    const issued = await Promise.all([a, b, a, b].map((store) => store.rotate(record.id)))
    await Promise.all([a.list(), b.list()])
    for (const store of [a, b]) {
      // The last rotation, and the one it replaced, work; both stores agree which these are.
      expect(issued.map(({ text }) => see(store, text)).sort()).toEqual(['let in', 'let in', 'wrong', 'wrong'])
      expect(issued.map(({ text }) => see(store, text))).toEqual(issued.map(({ text }) => see(a, text)))
    }
  })
})

describe('what Redis may suffer', () => {
  test('gone: the directory goes on, changes are refused, and a start takes the last known keys', async () => {
    const tenant = newTenant()
    const lastKnownFile = join(directory, 'gone', 'keys.json')
    const store = await open({ tenant, lastKnownFile, everyMs: 50 })
    const { record, text } = await store.create({ name: 'k' })
    const revoked = await store.create({ name: 'k' })
    await store.revoke(revoked.record.id)
    await server.kill()
    try {
      await expect.poll(() => reports.length, { interval: 10, timeout: 2000 }).toBeGreaterThan(0)
      expect(see(store, text)).toBe('let in')
      await expect(store.revoke(record.id)).rejects.toMatchObject({ code: 'unavailable' })
      await expect(store.list()).rejects.toMatchObject({ code: 'unavailable' })
      await new Promise((resolve) => setTimeout(resolve, 300))
      // Said when it began, not with every look.
      expect(reports).toHaveLength(1)
      await store.close()

      expect(statSync(lastKnownFile).mode & 0o777).toBe(0o600)
      expect(readFileSync(lastKnownFile, 'utf8')).not.toContain(text.slice(17))
      const again = await open({ tenant, lastKnownFile, everyMs: 50 })
      expect(again.directory().loaded).toBe(true)
      expect([see(again, text), see(again, revoked.text)]).toEqual(['let in', 'revoked'])
      const blind = await open({ tenant })
      expect(blind.directory().loaded).toBe(false)
      expect(see(blind, text)).toBe('unknown')

      await server.restart()
      // It comes back empty. Keys are revoked, never deleted: what was known stays in force, and is said to be in danger.
      await expect
        .poll(() => reports.some(({ message }) => /lost all keys/.test(message)), { timeout: 3000 })
        .toBe(true)
      expect([see(again, text), see(again, revoked.text)]).toEqual(['let in', 'revoked'])
      await expect(again.create({ name: 'k' })).rejects.toThrow(/Restore it/)
      await expect(again.revoke(record.id)).rejects.toThrow(/Restore it/)
    } finally {
      await server.restart()
    }
  })

  test('deaf for a while: requests do not notice, and what happened meanwhile is seen afterwards', async () => {
    const tenant = newTenant()
    const store = await open({ tenant })
    const { record, text } = await store.create({ name: 'k' })
    server.pause()
    try {
      const start = performance.now()
      await expect(store.revoke(record.id)).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('may still be done') as string,
      })
      expect(performance.now() - start).toBeLessThan(2000)
      expect(see(store, text)).toBe('let in')
    } finally {
      server.resume()
    }
    await expect.poll(() => store.revoke(record.id).then(() => see(store, text)), { timeout: 3000 }).toBe('revoked')
  })

  test('back to an earlier state: everything is read again', async () => {
    const tenant = newTenant()
    const store = await open({ tenant, everyMs: 50 })
    const kept = await store.create({ name: 'kept' })
    const lost = await store.create({ name: 'lost' })
    const client = connect()
    // As a replica that had not yet got the last write.
    await client
      .multi()
      .hdel(`chaperone:{${tenant}}:keys`, lost.record.id)
      .set(`chaperone:{${tenant}}:keys:version`, 1)
      .exec()
    await expect.poll(() => see(store, lost.text), { timeout: 1000 }).toBe('unknown')
    expect(see(store, kept.text)).toBe('let in')
  })

  test('a failover to the same version with other keys: a reconnection reads everything', async () => {
    const tenant = newTenant()
    const client = connect()
    const store = await open({ tenant }, client)
    const { record, text } = await store.create({ name: 'k' })
    const other = connect()
    const key = `chaperone:{${tenant}}:keys`
    const stored = JSON.parse((await other.hget(key, record.id))!) as Record<string, unknown>
    await other.hset(key, record.id, JSON.stringify({ ...stored, revokedAt: 1 }))
    await other.call('CLIENT', 'KILL', 'ID', await client.client('ID'))
    await expect.poll(() => see(store, text), { timeout: 2000 }).toBe('revoked')
  })

  test.each(['{', 'null', '{"id":"x"}', '[]'])(
    'a damaged key lets nobody in, and harms no other: %s',
    async (damaged) => {
      const tenant = newTenant()
      const store = await open({ tenant, everyMs: 50 })
      const one = await store.create({ name: 'one' })
      const other = await store.create({ name: 'other' })
      const client = connect()
      const key = `chaperone:{${tenant}}:keys`
      await client.hset(key, one.record.id, damaged)
      await client.zadd(`${key}:changes`, 3, one.record.id)
      await client.incr(`${key}:version`)
      await expect.poll(() => see(store, one.text), { timeout: 1000 }).toBe('unknown')
      expect(see(store, other.text)).toBe('let in')
      expect(reports.map(({ message }) => message)).toEqual([
        `The key "${one.record.id}" is damaged in Redis and works no longer.`,
      ])
      await expect(store.revoke(one.record.id)).rejects.toMatchObject({ code: 'unavailable' })
    },
  )

  test('a damaged file of last known keys is reported, and Redis asked', async () => {
    const tenant = newTenant()
    const first = await open({ tenant, lastKnownFile: join(directory, 'first.json') })
    const { text } = await first.create({ name: 'k' })
    const lastKnownFile = join(directory, 'damaged.json')
    writeFileSync(lastKnownFile, 'not keys')
    const store = await open({ tenant, lastKnownFile })
    expect(see(store, text)).toBe('let in')
    expect(reports.map(({ message }) => message)).toEqual([expect.stringMatching(/last known keys.*it is no JSON/)])
    await store.close()
    expect(readFileSync(lastKnownFile, 'utf8')).toBe(readFileSync(join(directory, 'first.json'), 'utf8'))
  })
})
