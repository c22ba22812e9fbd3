import type { A2aRecord } from '../a2a/record.ts'
import { traceIdOf } from './entry.ts'
import { type Entered, placeOf } from './tree-call.ts'

/** The entry of a finished call of an agent. */
export function agentEntry(record: A2aRecord): Entered {
  const { requestId, agent, caller, status, error, rule, startMs, durationMs, taskId, state, aborted } = record
  const { identity, subject, organization, team, user, key, listener, work } = caller
  const operation = record.operation ?? 'unknown'
  const traceId = traceIdOf(record.traceparent)
  const code = error ?? (aborted ? 'aborted' : undefined)
  const who = { organization, team, user, key }
  return {
    entry: {
      requestId,
      time: startMs,
      operation,
      model: '',
      identity,
      subject,
      ...who,
      listener,
      status,
      code,
      rule,
      // Who was asked, where anybody was.
      attempts: record.via ? [`${agent}=${status}`] : undefined,
    },
    call: work && {
      kind: 'agent',
      requestId,
      time: startMs,
      durationMs,
      ...placeOf(work, caller),
      delegation: record.delegation,
      to: agent,
      operation,
      status,
      code,
      rule,
      input: 0,
      output: 0,
      nanoUsd: 0,
      traceId,
      taskId,
      state,
    },
  }
}
