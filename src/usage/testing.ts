import type { RequestRecord } from '../telemetry/record.ts'
import type { Batch } from './books.ts'
import { finishedEntry } from './entry.ts'
import { lineOf } from './entry-line.ts'
import { addTo, type Rollup } from './rollup.ts'
import { modelCall } from './tree-call.ts'

/** A batch of finished requests for tests. */
export function batchOf(records: readonly RequestRecord[]): Batch {
  const entries = records.map(finishedEntry)
  const calls = records.flatMap((record, index) => (record.caller?.work ? [modelCall(record, entries[index]!)] : []))
  const days = new Map<string, Rollup>()
  for (const entry of entries) addTo(days, entry)
  return {
    sidecar: 's',
    sequence: 1,
    lines: Buffer.from(entries.map((entry) => lineOf(entry)).join('')),
    days,
    calls,
  }
}
