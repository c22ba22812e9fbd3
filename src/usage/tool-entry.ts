import type { McpRecord } from '../telemetry/record.ts'
import { traceIdOf } from './entry.ts'
import { type Entered, placeOf } from './tree-call.ts'

/** Requests that ask a server for something of its own; the others ask what there is. */
const asks: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read', 'completion/complete'])

/** The entry of a finished MCP request; undefined: it is not one for the books. */
export function toolEntry(record: McpRecord): Entered | undefined {
  const { requestId, method, caller, status, reason, rule, server, startMs, durationMs } = record
  if (!asks.has(method) && rule === undefined) return undefined
  const { identity, subject, organization, team, user, key, listener, work } = caller
  const traceId = traceIdOf(record.traceparent)
  const to = server === undefined ? '' : `${server}/${(record.name ?? '').slice(0, longestName)}`
  const code = reason ?? (record.toolError ? 'tool_error' : undefined)
  return {
    entry: {
      requestId,
      time: startMs,
      operation: method,
      model: '',
      identity,
      subject,
      organization,
      team,
      user,
      key,
      listener,
      status,
      code,
      rule,
      // What was asked, where it was.
      attempts: rule === undefined && to !== '' ? [`${to}=${code ?? status}`] : undefined,
    },
    call: work && {
      kind: 'tool',
      requestId,
      time: startMs,
      durationMs,
      ...placeOf(work, caller),
      to,
      operation: method,
      status,
      code,
      rule,
      input: 0,
      output: 0,
      nanoUsd: 0,
      traceId,
    },
  }
}

const longestName = 200
