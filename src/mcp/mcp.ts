import type { ServerResponse } from 'node:http'
import { findCredential } from '../identity/credentials.ts'
import type { Identity, Unidentified } from '../identity/identity.ts'
import type { AgentRequest, Decision, LocalAnswer, Protocol } from '../protocol.ts'
import { type Approvals, approvalPath } from './approval/approvals.ts'
import { DirectCall } from './client/direct-call.ts'
import type { LegacyFront } from './client/legacy.ts'
import { ModernFront } from './client/modern.ts'
import { Reply } from './client/reply.ts'
import { goneOf, ResponseSink } from './client/reply-sink.ts'
import type { McpContext } from './context.ts'
import type { Endpoint, Incoming } from './endpoint.ts'
import { errorBody, errorResponse, McpError } from './errors.ts'
import { readMessage } from './message.ts'
import { challenge } from './oauth/challenge.ts'
import { isOAuthPage, type OAuthPages, send } from './oauth/pages.ts'
import { resourceWellKnown } from './oauth/paths.ts'
import { type ProtectedResource, protectedResourceMetadata, resourceMetadataUrl } from './oauth/protected-resource.ts'
import { publicBase } from './oauth/public-base.ts'
import { errorCode, type JsonRpcMessage } from './protocol.ts'
import { traceContextOf } from './trace-context.ts'

type Maybe<T> = T | Promise<T>

/** Tells who a request comes from. */
export interface Gate {
  /** Those whose tokens a listener takes. */
  issuersOf(listener: string): readonly string[]
  listenerOf(port: number): string
  identify(listener: string, headers: ReadonlyMap<string, string>): Maybe<Identity | Unidentified>
}

/** Whether a path is one of MCP's. */
export function isMcpPath(path: string): boolean {
  return (
    path === '/mcp' ||
    path.startsWith('/mcp/') ||
    path.startsWith('/mcp?') ||
    isMetadataPath(path) ||
    isOAuthPage(path) ||
    isApprovalPage(path)
  )
}

/** Whether a path is the page on which calls are approved. */
function isApprovalPage(path: string): boolean {
  return path === approvalPath || path.startsWith(`${approvalPath}?`)
}

/** Whether a path asks for the metadata of an endpoint. */
function isMetadataPath(path: string): boolean {
  return (
    path === resourceWellKnown ||
    path.startsWith(`${resourceWellKnown}/mcp`) ||
    path.startsWith(`${resourceWellKnown}?`)
  )
}

/** The path of the endpoint whose metadata is asked for; without one it is /mcp. */
function endpointPathOf(path: string): string {
  const own = path.slice(resourceWellKnown.length)
  return own === '' || own.startsWith('?') ? '/mcp' : own
}

/** Whether a token grants all of these (RFC 9068, section 2.2.3; `scp` is what some issuers say instead). */
function hasScopes({ claims }: Identity, wanted: readonly string[]): boolean {
  if (wanted.length === 0) return true
  const said = claims.scope ?? claims.scp
  const granted = typeof said === 'string' ? said.split(' ') : Array.isArray(said) ? said : []
  return wanted.every((scope) => granted.includes(scope))
}

export interface McpProtocolOptions {
  /** The longest silence on a stream before a comment is sent. */
  readonly keepAliveMs: number
  /** Where clients reach the gateway, where the rules say so. */
  readonly publicUrl: string | undefined
  /** The pages of the OAuth flow; undefined: there are none. */
  readonly pages: OAuthPages | undefined
  /** The pages on which calls are approved; undefined: there are none. */
  readonly approvals: Approvals | undefined
}

const methods = 'GET, POST, DELETE, OPTIONS'
const exposed = 'mcp-session-id, mcp-protocol-version, www-authenticate, x-request-id, retry-after'
const allowedHeaders =
  'authorization, content-type, accept, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name, last-event-id, x-chaperone-key, traceparent, tracestate, baggage'

/** The MCP endpoints under one set of rules. */
export class McpProtocol implements Protocol {
  readonly #endpoints: ReadonlyMap<string, Endpoint>
  readonly #gate: Gate
  readonly #context: McpContext
  readonly #legacy: LegacyFront
  readonly #modern: ModernFront
  readonly #options: McpProtocolOptions

  constructor(
    endpoints: ReadonlyMap<string, Endpoint>,
    gate: Gate,
    context: McpContext,
    fronts: { legacy: LegacyFront; modern: ModernFront },
    options: McpProtocolOptions,
  ) {
    this.#endpoints = endpoints
    this.#gate = gate
    this.#context = context
    this.#legacy = fronts.legacy
    this.#modern = fronts.modern
    this.#options = options
  }

  decide(request: AgentRequest): Maybe<Decision> {
    if (isMetadataPath(request.path)) return this.#metadata(request)
    if (isOAuthPage(request.path) || isApprovalPage(request.path)) return this.#page(request)
    const mark = request.path.indexOf('?')
    const path = mark === -1 ? request.path : request.path.slice(0, mark)
    const endpoint = this.#endpoints.get(path.length > 4 && path.endsWith('/') ? path.slice(0, -1) : path)
    if (!endpoint)
      return refusal(request, new McpError(404, errorCode.invalidRequest, 'There is no MCP endpoint here.'), [])
    const origin = request.headers.get('origin')
    const cors = origin === undefined ? [] : corsOf(endpoint, origin, request.headers.get(':authority'))
    if (cors === undefined)
      // Streamable HTTP, Security: what another page of a browser sends is not what its user meant.
      return refusal(request, new McpError(403, errorCode.invalidRequest, 'This origin may not ask here.'), [])
    if (request.method === 'OPTIONS') return preflight(cors, request.headers.get('access-control-request-headers'))
    if (request.method !== 'GET' && request.method !== 'POST' && request.method !== 'DELETE') {
      const error = new McpError(405, errorCode.invalidRequest, 'Method not allowed.', {
        headers: [['allow', methods]],
      })
      return refusal(request, error, cors)
    }
    const listener = this.#gate.listenerOf(request.port)
    const identity = this.#gate.identify(listener, request.headers)
    return identity instanceof Promise
      ? identity.then((known) => this.#identified(request, endpoint, listener, known, cors))
      : this.#identified(request, endpoint, listener, identity, cors)
  }

  /** Public: a client that has no token yet asks for it (RFC 9728). */
  #metadata(request: AgentRequest): Decision {
    const resource = this.#resource(request, endpointPathOf(request.path))
    // SDKs in browsers say the revision in a header, which makes them ask first.
    if (resource && request.method === 'OPTIONS') return preflight([['access-control-allow-origin', '*']])
    if (!resource || request.method !== 'GET')
      return refusal(request, new McpError(404, errorCode.invalidRequest, 'There is no such resource here.'), [])
    return {
      type: 'answer',
      answer: {
        status: 200,
        headers: [
          ['content-type', 'application/json'],
          ['cache-control', 'public, max-age=300'],
          // It is public, and clients in browsers begin with it.
          ['access-control-allow-origin', '*'],
        ],
        body: JSON.stringify(protectedResourceMetadata(resource)),
      },
    }
  }

  /** What an endpoint is to those who give tokens for it; undefined: none are taken there. */
  #resource(request: AgentRequest, path: string): ProtectedResource | undefined {
    const endpoint = this.#endpoints.get(path)
    const issuers = this.#gate.issuersOf(this.#gate.listenerOf(request.port))
    const base = publicBase(this.#options.publicUrl, {
      scheme: request.headers.get('x-forwarded-proto') === 'https' ? 'https' : 'http',
      authority: request.headers.get(':authority'),
    })
    if (!endpoint || issuers.length === 0 || base === undefined) return undefined
    return { base, path: request.mount?.outer ?? path, issuers, scopes: endpoint.rule.scopes }
  }

  /** A page that browsers and authorization servers ask for. */
  #page(request: AgentRequest): Decision {
    const { pages, approvals } = this.#options
    if (!pages || !approvals)
      return refusal(request, new McpError(404, errorCode.invalidRequest, 'There is no such page here.'), [])
    return {
      type: 'respond',
      respond: async (incoming, response) => {
        const listener = this.#gate.listenerOf(request.port)
        const found = await this.#gate.identify(listener, request.headers)
        const identity = 'status' in found ? undefined : found
        if (isApprovalPage(request.path)) {
          const { searchParams } = new URL(request.path, 'http://gateway')
          send(response, await approvals.answer(request.method, searchParams, request.body, identity, listener))
        } else send(response, await pages.answer(request, incoming, identity))
      },
    }
  }

  #identified(
    request: AgentRequest,
    endpoint: Endpoint,
    listener: string,
    identity: Identity | Unidentified,
    cors: LocalAnswer['headers'],
  ): Maybe<Decision> {
    if ('status' in identity) {
      if (identity.cause !== undefined) this.#context.report(identity.cause, request.id)
      const headers: [string, string][] =
        identity.status === 401
          ? [['www-authenticate', this.#challenge(401, request, endpoint, identity.code !== 'missing_credentials')]]
          : []
      const error = new McpError(identity.status, errorCode.session, identity.message, {
        reason: identity.code,
        headers,
      })
      return refusal(request, error, cors)
    }
    if (identity.kind === 'jwt' && !hasScopes(identity, endpoint.rule.scopes)) {
      const error = new McpError(
        403,
        -32003,
        `The token lacks scopes: ${endpoint.rule.scopes.join(' ')} are needed here.`,
        {
          reason: 'insufficient_scope',
          rule: `mcp.endpoints.${endpoint.name}.scopes`,
          headers: [['www-authenticate', this.#challenge(403, request, endpoint, true)]],
        },
      )
      return refusal(request, error, cors)
    }
    const asked = {
      requestId: request.id,
      endpoint,
      identity,
      token: identity.kind === 'jwt' ? tokenIn(request.headers) : undefined,
      headers: request.headers,
      listener,
      route: request.route,
      bytes: request.body.length,
      arrived: request.arrived,
    }
    const accept = request.headers.get('accept')
    const streams = accept === undefined || /text\/event-stream|text\/\*|\*\/\*/.test(accept)
    if (request.method !== 'POST') {
      if (request.method === 'GET' && !streams) {
        const error = new McpError(406, errorCode.session, 'Not Acceptable: the stream is text/event-stream.')
        return refusal(request, error, cors)
      }
      const handle = request.method === 'GET' ? this.#listen : this.#end
      const incoming = { ...asked, trace: traceContextOf(request.headers) }
      return { type: 'respond', respond: (_, response) => handle.call(this, incoming, response, cors) }
    }
    if (!/^application\/json\b/i.test(request.headers.get('content-type') ?? ''))
      return refusal(
        request,
        new McpError(415, errorCode.session, 'Unsupported Media Type: the body must be application/json.'),
        cors,
      )
    let message: JsonRpcMessage
    try {
      message = readMessage(request.body)
    } catch (error) {
      if (!(error instanceof McpError)) throw error
      return refusal(request, error, cors)
    }
    const incoming: Incoming = { ...asked, trace: traceContextOf(request.headers, message) }
    const version = request.headers.get('mcp-protocol-version')
    const modern = 'method' in message && ModernFront.knows(message, version)
    const call = new DirectCall(request.id, modern ? 'modern' : 'legacy')
    // What initialize answers has a header that is not known before the end.
    const mayStream = streams && !('method' in message && message.method === 'initialize')
    const reply = new Reply(call.sink, mayStream, cors, call)
    void this.#message(incoming, message, modern, reply, call.gone)
    return call.decision(reply, this.#options.keepAliveMs)
  }

  #challenge(status: 401 | 403, request: AgentRequest, { path, rule }: Endpoint, shown: boolean): string {
    const resource = this.#resource(request, path)
    return challenge(status, {
      resourceMetadata: resource && resourceMetadataUrl(resource),
      scopes: rule.scopes,
      shown,
    })
  }

  async #message(
    incoming: Incoming,
    message: JsonRpcMessage,
    modern: boolean,
    reply: Reply,
    gone: AbortSignal,
  ): Promise<void> {
    try {
      if (!('method' in message)) {
        this.#legacy.response(incoming, message)
        reply.accepted()
        return
      }
      if (!('id' in message)) {
        if (!modern) this.#legacy.notification(incoming, message)
        reply.accepted()
        return
      }
      if (modern) await this.#modern.request(incoming, message, reply, gone)
      else await this.#legacy.request(incoming, message, reply, gone)
    } catch (error) {
      if (!(error instanceof McpError)) this.#context.report(error, incoming.requestId)
      const status = error instanceof McpError ? error.status : 500
      reply.error(undefined, status, errorBody(error, incoming.requestId))
    }
  }

  async #listen(incoming: Incoming, response: ServerResponse, cors: LocalAnswer['headers']): Promise<void> {
    let reply: Reply | undefined
    try {
      await this.#legacy.listen(
        incoming,
        () => {
          reply = new Reply(new ResponseSink(response), true, cors)
          reply.keepAlive(this.#options.keepAliveMs)
          return reply
        },
        goneOf(response),
      )
      reply?.end()
    } catch (error) {
      const status = error instanceof McpError ? error.status : 500
      if (!(error instanceof McpError)) this.#context.report(error, incoming.requestId)
      const failed = reply ?? new Reply(new ResponseSink(response), false, cors)
      failed.error(undefined, status, errorBody(error, incoming.requestId))
    }
  }

  async #end(incoming: Incoming, response: ServerResponse, cors: LocalAnswer['headers']): Promise<void> {
    try {
      await this.#legacy.end(incoming)
      for (const [name, value] of cors) response.setHeader(name, value)
      response.writeHead(204).end()
    } catch (error) {
      if (!(error instanceof McpError)) this.#context.report(error, incoming.requestId)
      const reply = new Reply(new ResponseSink(response), false, cors)
      reply.error(undefined, error instanceof McpError ? error.status : 500, errorBody(error, incoming.requestId))
    }
  }
}

/** The token that proved who the caller is. */
function tokenIn(headers: ReadonlyMap<string, string>): string | undefined {
  const credential = findCredential(headers, { key: false, jwt: true })
  return typeof credential === 'object' ? credential.text : undefined
}

function refusal(request: AgentRequest, error: McpError, cors: LocalAnswer['headers']): Decision {
  return {
    type: 'answer',
    answer: {
      status: error.status,
      headers: [
        ['content-type', 'application/json'],
        ...cors,
        ...error.headers.map(([n, v]): [string, string] => [n, v]),
      ],
      body: JSON.stringify(errorResponse(undefined, errorBody(error, request.id))),
    },
  }
}

/** @param wanted the headers that the page wants to send: arguments that a tool has repeated in headers are among them */
function preflight(cors: LocalAnswer['headers'], wanted = ''): Decision {
  const mirrored = wanted.split(',').map((name) => name.trim().toLowerCase())
  const own = mirrored.filter((name) => /^mcp-param-[!#$%&'*+.^_`|~0-9a-z-]{1,100}$/.test(name)).slice(0, 50)
  return {
    type: 'answer',
    answer: {
      status: 204,
      headers: [
        ...cors,
        ['access-control-allow-methods', methods],
        ['access-control-allow-headers', [allowedHeaders, ...own].join(', ')],
        ['vary', 'access-control-request-headers'],
        ['access-control-max-age', '600'],
      ],
      body: '',
    },
  }
}

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/

/**
 * What a page of this origin is told (CORS, Fetch standard).
 * @returns undefined where it may not ask. Pages of this machine may where the gateway was asked by a name of this machine:
 *   a rebound name is another
 */
function corsOf(
  { rule }: Endpoint,
  origin: string,
  authority: string | undefined,
): [name: string, value: string][] | undefined {
  const named = rule.origins.includes('*') || rule.origins.includes(origin)
  if (!named) {
    const host = /^https?:\/\/(.+)$/.exec(origin)?.[1] ?? ''
    if (!loopback.test(host) || !loopback.test(authority ?? '')) return undefined
  }
  return [
    ['access-control-allow-origin', origin],
    ['access-control-expose-headers', exposed],
    ['vary', 'origin'],
  ]
}
