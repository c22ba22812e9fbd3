import type { UsageEntry } from './entry.ts'

/** What usage can be added up by. */
export const dimensions = ['organization', 'team', 'user', 'key', 'model', 'provider'] as const
export type Dimension = (typeof dimensions)[number]

/** What is added up. */
export const counters = ['requests', 'input', 'output', 'cached', 'reasoning', 'nanoUsd'] as const
export type Counter = (typeof counters)[number]
export type Counts = Record<Counter, number>

/** Counts of one day, by `groupOf`. */
export type Rollup = Map<string, Counts>

const escaped = (text: string | undefined) => {
  if (text === undefined) return ''
  return /[%|#]/.test(text) ? text.replace(/[%|#]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`) : text
}
const plain = (text: string) =>
  text.replace(/%([0-9a-f]{2})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16)))

/** The values of all dimensions in one text, in their order. */
export function groupOf({
  organization,
  team,
  user,
  key,
  model,
  provider,
}: { readonly [K in Dimension]?: string | undefined }): string {
  return `${escaped(organization)}|${escaped(team)}|${escaped(user)}|${escaped(key)}|${escaped(model)}|${escaped(provider)}`
}

/** @returns undefined where the text is none */
export function readGroup(group: string): Record<Dimension, string> | undefined {
  const values = group.split('|')
  if (values.length !== dimensions.length) return undefined
  return Object.fromEntries(dimensions.map((dimension, index) => [dimension, plain(values[index]!)])) as Record<
    Dimension,
    string
  >
}

/** The day of a moment, by UTC: `2026-11-23`. */
export function dayOf(ms: number): string {
  const day = Math.floor(ms / 86_400_000)
  if (day !== lastDay) {
    lastDay = day
    lastText = new Date(ms).toISOString().slice(0, 10)
  }
  return lastText
}

/** Nearly always the same one. */
let lastDay = Number.NaN
let lastText = ''

/** Adds an entry to the counts of its day and group. */
export function addTo(days: Map<string, Rollup>, entry: UsageEntry): void {
  const counts = countsOf(rollupOf(days, dayOf(entry.time)), groupOf(entry))
  counts.requests++
  counts.input += entry.input
  counts.output += entry.output
  counts.cached += entry.cached
  counts.reasoning += entry.reasoning
  counts.nanoUsd += entry.nanoUsd
}

/** Adds counts to others. */
export function addCounts(counts: Counts, more: Counts): void {
  for (const counter of counters) counts[counter] += more[counter]
}

/** @returns a day's rollup, made where there is none */
export function rollupOf(days: Map<string, Rollup>, day: string): Rollup {
  let rollup = days.get(day)
  if (!rollup) {
    rollup = new Map()
    days.set(day, rollup)
  }
  return rollup
}

/** @returns the counts of a group, made where there are none */
export function countsOf(rollup: Rollup, group: string): Counts {
  let counts = rollup.get(group)
  if (!counts) {
    counts = { requests: 0, input: 0, output: 0, cached: 0, reasoning: 0, nanoUsd: 0 }
    rollup.set(group, counts)
  }
  return counts
}

/** A question to the books. */
export interface UsageQuery {
  /** Days, both included: `2026-11-01`. */
  readonly from: string
  readonly to: string
  /** What the rows are told apart by. */
  readonly by: readonly (Dimension | 'day')[]
  /** Only what has these values. */
  readonly only?: Partial<Record<Dimension, string>>
}

export interface UsageRow extends Counts {
  /** The values of `by`, in its order. */
  readonly group: readonly string[]
}

/** Adds up days as the query wants them. @returns rows, the dearest first */
export function summarize(
  days: Iterable<readonly [day: string, rollup: Rollup]>,
  { by, only = {} }: UsageQuery,
): UsageRow[] {
  const rows = new Map<string, { group: string[] } & Counts>()
  for (const [day, rollup] of days)
    for (const [text, counts] of rollup) {
      const values = readGroup(text)
      if (
        !values ||
        dimensions.some((dimension) => only[dimension] !== undefined && only[dimension] !== values[dimension])
      )
        continue
      const group = by.map((each) => (each === 'day' ? day : values[each]))
      const id = JSON.stringify(group)
      const row = rows.get(id) ?? { group, requests: 0, input: 0, output: 0, cached: 0, reasoning: 0, nanoUsd: 0 }
      for (const counter of counters) row[counter] += counts[counter]
      rows.set(id, row)
    }
  return [...rows.values()].sort(
    (a, b) => b.nanoUsd - a.nanoUsd || b.requests - a.requests || (a.group.join() < b.group.join() ? -1 : 1),
  )
}

const longestSpan = 400

/** @throws {RangeError} where the query's days are none, or too many */
export function daysOf({ from, to }: Pick<UsageQuery, 'from' | 'to'>): string[] {
  const [start, end] = [Date.parse(`${from}T00:00:00Z`), Date.parse(`${to}T00:00:00Z`)]
  if (!/^\d{4}-\d\d-\d\d$/.test(from) || !/^\d{4}-\d\d-\d\d$/.test(to) || Number.isNaN(start) || Number.isNaN(end))
    throw new RangeError('Days are written 2026-11-23.')
  const count = (end - start) / 86_400_000 + 1
  if (count < 1 || count > longestSpan) throw new RangeError(`The days must be in order, and at most ${longestSpan}.`)
  return Array.from({ length: count }, (_, index) => dayOf(start + index * 86_400_000))
}
