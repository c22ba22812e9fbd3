import type { Cluster, Redis } from 'ioredis'
import { type TokenStore, TokenStoreError } from './token-store.ts'

/** Deletes a key where it holds what is expected. KEYS: the key. ARGV: the value. */
const deleteScript = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`

/**
 * Tokens in Redis, for many replicas.
 *
 * | Redis key | type | what |
 * |---|---|---|
 * | `chaperone:{tenant}:mcp-token:KEY` | string, with an expiry | a sealed text |
 */
export class RedisTokenStore implements TokenStore {
  readonly #redis: Redis | Cluster
  readonly #prefix: string
  readonly #now: () => number

  /**
   * @param redis a connection of the caller's, which also ends it
   * @param tenant whose tokens: their Redis keys share one hash tag
   * @param now Unix milliseconds
   */
  constructor(redis: Redis | Cluster, tenant: string, now: () => number = Date.now) {
    this.#redis = redis
    this.#prefix = `chaperone:{${tenant}}:mcp-token:`
    this.#now = now
  }

  async get(key: string): Promise<string | undefined> {
    return (await this.#asking(this.#redis.get(this.#prefix + key))) ?? undefined
  }

  async set(key: string, value: string, untilMs: number): Promise<void> {
    await this.#asking(this.#redis.set(this.#prefix + key, value, 'PX', this.#lifeMs(untilMs)))
  }

  async add(key: string, value: string, untilMs: number): Promise<boolean> {
    return (await this.#asking(this.#redis.set(this.#prefix + key, value, 'PX', this.#lifeMs(untilMs), 'NX'))) === 'OK'
  }

  async delete(key: string, value?: string): Promise<boolean> {
    const name = this.#prefix + key
    const deleted = value === undefined ? this.#redis.del(name) : this.#redis.eval(deleteScript, 1, name, value)
    return (await this.#asking(deleted)) === 1
  }

  async close(): Promise<void> {}

  /** Redis takes no life of nothing. */
  #lifeMs(untilMs: number): number {
    return Math.max(1, Math.ceil(untilMs - this.#now()))
  }

  async #asking<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer
    } catch (cause) {
      // ioredis' own message may hold the command, and so the value.
      throw new TokenStoreError('Redis, where the tokens of MCP servers are, cannot be asked.', { cause })
    }
  }
}
