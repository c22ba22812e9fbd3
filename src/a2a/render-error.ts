import { createRegistry, fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf'
import { ValueSchema } from '@bufbuild/protobuf/wkt'
import { file_google_rpc_error_details } from '#gen/google/rpc/error_details_pb.js'
import { StatusSchema } from '#gen/google/rpc/status_pb.js'
import type { JsonObject } from '../json.ts'
import { a2aDomain, type ErrorDetail, errorInfoType, grpcNames, ownDomain, spelling } from './error-kinds.ts'
import type { A2aError, RpcId } from './errors.ts'
import type { A2aVersion, Wire } from './operations.ts'

/** Errors as each binding and version says them: A2A 1.0, sections 9.5, 10.6 and 11.6; A2A 0.3, section 8. */

/** An error as one binding says it, whole. */
export interface RenderedError {
  status: number
  headers: [name: string, value: string][]
  body: string
}

/**
 * The answer that says this error.
 * @param id of the JSON-RPC request; null where it could not be read
 */
export function renderError(error: A2aError, wire: Wire, id: RpcId = null): RenderedError {
  const own = spelling[error.kind]
  const headers = error.headers.map(([name, value]): [string, string] => [name, value])
  switch (wire.binding) {
    case 'jsonrpc':
      return {
        status: own.httpToo === true ? own.http : 200,
        headers: [['content-type', 'application/json'], ...headers],
        body: JSON.stringify({ jsonrpc: '2.0', id, error: jsonRpcError(error) }),
      }
    case 'http+json':
      return {
        status: own.http,
        headers: [['content-type', wire.version === '1.0' ? 'application/a2a+json' : 'application/json'], ...headers],
        body: JSON.stringify(httpError(error, wire.version)),
      }
    case 'grpc':
      return {
        status: 200,
        headers: [['content-type', 'application/grpc'], ...grpcTrailers(error), ...headers],
        body: '',
      }
  }
}

/** An event that says this error in a stream of server-sent events that has begun. Streams of gRPC end with trailers instead. */
export function renderErrorEvent(error: A2aError, wire: Wire, id: RpcId = null): string {
  if (wire.binding === 'jsonrpc')
    return `data: ${JSON.stringify({ jsonrpc: '2.0', id, error: jsonRpcError(error) })}\n\n`
  return `event: error\ndata: ${JSON.stringify(httpError(error, wire.version))}\n\n`
}

/** The longest message and details in trailers, bytes: gRPC's own clients take 8 KiB of metadata in all. */
const longestTrailer = 2048
const longestDetails = 4096

/** The trailers that end a call of gRPC with this error; `grpc-status-details-bin` has the details, as far as they are not too long. */
export function grpcTrailers(error: A2aError): [name: string, value: string][] {
  const code = spelling[error.kind].grpc
  const message = shortened(error.message)
  const known = [...allDetails(error), ...retryInfo(error)].filter(
    ({ '@type': type }) => registry.getMessage(typeName(type)) !== undefined,
  )
  // The first says what kind of error it is; an agent's others may be as long as it likes.
  const bytes = [known, known.slice(0, 1), []]
    .map((details) => statusBytes({ code, message, details: details as unknown as JsonValue }))
    .find((one) => one !== undefined && one.length <= longestDetails)
  return [
    ['grpc-status', String(code)],
    ['grpc-message', percentEncoded(message)],
    ...(bytes === undefined
      ? []
      : [['grpc-status-details-bin', Buffer.from(bytes).toString('base64').replace(/=+$/, '')] as [string, string]]),
  ]
}

/** @returns undefined where an agent's detail is not what its type says */
function statusBytes(status: { code: number; message: string; details: JsonValue }): Uint8Array | undefined {
  try {
    return toBinary(StatusSchema, fromJson(StatusSchema, status, { registry }))
  } catch {
    return undefined
  }
}

/** When to come again, as clients of gRPC look for it. */
function retryInfo({ headers }: A2aError): ErrorDetail[] {
  const [, seconds] = headers.find(([name]) => name === 'retry-after') ?? []
  if (seconds === undefined || !/^\d{1,9}$/.test(seconds)) return []
  return [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${seconds}s` }]
}

/** As much of a text as has a place in trailers. */
function shortened(text: string): string {
  let length = 0
  for (const [index, character] of [...text].entries()) {
    length += percentEncoded(character).length
    if (length > longestTrailer) return `${[...text].slice(0, index).join('')}…`
  }
  return text
}

/** The `error` of a JSON-RPC answer. */
function jsonRpcError(error: A2aError): JsonObject {
  const data = allDetails(error)
  return { code: spelling[error.kind].code, message: error.message, ...(data.length > 0 && { data }) }
}

/** 1.0: google.rpc.Status in JSON. 0.3 has no form of its own; its SDKs write the JSON-RPC error, and so does this. */
function httpError(error: A2aError, version: A2aVersion): JsonObject {
  if (version === '0.3') return jsonRpcError(error)
  const { http, grpc: code } = spelling[error.kind]
  return { error: { code: http, status: grpcNames[code], message: error.message, details: allDetails(error) } }
}

function allDetails(error: A2aError): ErrorDetail[] {
  const { reason, a2a } = spelling[error.kind]
  const said = Object.keys(error.metadata).length > 0 || error.rule !== undefined
  if (!a2a && !said) return [...error.details]
  return [
    {
      '@type': errorInfoType,
      reason,
      domain: a2a ? a2aDomain : ownDomain,
      ...((said || undefined) && {
        metadata: { ...error.metadata, ...(error.rule !== undefined && { rule: error.rule }) },
      }),
    },
    ...error.details,
  ]
}

/** The types of details that can be written in binary. */
export const registry = createRegistry(file_google_rpc_error_details, ValueSchema)
const typeName = (type: string) => type.slice(type.lastIndexOf('/') + 1)

/** gRPC's `grpc-message`: bytes beyond printable ASCII, and the percent sign, are escaped. */
function percentEncoded(text: string): string {
  let out = ''
  for (const byte of Buffer.from(text, 'utf8'))
    out +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return out
}
