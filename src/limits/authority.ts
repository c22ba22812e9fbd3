/**
 * Who owns the true counts of meters. A sidecar deals with it in exchanges: it tells what was spent and how much of its
 * lease it keeps, asks for more, and learns where each meter stands. An exchange states, it does not add: what is held
 * is told anew each time, so a lost answer or a repeated call leaves nothing wrong. Only what was spent is an addition,
 * and it is counted once by the sidecar's sequence number.
 */
export interface Authority {
  /** Unix milliseconds by the authority's clock. Windows follow this clock, never the machine's own. */
  now(): number
  /**
   * Deals with a batch of meters, all or none.
   * @returns at once where no one has to be asked over a network
   * @throws or rejects when the authority cannot be asked; whether it took the batch is then unknown
   */
  exchange(call: Call): Answer | Promise<Answer>
}

export interface Call {
  /** Which sidecar calls; another one after each start. */
  readonly sidecar: string
  /** Rises with each call; a call that arrives after a later one changes nothing. */
  readonly turn: number
  /** The number of the batch whose `spent` the orders tell; 0 when they tell nothing. Counted once. */
  readonly sequence: number
  /** The sidecar goes, and with it all it has on lease. */
  readonly leaving: boolean
  readonly orders: readonly Order[]
}

/** What a sidecar has to say and asks about one meter. Amounts are whole units, none negative. */
export interface Order {
  readonly meter: MeterId
  readonly capacity: number
  /** To be added to what was spent, once for each sequence number. */
  readonly spent: number
  /** How much of the lease is kept once `spent` is told: the rest goes back. */
  readonly hold: number
  /** What requests wait for. */
  readonly need: number
  /** What would be good to have, `need` included. */
  readonly want: number
}

/** A meter's identity, and what an authority must know to keep and to forget it. */
export interface MeterId {
  /** Unique: the rule, the period's start, the subject. */
  readonly key: string
  /**
   * The end of its period, Unix milliseconds: an hour later it may be forgotten. Infinity: it is never forgotten.
   * Undefined: it has no period, and may be forgotten an hour after it was last told of.
   */
  readonly endMs: number | undefined
  /** Where spending it up is told, ascending. */
  readonly alerts: readonly AlertMark[]
}

export interface AlertMark {
  /** A share of the capacity. */
  readonly threshold: number
}

export interface Answer {
  /** How many sidecars are at work, this one included. */
  readonly live: number
  /** False: the authority had not heard of the sidecar, so leases it was given before may have gone to others. */
  readonly known: boolean
  /** One for each order, in order. */
  readonly standings: readonly Standing[]
}

/** Where a meter stands after an exchange. */
export interface Standing {
  /** What this sidecar has on lease and has not told to be spent. */
  readonly lease: number
  /** Spent by all, as far as told. */
  readonly spent: number
  /** On lease to all. */
  readonly leased: number
  /** Indexes of the alerts that are this sidecar's to tell. */
  readonly alerts: readonly number[]
  /** The authority cannot count this meter: what it stores under the key is something else. */
  readonly broken?: boolean
}

/** How long a sidecar may be silent before its leases go to others. */
export const leaseMs = 30_000
/** How long a sidecar itself trusts its leases without an answer: less, so that it never uses what is another's. */
export const trustMs = 25_000
/** The turn of calls in the name of a sidecar that is no more: it is not counted as being at work. */
export const legacyTurn = Number.MAX_SAFE_INTEGER
/** How long counts are kept after their period, for requests that began in it. */
export const graceMs = 3_600_000

/**
 * How much an order gets: about what it wants, at least what it needs, but no more than a fair part while there is
 * enough for all. Leases shrink as the end comes near, and little is stranded where nobody asks for it.
 * `lease.lua` computes the same.
 * @param free units that are neither spent nor on lease to others
 * @param live sidecars at work
 * @returns the sidecar's lease
 */
export function leaseFor(order: Pick<Order, 'hold' | 'need' | 'want'>, free: number, live: number): number {
  const kept = Math.min(order.hold, Math.max(0, free))
  const left = free - kept
  if (order.want <= 0 || left <= 0) return kept
  const part = Math.floor(left / (2 * Math.max(1, live)))
  return kept + Math.min(left, order.want, Math.max(order.need, part))
}

/** @returns the amount at which an alert is due: the least whole number that is not under the threshold */
export function alertAt(mark: AlertMark, capacity: number): number {
  // A product such as 0.1 × 30 is a little more than 3.
  return Math.ceil(mark.threshold * capacity - 1e-6)
}
