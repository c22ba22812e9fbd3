import type { Cluster, Redis } from 'ioredis'
import { type AuditLog, type Change, changeLine, readChange } from './audit-log.ts'

/** The stream is cut to about so many changes. */
const mostChanges = 100_000
const page = 500

/** Changes in Redis, for all services and command lines of a tenant; docs/rules-in-redis.md describes the key. */
export class RedisAuditLog implements AuditLog {
  readonly #client: Redis | Cluster
  readonly #key: string

  /** @param client stays the caller's */
  constructor(client: Redis | Cluster, tenant: string) {
    this.#client = client
    this.#key = `chaperone:{${tenant}}:audit`
  }

  async add(change: Change): Promise<void> {
    await this.#client.xadd(this.#key, 'MAXLEN', '~', mostChanges, '*', 'c', changeLine(change))
  }

  async list({ limit, action }: { limit: number; action?: string | undefined }): Promise<Change[]> {
    const found: Change[] = []
    let end = '+'
    while (found.length < limit) {
      const entries = await this.#client.xrevrange(this.#key, end, '-', 'COUNT', page)
      for (const [, fields] of entries) {
        const change = readChange(fields[1] ?? '')
        if (change && (action === undefined || change.action === action)) found.push(change)
      }
      if (entries.length < page) break
      end = `(${entries.at(-1)![0]}`
    }
    return found.slice(0, limit)
  }
}
