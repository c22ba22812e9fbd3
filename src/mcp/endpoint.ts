import type { McpEndpointRule } from '../config/mcp.ts'
import type { Identity } from '../identity/identity.ts'
import type { Federation } from './federation.ts'
import type { JsonObject } from './protocol.ts'
import type { Caller, SessionHolder } from './server/server.ts'
import type { TraceContext } from './trace-context.ts'

/** A place where MCP clients connect, under one set of rules. */
export interface Endpoint {
  readonly name: string
  /** `/mcp`, or `/mcp/NAME`. */
  readonly path: string
  readonly rule: McpEndpointRule
  readonly federation: Federation
  readonly cacheMs: number
}

/** A client's HTTP request, once it is known whose it is. */
export interface Incoming {
  readonly requestId: string
  readonly endpoint: Endpoint
  readonly identity: Identity
  readonly token: string | undefined
  readonly headers: ReadonlyMap<string, string>
  /** The trace that it is part of. */
  readonly trace: TraceContext
  readonly listener: string
  /** The route of the rules that took it; absent where none did. */
  readonly route?: string | undefined
  /** Length of the body, bytes. */
  readonly bytes: number
  /** performance.now() at arrival. */
  readonly arrived: number
}

/** What seals are bound to: the identity, and the endpoint. */
export function boundTo({ identity, endpoint }: Pick<Incoming, 'identity' | 'endpoint'>): string {
  return `${identity.kind}\0${identity.subject}\0${identity.user ?? ''}\0${endpoint.name}`
}

export function callerOf(
  incoming: Incoming,
  capabilities: JsonObject,
  clientInfo: JsonObject,
  sessions: SessionHolder | undefined,
): Caller {
  const { identity, token, trace, listener, route } = incoming
  return {
    identity,
    identityKey: `${identity.kind}\0${identity.subject}\0${identity.user ?? ''}`,
    listener,
    route,
    token,
    capabilities,
    clientInfo,
    trace,
    sessions,
  }
}

/** What the gateway says of itself (schema: Implementation). */
export const gatewayInfo = { name: 'chaperone', title: 'Chaperone', version: '0.1.0' } as const
