import type { JsonObject } from '../json.ts'
import { type A2aCall, type A2aRefusal, type A2aRequest, classify } from './call.ts'
import type { Wire } from './operations.ts'
import { type WireRequest, writeRequest } from './translate/wire.ts'

/** Requests for tests. */

/** A request as `classify` takes it, with the parts a test does not care about. */
export function request(
  parts: Partial<Omit<A2aRequest, 'headers' | 'body'>> & { headers?: Record<string, string>; body?: unknown },
): A2aRequest {
  const { headers = {}, body, ...rest } = parts
  return {
    agent: 'planner',
    method: 'POST',
    path: '',
    headers: new Map(Object.entries({ 'content-type': 'application/json', ...headers })),
    body:
      body instanceof Uint8Array
        ? body
        : Buffer.from(body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)),
    ...rest,
  }
}

/** A JSON-RPC request. */
export function rpc(version: '0.3' | '1.0' | undefined, method: string, params: unknown, id: unknown = 7): A2aRequest {
  return request({
    headers: version === undefined ? {} : { 'a2a-version': version },
    body: { jsonrpc: '2.0', id, method, params },
  })
}

/** What an agent of a wire would take the gateway's request for. */
export function received(written: WireRequest): A2aRequest {
  return {
    agent: 'planner',
    method: written.method,
    path: written.path,
    headers: new Map(written.headers),
    body: written.body,
  }
}

/** The call there and back over a wire. */
export function resent(call: { operation: A2aCall['operation']; params: JsonObject }, wire: Wire): A2aCall {
  return understood(classify(received(writeRequest(call, wire))))
}

export function understood(result: A2aCall | A2aRefusal): A2aCall {
  if (result.type === 'refusal') throw result.error
  return result
}

export function refused(result: A2aCall | A2aRefusal): A2aRefusal {
  if (result.type === 'call') throw new Error(`not refused: ${result.operation}`)
  return result
}
