import type { DecisionEntry } from './entry.ts'
import type { Rollup, UsageQuery, UsageRow } from './rollup.ts'
import type { TreeCall } from './tree-call.ts'

/** A numbered piece of what one sidecar has to tell: however often it is told, it is counted once. */
export interface Batch {
  readonly sidecar: string
  /** Rises by one with each batch of the sidecar. */
  readonly sequence: number
  /** Its entries (`lineOf`). */
  readonly lines: Uint8Array
  /** What they add up to, by day. */
  readonly days: ReadonlyMap<string, Rollup>
  /** Those of them that are calls of a tree of delegations. */
  readonly calls: readonly TreeCall[]
}

/** Where usage and decisions are kept. */
export interface Books {
  /** Counts a batch, once. Rejects where the books cannot be reached. */
  write(batch: Batch): Promise<void>
  /** @throws {RangeError} where the query is none */
  usage(query: UsageQuery): Promise<UsageRow[]>
  /** What was decided about a request, as long as it is kept. */
  decision(requestId: string): Promise<DecisionEntry | undefined>
  /**
   * The calls of all trees that an id names.
   * @param id of a tree, a trace, a task or a request
   */
  calls(id: string): Promise<TreeCall[]>
  /** The newest first. */
  decisions(options: { limit: number; refusedOnly?: boolean }): Promise<DecisionEntry[]>
}
