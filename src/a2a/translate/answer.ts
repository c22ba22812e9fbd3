import { isObject, type JsonObject, parseObject } from '../../json.ts'
import { A2aError, type RpcId } from '../errors.ts'
import type { A2aOperation, Wire } from '../operations.ts'
import { readHttpError, readJsonRpcError } from '../read-error.ts'
import { readResult, writeResult } from './wire.ts'

/** Answers of the bindings of JSON, whole or event by event: 1.0, sections 9 and 11; 0.3, section 7. */

/** An answer whole, as a client of JSON gets it. */
export interface WireAnswer {
  readonly status: number
  readonly headers: [name: string, value: string][]
  readonly body: string
}

/** A result as the answer to a client of JSON-RPC or HTTP+JSON. @param id of the client's JSON-RPC request */
export function writeAnswer(operation: A2aOperation, value: JsonObject, wire: Wire, id: RpcId): WireAnswer {
  const result = writeResult(operation, value, wire)
  if (wire.binding === 'jsonrpc')
    return {
      status: 200,
      headers: [['content-type', 'application/json']],
      body: JSON.stringify({ jsonrpc: '2.0', id, result }),
    }
  if (operation === 'deletePushConfig') return { status: 204, headers: [], body: '' }
  const type = wire.version === '1.0' ? 'application/a2a+json' : 'application/json'
  return { status: 200, headers: [['content-type', type]], body: JSON.stringify(result) }
}

/** An event as a client of JSON-RPC or HTTP+JSON gets it in a stream of server-sent events. */
export function writeEvent(operation: A2aOperation, value: JsonObject, wire: Wire, id: RpcId): string {
  const result = writeResult(operation, value, wire)
  return `data: ${JSON.stringify(wire.binding === 'jsonrpc' ? { jsonrpc: '2.0', id, result } : result)}\n\n`
}

/**
 * An agent's answer that is no stream, in the neutral form.
 * @param wire the agent's; not gRPC
 * @throws {A2aError} the agent's own, or `invalidAgentResponse` where it is no answer of A2A
 */
export function readAnswer(operation: A2aOperation, wire: Wire, status: number, body: Uint8Array): JsonObject {
  const value = parseObject(body) ?? listIn(body)
  if (wire.binding === 'jsonrpc') {
    if (isObject(value) && ('result' in value || 'error' in value)) return readEnvelope(operation, value, wire)
    // What stands before an agent answers without JSON-RPC.
    if (status >= 400) throw readHttpError(status, value)
    throw new A2aError('invalidAgentResponse', 'The agent’s answer is not one of JSON-RPC')
  }
  if (status >= 400) throw readHttpError(status, value)
  if (operation === 'deletePushConfig') return {}
  return readResult(operation, value, wire)
}

/**
 * An event of an agent's stream, in the neutral form.
 * @param wire the agent's; not gRPC
 * @param event its type (`message` where the stream names none) and data
 * @throws {A2aError} the agent's own, or `invalidAgentResponse` where it is no event of A2A
 */
export function readEvent(operation: A2aOperation, wire: Wire, event: { type: string; data: string }): JsonObject {
  const value = parseObject(Buffer.from(event.data, 'utf8'))
  if (value === undefined)
    throw new A2aError('invalidAgentResponse', 'An event of the agent’s stream is not a JSON object')
  if (wire.binding === 'jsonrpc') return readEnvelope(operation, value, wire)
  // SDKs say errors so; 500 is what an error is that says nothing of itself.
  if (event.type === 'error' || isObject(value.error)) throw readHttpError(500, value)
  return readResult(operation, value, wire)
}

function readEnvelope(operation: A2aOperation, envelope: JsonObject, wire: Wire): JsonObject {
  if (envelope.error !== undefined && envelope.error !== null) throw readJsonRpcError(envelope.error)
  return readResult(operation, envelope.result, wire)
}

/** 0.3 answers with bare lists over HTTP+JSON, in some implementations. */
function listIn(body: Uint8Array): unknown {
  const wrapped = parseObject(Buffer.concat([Buffer.from('{"list":'), body, Buffer.from('}')]))
  return Array.isArray(wrapped?.list) ? wrapped.list : undefined
}
