import { isObject, parseObject } from '../json.ts'
import { invalidRequest, McpError } from './errors.ts'
import { errorCode, type JsonRpcMessage, type RequestId } from './protocol.ts'

const longestMethod = 200
const longestId = 1000

/**
 * Reads one JSON-RPC message (JSON-RPC 2.0; MCP's base protocol): a request, a notification or a response. Batches, which
 * only 2025-03-26 had, are refused.
 * @throws {McpError}
 */
export function readMessage(bytes: Uint8Array): JsonRpcMessage {
  const value = parseObject(bytes)
  if (!value) {
    if (firstCharacter(bytes) === '[')
      throw invalidRequest('Batches are not supported here: send each message in a request of its own.')
    throw new McpError(400, errorCode.parse, 'Parse error: the body must be one JSON object, not nested too deep.', {
      reason: 'parse_error',
    })
  }
  const message = messageOf(value)
  if (typeof message === 'string') throw invalidRequest(message)
  return message
}

/** @returns the message, or what is wrong with it */
export function messageOf(value: unknown): JsonRpcMessage | string {
  if (!isObject(value)) return 'Invalid Request: a message must be a JSON object.'
  if (value.jsonrpc !== '2.0') return 'Invalid Request: "jsonrpc" must be "2.0".'
  const { id, method, params } = value
  if (method !== undefined) {
    if (typeof method !== 'string' || method === '' || method.length > longestMethod)
      return 'Invalid Request: "method" must be a string.'
    if (params !== undefined && !isObject(params)) return 'Invalid Request: "params" must be an object.'
    if ('id' in value && !isId(id)) return 'Invalid Request: "id" must be a string or a number.'
    return value as unknown as JsonRpcMessage
  }
  const answers = Number('result' in value) + Number('error' in value)
  if (answers !== 1) return 'Invalid Request: it has neither a "method" nor exactly one of "result" and "error".'
  if ('result' in value && !isObject(value.result)) return 'Invalid Request: "result" must be an object.'
  if ('error' in value) {
    const { error } = value
    if (!isObject(error) || typeof error.code !== 'number' || typeof error.message !== 'string')
      return 'Invalid Request: "error" must have a code and a message.'
    if (id !== undefined && id !== null && !isId(id)) return 'Invalid Request: "id" must be a string or a number.'
    return value as unknown as JsonRpcMessage
  }
  if (!isId(id)) return 'Invalid Request: "id" must be a string or a number.'
  return value as unknown as JsonRpcMessage
}

export function isId(id: unknown): id is RequestId {
  return (typeof id === 'string' && id.length <= longestId) || (typeof id === 'number' && Number.isFinite(id))
}

function firstCharacter(bytes: Uint8Array): string {
  for (const byte of bytes.subarray(0, 100)) if (byte > 32) return String.fromCharCode(byte)
  return ''
}
