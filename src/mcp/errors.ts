import { errorCode, type JsonObject, type JsonRpcErrorBody, type RequestId } from './protocol.ts'

/** What a client is told instead of a result: a JSON-RPC error and the HTTP status that goes with it. */
export class McpError extends Error {
  override readonly name = 'McpError'
  /** HTTP. In a stream that has begun only the JSON-RPC part is left of it. */
  readonly status: number
  /** JSON-RPC's or MCP's. */
  readonly code: number
  readonly data: unknown
  /** For programs and the log: `policy_denied`, `unknown_tool`, … */
  readonly reason: string
  /** The rule that refused, by its path. */
  readonly rule: string | undefined
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** What was asked for, for the log. */
  readonly target: { readonly server: string; readonly name: string } | undefined

  constructor(
    status: number,
    code: number,
    message: string,
    more: {
      reason?: string
      data?: unknown
      rule?: string | undefined
      headers?: readonly (readonly [string, string])[]
      target?: { server: string; name: string }
      cause?: unknown
    } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.status = status
    this.code = code
    this.data = more.data
    this.reason = more.reason ?? 'invalid_request'
    this.rule = more.rule
    this.headers = more.headers ?? []
    this.target = more.target
  }

  get body(): JsonRpcErrorBody {
    return {
      code: this.code,
      message: this.message,
      ...(this.data !== undefined && { data: this.data }),
    }
  }
}

/** A JSON-RPC error that a server answered with: it goes on to the client as it is. */
export class ServerError extends Error {
  override readonly name = 'ServerError'
  readonly body: JsonRpcErrorBody

  constructor(body: JsonRpcErrorBody) {
    super(body.message)
    this.body = body
  }
}

/** A server did not answer, or not in the protocol's words. */
export class ServerUnavailable extends Error {
  override readonly name = 'ServerUnavailable'
  readonly server: string
  /** What HTTP said, where that is why. */
  readonly status: number | undefined

  /** @param message free of content and credentials */
  constructor(server: string, message: string, cause?: unknown, status?: number) {
    super(message, cause === undefined ? undefined : { cause })
    this.server = server
    this.status = status
  }
}

/** A server does not take the credentials it was shown: another try with others may go through. */
export class CredentialsRefused extends ServerUnavailable {
  override readonly status: 401 | 403
  readonly wwwAuthenticate: string | undefined
  /** What it was shown, as far as it is a token. */
  readonly shown: readonly (readonly [name: string, value: string])[]

  constructor(
    server: string,
    status: 401 | 403,
    wwwAuthenticate: string | undefined,
    shown: readonly (readonly [string, string])[],
  ) {
    super(server, `The MCP server ${server} does not accept the gateway’s credentials (HTTP ${status}).`)
    this.status = status
    this.wwwAuthenticate = wwwAuthenticate
    this.shown = shown
  }
}

/** A server no longer knows the session it gave (HTTP 404). */
export class SessionLost extends Error {
  override readonly name = 'SessionLost'
}

export const invalidRequest = (message: string): McpError =>
  new McpError(400, errorCode.invalidRequest, message, { reason: 'invalid_request' })
export const invalidParams = (message: string, reason = 'invalid_params'): McpError =>
  new McpError(400, errorCode.invalidParams, message, { reason })
export const methodNotFound = (method: string): McpError =>
  new McpError(404, errorCode.methodNotFound, `Method not found: ${method.slice(0, 100)}`, {
    reason: 'method_not_found',
  })

/** What a failure looks like to a client. @param requestId so that the operator can find it */
export function errorBody(error: unknown, requestId: string): JsonRpcErrorBody {
  if (error instanceof McpError) return error.body
  if (error instanceof ServerError) return error.body
  if (error instanceof ServerUnavailable)
    return {
      code: errorCode.internal,
      message: `${error.message} Try again; if it goes on, ask the operator and name the request ${requestId}.`,
      data: { server: error.server, requestId },
    }
  return {
    code: errorCode.internal,
    message: `The gateway failed on this request. Ask the operator and name the request ${requestId}.`,
    data: { requestId },
  }
}

export function errorResponse(id: RequestId | undefined, body: JsonRpcErrorBody): JsonObject {
  // An error that belongs to no request has the id null in JSON-RPC 2.0; MCP leaves it out from 2025-11-25 on, and clients of
  // both eras take either.
  return { jsonrpc: '2.0', id: id ?? null, error: body }
}
