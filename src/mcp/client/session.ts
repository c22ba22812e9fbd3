import { randomBytes } from 'node:crypto'
import { isObject } from '../../json.ts'
import { McpError } from '../errors.ts'
import {
  errorCode,
  type JsonObject,
  type JsonRpcErrorBody,
  legacyVersion,
  legacyVersions,
  type RequestId,
} from '../protocol.ts'
import type { Sealer } from '../seal.ts'
import type { ServerSession } from '../server/legacy-http-link.ts'
import type { SessionHolder } from '../server/server.ts'
import { Cancelled } from './kept-stream.ts'

/** A session with one server, inside of a client's. */
interface Inner {
  readonly session: ServerSession
  readonly capabilities: JsonObject
}

/** What a client's session id holds. Short names: it is a header of every request. */
interface Sealed {
  /** Its own id: chance. */
  i: string
  /** The revision that the client speaks. */
  v: string
  /** The client's capabilities and what it says it is. */
  c: JsonObject
  n: JsonObject
  /** The servers' sessions: id (null: none), revision (its place among those that are known), place of its capabilities, replica. */
  s: Record<string, [id: string | null, version: number, capabilities: number, host: string | null]>
  /** What servers can, each once: many can the same. */
  k: JsonObject[]
}

/** What is alive of a session in this process, and in no other. */
export interface LiveSession {
  /** Sessions with servers that were begun after the client's: another replica begins its own. */
  readonly later: Map<string, Inner>
  /** The client's requests under way, for notifications/cancelled. */
  readonly calls: Map<RequestId, { abort(reason: Cancelled): void }>
  /** Requests to the client that wait for its answer, by the id it was given. */
  readonly asked: Map<RequestId, (outcome: { result: JsonObject } | { error: JsonRpcErrorBody }) => void>
  /** Resources that it subscribed to, by the names that it uses. */
  readonly subscribed: Set<string>
  /** Its open streams of what servers say by themselves. */
  readonly streams: Set<ClientStream>
  logLevel: string | undefined
  usedAt: number
}

/** A stream to the client. */
export interface ClientStream {
  notify(method: string, params: JsonObject): void
  /** Opens what it listens to anew: the subscriptions or the servers are others. */
  refresh(): void
  end(): void
}

/** A client's session (2025-11-25, Session Management): the id holds it, no server keeps it. */
export class ClientSession implements SessionHolder {
  readonly id: string
  readonly version: string
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject
  readonly live: LiveSession
  readonly #inner: Map<string, Inner>

  constructor(
    id: string,
    version: string,
    capabilities: JsonObject,
    clientInfo: JsonObject,
    inner: Map<string, Inner>,
    live: LiveSession,
  ) {
    this.id = id
    this.version = version
    this.capabilities = capabilities
    this.clientInfo = clientInfo
    this.#inner = inner
    this.live = live
  }

  get key(): object {
    return this.live
  }

  get logLevel(): string | undefined {
    return this.live.logLevel
  }

  get(server: string): Inner | undefined {
    return this.live.later.get(server) ?? this.#inner.get(server)
  }

  set(server: string, session: ServerSession, capabilities: JsonObject): void {
    this.live.later.set(server, { session, capabilities })
  }

  delete(server: string): void {
    this.live.later.delete(server)
    this.#inner.delete(server)
  }

  /** The text that the client gets as Mcp-Session-Id, with every session that there is by now. */
  sealed(sealer: Sealer, bound: string, expires: number): string {
    const s: Sealed['s'] = {}
    const kinds = new Map<string, number>()
    for (const [name, { session, capabilities }] of [...this.#inner, ...this.live.later]) {
      const text = JSON.stringify(capabilities)
      const kind = kinds.get(text) ?? kinds.size
      kinds.set(text, kind)
      s[name] = [
        session.id ?? null,
        (legacyVersions as readonly string[]).indexOf(session.version),
        kind,
        session.host ?? null,
      ]
    }
    const k = [...kinds.keys()].map((text) => JSON.parse(text) as JsonObject)
    const content: Sealed = { i: this.id, v: this.version, c: this.capabilities, n: this.clientInfo, s, k }
    return sealer.seal('session', bound, content, expires)
  }
}

const mostLive = 20_000
/** Sessions that are remembered as they were opened. */
const mostRecent = 2_000

/** What was in a session's seal. */
interface Opened {
  readonly bound: string
  /** Unix seconds. */
  readonly expires: number
  readonly id: string
  readonly version: string
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject
  readonly inner: Map<string, Inner>
}

/** The clients' sessions, as far as this process knows them. */
export class Sessions {
  readonly #sealer: Sealer
  /** How long a session lasts at most, seconds. */
  lifetimeS: number
  readonly #live = new Map<string, LiveSession>()
  readonly #recent = new Map<string, Opened>()
  /** The keys that they were opened with. */
  #sealing = 0
  /** Sessions that clients ended, until they would have expired. */
  readonly #ended = new Map<string, number>()

  /** @param lifetimeS seconds */
  constructor(sealer: Sealer, lifetimeS: number) {
    this.#sealer = sealer
    this.lifetimeS = lifetimeS
  }

  begin(version: string, capabilities: JsonObject, clientInfo: JsonObject): ClientSession {
    const id = randomBytes(12).toString('base64url')
    return new ClientSession(id, version, capabilities, clientInfo, new Map(), this.#liveOf(id))
  }

  /** @returns Mcp-Session-Id */
  seal(session: ClientSession, bound: string): string {
    return session.sealed(this.#sealer, bound, now() + this.lifetimeS)
  }

  /**
   * @param bound whom and what for it must have been sealed
   * @throws {McpError} 404, so that the client begins a new one (2025-11-25, Session Management)
   */
  open(text: string, bound: string): ClientSession {
    const { id, version, capabilities, clientInfo, inner } = this.#opened(text, bound)
    if (this.#ended.has(id)) throw noSession('The session was ended.')
    return new ClientSession(id, version, capabilities, clientInfo, inner, this.#liveOf(id))
  }

  /** A client sends the same text with each of its requests: what was opened is remembered for a while. */
  #opened(text: string, bound: string): Opened {
    if (this.#sealing !== this.#sealer.generation) {
      this.#recent.clear()
      this.#sealing = this.#sealer.generation
    }
    const recent = this.#recent.get(text)
    if (recent && recent.bound === bound && recent.expires >= now()) return recent
    const opened = this.#sealer.open('session', bound, text, now())
    if (typeof opened === 'string')
      throw noSession(opened === 'expired' ? 'The session has expired.' : 'There is no such session for you here.')
    const { i, v, c, n, s, k } = opened.value as Sealed
    const inner = new Map<string, Inner>()
    for (const [name, [id, version, capabilities, host]] of Object.entries(s))
      inner.set(name, {
        session: { id: id ?? undefined, version: legacyVersions[version] ?? legacyVersion, host: host ?? undefined },
        capabilities: k[capabilities] ?? {},
      })
    const made: Opened = {
      bound,
      expires: opened.expires,
      id: i,
      version: v,
      capabilities: isObject(c) ? c : {},
      clientInfo: isObject(n) ? n : {},
      inner,
    }
    if (this.#recent.size >= mostRecent) this.#recent.delete(this.#recent.keys().next().value!)
    this.#recent.set(text, made)
    return made
  }

  end(session: ClientSession): void {
    this.#live.delete(session.id)
    if (this.#ended.size >= mostLive) this.#ended.delete(this.#ended.keys().next().value!)
    this.#ended.set(session.id, now() + this.lifetimeS)
    for (const controller of session.live.calls.values()) controller.abort(new Cancelled('the session was ended'))
    for (const stream of session.live.streams) stream.end()
  }

  /** Every session that somebody listens for. */
  *streams(): Iterable<ClientStream> {
    for (const { streams } of this.#live.values()) yield* streams
  }

  #liveOf(id: string): LiveSession {
    let live = this.#live.get(id)
    if (live) {
      // The last used stands last.
      this.#live.delete(id)
      live.usedAt = performance.now()
    } else {
      live = {
        later: new Map(),
        calls: new Map(),
        asked: new Map(),
        subscribed: new Set(),
        streams: new Set(),
        logLevel: undefined,
        usedAt: performance.now(),
      }
      if (this.#live.size >= mostLive) this.#drop()
    }
    this.#live.set(id, live)
    return live
  }

  /** Forgets the one that nobody used for longest and that has nothing under way. */
  #drop(): void {
    for (const [id, { streams, calls, asked }] of this.#live)
      if (streams.size + calls.size + asked.size === 0) {
        this.#live.delete(id)
        return
      }
  }
}

const now = () => Date.now() / 1000

function noSession(message: string): McpError {
  return new McpError(404, errorCode.session, `Session not found: ${message} Begin a new one with initialize.`, {
    reason: 'unknown_session',
  })
}
