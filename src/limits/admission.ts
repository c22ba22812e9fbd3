import type { Headers } from './headers.ts'
import type { MeterKind, MeterSection } from './rules.ts'

/** What a request may use up: an estimate before it, the true amount after it. */
export interface Use {
  /** Prompt and completion tokens. */
  readonly tokens: number
  /** Billionths of a US dollar. */
  readonly nanoUsd: number
}

/** What was reserved for one request. */
export interface Ticket {
  /** The limits and budgets that count it, by their paths: `limits.rpm`. */
  readonly rules: readonly string[]
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
      /** When the time of the tree that the request is part of is over: it is cut off then. */
      readonly deadline?: Deadline | undefined
    }
  | Refusal
  /** A budget is used up, and says that another model is to answer. */
  | { readonly type: 'downgrade'; readonly model: string; readonly budget: string }

/** Which limit or budget has no room, for whom, and when it has again. */
export interface Refusal {
  readonly type: 'refused'
  /** The name in the rules; of what a tree may spend: what of it. */
  readonly rule: string
  /** `tree`: what all that comes of one task may spend. */
  readonly kind: MeterSection
  readonly unit: MeterKind | 'time'
  /** Whose count it is: the values of `by`, joined with `/`; empty: everyone's. */
  readonly subject: string
  /** Whole units; nano-US-dollars for `usd`, seconds for `time`. */
  readonly capacity: number
  /** Milliseconds; Infinity: never by itself. */
  readonly opensInMs: number
  /** Used up, reserved by requests under way, or the store cannot tell. */
  readonly why: 'used_up' | 'reserved' | 'store'
  readonly headers: Headers
}

/** When a request must be over, and what it is told then. */
export interface Deadline {
  /** Unix milliseconds, by the clock that counts go by. */
  readonly atMs: number
  /** From when it was admitted until then, ms. */
  readonly inMs: number
  readonly refusal: Refusal
}
