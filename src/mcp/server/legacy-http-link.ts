import { isObject } from '../../json.ts'
import { ServerError, ServerUnavailable, SessionLost } from '../errors.ts'
import { loudEnough } from '../logs.ts'
import {
  eraOf,
  errorCode,
  type JsonObject,
  type JsonRpcErrorBody,
  type JsonRpcNotification,
  type JsonRpcRequest,
  legacyVersion,
  type RequestId,
} from '../protocol.ts'
import { abortable } from './abortable.ts'
import type { Carrier } from './carrier.ts'
import { type EventStream, type HttpServer, type Posted, replicaHeader } from './http-server.ts'
import type { CallHooks, ClientSide, Interest, Link, ListenHooks, ServerInfo } from './link.ts'
import { refused, resultOf } from './modern-link.ts'
import { pause } from './pause.ts'
import { Detached, StreamEnded, type UpstreamPosition } from './position.ts'

/** A session that a server gave: all that must be known to go on with it. */
export interface ServerSession {
  /** Mcp-Session-Id; undefined: the server has no sessions. */
  readonly id: string | undefined
  readonly version: string
  /** The replica that began it, in Envoy's words. */
  readonly host?: string | undefined
}

/** Request ids in one session must differ, also where several of these services use it: they begin with chance. */
const prefix = Math.random().toString(36).slice(2, 8)
let lastId = 0
const mostResumptions = 100
const mostConflicts = 20
const conflictMs = 250

/** A session with a server of the revisions up to 2025-11-25, over streamable HTTP. */
export class LegacyHttpLink implements Link {
  readonly info: ServerInfo
  readonly session: ServerSession
  readonly #server: HttpServer
  readonly #client: ClientSide
  #logLevel: string | undefined

  constructor(server: HttpServer, session: ServerSession, info: ServerInfo, client: ClientSide) {
    this.#server = server
    this.session = session
    this.info = info
    this.#client = client
  }

  /**
   * Begins a session (2025-11-25, Lifecycle).
   * @param version what is offered; the server may answer with another
   * @throws {ServerError | ServerUnavailable}
   */
  static async initialize(
    server: HttpServer,
    client: ClientSide,
    signal: AbortSignal,
    version: string = legacyVersion,
  ): Promise<LegacyHttpLink> {
    const id = nextId()
    const params = { protocolVersion: version, capabilities: client.capabilities, clientInfo: client.clientInfo }
    const posted = await server.post({ jsonrpc: '2.0', id, method: 'initialize', params }, client.headers, signal)
    const result = await firstAnswer(server.name, posted, id)
    const info = initializedInfo(server.name, result)
    const link = new LegacyHttpLink(
      server,
      { id: posted.header('mcp-session-id'), version: info.version, host: posted.header(replicaHeader) },
      info,
      client,
    )
    await link.notify('notifications/initialized', {}, signal)
    return link
  }

  /**
   * Has the server say at least so much in its log messages: for a session that many requests share, each with a level of its own.
   * @param level of severity, as `logging/setLevel` knows it
   */
  async wantLogs(level: string): Promise<void> {
    if (!isObject(this.info.capabilities.logging)) return
    if (this.#logLevel !== undefined && loudEnough(level, this.#logLevel)) return
    this.#logLevel = level
    await this.#accepted(
      { jsonrpc: '2.0', id: nextId(), method: 'logging/setLevel', params: { level } },
      AbortSignal.timeout(5_000),
    ).catch(() => undefined)
  }

  async request(method: string, params: JsonObject, hooks: CallHooks): Promise<JsonObject> {
    const id = nextId()
    const cancelled = () => {
      if (hooks.signal.reason instanceof Detached) return
      // The client does not wait any more; the server need not work any more.
      void this.notify('notifications/cancelled', { requestId: id, reason: 'the client went away' }).catch(
        () => undefined,
      )
    }
    hooks.signal.addEventListener('abort', cancelled, { once: true })
    try {
      const posted = await this.#post({ jsonrpc: '2.0', id, method, params }, hooks.signal, this.#carrierOf(hooks))
      const { body } = posted
      if (body.type === 'none') throw refused(this.#server.name, posted.status)
      if (body.type === 'message') return resultOf(this.#server.name, body.message, id)
      return await this.#fromStream(body.events, id, hooks)
    } finally {
      hooks.signal.removeEventListener('abort', cancelled)
    }
  }

  /**
   * Goes on with the stream that answers a request, behind an event of it (2025-11-25, Resumability and Redelivery).
   * @throws {ServerUnavailable} where the server does not go on
   */
  async resume({ eventId, requestId }: UpstreamPosition, hooks: CallHooks): Promise<JsonObject> {
    const events = await this.#reopened(eventId, hooks.signal)
    return this.#fromStream(events, requestId, hooks)
  }

  async notify(method: string, params: JsonObject, signal = AbortSignal.timeout(30_000)): Promise<void> {
    await this.#accepted({ jsonrpc: '2.0', method, params }, signal)
  }

  /** Answers a request of the server's. */
  async answer(
    id: RequestId,
    outcome: { result: JsonObject } | { error: JsonRpcErrorBody },
    signal = AbortSignal.timeout(30_000),
  ): Promise<void> {
    await this.#accepted({ jsonrpc: '2.0', id, ...outcome }, signal)
  }

  async listen(_interest: () => Interest, hooks: ListenHooks): Promise<void> {
    const events = await this.#open(undefined, hooks.signal)
    if (events instanceof Object) void this.#follow(events, hooks)
    else if (await this.#isLost(events, hooks.signal)) throw new SessionLost()
  }

  /** Whether a refusal of the stream means that the session is over: 404 is also what is said where there are no such streams. */
  async #isLost(status: number, signal: AbortSignal): Promise<boolean> {
    if (this.session.id === undefined || (status !== 404 && status !== 400)) return false
    try {
      await this.#accepted({ jsonrpc: '2.0', id: nextId(), method: 'ping' }, signal)
      return false
    } catch (error) {
      return error instanceof SessionLost
    }
  }

  /** Ends the session at the server. */
  async end(): Promise<void> {
    if (this.session.id === undefined) return
    await this.#server.delete(this.#headers(), AbortSignal.timeout(5_000)).catch(() => undefined)
  }

  async #fromStream(first: EventStream, id: RequestId, hooks: CallHooks): Promise<JsonObject> {
    let events: EventStream = first
    for (let resumed = 0; ; resumed++) {
      let broken: unknown
      const stream = events
      stream.onPosition = (eventId) =>
        hooks.resumable?.at({ eventId, requestId: id, session: this.session, retryMs: stream.retryMs })
      try {
        for await (const message of events) {
          if (!('method' in message)) return resultOf(this.#server.name, message, id)
          this.#heard(message, hooks)
          const room = hooks.room?.()
          if (room !== undefined) await abortable(room, hooks.signal)
        }
      } catch (error) {
        if (error instanceof ServerError || hooks.signal.aborted) throw error
        broken = error
      }
      if (hooks.signal.aborted) throw hooks.signal.reason
      // 2025-11-25: a server may close the stream at any time, and goes on where the client comes again.
      const { lastEventId, retryMs } = events
      if (lastEventId !== undefined) this.#server.resumes = true
      if (lastEventId !== undefined && !broken && hooks.resumable?.ended()) throw new StreamEnded()
      if (lastEventId === undefined || resumed >= mostResumptions)
        throw (
          broken ??
          new ServerUnavailable(
            this.#server.name,
            `The MCP server ${this.#server.name} ended its stream without an answer.`,
          )
        )
      await new Promise((resolve) => setTimeout(resolve, Math.min(retryMs ?? 500, 30_000)))
      events = await this.#reopened(lastEventId, hooks.signal)
    }
  }

  /** @throws {ServerUnavailable} where the server does not go on */
  async #reopened(lastEventId: string, signal: AbortSignal): Promise<EventStream> {
    for (let tries = 1; ; tries++) {
      const opened = await this.#open(lastEventId, signal)
      if (opened instanceof Object) return opened
      // The server may not have seen yet that the connection before is gone.
      if (opened !== 409 || tries >= mostConflicts)
        throw new ServerUnavailable(this.#server.name, `The stream of the MCP server ${this.#server.name} broke off.`)
      await new Promise((resolve) => setTimeout(resolve, conflictMs))
    }
  }

  /** What a server says by itself, for as long as somebody listens. */
  async #follow(first: EventStream, hooks: ListenHooks): Promise<void> {
    let events: EventStream | undefined = first
    let last: string | undefined
    for (let failures = 0; !hooks.signal.aborted; ) {
      try {
        if (events)
          for await (const message of events) {
            failures = 0
            if ('method' in message) this.#heard(message, hooks)
          }
      } catch {
        // It is opened anew.
      }
      last = events?.lastEventId ?? last
      if (!(await pause(failures++, hooks.signal))) return
      try {
        const next = await this.#open(last, hooks.signal)
        if (typeof next === 'number') {
          if (await this.#isLost(next, hooks.signal)) {
            hooks.lost()
            return
          }
          if (next === 405 || next === 404) return
        }
        events = next instanceof Object ? next : undefined
      } catch {
        events = undefined
      }
    }
  }

  #heard(message: JsonRpcRequest | JsonRpcNotification, hooks: CallHooks | ListenHooks): void {
    const params = message.params ?? {}
    if (!('id' in message)) {
      hooks.notified(message.method, params)
      return
    }
    const { id } = message
    if (message.method === 'ping') {
      void this.answer(id, { result: {} }).catch(() => undefined)
      return
    }
    hooks
      .asked(message.method, params)
      .then(
        (result) => this.answer(id, { result }),
        (error: unknown) =>
          this.answer(id, {
            error:
              error instanceof ServerError
                ? error.body
                : { code: errorCode.internal, message: 'The client did not answer.' },
          }),
      )
      .catch(() => undefined)
  }

  async #accepted(message: object, signal: AbortSignal): Promise<void> {
    const posted = await this.#post(message, signal)
    if (posted.body.type === 'stream') posted.body.events.close()
    if (posted.status >= 400) throw refused(this.#server.name, posted.status)
  }

  /**
   * The client's own request reaches a session only where its replica is known; and it cannot wait for a server that ends its stream
   * and wants to be asked again.
   */
  #carrierOf({ carrier }: CallHooks): Carrier | undefined {
    const { id, host } = this.session
    if (carrier?.era !== 'legacy' || this.#server.resumes) return undefined
    if (host === undefined) return id === undefined ? carrier : undefined
    return (this.#server.suspects.get(host) ?? 0) > performance.now() ? undefined : carrier
  }

  async #post(message: object, signal: AbortSignal, carrier?: Carrier): Promise<Posted> {
    const posted = await this.#server.post(message, this.#headers(), signal, carrier)
    if (this.session.id !== undefined && isLost(posted)) throw new SessionLost()
    return posted
  }

  async #open(lastEventId: string | undefined, signal: AbortSignal): Promise<EventStream | number> {
    const headers: (readonly [string, string])[] = [...this.#headers()]
    if (lastEventId !== undefined) headers.push(['last-event-id', lastEventId])
    return this.#server.open(headers, signal)
  }

  #headers(): readonly (readonly [string, string])[] {
    const { id, version, host } = this.session
    const headers: (readonly [string, string])[] = [...this.#client.headers]
    if (host !== undefined) headers.push([replicaHeader, host])
    if (id !== undefined) headers.push(['mcp-session-id', id])
    // 2025-06-18 made it a must; servers before ignore it.
    headers.push(['mcp-protocol-version', version])
    return headers
  }
}

/** 404, as the specification says; servers built after older examples say 400, and in words what they do not know. */
function isLost({ status, body }: Posted): boolean {
  if (status === 404) return true
  if (status !== 400) return false
  const error = body.type === 'message' && 'error' in body.message ? body.message.error : undefined
  if (error?.code === errorCode.invalidParams) return false
  return /\bsession\b|not initialized/i.test(error?.message ?? (body.type === 'none' ? body.text : ''))
}

function nextId(): string {
  return `${prefix}-${++lastId}`
}

/** @throws {ServerUnavailable} where it is no InitializeResult of a revision that is spoken here */
export function initializedInfo(server: string, result: JsonObject): ServerInfo {
  const { protocolVersion, capabilities, serverInfo, instructions } = result
  if (eraOf(protocolVersion) !== 'legacy')
    throw new ServerUnavailable(
      server,
      `The MCP server ${server} speaks a revision of the protocol that the gateway does not know.`,
    )
  return {
    era: 'legacy',
    version: protocolVersion as string,
    capabilities: isObject(capabilities) ? capabilities : {},
    ...(isObject(serverInfo) && { serverInfo }),
    ...(typeof instructions === 'string' && { instructions }),
  }
}

async function firstAnswer(server: string, { body, status }: Posted, id: RequestId): Promise<JsonObject> {
  if (body.type === 'none') throw refused(server, status)
  if (body.type === 'message') return resultOf(server, body.message, id)
  try {
    for await (const message of body.events) if (!('method' in message)) return resultOf(server, message, id)
  } finally {
    body.events.close()
  }
  throw new ServerUnavailable(server, `The MCP server ${server} ended its stream without an answer.`)
}
