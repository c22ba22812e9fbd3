import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Cluster, Redis } from 'ioredis'
import {
  type Answer,
  type Authority,
  alertAt,
  type Call,
  graceMs,
  leaseMs,
  type Order,
  type Standing,
} from './authority.ts'
import { RemoteClock } from './clock.ts'

const script = readFileSync(new URL('./lease.lua', import.meta.url), 'utf8')
const sha = createHash('sha1').update(script).digest('hex')

const mayAnswer = new Set(['wait', 'connecting', 'connect', 'ready'])

/** A batch that could not be told is known by its number for as long as this after the sidecar was last heard of. */
const memoryMs = 7 * 86_400_000

/**
 * Counts in Redis, standalone or Cluster: one script call an exchange, by Redis' clock.
 *
 * Keys, all with the tenant as hash tag:
 * - `chaperone:{tenant}:sidecars`, `chaperone:{tenant}:sidecars:ended`, `chaperone:{tenant}:sidecar:<name>`
 * - `chaperone:{tenant}:meter:<limit|budget>:<rule>:<kind>:<period>:<start>:<subject>`
 *
 * `lease.lua` describes what is in them.
 */
export class RedisAuthority implements Authority {
  readonly #client: Redis | Cluster
  readonly #prefix: string
  readonly #clock: RemoteClock

  /**
   * @param client connected by its owner, who also closes it. It should not retry commands for long: what is not answered
   *   within 100 ms is asked again anyway
   * @param tenant without braces
   */
  constructor(client: Redis | Cluster, tenant: string, clock = new RemoteClock()) {
    if (!/^[^{}\s]{1,200}$/.test(tenant)) throw new RangeError('a tenant’s name has no braces and no blanks')
    this.#client = client
    this.#prefix = `chaperone:{${tenant}}:`
    this.#clock = clock
  }

  now(): number {
    return this.#clock.now()
  }

  async exchange(call: Call): Promise<Answer> {
    // A connection that broke is not waited for; the first one is.
    if (!mayAnswer.has(this.#client.status)) throw new Error(`no connection to Redis (${this.#client.status})`)
    const prefix = this.#prefix
    const keys = [`${prefix}sidecars`, `${prefix}sidecars:ended`, `${prefix}sidecar:${call.sidecar}`]
    const { sidecar, sequence, turn } = call
    const args: (string | number)[] = [sidecar, sequence, turn, leaseMs, graceMs, memoryMs, call.leaving ? 1 : 0]
    for (const order of call.orders) {
      keys.push(`${prefix}meter:${order.meter.key}`)
      pushOrder(args, order)
    }
    const sent = this.#clock.tick()
    const reply = await this.#run(keys, args)
    return this.#read(reply, call.orders.length, sent)
  }

  async #run(keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await this.#client.evalsha(sha, keys.length, ...keys, ...args)
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
      return await this.#client.eval(script, keys.length, ...keys, ...args)
    }
  }

  #read(reply: unknown, orders: number, sent: number): Answer {
    if (!Array.isArray(reply) || reply.length !== orders + 3) throw new Error('Redis gave an answer that is none')
    const [nowMs, live, known, ...meters] = reply as [number, number, number, ...number[][]]
    this.#clock.told(sent, nowMs)
    return { live, known: known === 1, standings: meters.map(readStanding) }
  }
}

function pushOrder(args: (string | number)[], { meter, capacity, spent, hold, need, want }: Order): void {
  args.push(capacity, spent, hold, need, want, endOf(meter.endMs), meter.alerts.length)
  for (const mark of meter.alerts) args.push(mark.threshold, alertAt(mark, capacity))
}

function endOf(endMs: number | undefined): number {
  return endMs === undefined ? 0 : endMs === Number.POSITIVE_INFINITY ? -1 : endMs
}

function readStanding(numbers: readonly number[]): Standing {
  const [lease = -1, spent = 0, leased = 0, ...alerts] = numbers
  if (lease < 0) return { lease: 0, spent: 0, leased: 0, alerts: [], broken: true }
  return { lease, spent, leased, alerts }
}
