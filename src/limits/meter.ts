import type { MeterId } from './authority.ts'
import { type Span, spanAt } from './period.ts'
import type { CompiledMeterRule } from './rules.ts'

/** A lease is meant to last for a second, or for so many requests where they are rare. */
const usualRequests = 64

/** Trees come and go: what one has spent is not kept for ever. No delegation lives as long. */
const treeKeptMs = 31 * 86_400_000

/**
 * What this sidecar knows and holds of one count: one rule, one subject, one period. Amounts are whole units.
 *
 *     available = held − returning − sending − unsent − reserved
 */
export class Meter {
  readonly subject: string
  readonly span: Span
  id: MeterId
  rule: CompiledMeterRule
  capacity: number

  /** On lease from the authority, by its last answer. */
  held = 0
  /** Of that, what goes back with the exchange that is under way. */
  returning = 0
  /** For requests that are under way. */
  reserved = 0
  /** Settled, in the batch that is under way or waits to be repeated. */
  sending = 0
  /** Settled, in no batch yet. */
  unsent = 0
  /** Settled by this sidecar, ever. */
  mine = 0

  /** Spent by all, by the authority's last answer. */
  spentByAll = 0
  /** Whether the authority has ever told of it. */
  known = false
  /** Whether it has been asked to. */
  inquired = false

  /** What waiting requests need. */
  needed = 0
  /** Until then the authority is not asked for more, because it had none. */
  emptyUntilMs = 0
  /** Little of the capacity is left to anyone. */
  scarce = false
  /** Under this much available, more is asked for ahead. */
  low = 0
  /** What the authority stores for it is no count: the rule's `onStoreFailure` decides. */
  broken = false
  lastUsedMs: number
  lastToldMs: number

  #usual = 0
  #used = 0
  #uses = 0
  #peak = 0
  #sinceMs: number

  constructor(rule: CompiledMeterRule, subject: string, capacity: number, span: Span, prefix: string, now: number) {
    this.rule = rule
    this.subject = subject
    this.capacity = capacity
    this.span = span
    const endless = rule.ofTree ? now + treeKeptMs : Number.POSITIVE_INFINITY
    const endMs = rule.period === 'now' ? undefined : Math.min(span.endMs, endless)
    this.id = { key: `${prefix}${span.label}:${subject}`, endMs, alerts: rule.alerts }
    this.lastUsedMs = now
    this.lastToldMs = now
    this.#sinceMs = now
  }

  /** A new revision of the rules: what was counted stays. */
  adopt(rule: CompiledMeterRule): void {
    this.rule = rule
    this.capacity = rule.capacity(this.subject)
    this.id = { ...this.id, alerts: rule.alerts }
    this.emptyUntilMs = 0
  }

  get available(): number {
    return this.held - this.returning - this.sending - this.unsent - this.reserved
  }

  /** Spent by all, with what was not told yet. */
  get spent(): number {
    return this.spentByAll + this.sending + this.unsent
  }

  /** What of the capacity is neither spent nor reserved here. Others' reservations are not known. */
  get remaining(): number {
    return Math.max(0, this.capacity - this.spent - this.reserved)
  }

  /**
   * What may be used without asking the authority when it cannot be asked: a fair part of the capacity, and no more than
   * a fair part of what was left when it last told. What is reserved is as good as spent.
   * @param live sidecars that share
   */
  localShare(live: number): number {
    const ofAll = Math.floor(this.capacity / live) - this.mine
    const ofRest = Math.floor((this.capacity - this.spentByAll) / live) - this.sending - this.unsent
    return Math.min(ofAll, ofRest) - this.reserved
  }

  /** Whether requests may use more than they reserved. */
  get estimated(): boolean {
    return this.rule.kind === 'tokens' || this.rule.kind === 'usd'
  }

  /** Nothing is lost when it is forgotten. */
  get idle(): boolean {
    return this.reserved === 0 && this.unsent === 0 && this.sending === 0 && this.held === 0 && this.returning === 0
  }

  reserve(amount: number, now: number): void {
    this.reserved += amount
    this.#used += amount
    this.#uses++
    if (this.reserved > this.#peak) this.#peak = this.reserved
    this.lastUsedMs = now
  }

  release(reserved: number): void {
    this.reserved -= reserved
  }

  settle(reserved: number, spent: number): void {
    this.reserved -= reserved
    this.unsent += spent
    this.mine += spent
  }

  /** How much it is good to hold, by what was used since it was last asked; and with it, when more is asked for ahead. */
  plan(now: number): number {
    const elapsed = now - this.#sinceMs
    if (this.rule.kind === 'concurrent') {
      // Slots come back, so what is good to hold is the most that were in use at once, and some.
      if (elapsed >= 1_000) {
        this.#usual = Math.ceil(this.#peak * 1.25)
        this.#peak = this.reserved
        this.#sinceMs = now
      } else this.#usual = Math.max(this.#usual, Math.ceil(this.#peak * 1.25))
      this.low = 1
      return this.#usual
    }
    if (this.#uses > 0 && elapsed >= 100) {
      const perSecond = (this.#used * 1_000) / elapsed
      const usual = Math.ceil(Math.max(perSecond, (this.#used / this.#uses) * usualRequests))
      // Up at once, down by degrees.
      this.#usual = Math.max(usual, Math.ceil((this.#usual + usual) / 2))
      this.#used = 0
      this.#uses = 0
      this.#sinceMs = now
    } else if (this.#uses > 0) {
      this.#usual = Math.max(this.#usual, this.#used, Math.ceil((this.#used / this.#uses) * usualRequests))
    }
    this.low = this.#usual / 2
    return this.#usual
  }

  /** How much more than enough is held: a lease that a burst left behind. */
  surplus(now: number): number {
    const usual = this.plan(now)
    if (this.rule.kind === 'concurrent') return Math.min(this.available, this.available + this.reserved - usual)
    return this.available - 4 * Math.max(1, usual)
  }

  /** The same rule's next period begins with this one's pace. */
  follow(previous: Meter): void {
    this.#usual = previous.#usual
    this.low = previous.low
  }
}

/** The clock may be set back this far by the authority's without a period beginning anew. */
const slackMs = 1_000

/** A rule's meters: one for each subject that was seen lately. They outlive the revision that named the rule. */
export class MeterFamily {
  readonly #current = new Map<string, Meter>()
  readonly #prefix: string

  constructor(rule: CompiledMeterRule) {
    this.#prefix = familyName(rule)
  }

  /** @returns the meter of the period that `now` (Unix milliseconds) lies in; undefined: there is none yet */
  find(rule: CompiledMeterRule, subject: string, now: number): Meter | undefined {
    const meter = this.#current.get(subject)
    if (!meter || now >= meter.span.endMs || now < meter.span.startMs - slackMs) return undefined
    if (meter.rule !== rule) meter.adopt(rule)
    return meter
  }

  create(rule: CompiledMeterRule, subject: string, now: number): Meter {
    const meter = new Meter(rule, subject, rule.capacity(subject), spanAt(rule.period, now), this.#prefix, now)
    const previous = this.#current.get(subject)
    if (previous) meter.follow(previous)
    this.#current.set(subject, meter)
    return meter
  }

  isCurrent(meter: Meter): boolean {
    return this.#current.get(meter.subject) === meter
  }

  forget(meter: Meter): void {
    if (this.isCurrent(meter)) this.#current.delete(meter.subject)
  }
}

/** Rules of which this is the same count the same things: only amounts and conditions may have changed. */
export function familyName({ section, name, kind, period }: CompiledMeterRule): string {
  return `${section}:${name}:${kind}:${period}:`
}
