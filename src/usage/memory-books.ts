import type { Batch, Books } from './books.ts'
import type { DecisionEntry } from './entry.ts'
import { addTo, dayOf, daysOf, type Rollup, summarize, type UsageQuery, type UsageRow } from './rollup.ts'

const mostDecisions = 10_000
const mostDays = 62
/** Groups of one day; more are added to nobody's. */
const mostGroups = 50_000

/** Usage and decisions in this process's memory: the last days and decisions, gone with the process. */
export class MemoryBooks implements Books {
  readonly #days = new Map<string, Rollup>()
  readonly #decisions: DecisionEntry[] = []
  readonly #last = new Map<string, number>()

  write({ sidecar, sequence, entries }: Batch): Promise<void> {
    if (sequence <= (this.#last.get(sidecar) ?? 0)) return Promise.resolve()
    this.#last.set(sidecar, sequence)
    for (const { usage, decision } of entries) {
      this.#decisions.push(decision)
      if (!usage) continue
      const rollup = this.#day(dayOf(usage.time))
      addTo(
        rollup,
        rollup.size < mostGroups
          ? usage
          : { ...usage, user: undefined, key: undefined, model: '(others)', team: usage.team },
      )
    }
    if (this.#decisions.length > 2 * mostDecisions) this.#decisions.splice(0, this.#decisions.length - mostDecisions)
    return Promise.resolve()
  }

  usage(query: UsageQuery): Promise<UsageRow[]> {
    const days = daysOf(query).flatMap((day) => {
      const rollup = this.#days.get(day)
      return rollup ? [[day, rollup] as const] : []
    })
    return Promise.resolve(summarize(days, query))
  }

  decision(requestId: string): Promise<DecisionEntry | undefined> {
    return Promise.resolve(this.#decisions.findLast((decision) => decision.requestId === requestId))
  }

  decisions({ limit, refusedOnly = false }: { limit: number; refusedOnly?: boolean }): Promise<DecisionEntry[]> {
    const wanted = refusedOnly ? this.#decisions.filter(({ attempts }) => attempts === undefined) : this.#decisions
    return Promise.resolve(wanted.slice(-limit).reverse())
  }

  #day(day: string): Rollup {
    let rollup = this.#days.get(day)
    if (!rollup) {
      rollup = new Map()
      this.#days.set(day, rollup)
      if (this.#days.size > mostDays) this.#days.delete([...this.#days.keys()].sort()[0]!)
    }
    return rollup
  }
}
