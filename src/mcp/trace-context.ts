import { isObject } from '../json.ts'
import type { JsonObject, JsonRpcMessage } from './protocol.ts'

/** The trace that a request is part of, as servers are told it: in headers, and in `_meta` (2026-07-28, General fields). */
export interface TraceContext {
  readonly traceparent?: string
  readonly tracestate?: string
}

const traceparent = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/
const longestState = 512

/**
 * What the client says in `_meta` where it says anything: its own span may be another than that of its HTTP request, and a client
 * that traces only its messages sends no header. Else what the header says.
 */
export function traceContextOf(headers: ReadonlyMap<string, string>, message?: JsonRpcMessage): TraceContext {
  const params = message && 'method' in message ? message.params : undefined
  const said = isObject(params?._meta) ? params._meta : undefined
  return (
    contextOf(said?.traceparent, said?.tracestate) ??
    contextOf(headers.get('traceparent'), headers.get('tracestate')) ??
    {}
  )
}

function contextOf(parent: unknown, state: unknown): TraceContext | undefined {
  if (typeof parent !== 'string' || !traceparent.test(parent)) return undefined
  const known = typeof state === 'string' && state !== '' && state.length <= longestState
  return { traceparent: parent, ...(known && { tracestate: state }) }
}

/** The `_meta` of a request with the context in it. @param said what the client says there, as far as the server may know */
export function withTraceContext(said: JsonObject | undefined, context: TraceContext): JsonObject | undefined {
  if (context.traceparent === undefined) return said
  return { ...said, ...context }
}
