import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RedisOwners } from '../src/a2a/tasks/redis-owners.ts'
import { type RedisServer, startRedis } from './redis.ts'

/** Owners of tasks in a real Redis: what one replica notes, all know. */

let redis: RedisServer
let clients: Redis[]

beforeAll(async () => {
  redis = await startRedis()
  clients = [0, 1].map(() => new Redis(redis.url, { maxRetriesPerRequest: 0, retryStrategy: () => 200 }))
  for (const client of clients) client.on('error', () => undefined)
}, 60_000)

afterAll(async () => {
  for (const client of clients ?? []) client.disconnect()
  await redis?.stop()
})

test('the first one owns it, whichever replica is asked', async () => {
  const [one, two] = clients.map((client) => new RedisOwners(client, 'acme'))
  const claims = await Promise.all([
    one!.claim('planner', 'task', 't', 'key:alice'),
    two!.claim('planner', 'task', 't', 'key:bob'),
  ])
  expect(new Set(claims).size).toBe(1)
  expect(await two!.ownerOf('planner', 'task', 't')).toBe(claims[0])
  expect(await one!.ownerOf('planner', 'context', 't')).toBeUndefined()
  expect(await one!.ownerOf('billing', 'task', 't')).toBeUndefined()
})

test('tenants are apart', async () => {
  await new RedisOwners(clients[0]!, 'acme').claim('planner', 'task', 'x', 'key:alice')
  expect(await new RedisOwners(clients[0]!, 'other').ownerOf('planner', 'task', 'x')).toBeUndefined()
})

test('they are forgotten one day, later where they are asked about', async () => {
  const client = clients[0]!
  await new RedisOwners(client, 'old').claim('planner', 'task', 'y', 'key:alice')
  const [key] = await client.keys('chaperone:{old}:a2a:owner:*')
  expect(await client.ttl(key!)).toBeGreaterThan(29 * 86_400)
  await client.expire(key!, 100)
  await new RedisOwners(client, 'old').ownerOf('planner', 'task', 'y')
  expect(await client.ttl(key!)).toBeGreaterThan(29 * 86_400)
})

test('a Redis that is away is an error: nothing is guessed', async () => {
  redis.pause()
  const client = new Redis(redis.url, { commandTimeout: 300, maxRetriesPerRequest: 0 })
  client.on('error', () => undefined)
  try {
    await expect(new RedisOwners(client, 'acme').ownerOf('planner', 'task', 't')).rejects.toThrow()
  } finally {
    redis.resume()
    client.disconnect()
  }
})
