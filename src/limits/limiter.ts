import type { TreeBudget } from '../identity/identity.ts'
import type { Facts } from '../policy/facts.ts'
import type { Admission, Deadline, Refusal, Ticket, Use } from './admission.ts'
import { rateLimitHeaders } from './headers.ts'
import type { Ledger } from './ledger.ts'
import type { Meter, MeterFamily } from './meter.ts'
import { type CompiledMeterRule, type MeterKind, maxAmount } from './rules.ts'
import { treeRules, treeSubject } from './tree-rules.ts'

/** When a request is refused for what others have reserved, it is worth another try after this. */
const reservedOpensMs = 1_000
/** A request asks again so often when others took what it had asked for. */
const maxRounds = 3

interface Metered {
  readonly rule: CompiledMeterRule
  readonly family: MeterFamily
}

/**
 * The limits and budgets of one revision of the rules, over counts that outlive it: where a rule goes on counting the
 * same, its counts go on.
 */
export class Limiter {
  readonly #ledger: Ledger
  readonly #rules: readonly Metered[]
  readonly #budgets = new Map<string, Metered>()
  readonly #treeFamilies: readonly MeterFamily[]

  constructor(ledger: Ledger, rules: readonly CompiledMeterRule[]) {
    this.#ledger = ledger
    this.#rules = rules.map((rule) => ({ rule, family: ledger.family(rule) }))
    this.#treeFamilies = treeRules.map((rule) => ledger.family(rule))
    for (const metered of this.#rules)
      if (metered.rule.section === 'budget') this.#budgets.set(metered.rule.name, metered)
  }

  /** Whether there is any limit or budget. */
  get metered(): boolean {
    return this.#rules.length > 0
  }

  /**
   * Reserves what a request may use in every limit and budget that is for it: all of them, or none.
   * @param estimate what the request may use; asked for only where something counts it
   * @param mayDowngrade false: the request has been given the cheaper model already, and budgets that say so count it
   *   however much it is
   * @returns at once where this sidecar has enough on lease; else within 100 ms
   */
  admit(facts: Facts, estimate: () => Use, mayDowngrade = true): Admission | Promise<Admission> {
    const ledger = this.#ledger
    const now = ledger.now()
    const attempt = new Attempt(ledger, mayDowngrade)
    let use: Use | undefined
    for (const { rule, family } of this.#rules) {
      if (!rule.applies(facts)) continue
      const subject = rule.subject(facts)
      if (subject === undefined) continue
      if (rule.kind === 'tokens' || rule.kind === 'usd') use ??= estimate()
      const meter = ledger.meter(family, rule, subject, now)
      if (meter) attempt.add(meter, rule, amountOf(rule.kind, use))
      else if (rule.onStoreFailure !== 'allow') return unmetered(rule, subject)
    }
    const budgets = facts.identity.delegation?.budgets
    if (budgets === undefined || budgets.length === 0) return attempt.run(now, 0)
    const deadline = deadlineOf(budgets, now)
    if (deadline && deadline.inMs <= 0) return deadline.refusal
    attempt.deadline = deadline
    for (const [index, rule] of treeRules.entries()) {
      if (!rule.applies(facts)) continue
      for (const budget of budgets) {
        const capacity = rule.amount(budget)
        if (capacity === undefined) continue
        if (rule.kind === 'tokens' || rule.kind === 'usd') use ??= estimate()
        const subject = treeSubject(budget, capacity)
        const meter = ledger.meter(this.#treeFamilies[index]!, rule, subject, now)
        if (!meter) return { ...unmetered(rule, subject), subject: whose(budget) }
        attempt.add(meter, rule, amountOf(rule.kind, use), whose(budget))
      }
    }
    return attempt.run(now, 0)
  }

  /**
   * @returns the share of a budget that those it counts this request with have spent, as far as this sidecar knows: 0
   *   for a budget that is not for the request, and for one that it has not heard of yet, which it then asks about
   */
  spent(budget: string, facts: Facts): number {
    const metered = this.#budgets.get(budget)
    if (!metered?.rule.applies(facts)) return 0
    const subject = metered.rule.subject(facts)
    if (subject === undefined) return 0
    const now = this.#ledger.now()
    const meter = this.#ledger.meter(metered.family, metered.rule, subject, now)
    if (!meter) return 0
    if (!meter.known) this.#ledger.inquire(meter)
    return meter.capacity > 0 ? meter.spent / meter.capacity : 1
  }
}

/** One request's way through its meters. Once admitted it is the request's ticket. */
class Attempt implements Ticket {
  readonly #ledger: Ledger
  readonly #mayDowngrade: boolean
  readonly #meters: Meter[] = []
  readonly #rules: CompiledMeterRule[] = []
  readonly #amounts: number[] = []
  /** Whose the counts of trees are, for people. */
  readonly #whose = new Map<Meter, string>()
  deadline: Deadline | undefined
  /** How many of the meters hold a reservation: the first ones. */
  #reserved = 0
  #settled = false

  constructor(ledger: Ledger, mayDowngrade: boolean) {
    this.#ledger = ledger
    this.#mayDowngrade = mayDowngrade
  }

  add(meter: Meter, rule: CompiledMeterRule, amount: number, whose?: string): void {
    if (whose !== undefined) this.#whose.set(meter, whose)
    this.#meters.push(meter)
    this.#rules.push(rule)
    this.#amounts.push(amount)
  }

  run(now: number, round: number, storeFailed = false): Admission | Promise<Admission> {
    const ledger = this.#ledger
    while (this.#reserved < this.#meters.length) {
      const meter = this.#meters[this.#reserved]!
      const rule = this.#rules[this.#reserved]!
      const mayOverdraw = !this.#mayDowngrade && rule.downgrade !== undefined
      if (!mayOverdraw && !(meter.available > 0 && ledger.trusts(now))) {
        const failed = storeFailed || ledger.down || meter.broken
        if (failed) {
          if (!this.#passesWithoutStore(meter, rule)) return this.#refuse(meter, rule, now, true)
        } else {
          // One that had nothing left a moment ago is not asked again for each request.
          if (meter.capacity === 0 || now < meter.emptyUntilMs || round >= maxRounds)
            return this.#refuse(meter, rule, now, false)
          return this.#ask(now, round)
        }
      }
      meter.reserve(this.#amounts[this.#reserved]!, now)
      this.#reserved++
      ledger.reserved(meter, now)
    }
    const { headers } = this.#headers(now)
    return { type: 'admitted', ticket: this, headers, deadline: this.deadline }
  }

  get rules(): readonly string[] {
    return this.#rules.map(({ path }) => path)
  }

  settle(used: Use): void {
    if (this.#settled) return
    this.#settled = true
    const spent = this.#meters.map(({ rule }) => (rule.kind === 'concurrent' ? 0 : amountOf(rule.kind, used)))
    this.#ledger.settle(this.#meters, this.#amounts, spent)
  }

  /** Asks for everything that lacks at once, so that a request with several short meters waits once. */
  #ask(now: number, round: number): Admission | Promise<Admission> {
    const meters: Meter[] = []
    const needs: number[] = []
    for (let i = this.#reserved; i < this.#meters.length; i++) {
      const meter = this.#meters[i]!
      if (meter.available > 0 && this.#ledger.trusts(now)) continue
      meters.push(meter)
      needs.push(this.#amounts[i]!)
    }
    const asked = this.#ledger.ask(meters, needs)
    if (typeof asked === 'boolean') return this.run(now, round + 1, !asked)
    return asked.then((answered) => {
      const later = this.#ledger.now()
      this.#renew(later)
      return this.run(later, round + 1, !answered)
    })
  }

  /** A period may have ended while the request waited, or the clock may have been set. */
  #renew(now: number): void {
    for (let i = this.#reserved; i < this.#meters.length; i++) {
      const { span, subject } = this.#meters[i]!
      if (now < span.endMs) continue
      const rule = this.#rules[i]!
      this.#meters[i] = this.#ledger.meter(this.#ledger.family(rule), rule, subject, now) ?? this.#meters[i]!
    }
  }

  #passesWithoutStore(meter: Meter, rule: CompiledMeterRule): boolean {
    switch (rule.onStoreFailure) {
      case 'allow':
        return true
      case 'deny':
        return false
      case 'local':
        return meter.localShare(this.#ledger.live) > 0
    }
  }

  #refuse(meter: Meter, rule: CompiledMeterRule, now: number, storeFailed: boolean): Admission {
    for (let i = 0; i < this.#reserved; i++) this.#meters[i]!.release(this.#amounts[i]!)
    this.#reserved = 0
    this.#ledger.unused(this.#meters)
    if (rule.downgrade !== undefined && !storeFailed)
      return { type: 'downgrade', model: rule.downgrade, budget: rule.name }
    const usedUp = meter.capacity === 0 || meter.spent >= meter.capacity
    const toEnd = meter.span.endMs - now
    const why = storeFailed ? 'store' : usedUp ? 'used_up' : 'reserved'
    const opensInMs = why === 'used_up' ? Math.max(0, toEnd) : Math.min(reservedOpensMs, Math.max(0, toEnd))
    const subject = this.#whose.get(meter) ?? meter.subject
    return { ...refusal(rule, subject, meter.capacity, why, opensInMs), ...this.#headers(now) }
  }

  #headers(now: number) {
    return { headers: rateLimitHeaders(this.#meters, now) }
  }
}

/** Too many meters are in use to count for one more subject. */
function unmetered(rule: CompiledMeterRule, subject: string): Refusal {
  return refusal(rule, subject, rule.capacity(subject), 'store', reservedOpensMs)
}

function refusal(
  rule: CompiledMeterRule,
  subject: string,
  capacity: number,
  why: Refusal['why'],
  opensInMs: number,
): Refusal {
  const { name, section: kind, kind: unit } = rule
  return { type: 'refused', rule: name, kind, unit, subject, capacity, opensInMs, why, headers: [] }
}

/** The first moment at which the time of one of the budgets is over. */
function deadlineOf(budgets: readonly TreeBudget[], now: number): Deadline | undefined {
  let first: TreeBudget | undefined
  for (const budget of budgets)
    if (budget.until !== undefined && (first?.until === undefined || budget.until < first.until)) first = budget
  if (first?.until === undefined) return undefined
  return {
    atMs: first.until,
    inMs: first.until - now,
    refusal: {
      type: 'refused',
      rule: 'time',
      kind: 'tree',
      unit: 'time',
      subject: whose(first),
      capacity: first.time ?? 0,
      opensInMs: Number.POSITIVE_INFINITY,
      why: 'used_up',
      headers: [],
    },
  }
}

const whose = ({ id, by }: TreeBudget) => `${id}, opened by ${by}`

/** @returns whole units: what comes from outside may be anything */
function amountOf(kind: MeterKind, use: Use | undefined): number {
  if (kind === 'requests' || kind === 'concurrent') return 1
  const amount = Math.ceil((kind === 'tokens' ? use?.tokens : use?.nanoUsd) ?? 0)
  return amount > 0 ? Math.min(amount, maxAmount) : 0
}
