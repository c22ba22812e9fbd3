import type { DecisionEntry, Entry } from './entry.ts'
import type { UsageQuery, UsageRow } from './rollup.ts'

/** A numbered piece of one sidecar's entries: however often it is told, it is counted once. */
export interface Batch {
  readonly sidecar: string
  /** Rises by one with each batch of the sidecar. */
  readonly sequence: number
  readonly entries: readonly Entry[]
  /** The same as lines (`lineOf`), where they are at hand. */
  readonly lines?: Uint8Array | undefined
}

/** Where usage and decisions are kept. */
export interface Books {
  /** Counts a batch, once. Rejects where the books cannot be reached. */
  write(batch: Batch): Promise<void>
  /** @throws {RangeError} where the query is none */
  usage(query: UsageQuery): Promise<UsageRow[]>
  /** What was decided about a request, as long as it is kept. */
  decision(requestId: string): Promise<DecisionEntry | undefined>
  /** The newest first. */
  decisions(options: { limit: number; refusedOnly?: boolean }): Promise<DecisionEntry[]>
}
