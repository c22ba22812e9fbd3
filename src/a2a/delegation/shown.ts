import { randomBytes } from 'node:crypto'

/**
 * What an agent gets to show: the context of the trace that it works in, a dot, and the token. An agent that knows nothing of traces
 * shows both where it calls others, and Envoy goes on with the trace (`envoy/xds/connection-manager.ts`). The context is nobody's
 * word for anything, as little as a `traceparent` is.
 */

const traceparent = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/
const shown = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\.(?=[^.]*\.[^.]*\.[^.]*$)/

/** @param context a W3C traceparent (Trace Context, section 3.2) */
export function showDelegation(token: string, context: string): string {
  return `${context}.${token}`
}

/** The token in what an agent shows. */
export function tokenIn(text: string): string {
  return text.replace(shown, '')
}

/** The id of the trace, 32 hex digits; undefined: the context is none. */
export function traceIdOf(context: string): string | undefined {
  return traceparent.exec(context)?.[1]
}

/**
 * The context of what has none yet.
 * @param sampling the share of traces that are recorded, 0 to 1
 */
export function newContext(sampling: number): string {
  const flags = Math.random() < sampling ? '01' : '00'
  return `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-${flags}`
}
