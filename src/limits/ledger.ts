import { randomUUID } from 'node:crypto'
import { type Answer, type Authority, legacyTurn, type MeterId, type Order, trustMs } from './authority.ts'
import type { Amount, Journal, JournalMeter } from './journal.ts'
import { familyName, type Meter, MeterFamily } from './meter.ts'
import type { CompiledMeterRule } from './rules.ts'

/** No request waits longer than this for the authority. */
const patienceMs = 100
/** What was settled is told this often at most, and when load is light, this long after the first at the latest. */
const flushMs = 250
const lightFlushMs = 2_000
/** What is spent of the last tenth of a budget is told this soon: what others hold of it has to shrink in time. */
const scarceFlushMs = 25
const scarceShare = 0.1
/** So many settlements are told without waiting for `lightFlushMs`. */
const manySettled = 50
/** Meters in one call: how long the authority may be busy with it. */
const maxOrders = 250
/** Of these, so many may tell what was settled; the others ask. */
const maxBatch = 200
const heartbeatMs = 10_000
/** An authority without an answer is asked again after this, doubled each time up to the last. */
const retryMs = [250, 500, 1_000, 2_000]
/** A call that hangs blocks others no longer than this. */
const hangMs = 10_000
/** Leases that nobody used for this long go back. */
const idleMs = 5_000
/** Meters that nobody used for this long are forgotten. */
const forgetMs = 60_000
/** Slots that are held are told of again before the authority would forget them. */
const restateMs = 600_000
/** After an authority had nothing left it is not asked again for so long. */
const usedUpPauseMs = 1_000
const reservedPauseMs = 50
const sweepMs = 1_000
/** Meters looked at in one sweep. */
const sweepSize = 5_000

export interface BudgetAlert {
  readonly budget: string
  /** Whose: the values of `by`, joined with `/`; empty: all. */
  readonly subject: string
  /** The share of the budget that is spent. */
  readonly share: number
  /** The threshold it has come to. */
  readonly threshold: number
  /** The period's start as keys hold it: `2026-11`. */
  readonly period: string
}

/** What an operator should know. */
export type LedgerEvent =
  | { readonly type: 'store_down'; readonly error: unknown }
  | { readonly type: 'store_up' }
  | { readonly type: 'journal_failed'; readonly error: unknown }
  | { readonly type: 'meter_broken'; readonly key: string }
  | { readonly type: 'meters_full'; readonly meters: number }

export interface LedgerOptions {
  readonly authority: Authority
  /** This process's name at the authority: another one after each start. */
  readonly sidecar?: string
  readonly journal?: Journal
  /** Told once for each threshold, subject and period over all sidecars. */
  readonly alert?: (alert: BudgetAlert) => void
  readonly report?: (event: LedgerEvent) => void
  /** Meters kept at once. */
  readonly maxMeters?: number
  /** How many sidecars share the capacity until the authority has told. */
  readonly sidecars?: number
}

interface Waiter {
  /** Meters that have not been asked for yet. */
  left: number
  failed: boolean
  done: ((answered: boolean) => void) | undefined
}

/** One exchange: what was put into it, to be read again beside the answer. */
interface Exchange {
  readonly sentMs: number
  /** The same by the machine's steady clock, which no answer corrects. */
  readonly sentTick: number
  readonly meters: readonly Meter[]
  readonly orders: readonly Order[]
  /** What each meter gives back with it. */
  readonly returned: readonly number[]
  readonly batch: Batch | undefined
  readonly waiters: readonly Waiter[]
}

interface Batch {
  readonly sequence: number
  readonly meters: ReadonlySet<Meter>
}

/**
 * This sidecar's side of all counts: its meters, what it has on lease, and the exchanges with the authority. It lives as
 * long as the process; limiters come and go with the revisions of the rules.
 *
 * One exchange is under way at a time. A batch of settled amounts keeps its number until the authority has it.
 */
export class Ledger {
  readonly #authority: Authority
  readonly #sidecar: string
  readonly #journal: Journal | undefined
  readonly #alert: (alert: BudgetAlert) => void
  readonly #report: (event: LedgerEvent) => void
  readonly #maxMeters: number

  readonly #families = new Map<string, MeterFamily>()
  readonly #meters = new Set<Meter>()
  #sweeper: SetIterator<Meter> | undefined

  /** Meters with something to tell, to ask for, to give back. */
  readonly #unsent = new Set<Meter>()
  readonly #asking = new Set<Meter>()
  readonly #giving = new Set<Meter>()
  readonly #waiting = new Map<Meter, Waiter[]>()

  #turn = 0
  #sequence = 0
  #pending: Batch | undefined
  #underWay: Exchange | undefined
  readonly #ends = new Map<Exchange, (() => void)[]>()
  /** A call whose answer came too late or not at all, and when it was made. */
  #overdueSinceMs: number | undefined
  #latest: Exchange | undefined
  #failures = 0
  #slow = false
  #trustedUntilMs = 0
  #live: number

  #lastExchangeMs = Number.NEGATIVE_INFINITY
  #settled = 0
  #timer: NodeJS.Timeout | undefined
  #timerDueMs = 0
  #interval: NodeJS.Timeout | undefined
  #fullReported = false
  #closed = false

  constructor(options: LedgerOptions) {
    this.#authority = options.authority
    this.#sidecar = options.sidecar ?? randomUUID()
    this.#journal = options.journal
    this.#alert = options.alert ?? (() => {})
    this.#report = options.report ?? (() => {})
    this.#maxMeters = options.maxMeters ?? 100_000
    this.#live = options.sidecars ?? 1
  }

  /** Unix milliseconds by the authority's clock. */
  now(): number {
    return this.#authority.now()
  }

  /** Whether the authority did not answer when it was last asked. */
  get down(): boolean {
    return this.#failures > 0 || this.#slow
  }

  /** How many sidecars were at work when the authority last told. */
  get live(): number {
    return this.#live
  }

  /** How many meters are kept. */
  get size(): number {
    return this.#meters.size
  }

  /**
   * Begins the work that no request begins: makes itself known, sets the clock, tells what earlier processes left in the
   * journal, gives back what is idle. Resolves after the first answer, or when there was none in time; never rejects.
   */
  async start(): Promise<void> {
    this.#interval = setInterval(() => this.sweep(), sweepMs).unref()
    this.#exchange(true)
    const first = this.#underWay
    if (first) await new Promise<void>((resolve) => this.#onEnd(first, resolve))
    void this.#recover()
  }

  /** Tells what there is to tell and gives everything back. For the end of the process; never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return
    clearInterval(this.#interval)
    for (let i = 0; i < 1_000 && !(this.down && i > 0); i++) {
      if (!(await this.flush())) break
    }
    this.#closed = true
    clearTimeout(this.#timer)
    try {
      await within(
        Promise.resolve(this.#authority.exchange(this.#call({ leaving: true, sequence: 0, orders: [] }))),
        patienceMs * 5,
      )
    } catch {
      // The leases expire by themselves, and the journal has what was not told.
    }
    this.#journal?.close?.()
  }

  /** The family of a rule's meters; the same for every revision of it that counts the same. */
  family(rule: CompiledMeterRule): MeterFamily {
    const name = familyName(rule)
    let family = this.#families.get(name)
    if (!family) {
      family = new MeterFamily(rule)
      this.#families.set(name, family)
    }
    return family
  }

  /** @returns the meter of now; undefined where there are too many already */
  meter(family: MeterFamily, rule: CompiledMeterRule, subject: string, now: number): Meter | undefined {
    const found = family.find(rule, subject, now)
    if (found) return found
    if (this.#meters.size >= this.#maxMeters && !this.#makeRoom(now)) return undefined
    const meter = family.create(rule, subject, now)
    this.#meters.add(meter)
    return meter
  }

  /** Whether leases can be used: the authority has answered lately enough not to have given them to others. */
  trusts(now: number): boolean {
    return now < this.#trustedUntilMs
  }

  /** After a reservation: asks ahead where little is left. */
  reserved(meter: Meter, now: number): void {
    const available = meter.available
    if (available >= meter.low || now < meter.emptyUntilMs) return
    if (meter.rule.ofTree && available >= 0 && this.#live > 1) return
    this.#asking.add(meter)
    // What was reserved beyond the lease is told at once, before others are given the same units.
    this.#schedule(available < 0 ? 0 : this.#nextFlush(now), now)
  }

  /**
   * Settles a request's reservations.
   * @param spent what was used of each meter, in the order of `meters`
   */
  settle(meters: readonly Meter[], reserved: readonly number[], spent: readonly number[]): void {
    const now = this.now()
    const amounts: Amount[] = []
    let delay = ++this.#settled >= manySettled ? this.#nextFlush(now) : lightFlushMs
    for (let i = 0; i < meters.length; i++) {
      const meter = meters[i]!
      const amount = spent[i]!
      meter.settle(reserved[i]!, amount)
      if (meter.rule.ofTree && this.#live > 1) {
        this.#handOn(meter)
        meter.emptyUntilMs = 0
        delay = 0
      }
      if (amount === 0) continue
      amounts.push({ meter, spent: amount })
      this.#unsent.add(meter)
      // More was spent than was on lease: others must know at once, so that it is not spent again.
      if (meter.available < 0) delay = 0
      else if (meter.scarce) delay = Math.min(delay, scarceFlushMs)
    }
    if (amounts.length > 0) this.#journaled((journal) => journal.append(amounts))
    else if (delay > 0) return
    this.#schedule(delay, now)
  }

  /**
   * The next piece of a tree's work may well be another sidecar's: it is to find all that is left.
   * @returns whether there is something to give back
   */
  #handOn(meter: Meter): boolean {
    const left = meter.available
    if (left <= 0) return false
    meter.returning += left
    this.#giving.add(meter)
    return true
  }

  /** A request was not let in: what was got for it is not kept from others. */
  unused(meters: readonly Meter[]): void {
    if (this.#live === 1) return
    let left = false
    for (const meter of meters) if (meter.rule.ofTree) left = this.#handOn(meter) || left
    if (left) this.#schedule(0, this.now())
  }

  /**
   * Asks the authority for more, for a request that cannot go on without.
   * @param needs how much of each meter
   * @returns whether the authority answered: at once, or as soon as it has, or when the time is up
   */
  ask(meters: readonly Meter[], needs: readonly number[]): boolean | Promise<boolean> {
    const waiter: Waiter = { left: meters.length, failed: false, done: undefined }
    for (let i = 0; i < meters.length; i++) {
      const meter = meters[i]!
      meter.needed += Math.max(1, needs[i]!)
      this.#asking.add(meter)
      const waiters = this.#waiting.get(meter)
      if (waiters) waiters.push(waiter)
      else this.#waiting.set(meter, [waiter])
    }
    this.#exchange(false)
    if (waiter.failed) return false
    if (waiter.left === 0) return true
    return new Promise((resolve) => {
      const cancel = afterPatience(() => resolve(false))
      waiter.done = (answered) => {
        cancel()
        resolve(answered)
      }
    })
  }

  /** Asks in the background where a meter stands. */
  inquire(meter: Meter): void {
    if (meter.inquired) return
    meter.inquired = true
    this.#giving.add(meter)
    this.#schedule(0, this.now())
  }

  /**
   * Tells the authority what there is to tell, now.
   * @returns whether there was anything
   */
  async flush(): Promise<boolean> {
    if (!this.#underWay) this.#exchange(false)
    const exchange = this.#underWay
    if (exchange) await new Promise<void>((resolve) => this.#onEnd(exchange, resolve))
    return exchange !== undefined || this.#hasWork()
  }

  /** Gives back what is idle, forgets what is over, and lets the authority know that this sidecar lives. */
  sweep(): void {
    const now = this.now()
    this.#sweeper ??= this.#meters.values()
    for (let i = 0; i < sweepSize; i++) {
      const { value: meter, done } = this.#sweeper.next()
      if (done) {
        this.#sweeper = undefined
        break
      }
      this.#tidy(meter, now)
    }
    if (this.#giving.size > 0) this.#schedule(this.#nextFlush(now), now)
    if (now - this.#lastExchangeMs >= heartbeatMs) this.#exchange(true)
  }

  #tidy(meter: Meter, now: number): void {
    const family = this.family(meter.rule)
    if (now >= meter.span.endMs || !family.isCurrent(meter)) {
      // Nobody wants the rest of a period that is over.
      meter.held = 0
      meter.returning = 0
      this.#giving.delete(meter)
      this.#asking.delete(meter)
      if (meter.idle) this.#forget(meter, family)
      return
    }
    const unused = now - meter.lastUsedMs
    if (meter.idle) {
      if (unused >= forgetMs) this.#forget(meter, family)
      return
    }
    const surplus = Math.max(0, unused >= idleMs ? meter.available : meter.surplus(now))
    meter.returning += surplus
    if (surplus > 0 || (meter.held > 0 && now - meter.lastToldMs >= restateMs)) this.#giving.add(meter)
  }

  #forget(meter: Meter, family: MeterFamily): void {
    family.forget(meter)
    this.#meters.delete(meter)
    this.#giving.delete(meter)
    this.#asking.delete(meter)
  }

  /** Forgets the oldest meters that nothing depends on. */
  #makeRoom(now: number): boolean {
    let looked = 0
    for (const meter of this.#meters) {
      if (++looked > sweepSize) break
      if (meter.idle && !this.#waiting.has(meter)) this.#forget(meter, this.family(meter.rule))
      else if (meter.available > 0 && meter.reserved === 0) {
        meter.returning += meter.available
        this.#giving.add(meter)
      }
      if (this.#meters.size < this.#maxMeters * 0.99) break
    }
    if (this.#giving.size > 0) this.#schedule(0, now)
    if (this.#meters.size < this.#maxMeters) {
      this.#fullReported = false
      return true
    }
    if (!this.#fullReported) this.#report({ type: 'meters_full', meters: this.#meters.size })
    this.#fullReported = true
    return false
  }

  #nextFlush(now: number): number {
    return Math.min(flushMs, Math.max(0, this.#lastExchangeMs + flushMs - now))
  }

  /** Has an exchange made after `delay` ms, or sooner where that was intended before. */
  #schedule(delay: number, now: number): void {
    if (this.#closed || this.down) return
    const due = now + delay
    if (this.#timer !== undefined) {
      if (this.#timerDueMs <= due) return
      clearTimeout(this.#timer)
    }
    this.#timerDueMs = due
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#exchange(false)
    }, delay).unref()
  }

  #hasWork(): boolean {
    return this.#pending !== undefined || this.#unsent.size > 0 || this.#asking.size > 0 || this.#giving.size > 0
  }

  /** Makes an exchange if none is under way. @param always even with nothing to say */
  #exchange(always: boolean): void {
    if (this.#underWay || this.#closed || (!always && !this.#hasWork())) return
    const now = this.now()
    if (this.#overdueSinceMs !== undefined && now - this.#overdueSinceMs < hangMs) {
      this.#fail(this.#takeWaiters(this.#waiting.keys()))
      this.#retry()
      return
    }
    const exchange = this.#compose(now)
    this.#underWay = exchange
    this.#latest = exchange
    this.#lastExchangeMs = now
    let answer: Answer | Promise<Answer>
    try {
      const sequence = exchange.batch?.sequence ?? 0
      answer = this.#authority.exchange(this.#call({ leaving: false, sequence, orders: exchange.orders }))
    } catch (error) {
      this.#failed(exchange, error)
      return
    }
    if (answer instanceof Promise) void this.#await(exchange, answer)
    else this.#answered(exchange, answer)
  }

  async #await(exchange: Exchange, answer: Promise<Answer>): Promise<void> {
    const cancel = afterPatience(() => {
      this.#overdueSinceMs = exchange.sentMs
      this.#failed(exchange, new Error(`no answer within ${patienceMs} ms`))
    })
    try {
      const told = await answer
      if (this.#underWay === exchange) this.#answered(exchange, told)
      else if (this.#latest === exchange) this.#late(exchange, told)
    } catch (error) {
      if (this.#underWay === exchange) this.#failed(exchange, error)
      else if (this.#latest === exchange) this.#overdueSinceMs = undefined
    } finally {
      cancel()
    }
  }

  #call(parts: { leaving: boolean; sequence: number; orders: readonly Order[] }) {
    this.#turn++
    return { sidecar: this.#sidecar, turn: this.#turn, ...parts }
  }

  #compose(now: number): Exchange {
    this.#pending ??= this.#seal()
    const meters = new Set<Meter>(this.#pending?.meters)
    for (const source of [this.#waiting.keys(), this.#asking, this.#giving])
      for (const meter of source) {
        if (meters.size >= maxOrders) break
        meters.add(meter)
      }
    const list = [...meters]
    const orders = list.map((meter) => this.#order(meter, now))
    const waiters = this.#takeWaiters(list)
    const returned = list.map(({ returning }) => returning)
    this.#settled = 0
    const sent = { sentMs: now, sentTick: performance.now() }
    return { ...sent, meters: list, orders, returned, batch: this.#pending, waiters }
  }

  #seal(): Batch | undefined {
    if (this.#unsent.size === 0) return undefined
    const meters = new Set<Meter>()
    for (const meter of this.#unsent) {
      if (meters.size >= maxBatch) break
      this.#unsent.delete(meter)
      meter.sending = meter.unsent
      meter.unsent = 0
      meters.add(meter)
    }
    const batch = { sequence: ++this.#sequence, meters }
    const amounts = [...meters].map((meter) => ({ meter, spent: meter.sending }))
    this.#journaled((journal) => journal.seal(batch.sequence, amounts))
    return batch
  }

  #order(meter: Meter, now: number): Order {
    const { id, capacity, sending: spent } = meter
    const over = now >= meter.span.endMs
    const hold = over ? 0 : Math.max(0, meter.held - spent - meter.returning)
    const available = meter.available
    const asked = this.#asking.delete(meter)
    this.#giving.delete(meter)
    // A reservation beyond the lease is covered, whoever waits.
    const need = over ? 0 : Math.max(0, meter.needed - available)
    const ahead = asked && !over && !(meter.rule.ofTree && this.#live > 1)
    const want = !ahead ? need : Math.max(need, meter.plan(now) - available)
    meter.needed = 0
    return { meter: id, capacity, spent, hold, need, want: Math.ceil(want) }
  }

  #answered(exchange: Exchange, answer: Answer): void {
    const wasDown = this.down
    this.#failures = 0
    this.#slow = false
    this.#overdueSinceMs = undefined
    this.#apply(exchange, answer)
    this.#end(exchange)
    if (wasDown) this.#report({ type: 'store_up' })
    for (const waiter of exchange.waiters) if (--waiter.left === 0) waiter.done?.(true)
    const now = this.now()
    // Requests that came while it was under way wait for the next one.
    if (this.#waiting.size > 0) this.#exchange(false)
    else if (this.#hasWork()) this.#schedule(this.#nextFlush(now), now)
  }

  /** An answer for which nobody waited any more still says what is. */
  #late(exchange: Exchange, answer: Answer): void {
    this.#overdueSinceMs = undefined
    this.#failures = 0
    this.#slow = true
    this.#apply(exchange, answer)
  }

  #apply(exchange: Exchange, answer: Answer): void {
    const now = this.now()
    this.#live = Math.max(1, answer.live)
    const sentMs = now - (performance.now() - exchange.sentTick)
    this.#trustedUntilMs = sentMs + trustMs
    this.#lastExchangeMs = sentMs
    const { batch } = exchange
    if (!answer.known) this.#disown(exchange)
    for (let i = 0; i < exchange.meters.length; i++) {
      const meter = exchange.meters[i]!
      const order = exchange.orders[i]!
      const standing = answer.standings[i]
      if (!standing) continue
      meter.held = standing.lease
      meter.returning = Math.max(0, meter.returning - exchange.returned[i]!)
      if (batch?.meters.has(meter)) meter.sending = 0
      meter.spentByAll = standing.spent
      meter.known = true
      meter.lastToldMs = now
      const left = order.capacity - standing.spent - standing.leased
      const empty = left <= 0
      meter.scarce = left < order.capacity * scarceShare && meter.estimated
      meter.emptyUntilMs = empty ? now + this.#pause(meter) : 0
      if (standing.broken && !meter.broken) this.#report({ type: 'meter_broken', key: meter.id.key })
      meter.broken = standing.broken === true
      for (const index of standing.alerts) this.#tellAlert({ meter, id: order.meter, index, spent: standing.spent })
    }
    if (batch && batch === this.#pending) {
      this.#pending = undefined
      this.#journaled((journal) => journal.acknowledged(batch.sequence))
    }
  }

  #pause(meter: Meter): number {
    return meter.spent >= meter.capacity ? usedUpPauseMs : reservedPauseMs
  }

  /** The authority has forgotten this sidecar: all it held may be another's now, and has to be asked for again. */
  #disown(exchange: Exchange): void {
    const told = new Set(exchange.meters)
    for (const meter of this.#meters) {
      if (meter.held === 0 || told.has(meter)) continue
      meter.held = 0
      meter.returning = 0
      this.#giving.add(meter)
    }
  }

  #tellAlert({ meter, id, index, spent }: { meter: JournalMeter; id: MeterId; index: number; spent: number }): void {
    const mark = id.alerts[index]
    if (!mark) return
    const share = meter.capacity > 0 ? spent / meter.capacity : 1
    const { subject, rule, span } = meter
    this.#alert({ budget: rule.name, subject, share, threshold: mark.threshold, period: span.label })
  }

  #failed(exchange: Exchange, error: unknown): void {
    const wasDown = this.down
    this.#failures++
    for (const meter of exchange.meters) if (meter.returning > 0) this.#giving.add(meter)
    this.#end(exchange)
    if (!wasDown) this.#report({ type: 'store_down', error })
    this.#fail(exchange.waiters)
    this.#fail(this.#takeWaiters(this.#waiting.keys()))
    this.#retry()
  }

  #fail(waiters: readonly Waiter[]): void {
    for (const waiter of waiters) {
      waiter.failed = true
      waiter.done?.(false)
    }
  }

  #retry(): void {
    if (this.#closed) return
    clearTimeout(this.#timer)
    const delay = retryMs[Math.min(Math.max(1, this.#failures), retryMs.length) - 1]!
    this.#timerDueMs = this.now() + delay
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#exchange(true)
    }, delay).unref()
  }

  #takeWaiters(meters: Iterable<Meter>): Waiter[] {
    const taken: Waiter[] = []
    for (const meter of [...meters]) {
      meter.needed = 0
      const waiters = this.#waiting.get(meter)
      if (!waiters) continue
      taken.push(...waiters)
      this.#waiting.delete(meter)
    }
    return taken
  }

  #onEnd(exchange: Exchange, done: () => void): void {
    this.#ends.set(exchange, [...(this.#ends.get(exchange) ?? []), done])
  }

  #end(exchange: Exchange): void {
    if (this.#underWay === exchange) this.#underWay = undefined
    const ends = this.#ends.get(exchange)
    this.#ends.delete(exchange)
    for (const done of ends ?? []) done()
  }

  /** Tells what earlier processes left in the journal, in their names, so that nothing is counted twice. */
  async #recover(): Promise<void> {
    for (const legacy of this.#journal?.replay() ?? []) {
      const { sidecar, batches } = legacy
      const turn = legacyTurn
      for (const { sequence, amounts } of batches) {
        const orders = amounts.map(({ meter, spent }) => ({
          ...{ meter: meter.id, capacity: meter.capacity, spent },
          ...{ hold: 0, need: 0, want: 0 },
        }))
        const answer = await this.#insist({ sidecar, turn, sequence, leaving: false, orders })
        if (!answer) return
        for (const [i, { alerts, spent }] of answer.standings.entries()) {
          const { meter } = amounts[i]!
          for (const index of alerts) this.#tellAlert({ meter, id: meter.id, index, spent })
        }
      }
      if (!(await this.#insist({ sidecar, turn, sequence: 0, leaving: true, orders: [] }))) return
      legacy.done()
    }
  }

  /** @returns undefined when the ledger was closed before there was an answer */
  async #insist(call: Parameters<Authority['exchange']>[0]): Promise<Answer | undefined> {
    while (!this.#closed) {
      try {
        return await this.#authority.exchange(call)
      } catch {
        await new Promise((resolve) => setTimeout(resolve, retryMs.at(-1)).unref())
      }
    }
    return undefined
  }

  /** A journal that fails must not fail requests. */
  #journaled(act: (journal: Journal) => void): void {
    if (!this.#journal) return
    try {
      act(this.#journal)
    } catch (error) {
      this.#report({ type: 'journal_failed', error })
    }
  }
}

/**
 * Does something when the patience with the authority is at an end. A process that was busy all that time looks first
 * whether the answer has come meanwhile: timers run before sockets are read, immediates after.
 * @returns undoes it
 */
function afterPatience(act: () => void): () => void {
  let immediate: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    immediate = setImmediate(act)
  }, patienceMs)
  return () => {
    clearTimeout(timer)
    clearImmediate(immediate)
  }
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('too late')), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
