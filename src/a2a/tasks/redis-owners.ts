import { createHash } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import type { OwnedKind, Owners } from './owners.ts'

/** How long an owner is remembered after it was last asked about, s. */
const lifetimeS = 30 * 24 * 60 * 60

/** Owners in Redis, for all replicas. A Redis that is away is an error: whose a task is must not be guessed. */
export class RedisOwners implements Owners {
  readonly #client: Redis | Cluster
  readonly #prefix: string

  /** @param tenant whose rules they are: the part of the keys that keeps tenants apart */
  constructor(client: Redis | Cluster, tenant: string) {
    this.#client = client
    this.#prefix = `chaperone:{${tenant}}:a2a:owner:`
  }

  async claim(agent: string, kind: OwnedKind, id: string, owner: string): Promise<string> {
    const key = this.#keyOf(agent, kind, id)
    const before = await this.#client.set(key, owner, 'EX', lifetimeS, 'NX', 'GET')
    return before ?? owner
  }

  async ownerOf(agent: string, kind: OwnedKind, id: string): Promise<string | undefined> {
    return (await this.#client.getex(this.#keyOf(agent, kind, id), 'EX', lifetimeS)) ?? undefined
  }

  /** A hash, as ids are the agents' and may hold and be as long as they like. */
  #keyOf(agent: string, kind: OwnedKind, id: string): string {
    return `${this.#prefix}${createHash('sha256').update(`${agent} ${kind} ${id}`).digest('base64url')}`
  }
}
