/** A period by UTC. `total` never ends; `now` is for what is counted only while it lasts (slots). */
export type Period = 'minute' | 'hour' | 'day' | 'week' | 'month' | 'total' | 'now'

export interface Span {
  /** Unix milliseconds, included. */
  readonly startMs: number
  /** Unix milliseconds, not included; Infinity for `total` and `now`. */
  readonly endMs: number
  /** The start as keys hold it: `2026-11-23T19:05`, `2026-11-23T19`, `2026-11-23`, `2026-11`, or `-` without one. */
  readonly label: string
}

const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
/** 1970-01-01 was a Thursday; the Monday before it. */
const firstMonday = -3 * day

/** @returns the span of the period that a moment (Unix milliseconds) lies in; weeks begin on Monday */
export function spanAt(period: Period, nowMs: number): Span {
  switch (period) {
    case 'minute':
      return regular(nowMs, minute, 0, 16)
    case 'hour':
      return regular(nowMs, hour, 0, 13)
    case 'day':
      return regular(nowMs, day, 0, 10)
    case 'week':
      return regular(nowMs, 7 * day, firstMonday, 10)
    case 'month': {
      const now = new Date(nowMs)
      const startMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth())
      const endMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1)
      return { startMs, endMs, label: new Date(startMs).toISOString().slice(0, 7) }
    }
    case 'total':
    case 'now':
      return { startMs: Number.NEGATIVE_INFINITY, endMs: Number.POSITIVE_INFINITY, label: '-' }
  }
}

function regular(nowMs: number, length: number, origin: number, digits: number): Span {
  const startMs = Math.floor((nowMs - origin) / length) * length + origin
  return { startMs, endMs: startMs + length, label: new Date(startMs).toISOString().slice(0, digits) }
}
