import { fromBinary, toJson } from '@bufbuild/protobuf'
import { StatusSchema } from '#gen/google/rpc/status_pb.js'
import { isObject, type JsonObject } from '../json.ts'
import {
  a2aDomain,
  type ErrorDetail,
  errorInfoType,
  grpc,
  ownDomain,
  type Spelling,
  spelling,
  valueType,
} from './error-kinds.ts'
import { A2aError, type A2aErrorKind } from './errors.ts'
import { registry } from './render-error.ts'

/** Errors as agents say them, of either version: A2A 1.0, sections 9.5, 10.6 and 11.6; A2A 0.3, section 8. */

/** `TASK_NOT_FOUND` as the SDKs call it: `TaskNotFoundError`. */
const className = (reason: string) =>
  `${reason.toLowerCase().replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())}Error`

const byReason = new Map<string, A2aErrorKind>()
const byName = new Map<string, A2aErrorKind>([['JSONParseError', 'parseError']])
const byCode = new Map<number, A2aErrorKind>()
const byHttp = new Map<number, A2aErrorKind>([
  [400, 'invalidParams'],
  [404, 'taskNotFound'],
  [500, 'internal'],
  [502, 'unavailable'],
])
const byGrpc = new Map<number, A2aErrorKind>([
  [grpc.INVALID_ARGUMENT, 'invalidParams'],
  [grpc.NOT_FOUND, 'taskNotFound'],
  [grpc.FAILED_PRECONDITION, 'unsupportedOperation'],
  [grpc.INTERNAL, 'internal'],
])
for (const [kind, { reason, code, http, grpc: status }] of Object.entries(spelling) as [A2aErrorKind, Spelling][]) {
  byReason.set(reason, kind)
  byName.set(className(reason), kind)
  byCode.set(code, kind)
  if (!byHttp.has(http)) byHttp.set(http, kind)
  if (!byGrpc.has(status)) byGrpc.set(status, kind)
}

/** The longest message of an agent's that is passed on, UTF-16 units. */
const longestMessage = 4096

/** The error of an agent's JSON-RPC answer, either version's. @param value what `error` is */
export function readJsonRpcError(value: unknown): A2aError {
  if (!isObject(value)) return broken()
  const details = readDetails(value.data)
  const kind = byDetails(details) ?? byCode.get(Number(value.code)) ?? 'internal'
  return agentError(kind, value.message, details)
}

/** The error of an agent's HTTP+JSON answer: google.rpc.Status (1.0), or `{code, message, data}` (SDKs of 0.3), or neither. */
export function readHttpError(status: number, body: unknown): A2aError {
  const inner = isObject(body) && isObject(body.error) ? body.error : isObject(body) ? body : {}
  const details = readDetails(inner.details ?? inner.data)
  const kind =
    byDetails(details) ??
    (Number(inner.code) < 0 ? byCode.get(Number(inner.code)) : undefined) ??
    byHttp.get(status) ??
    (status >= 500 ? 'internal' : 'invalidRequest')
  return agentError(kind, inner.message, details)
}

/** The error in an agent's gRPC trailers. @returns undefined where they say that all went well */
export function readGrpcTrailers(trailers: ReadonlyMap<string, string>): A2aError | undefined {
  const code = Number(trailers.get('grpc-status') ?? grpc.UNKNOWN)
  if (code === 0) return undefined
  let details: ErrorDetail[] = []
  const bin = trailers.get('grpc-status-details-bin')
  if (bin !== undefined && bin.length <= 32_768) {
    try {
      const status = toJson(StatusSchema, fromBinary(StatusSchema, Buffer.from(bin, 'base64')), { registry })
      details = readDetails((status as JsonObject).details)
    } catch {
      // Details of types that are not known here: the status alone has to do.
    }
  }
  const said = percentDecoded(trailers.get('grpc-message') ?? '')
  const kind = byDetails(details)
  // The SDK of 0.3 for Python names the error in front of its message, and nowhere else.
  const [, name = '', rest = ''] = (kind === undefined && /^([A-Za-z]{1,50}Error): (.*)$/s.exec(said)) || []
  const named = byName.get(name)
  return agentError(kind ?? named ?? byGrpc.get(code) ?? 'internal', named === undefined ? said : rest, details)
}

function agentError(kind: A2aErrorKind, message: unknown, all: readonly ErrorDetail[]): A2aError {
  const info = all.find((detail) => detail['@type'] === errorInfoType && byReason.get(String(detail.reason)) === kind)
  const metadata = isObject(info?.metadata)
    ? Object.fromEntries(
        Object.entries(info.metadata).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
      )
    : {}
  const text = typeof message === 'string' && message !== '' ? message.slice(0, longestMessage) : spelling[kind].reason
  return new A2aError(kind, text, { details: all.filter((detail) => detail !== info), metadata })
}

const broken = () =>
  new A2aError('invalidAgentResponse', 'The agent answered with an error that is not one of JSON-RPC')

function byDetails(details: readonly ErrorDetail[]): A2aErrorKind | undefined {
  for (const detail of details) {
    if (detail['@type'] !== errorInfoType || typeof detail.reason !== 'string') continue
    const kind = byReason.get(detail.reason)
    if (kind !== undefined && detail.domain === (spelling[kind].a2a ? a2aDomain : ownDomain)) return kind
  }
  return undefined
}

/** 1.0 says what is an error's data; in 0.3 it may be anything, which travels as a Value. */
function readDetails(data: unknown): ErrorDetail[] {
  if (data === undefined || data === null) return []
  const list = Array.isArray(data) ? data : [data]
  if (
    list.length <= 32 &&
    list.every((item): item is ErrorDetail => isObject(item) && typeof item['@type'] === 'string')
  )
    return list
  return [{ '@type': valueType, value: data }]
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
