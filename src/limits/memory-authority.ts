import {
  type Answer,
  type Authority,
  alertAt,
  type Call,
  graceMs,
  leaseFor,
  leaseMs,
  legacyTurn,
  type Order,
  type Standing,
} from './authority.ts'

interface Count {
  spent: number
  readonly leases: Map<string, number>
  /** Who told an alert, by threshold: `sidecar:sequence`. */
  readonly told: Map<number, string>
  forgetMs: number
}

/** Counts are looked through for ended periods after this many new ones. */
const tidyEvery = 1_024

/**
 * Counts in this process's memory: exact, answered at once, gone with the process. It also says in TypeScript what
 * `lease.lua` says for Redis; a test holds the two to each other.
 */
export class MemoryAuthority implements Authority {
  readonly #counts = new Map<string, Count>()
  readonly #sidecars = new Map<string, number>()
  readonly #said = new Map<string, { sequence: number; turn: number }>()
  readonly #now: () => number
  readonly #maxCounts: number
  #untidy = 0

  /**
   * @param now Unix milliseconds
   * @param maxCounts meters kept; beyond it, new ones can be used no more than if they had no capacity
   */
  constructor(now: () => number = Date.now, maxCounts = 200_000) {
    this.#now = now
    this.#maxCounts = maxCounts
  }

  now(): number {
    return this.#now()
  }

  exchange(call: Call): Answer {
    const now = this.#now()
    for (const [sidecar, expires] of this.#sidecars) if (expires <= now) this.#sidecars.delete(sidecar)
    const known = this.#sidecars.has(call.sidecar)
    const said = this.#said.get(call.sidecar) ?? { sequence: 0, turn: 0 }
    const stale = call.turn < said.turn
    const fresh = !stale && call.sequence > said.sequence
    if (call.leaving) this.#sidecars.delete(call.sidecar)
    else if (!stale && call.turn < legacyTurn) this.#sidecars.set(call.sidecar, now + leaseMs)
    if (!stale) this.#said.set(call.sidecar, { sequence: Math.max(said.sequence, call.sequence), turn: call.turn })
    const standings = call.orders.map((order) => this.#deal(order, call, fresh, stale, now))
    return { live: Math.max(1, this.#sidecars.size), known, standings }
  }

  #deal(order: Order, call: Call, fresh: boolean, stale: boolean, now: number): Standing {
    const count = this.#count(order, now)
    if (!count) return { lease: 0, spent: order.capacity, leased: 0, alerts: [] }
    if (fresh) count.spent += order.spent
    let others = 0
    for (const [sidecar, amount] of count.leases) {
      if (sidecar === call.sidecar) continue
      if (this.#sidecars.has(sidecar)) others += amount
      else count.leases.delete(sidecar)
    }
    let lease = count.leases.get(call.sidecar) ?? 0
    if (!stale) {
      lease = call.leaving ? 0 : leaseFor(order, order.capacity - count.spent - others, this.#sidecars.size)
      if (lease > 0) count.leases.set(call.sidecar, lease)
      else count.leases.delete(call.sidecar)
    }
    return { lease, spent: count.spent, leased: others + lease, alerts: this.#alerts(order, call, count) }
  }

  #alerts(order: Order, call: Call, count: Count): number[] {
    const mine: number[] = []
    if (order.spent === 0) return mine
    const claim = `${call.sidecar}:${call.sequence}`
    for (const [index, mark] of order.meter.alerts.entries()) {
      if (count.spent < alertAt(mark, order.capacity)) break
      const teller = count.told.get(mark.threshold) ?? claim
      count.told.set(mark.threshold, teller)
      if (teller === claim) mine.push(index)
    }
    return mine
  }

  #count({ meter }: Order, now: number): Count | undefined {
    // An ended period's count, asked for late, is kept for as long as others are.
    const forgetMs = Math.max(meter.endMs ?? now, now) + graceMs
    let count = this.#counts.get(meter.key)
    if (count) {
      count.forgetMs = forgetMs
      return count
    }
    if (++this.#untidy >= tidyEvery || this.#counts.size >= this.#maxCounts) this.#tidy(now)
    if (this.#counts.size >= this.#maxCounts) return undefined
    count = { spent: 0, leases: new Map(), told: new Map(), forgetMs }
    this.#counts.set(meter.key, count)
    return count
  }

  #tidy(now: number): void {
    this.#untidy = 0
    for (const [key, { forgetMs, spent, leases }] of this.#counts)
      if (forgetMs <= now || (spent === 0 && leases.size === 0)) this.#counts.delete(key)
  }
}
