/**
 * The Model Context Protocol's messages, as far as the gateway looks into them. What it does not name is passed on as it is.
 */

export type JsonObject = Record<string, unknown>

/** JSON-RPC 2.0 ids; MCP knows no null. */
export type RequestId = string | number

export interface JsonRpcRequest {
  readonly jsonrpc: '2.0'
  readonly id: RequestId
  readonly method: string
  readonly params?: JsonObject | undefined
}

export interface JsonRpcNotification {
  readonly jsonrpc: '2.0'
  readonly method: string
  readonly params?: JsonObject | undefined
}

export interface JsonRpcErrorBody {
  readonly code: number
  readonly message: string
  readonly data?: unknown
}

export type JsonRpcResponse =
  | { readonly jsonrpc: '2.0'; readonly id: RequestId; readonly result: JsonObject }
  | { readonly jsonrpc: '2.0'; readonly id?: RequestId | undefined; readonly error: JsonRpcErrorBody }

export type JsonRpcMessage = JsonRpcRequest | JsonRpcNotification | JsonRpcResponse

/** The revisions with sessions, newest first. */
export const legacyVersions = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const
/** The revisions without, newest first. */
export const modernVersions = ['2026-07-28'] as const

/** The revision with sessions that is offered to servers. */
export const legacyVersion = legacyVersions[0]
/** The revision without that is offered to servers. */
export const modernVersion = modernVersions[0]

export type Era = 'legacy' | 'modern'

/** @returns the era of a revision that is spoken here */
export function eraOf(version: unknown): Era | undefined {
  if ((modernVersions as readonly unknown[]).includes(version)) return 'modern'
  return (legacyVersions as readonly unknown[]).includes(version) ? 'legacy' : undefined
}

/** A tool as a server defines it (schema: Tool). */
export interface Tool {
  readonly name: string
  readonly title?: string
  readonly description?: string
  readonly inputSchema: JsonObject
  readonly outputSchema?: JsonObject
  readonly annotations?: {
    readonly title?: string
    readonly readOnlyHint?: boolean
    readonly destructiveHint?: boolean
    readonly idempotentHint?: boolean
    readonly openWorldHint?: boolean
  }
  readonly _meta?: JsonObject
  readonly [other: string]: unknown
}

/** Keys of `_meta` (2026-07-28, General fields). */
export const meta = {
  protocolVersion: 'io.modelcontextprotocol/protocolVersion',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
  logLevel: 'io.modelcontextprotocol/logLevel',
  subscriptionId: 'io.modelcontextprotocol/subscriptionId',
  serverInfo: 'io.modelcontextprotocol/serverInfo',
} as const

/** The key of `_meta` that names the task a message belongs to (2025-11-25, Related Task Metadata). */
export const relatedTask = 'io.modelcontextprotocol/related-task'
/** The tasks extension of the new era. */
export const tasksExtension = 'io.modelcontextprotocol/tasks'

/** Error codes of JSON-RPC 2.0 and of MCP (2026-07-28, Error codes). */
export const errorCode = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  /** Implementation-defined; what SDKs use for a session that is not there. */
  session: -32000,
  /** Up to 2025-11-25. */
  resourceNotFound: -32002,
  /** 2025-11-25: a URL must be visited first. */
  urlElicitationRequired: -32042,
  headerMismatch: -32020,
  missingClientCapability: -32021,
  unsupportedVersion: -32022,
} as const
