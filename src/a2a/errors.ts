import { create, createRegistry, fromBinary, fromJson, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf'
import { ValueSchema } from '@bufbuild/protobuf/wkt'
import { file_google_rpc_error_details } from '#gen/google/rpc/error_details_pb.js'
import { StatusSchema } from '#gen/google/rpc/status_pb.js'
import { isObject, type JsonObject } from '../json.ts'
import type { A2aVersion, Wire } from './operations.ts'

/**
 * Errors, from one neutral form into each binding and version and back (A2A 1.0, sections 3.3.2, 5.4, 9.5, 10.6 and 11.6;
 * A2A 0.3, section 8).
 */

interface Spelling {
  /** `google.rpc.ErrorInfo.reason`. */
  readonly reason: string
  /** Whether the specification defines it as an error of A2A, which says so in an ErrorInfo. */
  readonly a2a: boolean
  /** JSON-RPC. */
  readonly code: number
  readonly http: number
  /** gRPC. */
  readonly grpc: number
  /** Whether JSON-RPC answers with the HTTP status as well, where else it is 200: what HTTP clients act upon. */
  readonly httpToo?: boolean
}

/** gRPC's status codes, by number. */
const grpcNames = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const
const grpc = Object.fromEntries(grpcNames.map((name, code) => [name, code])) as Record<
  (typeof grpcNames)[number],
  number
>

const kinds = {
  taskNotFound: { reason: 'TASK_NOT_FOUND', a2a: true, code: -32001, http: 404, grpc: grpc.NOT_FOUND },
  taskNotCancelable: {
    reason: 'TASK_NOT_CANCELABLE',
    a2a: true,
    code: -32002,
    http: 400,
    grpc: grpc.FAILED_PRECONDITION,
  },
  pushNotSupported: {
    reason: 'PUSH_NOTIFICATION_NOT_SUPPORTED',
    a2a: true,
    code: -32003,
    http: 400,
    grpc: grpc.FAILED_PRECONDITION,
  },
  unsupportedOperation: {
    reason: 'UNSUPPORTED_OPERATION',
    a2a: true,
    code: -32004,
    http: 400,
    grpc: grpc.FAILED_PRECONDITION,
  },
  contentTypeNotSupported: {
    reason: 'CONTENT_TYPE_NOT_SUPPORTED',
    a2a: true,
    code: -32005,
    http: 400,
    grpc: grpc.INVALID_ARGUMENT,
  },
  invalidAgentResponse: { reason: 'INVALID_AGENT_RESPONSE', a2a: true, code: -32006, http: 500, grpc: grpc.INTERNAL },
  extendedCardNotConfigured: {
    reason: 'EXTENDED_AGENT_CARD_NOT_CONFIGURED',
    a2a: true,
    code: -32007,
    http: 400,
    grpc: grpc.FAILED_PRECONDITION,
  },
  extensionRequired: {
    reason: 'EXTENSION_SUPPORT_REQUIRED',
    a2a: true,
    code: -32008,
    http: 400,
    grpc: grpc.FAILED_PRECONDITION,
  },
  versionNotSupported: {
    reason: 'VERSION_NOT_SUPPORTED',
    a2a: true,
    code: -32009,
    http: 400,
    grpc: grpc.FAILED_PRECONDITION,
  },
  parseError: { reason: 'PARSE_ERROR', a2a: false, code: -32700, http: 400, grpc: grpc.INVALID_ARGUMENT },
  invalidRequest: { reason: 'INVALID_REQUEST', a2a: false, code: -32600, http: 400, grpc: grpc.INVALID_ARGUMENT },
  methodNotFound: { reason: 'METHOD_NOT_FOUND', a2a: false, code: -32601, http: 404, grpc: grpc.UNIMPLEMENTED },
  invalidParams: { reason: 'INVALID_PARAMS', a2a: false, code: -32602, http: 400, grpc: grpc.INVALID_ARGUMENT },
  internal: { reason: 'INTERNAL', a2a: false, code: -32603, http: 500, grpc: grpc.INTERNAL },
  // The specification leaves the JSON-RPC codes of these to implementations.
  unauthenticated: {
    reason: 'UNAUTHENTICATED',
    a2a: false,
    code: -32080,
    http: 401,
    grpc: grpc.UNAUTHENTICATED,
    httpToo: true,
  },
  permissionDenied: {
    reason: 'PERMISSION_DENIED',
    a2a: false,
    code: -32081,
    http: 403,
    grpc: grpc.PERMISSION_DENIED,
    httpToo: true,
  },
  rateLimited: {
    reason: 'RATE_LIMITED',
    a2a: false,
    code: -32082,
    http: 429,
    grpc: grpc.RESOURCE_EXHAUSTED,
    httpToo: true,
  },
  budgetExhausted: {
    reason: 'BUDGET_EXHAUSTED',
    a2a: false,
    code: -32083,
    http: 402,
    grpc: grpc.RESOURCE_EXHAUSTED,
    httpToo: true,
  },
  tooLarge: {
    reason: 'TOO_LARGE',
    a2a: false,
    code: -32084,
    http: 413,
    grpc: grpc.RESOURCE_EXHAUSTED,
    httpToo: true,
  },
  unavailable: {
    reason: 'UNAVAILABLE',
    a2a: false,
    code: -32085,
    http: 503,
    grpc: grpc.UNAVAILABLE,
    httpToo: true,
  },
  deadlineExceeded: {
    reason: 'DEADLINE_EXCEEDED',
    a2a: false,
    code: -32086,
    http: 504,
    grpc: grpc.DEADLINE_EXCEEDED,
    httpToo: true,
  },
} as const satisfies Record<string, Spelling>

export type A2aErrorKind = keyof typeof kinds
const spelling: Record<A2aErrorKind, Spelling> = kinds

/** A detail as ProtoJSON writes `google.protobuf.Any`. */
export type ErrorDetail = JsonObject & { '@type': string }

const errorInfoType = 'type.googleapis.com/google.rpc.ErrorInfo'
const badRequestType = 'type.googleapis.com/google.rpc.BadRequest'
const valueType = 'type.googleapis.com/google.protobuf.Value'
const a2aDomain = 'a2a-protocol.org'
const ownDomain = 'chaperone'

/** What a caller is told instead of a result. */
export class A2aError extends Error {
  override readonly name = 'A2aError'
  readonly kind: A2aErrorKind
  /** Without the ErrorInfo that names the kind; `renderError` puts it in front. */
  readonly details: readonly ErrorDetail[]
  /** What the ErrorInfo says beside the kind. */
  readonly metadata: Readonly<Record<string, string>>
  /** The rule that refused, by its path. */
  readonly rule: string | undefined
  /** HTTP headers, such as `retry-after` and `www-authenticate`. */
  readonly headers: readonly (readonly [name: string, value: string])[]

  constructor(
    kind: A2aErrorKind,
    message: string,
    more: {
      /** Fields that are wrong, by their JSON path, each with what to do. */
      violations?: readonly { field: string; description: string }[]
      details?: readonly ErrorDetail[]
      metadata?: Readonly<Record<string, string>>
      rule?: string | undefined
      headers?: readonly (readonly [string, string])[]
      cause?: unknown
    } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.kind = kind
    const violations = more.violations ?? []
    this.details = [
      ...(violations.length === 0 ? [] : [{ '@type': badRequestType, fieldViolations: violations }]),
      ...(more.details ?? []),
    ]
    this.metadata = more.metadata ?? {}
    this.rule = more.rule
    this.headers = more.headers ?? []
  }
}

/** The caller's parameters are wrong. @param field its path in JSON: `message.parts[0]` */
export function invalidParams(field: string, description: string): A2aError {
  return new A2aError('invalidParams', `${field}: ${description}`, { violations: [{ field, description }] })
}

/** An error as one binding says it, whole. */
export interface RenderedError {
  status: number
  headers: [name: string, value: string][]
  body: string
}

export type RpcId = string | number | null

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

/** The trailers that end a call of gRPC with this error; `grpc-status-details-bin` has the details. */
export function grpcTrailers(error: A2aError): [name: string, value: string][] {
  const code = spelling[error.kind].grpc
  const details = allDetails(error).filter(({ '@type': type }) => registry.getMessage(typeName(type)) !== undefined)
  const status = { code, message: error.message, details: details as unknown as JsonValue }
  let bytes: Uint8Array
  try {
    bytes = toBinary(StatusSchema, fromJson(StatusSchema, status, { registry }))
  } catch {
    // An agent's detail that is not what its type says.
    bytes = toBinary(StatusSchema, create(StatusSchema, { code, message: error.message }))
  }
  return [
    ['grpc-status', String(code)],
    ['grpc-message', percentEncoded(error.message)],
    ['grpc-status-details-bin', Buffer.from(bytes).toString('base64').replace(/=+$/, '')],
  ]
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

const registry = createRegistry(file_google_rpc_error_details, ValueSchema)
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

const byReason = new Map<string, A2aErrorKind>()
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
  const kind = byDetails(details) ?? byGrpc.get(code) ?? 'internal'
  return agentError(kind, percentDecoded(trailers.get('grpc-message') ?? ''), details)
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
