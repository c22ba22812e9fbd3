import type { Headers } from './headers.ts'
import type { MeterKind } from './rules.ts'

/** What a request may use up: an estimate before it, the true amount after it. */
export interface Use {
  /** Prompt and completion tokens. */
  readonly tokens: number
  /** Billionths of a US dollar. */
  readonly nanoUsd: number
}

/** What was reserved for one request. */
export interface Ticket {
  /** Gives back what was reserved, slots included, and counts what was used. Only the first call does anything. */
  settle(used: Use): void
}

/** Whether limits and budgets have room for a request. */
export type Admission =
  | {
      readonly type: 'admitted'
      readonly ticket: Ticket
      /** For the answer: x-ratelimit-*. */
      readonly headers: Headers
    }
  | Refusal
  /** A budget is used up, and says that another model is to answer. */
  | { readonly type: 'downgrade'; readonly model: string; readonly budget: string }

/** Which limit or budget has no room, for whom, and when it has again. */
export interface Refusal {
  readonly type: 'refused'
  /** The name in the rules. */
  readonly rule: string
  readonly kind: 'limit' | 'budget'
  readonly unit: MeterKind
  /** Whose count it is: the values of `by`, joined with `/`; empty: everyone's. */
  readonly subject: string
  /** Whole units; nano-US-dollars for `usd`. */
  readonly capacity: number
  /** Milliseconds; Infinity: never by itself. */
  readonly opensInMs: number
  /** Used up, reserved by requests under way, or the store cannot tell. */
  readonly why: 'used_up' | 'reserved' | 'store'
  readonly headers: Headers
}
