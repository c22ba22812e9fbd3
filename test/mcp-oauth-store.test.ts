import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { RedisTokenStore } from '../src/mcp/oauth/redis-token-store.ts'
import { tokenStoreSuite } from '../src/mcp/oauth/token-store-suite.ts'
import { Vault } from '../src/mcp/oauth/vault.ts'
import { Sealer } from '../src/mcp/seal.ts'
import { type RedisServer, startRedis } from './redis.ts'

/** What users authorized, in a real Redis. */

let server: RedisServer
let redis: Redis
let others: Redis
beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.url, { maxRetriesPerRequest: 1, commandTimeout: 1000 })
  others = new Redis(server.url)
})
afterAll(async () => {
  redis.disconnect()
  others.disconnect()
  await server.stop()
})
beforeEach(async () => {
  await redis.flushall()
})

describe('does what every store does', () => {
  let n = 0
  tokenStoreSuite(async () => new RedisTokenStore(n++ % 2 === 0 ? redis : others, 'acme'))
})

test('what is in Redis is sealed, has a tenant and an end', async () => {
  const vault = new Vault(new RedisTokenStore(redis, 'acme'), new Sealer([{ id: 'k1', secret: Buffer.alloc(32, 7) }]))
  await vault.set('grant', 'ann', { accessToken: 'a-token' }, Date.now() + 60_000)
  const [key, ...more] = await redis.keys('*')
  expect(more).toEqual([])
  expect(key).toMatch(/^chaperone:\{acme\}:mcp-token:grant:[\w-]{43}$/)
  expect(await redis.get(key!)).toMatch(/^k1\.[\w-]+$/)
  expect(await redis.pttl(key!)).toBeGreaterThan(50_000)
  expect(await new Vault(new RedisTokenStore(redis, 'other'), new Sealer([])).get('grant', 'ann')).toBeUndefined()
})

test('of those who want to be alone, each is', async () => {
  const sealer = new Sealer([])
  let inside = 0
  let most = 0
  await Promise.all(
    [redis, others, redis, others].map((client) =>
      new Vault(new RedisTokenStore(client, 'acme'), sealer).alone('grant of ann', async () => {
        most = Math.max(most, ++inside)
        await new Promise((resolve) => setTimeout(resolve, 20))
        inside--
      }),
    ),
  )
  expect(most).toBe(1)
  expect(await redis.keys('*')).toEqual([])
})

test('a Redis that is deaf is told of without what was to be kept', async () => {
  const store = new RedisTokenStore(redis, 'acme')
  server.pause()
  try {
    const error: unknown = await store.set('a', 'sealed', Date.now() + 1000).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ name: 'TokenStoreError', message: expect.not.stringContaining('sealed') })
  } finally {
    server.resume()
  }
})
