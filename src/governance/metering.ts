/** What a request may use up: an estimate before it, the true amount after it. */
export interface Amount {
  /** Prompt and completion tokens. */
  readonly tokens: number
  /** Billionths of a US dollar: whole numbers, so that sums are exact. */
  readonly nanoUsd: number
}

/** What was reserved for one request. */
export interface Ticket {
  /** Gives back what was reserved and counts what was used. Idempotent. */
  settle(used: Amount): void
}

/** Whether limits and budgets have room for a request. */
export type Admission =
  | {
      type: 'admitted'
      ticket: Ticket
      /** For the answer: x-ratelimit-*. */
      headers: readonly [name: string, value: string][]
    }
  | Refusal
  /** A budget is used up, and says that another model is to answer. */
  | { type: 'downgrade'; model: string; budget: string }

/** Which limit or budget has no room, for whom, and when it has again. */
export interface Refusal {
  type: 'refused'
  /** The name in the rules. */
  rule: string
  kind: 'limit' | 'budget'
  unit: 'requests' | 'tokens' | 'concurrent' | 'usd'
  /** Whose count it is: the values of `by`, joined with `/`; empty: everyone's. */
  subject: string
  capacity: number
  /** Milliseconds; Infinity: never by itself. */
  opensInMs: number
  /** Used up, reserved by requests under way, or the store cannot tell. */
  why: 'used_up' | 'reserved' | 'store'
  headers: readonly [name: string, value: string][]
}
