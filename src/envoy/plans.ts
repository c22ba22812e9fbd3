import type { Plan } from '../protocol.ts'

/**
 * The plans between stage 1 and their settlement, by request id.
 *
 * A plan is in one of three states: *waiting* for its first attempt, *running* one or more attempts, or *between*
 * attempts (the last one failed in a way that Envoy may retry). Running plans end with their attempts. The others end
 * when nothing comes within a time: Envoy begins an attempt at once, so a plan that waits longer belongs to a client
 * that went away.
 */
export class PlanStore {
  readonly #plans = new Map<string, Entry>()
  readonly #sweeper: NodeJS.Timeout
  readonly #patienceMs: number
  #newest = 0

  /** @param patienceMs how long a plan may be without a running attempt, ms */
  constructor(patienceMs = 5_000) {
    this.#patienceMs = patienceMs
    this.#sweeper = setInterval(() => this.sweep(performance.now()), Math.max(50, patienceMs / 4))
    this.#sweeper.unref()
  }

  /** Live plans. */
  get size(): number {
    return this.#plans.size
  }

  /** The number of the plan added last; plans are numbered from 1. */
  get newest(): number {
    return this.#newest
  }

  /** Whether a plan with this number or a smaller one is still live. Plans are kept in the order they were made. */
  hasUpTo(number: number): boolean {
    const oldest = this.#plans.values().next().value
    return oldest !== undefined && oldest.number <= number
  }

  /** Whether a live plan has this id. */
  has(id: string): boolean {
    return this.#plans.has(id)
  }

  /** @throws {Error} where the id is taken: the caller chooses ids that are not. */
  add(plan: Plan): void {
    if (this.#plans.has(plan.id)) throw new Error('a live plan has this id')
    this.#plans.set(plan.id, { plan, number: ++this.#newest, running: 0, idleSince: performance.now() })
  }

  /** An attempt begins. @returns its plan, or undefined where there is none. */
  begin(id: string): Plan | undefined {
    const entry = this.#plans.get(id)
    if (!entry) return undefined
    entry.running++
    return entry.plan
  }

  /** An attempt ended. @param retriable whether another may follow; otherwise the plan is closed now. */
  end(id: string, retriable: boolean): void {
    const entry = this.#plans.get(id)
    if (!entry) return
    entry.running--
    entry.idleSince = performance.now()
    if (!retriable && entry.running <= 0) this.#close(id, entry)
  }

  /** Closes the plans whose patience ran out. @param now performance.now() */
  sweep(now: number): void {
    for (const [id, entry] of this.#plans)
      if (entry.running <= 0 && now - entry.idleSince > this.#patienceMs) this.#close(id, entry)
  }

  /** Closes everything: the service stops. */
  stop(): void {
    clearInterval(this.#sweeper)
    for (const [id, entry] of this.#plans) this.#close(id, entry)
  }

  #close(id: string, entry: Entry): void {
    this.#plans.delete(id)
    entry.plan.close()
  }
}

interface Entry {
  plan: Plan
  number: number
  /** Attempts under way. */
  running: number
  /** performance.now() when the last attempt ended, or the plan was made. */
  idleSince: number
}
