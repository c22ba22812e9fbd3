import type { Batch, Books } from './books.ts'
import type { DecisionEntry } from './entry.ts'
import { readLine } from './entry-line.ts'
import {
  addCounts,
  countsOf,
  daysOf,
  groupOf,
  type Rollup,
  readGroup,
  rollupOf,
  summarize,
  type UsageQuery,
  type UsageRow,
} from './rollup.ts'
import { idsOf, mostCalls, type TreeCall } from './tree-call.ts'

/** Of the last decisions, so much text is kept: some 20,000 of them. */
const mostBytes = 10 * 1024 * 1024
const mostDays = 62
/** Groups of one day; more are added to nobody's. */
const mostGroups = 50_000

/** Usage and decisions in this process's memory: the last days and decisions, gone with the process. */
export class MemoryBooks implements Books {
  readonly #days = new Map<string, Rollup>()
  /** Decisions are rarely asked for: until then they are the text that came. */
  readonly #lines: Uint8Array[] = []
  #bytes = 0
  readonly #calls: TreeCall[] = []
  readonly #last = new Map<string, number>()

  write({ sidecar, sequence, lines, days, calls }: Batch): Promise<void> {
    if (sequence <= (this.#last.get(sidecar) ?? 0)) return Promise.resolve()
    this.#last.set(sidecar, sequence)
    this.#lines.push(lines)
    this.#bytes += lines.length
    while (this.#bytes > mostBytes && this.#lines.length > 1) this.#bytes -= this.#lines.shift()!.length
    for (const [day, rollup] of days) this.#add(day, rollup)
    this.#calls.push(...calls)
    if (this.#calls.length > 2 * mostCalls) this.#calls.splice(0, this.#calls.length - mostCalls)
    return Promise.resolve()
  }

  calls(id: string): Promise<TreeCall[]> {
    const named = this.#calls.filter((call) => call.tree === id || idsOf(call).includes(id))
    const trees = new Set(named.map(({ tree }) => tree))
    return Promise.resolve(this.#calls.filter(({ tree }) => trees.has(tree)))
  }

  usage(query: UsageQuery): Promise<UsageRow[]> {
    const days = daysOf(query).flatMap((day) => {
      const rollup = this.#days.get(day)
      return rollup ? [[day, rollup] as const] : []
    })
    return Promise.resolve(summarize(days, query))
  }

  decision(requestId: string): Promise<DecisionEntry | undefined> {
    for (const decision of this.#newestFirst(requestId))
      if (decision.requestId === requestId) return Promise.resolve(decision)
    return Promise.resolve(undefined)
  }

  decisions({ limit, refusedOnly = false }: { limit: number; refusedOnly?: boolean }): Promise<DecisionEntry[]> {
    const found: DecisionEntry[] = []
    for (const decision of this.#newestFirst()) {
      if (found.length >= limit) break
      if (!refusedOnly || decision.attempts === undefined) found.push(decision)
    }
    return Promise.resolve(found)
  }

  /** @param word what those looked for hold */
  *#newestFirst(word = ''): Iterable<DecisionEntry> {
    for (const lines of this.#lines.toReversed())
      for (const line of Buffer.from(lines).toString().split('\n').reverse()) {
        const entry = line.includes(word) ? readLine(line) : undefined
        if (entry) yield entry
      }
  }

  #add(day: string, rollup: Rollup): void {
    const own = rollupOf(this.#days, day)
    if (this.#days.size > mostDays) this.#days.delete([...this.#days.keys()].sort()[0]!)
    for (const [group, amounts] of rollup) {
      const full = own.size >= mostGroups && !own.has(group)
      addCounts(countsOf(own, full ? otherOf(group) : group), amounts)
    }
  }
}

/** What the rest of a day is counted as when there are too many groups. */
function otherOf(group: string): string {
  const { organization, team } = readGroup(group) ?? {}
  return groupOf({ organization: organization ?? '', team: team ?? '', model: '(others)' })
}
