import type { A2aRecord } from './record.ts'

const traceId = /^[0-9a-f]{2}-([0-9a-f]{32})-/

/** The fields of a call's line in the log: the audit of who asked which agent for what. Nothing of what was said is in it. */
export function auditLine(record: A2aRecord): object {
  const { caller: whole, via, traceparent, durationMs, startMs: _, delegation: __, status: ___, ...rest } = record
  // The tree is in the line by itself.
  const { work: ____, ...caller } = whole
  return {
    ...rest,
    via: via && `${via.binding} ${via.version}`,
    traceId: traceparent === undefined ? undefined : traceId.exec(traceparent)?.[1],
    // Without identities in the rules there is nothing to tell.
    caller: caller.identity === 'anonymous' ? undefined : caller,
    aborted: record.aborted || undefined,
    durationMs: Math.round(durationMs),
  }
}
