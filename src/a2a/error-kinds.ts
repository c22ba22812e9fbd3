import type { JsonObject } from '../json.ts'

/** The errors there are and what each binding calls them: A2A 1.0, sections 3.3.2, 5.4 and 9.5; A2A 0.3, section 8. */

export interface Spelling {
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
export const grpcNames = [
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
export const grpc = Object.fromEntries(grpcNames.map((name, code) => [name, code])) as Record<
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
export const spelling: Record<A2aErrorKind, Spelling> = kinds

/** A detail as ProtoJSON writes `google.protobuf.Any`. */
export type ErrorDetail = JsonObject & { '@type': string }

export const errorInfoType = 'type.googleapis.com/google.rpc.ErrorInfo'
export const badRequestType = 'type.googleapis.com/google.rpc.BadRequest'
export const valueType = 'type.googleapis.com/google.protobuf.Value'
/** Who says so, in an ErrorInfo: the specification, or the gateway. */
export const a2aDomain = 'a2a-protocol.org'
export const ownDomain = 'chaperone'
