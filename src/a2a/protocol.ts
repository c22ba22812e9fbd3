import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { findCredential } from '../identity/credentials.ts'
import type { Identity, Unidentified } from '../identity/identity.ts'
import { isObject, type JsonObject } from '../json.ts'
import type { AgentRequest, Decision, LocalAnswer, Protocol, Responder } from '../protocol.ts'
import { spelling } from './error-kinds.ts'
import { A2aError } from './errors.ts'
import { type Asker, refusalRecord } from './front/account.ts'
import { type Calls, headersOf } from './front/calls.ts'
import { type Cards, keySetPath } from './front/cards.ts'
import type { Offered } from './front/context.ts'
import type { Gate } from './governed.ts'
import { type AgentNames, isGrpcPath } from './grpc/agent-names.ts'
import { grpcService, type Wire } from './operations.ts'
import { callbackIn } from './push/paths.ts'
import type { Receiver } from './push/receiver.ts'
import type { A2aRecord } from './record.ts'
import { renderError } from './render-error.ts'

type Maybe<T> = T | Promise<T>

const cardPaths: ReadonlySet<string> = new Set(['/.well-known/agent-card.json', '/.well-known/agent.json'])

/** Whether a path is one of A2A's. */
export function isA2aPath(path: string): boolean {
  return (
    path === '/a2a' || path.startsWith('/a2a/') || path.startsWith('/a2a?') || path === keySetPath || isGrpcPath(path)
  )
}

/** What the protocol is made of, under one revision of the rules. */
export interface A2aParts {
  readonly agents: ReadonlyMap<string, Offered>
  /** By which clients of gRPC reach them. */
  readonly names: AgentNames
  readonly gate: Gate
  readonly calls: Calls
  readonly cards: Cards
  /** Takes what agents say to callbacks; undefined: nobody is notified. */
  readonly receiver: Receiver | undefined
  /** Where clients reach the gateway; undefined: where they say that they asked. */
  readonly base: string | undefined
  /** The longest body that a listener takes, bytes. */
  limitOf(listener: string): number
  /** The public keys, as JSON. */
  keySet(): Promise<string>
  /** Told of calls that get no further than here. */
  finished(record: A2aRecord): void
  report(error: unknown, requestId: string): void
}

/** The agents under one set of rules: their calls at `/a2a/NAME`, their cards below, and the directory at `/a2a`. */
export class A2aProtocol implements Protocol {
  readonly #parts: A2aParts

  constructor(parts: A2aParts) {
    this.#parts = parts
  }

  decide(request: AgentRequest): Maybe<Decision> {
    const { path } = request
    if (path === keySetPath) return this.#keySet(request)
    const { gate, receiver } = this.#parts
    const callback = receiver && callbackIn(splitOnce(path, '?')[0])
    if (receiver && callback !== undefined) return this.#callback(request, receiver, callback)
    const listener = gate.listenerOf(request.port)
    const identity = gate.authenticate(listener, request.headers)
    return identity instanceof Promise
      ? identity.then((known) => this.#identified(request, listener, known))
      : this.#identified(request, listener, identity)
  }

  /** Public: whoever checks a signature asks for it. */
  #keySet({ method }: AgentRequest): Maybe<Decision> {
    if (method !== 'GET') return { type: 'answer', answer: plainRefusal(405, 'The key set can only be read.') }
    return this.#parts.keySet().then((body) => ({
      type: 'answer',
      answer: {
        status: 200,
        headers: [
          ['content-type', 'application/jwk-set+json'],
          ['cache-control', 'public, max-age=300'],
        ],
        body,
      },
    }))
  }

  /** Who calls has the callback's own credential; what the listener wants to know of callers is not asked for. */
  #callback(request: AgentRequest, receiver: Receiver, callback: string): Decision {
    const { id, method, port, body } = request
    const { gate, report } = this.#parts
    const listener = gate.listenerOf(port)
    const respond: Responder = async (message, response) => {
      const headers = headersOf(message)
      const identify = (without: string | undefined) => {
        const others = new Map(request.headers)
        if (without !== undefined) others.delete(without)
        return gate.authenticate(listener, others)
      }
      try {
        await receiver.receive({ requestId: id, id: callback, method, headers, body, identify })
        send(response, 200, [], '{}')
      } catch (error) {
        if (!(error instanceof A2aError) || error.cause !== undefined) report(error, id)
        const known = error instanceof A2aError ? error : new A2aError('internal', 'The gateway failed.')
        const { status, headers: more, body: text } = renderError(known, { binding: 'http+json', version: '1.0' })
        send(response, status, more, text)
      }
    }
    return { type: 'respond', respond }
  }

  #identified(request: AgentRequest, listener: string, identity: Identity | Unidentified): Decision {
    const [path = '', query] = splitOnce(request.path, '?')
    const byGrpc = isGrpcPath(path)
    const [, named = '', below = ''] = /^\/a2a\/([^/]+)(.*)$/s.exec(path) ?? []
    const wire = wireOf(request, below)
    const refuse = (error: A2aError, known?: Identity): Decision => {
      this.#parts.finished(refusalRecord({ ...request, listener, identity: known }, wire, error))
      return { type: 'answer', answer: renderError(error, wire) }
    }
    if ('status' in identity) {
      if (identity.cause !== undefined) this.#parts.report(identity.cause, request.id)
      const unknown = identity.status === 401
      const headers: [string, string][] = unknown ? [['www-authenticate', `Bearer error="${identity.code}"`]] : []
      return refuse(
        new A2aError(unknown ? 'unauthenticated' : 'unavailable', identity.message, {
          metadata: { code: identity.code },
          headers,
        }),
      )
    }
    const asker: Asker = {
      requestId: request.id,
      identity,
      token: identity.kind === 'jwt' ? tokenIn(request.headers) : undefined,
      listener,
      route: request.route,
      path,
      bytes: request.body.length,
      arrived: request.arrived,
    }
    const base = this.#baseOf(request)
    const place = request.mount && base + request.mount.outer
    if (path === '/a2a' || path === '/a2a/') {
      if (request.method !== 'GET')
        return { type: 'answer', answer: plainRefusal(405, 'The directory can only be read.') }
      return this.#json(asker, () => this.#parts.cards.directory(asker, base))
    }
    let name = named
    const limit = this.#parts.limitOf(listener)
    // Over HTTP/2 Envoy cuts a body that goes beyond it with its last piece, instead of refusing it.
    if (request.body.length >= limit)
      return refuse(
        new A2aError(
          'tooLarge',
          `The request body is larger than this gateway's limit of ${limit} bytes. Send less, or ask the operator to raise maxRequestBytes of this listener.`,
        ),
        identity,
      )
    if (byGrpc) {
      if (wire.binding !== 'grpc') return { type: 'answer', answer: notGrpc() }
      try {
        name = this.#parts.names.of(request)
      } catch (error) {
        if (error instanceof A2aError) return refuse(error, identity)
        throw error
      }
    }
    const offered = this.#parts.agents.get(name)
    if (!offered)
      return refuse(
        new A2aError('methodNotFound', 'There is no such agent here; GET /a2a lists those there are'),
        identity,
      )
    if (cardPaths.has(below)) {
      if (request.method !== 'GET') return { type: 'answer', answer: plainRefusal(405, 'The card can only be read.') }
      return this.#json(asker, () => this.#parts.cards.card(asker, offered, place ?? base, place))
    }
    const { method, body } = request
    const incoming = {
      ...asker,
      method,
      body,
      base: place ?? base,
      place,
      rest: byGrpc ? path : query === undefined ? below : `${below}?${query}`,
    }
    return {
      type: 'respond',
      respond: (message, response) => this.#parts.calls.respond(incoming, offered, message, response),
    }
  }

  /** A document of the gateway's own. */
  #json(asker: Asker, make: () => Promise<JsonObject>): Decision {
    const respond: Responder = async (request, response) => {
      try {
        const document = await make()
        const etag = tagOf(document)
        // What a caller may see is its own matter, and changes with the rules.
        const headers: [string, string][] = [
          ['cache-control', 'private, max-age=60'],
          ['etag', etag],
        ]
        const known = request.headers['if-none-match']
          ?.split(',')
          .some((tag) => tag.trim().replace(/^W\//, '') === etag)
        if (known) response.writeHead(304, headers.flat()).end()
        else send(response, 200, headers, JSON.stringify(document))
      } catch (error) {
        if (!(error instanceof A2aError) || error.cause !== undefined) this.#parts.report(error, asker.requestId)
        const known = error instanceof A2aError ? error : new A2aError('internal', 'The gateway failed.')
        const status = known.kind === 'invalidAgentResponse' ? 502 : spelling[known.kind].http
        send(response, status, [], JSON.stringify({ error: known.message }))
      }
    }
    return { type: 'respond', respond }
  }

  #baseOf({ headers }: AgentRequest): string {
    if (this.#parts.base !== undefined) return this.#parts.base
    const scheme = headers.get('x-forwarded-proto') === 'https' ? 'https' : 'http'
    return `${scheme}://${headers.get(':authority') ?? 'localhost'}`
  }
}

/** What refusals before a call is understood are written for. */
function wireOf({ headers, method, path }: AgentRequest, below: string): Wire {
  if (headers.get('content-type')?.startsWith('application/grpc') === true)
    return { binding: 'grpc', version: path.includes(`/${grpcService['0.3']}/`) ? '0.3' : '1.0' }
  const rpc = (below === '' || below === '/') && method === 'POST'
  return { binding: rpc ? 'jsonrpc' : 'http+json', version: '1.0' }
}

/** What is no gRPC, where only that is spoken (PROTOCOL-HTTP2.md of grpc/grpc). */
const notGrpc = (): LocalAnswer => ({
  status: 415,
  headers: [['content-type', 'application/json']],
  body: JSON.stringify({ error: 'This is a method of gRPC: the content-type must be application/grpc.' }),
})

function plainRefusal(status: number, message: string): LocalAnswer {
  return {
    status,
    headers: [
      ['content-type', 'application/json'],
      ['allow', 'GET'],
    ],
    body: JSON.stringify({ error: message }),
  }
}

/** The document's entity tag (1.0, section 8.6). A signature is another each time, though what it is of is the same. */
function tagOf({ signatures, ...document }: JsonObject): string {
  const signed = Array.isArray(signatures) ? signatures.map((each) => (isObject(each) ? each.protected : '')) : []
  return `"${createHash('sha256')
    .update(JSON.stringify([document, signed]))
    .digest('base64url')
    .slice(0, 22)}"`
}

function send(response: ServerResponse, status: number, headers: [string, string][], body: string): void {
  const all = ['content-length', String(Buffer.byteLength(body))]
  if (!headers.some(([name]) => name === 'content-type')) all.push('content-type', 'application/json')
  for (const [name, value] of headers) all.push(name, value)
  response.writeHead(status, all).end(body)
}

/** The token that proved who the caller is. */
function tokenIn(headers: ReadonlyMap<string, string>): string | undefined {
  const credential = findCredential(headers, { key: false, jwt: true })
  return typeof credential === 'object' ? credential.text : undefined
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}
