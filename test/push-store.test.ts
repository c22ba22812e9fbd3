import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe } from 'vitest'
import { pushStoreSuite } from '../src/a2a/push/store/push-store-suite.ts'
import { RedisPushStore } from '../src/a2a/push/store/redis-push-store.ts'
import { type RedisServer, startRedis } from './redis.ts'

/** Clients' callbacks and what waits for them in a real Redis. */

describe('Redis', () => {
  let redis: RedisServer
  const clients: Redis[] = []
  let tenant = 0
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterEach(() => {
    tenant++
    for (const client of clients.splice(0)) client.disconnect()
  })
  afterAll(() => redis?.stop())
  pushStoreSuite(async () => {
    const client = new Redis(redis.url, { enableAutoPipelining: true })
    clients.push(client)
    return new RedisPushStore(client, `t${tenant}`)
  })
})
