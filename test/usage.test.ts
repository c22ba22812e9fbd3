import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectRedis, type RedisClient } from '../src/store/redis-client.ts'
import { recordOf } from '../src/telemetry/testing.ts'
import { RedisBooks } from '../src/usage/redis-books.ts'
import { UsageRecorder } from '../src/usage/usage-recorder.ts'
import { eventually } from './gateway.ts'
import { type RedisServer, startRedis, startRedisCluster } from './redis.ts'

const directory = mkdtempSync(join(tmpdir(), 'chaperone-usage-'))
const clients: RedisClient[] = []
const recorders: UsageRecorder[] = []
let redis: RedisServer
let cluster: Awaited<ReturnType<typeof startRedisCluster>>
let count = 0
const day = '2026-01-02'

const connect = (url: string) => {
  const client = connectRedis(url, () => undefined)
  clients.push(client)
  return client
}
const recorder = (url: string, tenant: string) => {
  const sidecar = `s${++count}`
  const books = new RedisBooks(connect(url), tenant)
  const made = new UsageRecorder({ books, sidecar, directory: join(directory, sidecar), report: () => undefined })
  made.start()
  recorders.push(made)
  return made
}
const caller = { identity: 'key', subject: 'k', team: 'research', key: 'k', listener: 'default' }
const totals = async (url: string, tenant: string) => {
  const [row] = await new RedisBooks(connect(url), tenant).usage({ from: day, to: day, by: ['team'] })
  return row
}

beforeAll(async () => {
  redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always'])
  cluster = await startRedisCluster()
})
afterAll(async () => {
  for (const each of recorders) await each.close()
  for (const client of clients) client.disconnect()
  await redis?.stop()
  await cluster?.stop()
  rmSync(directory, { recursive: true, force: true })
})

describe.each([
  ['Redis', () => redis.url],
  ['Redis Cluster', () => cluster.url],
])('%s', (name, url) => {
  test('what several sidecars tell is added up, and decisions are found', async () => {
    const tenant = name.replace(' ', '')
    const pair = [recorder(url(), tenant), recorder(url(), tenant)]
    for (let i = 0; i < 600; i++) pair[i % 2]!.finished(recordOf({ requestId: `id-${i}`, caller }))
    pair[0]!.refused({
      ...caller,
      requestId: 'refused',
      operation: 'chat',
      status: 403,
      code: 'policy_denied',
      rule: 'policies.rules.x',
    })
    for (const each of pair) await each.close()
    expect(await totals(url(), tenant)).toMatchObject({
      group: ['research'],
      requests: 600,
      input: 600_000,
      output: 54_600,
      nanoUsd: 600 * 250_000_000,
    })
    const books = new RedisBooks(connect(url()), tenant)
    expect(await books.decision('id-599')).toMatchObject({ status: 200, team: 'research' })
    expect(await books.decision('refused')).toMatchObject({ rule: 'policies.rules.x' })
    expect(await books.decision('nobody’s')).toBeUndefined()
  })
})

test('a Redis that goes away in the middle loses nothing, and counts nothing twice', async () => {
  const usage = recorder(redis.url, 'away')
  let sent = 0
  const send = (requests: number) => {
    for (let i = 0; i < requests; i++, sent++) usage.finished(recordOf({ caller }))
  }
  send(700)
  await redis.kill()
  send(700)
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  send(10)
  await redis.restart()
  send(100)
  await eventually(async () => expect((await totals(redis.url, 'away'))?.requests).toBe(sent), 20_000)
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect((await totals(redis.url, 'away'))?.requests).toBe(sent)
})

test('a thousand requests cost Redis a few calls', async () => {
  const client = connect(redis.url)
  const calls = async () => {
    const info = await client.info('commandstats')
    return Number(/cmdstat_eval:calls=(\d+)/.exec(info)?.[1] ?? 0)
  }
  const before = await calls()
  const usage = recorder(redis.url, 'calls')
  for (let i = 0; i < 20; i++) {
    for (let j = 0; j < 50; j++) usage.finished(recordOf({ caller }))
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  await usage.close()
  expect((await totals(redis.url, 'calls'))?.requests).toBe(1_000)
  expect((await calls()) - before).toBeLessThanOrEqual(10)
})
