import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectRedis, type RedisClient } from '../src/store/redis-client.ts'
import { RedisRuleStore } from '../src/store/redis-rule-store.ts'
import type { RevisionMeta } from '../src/store/revision.ts'
import { StoreError } from '../src/store/rule-store.ts'
import { describeRuleStore, rulesNamed, until, validate } from '../src/store/testing.ts'
import { freePort } from './harness.ts'
import { type RedisServer, startRedis, startRedisCluster, startSentinel } from './redis.ts'

const directory = mkdtempSync(join(tmpdir(), 'chaperone-store-'))
const clients: RedisClient[] = []
const connect = (url: string): RedisClient => {
  const client = connectRedis(url, () => undefined)
  clients.push(client)
  return client
}

let single: RedisServer
let secured: RedisServer
let cluster: { url: string; stop(): Promise<void> }
let sentinel: { url: string; stop(): Promise<void> }
let securedUrl: string
let terminator: TlsServer | undefined

beforeAll(async () => {
  single = await startRedis()
  cluster = await startRedisCluster()
  sentinel = await startSentinel()
  const port = await freePort()
  const tls = (name: string) => join(import.meta.dirname, 'tls', name)
  // The rights that a sidecar or a command line needs, and no more.
  writeFileSync(
    join(directory, 'users.acl'),
    'user default off\nuser chaperone on >secret ~chaperone:* &chaperone:* +@read +@write +@connection +@pubsub +@scripting -@dangerous +info +cluster|slots\n',
  )
  const acl = ['--aclfile', join(directory, 'users.acl')]
  try {
    secured = await startRedis([
      ...['--tls-port', String(port)],
      ...['--tls-cert-file', tls('listener-1.pem')],
      ...['--tls-key-file', tls('listener-1-key.pem')],
      ...['--tls-ca-cert-file', tls('ca.pem')],
      ...['--tls-auth-clients', 'no'],
      ...acl,
    ])
  } catch {
    // The server of the PyPI package is built without TLS: it has something in front of it that opens it.
    secured = await startRedis(acl)
    terminator = createTlsServer(
      { cert: readFileSync(tls('listener-1.pem')), key: readFileSync(tls('listener-1-key.pem')) },
      (opened) => {
        const plain = connectTcp(secured.port, '127.0.0.1')
        for (const socket of [opened, plain]) socket.on('error', () => undefined)
        opened.pipe(plain).pipe(opened)
        opened.on('close', () => plain.destroy())
        plain.on('close', () => opened.destroy())
      },
    )
    await new Promise<void>((resolve) => terminator?.listen(port, '127.0.0.1', resolve))
  }
  securedUrl = `rediss://chaperone:secret@127.0.0.1:${port}?ca=${tls('ca.pem')}&serverName=gateway.test`
})

afterAll(async () => {
  for (const client of clients) client.disconnect()
  terminator?.close()
  await Promise.all([single?.stop(), secured?.stop(), cluster?.stop(), sentinel?.stop()])
  rmSync(directory, { recursive: true, force: true })
})

let tenants = 0
const suite = (name: string, url: () => string) =>
  describeRuleStore(name, async () => {
    const tenant = `t${++tenants}`
    const store = new RedisRuleStore(connect(url()), tenant, validate)
    const others: RedisRuleStore[] = []
    return {
      store,
      another: () => {
        const other = new RedisRuleStore(connect(url()), tenant, validate)
        others.push(other)
        return other
      },
      end: async () => {
        for (const each of [store, ...others]) await each.close()
      },
    }
  })

suite('Redis', () => single.url)
suite('Redis Cluster', () => cluster.url)
suite('Redis behind Sentinels', () => sentinel.url)
suite('Redis with an ACL user, over TLS', () => securedUrl)

describe('when things go wrong', () => {
  const by = (parent: number) => ({ author: 'a', message: 'm', parent })

  test('a wrong password is said, and not shown', async () => {
    const store = new RedisRuleStore(connect(securedUrl.replace('secret', 'wrong-pass')), 'x', validate)
    const error = await store.head().catch((thrown) => thrown)
    expect(error).toBeInstanceOf(StoreError)
    expect(String(error)).not.toContain('wrong-pass')
  })

  test('a revision that was changed in Redis is found out, and the others are still there', async () => {
    const client = connect(single.url)
    const store = new RedisRuleStore(client, 'corrupt', validate)
    await store.publish(rulesNamed('one'), by(0))
    await store.publish(rulesNamed('two'), by(1))
    const name = 'chaperone:{corrupt}:rules:revision:1'
    await client.set(name, (await client.get(name))!.replace('# one', '# eno'))
    await expect(store.revision(1)).rejects.toThrow(/Revision 1 is damaged/)
    expect((await store.revision(2))?.files).toEqual(rulesNamed('two'))
    expect((await store.history()).map(({ number, message }) => [number, message])).toEqual([
      [2, 'm'],
      [1, '(damaged)'],
    ])
  })

  test('something else under the key is said', async () => {
    const client = connect(single.url)
    await client.set('chaperone:{taken}:rules:head', 'x')
    await expect(new RedisRuleStore(client, 'taken', validate).head()).rejects.toThrow(/something else is kept/)
  })

  test('of twenty editors at once exactly one wins', async () => {
    const stores = Array.from({ length: 20 }, () => new RedisRuleStore(connect(single.url), 'race', validate))
    const outcomes = await Promise.all(stores.map((store, i) => store.publish(rulesNamed(`r${i}`), by(0))))
    expect(outcomes.filter(({ type }) => type === 'published')).toHaveLength(1)
    expect(outcomes.filter(({ type }) => type === 'conflict')).toHaveLength(19)
  })

  test('a watch whose connection is cut hears of the next head, and one of a Redis that was away as well', async () => {
    const server = await startRedis()
    try {
      const client = connect(server.url)
      const store = new RedisRuleStore(client, 'cut', validate)
      await store.publish(rulesNamed('one'), by(0))
      const heads: RevisionMeta[] = []
      const stop = new RedisRuleStore(connect(server.url), 'cut', validate).watch((head) => heads.push(head))
      await until(() => heads.length === 1)
      await (client as Redis).call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await store.publish(rulesNamed('two'), by(1))
      await until(() => heads.at(-1)?.number === 2, 2_000)
      server.pause()
      await new Promise((resolve) => setTimeout(resolve, 2_500))
      server.resume()
      await until(() => client.status === 'ready')
      await store.publish(rulesNamed('three'), by(2))
      await until(() => heads.at(-1)?.number === 3, 10_000)
      // A Redis that lost its data tells nobody to forget what is in force.
      await server.restart()
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      expect(heads.at(-1)?.number).toBe(3)
      stop()
    } finally {
      await server.stop()
    }
  })

  test('a replica takes no changes, and says so', async () => {
    const replica = await startRedis(['--replicaof', '127.0.0.1', String(single.port)])
    try {
      const store = new RedisRuleStore(connect(replica.url), 'replica', validate)
      await expect(store.publish(rulesNamed('one'), by(0))).rejects.toThrow(/a replica that takes no changes/)
    } finally {
      await replica.stop()
    }
  })

  test('a hundred sidecars have a new head within a second', async () => {
    const publisher = new RedisRuleStore(connect(single.url), 'many', validate)
    await publisher.publish(rulesNamed('one'), by(0))
    const times: number[] = []
    let first = 0
    let began = Number.POSITIVE_INFINITY
    const stores = Array.from({ length: 100 }, () => new RedisRuleStore(connect(single.url), 'many', validate))
    const stops = stores.map((store) =>
      store.watch((head) => {
        if (head.number === 1) first++
        else void store.revision(head.number).then(() => times.push(performance.now() - began))
      }),
    )
    await until(() => first === 100, 20_000)
    began = performance.now()
    await publisher.publish(rulesNamed('two'), by(1))
    await until(() => times.length === 100, 5_000)
    times.sort((a, b) => a - b)
    console.log(`100 sidecars had it after ${times[49]!.toFixed(0)} ms (half) and ${times[99]!.toFixed(0)} ms (all)`)
    expect(times[99]).toBeLessThan(1_000)
    for (const stop of stops) stop()
  })
})
