import { createHash } from 'node:crypto'
import type { McpServerRule } from '../../config/mcp.ts'
import { durationMs } from '../../config/primitives.ts'
import type { Identity } from '../../identity/identity.ts'
import { isObject } from '../../json.ts'
import { CredentialsRefused, ServerError, ServerUnavailable, SessionLost } from '../errors.ts'
import { errorCode, type JsonObject, type Tool, tasksExtension } from '../protocol.ts'
import type { Channel } from './channel.ts'
import type { HttpServer } from './http-server.ts'
import { LegacyHttpLink, type ServerSession } from './legacy-http-link.ts'
import type { CallHooks, ClientSide, Interest, Link, ListenHooks, ServerInfo } from './link.ts'
import { ModernHttpLink } from './modern-link.ts'
import { PlainCalls } from './plain-calls.ts'
import type { UpstreamPosition } from './position.ts'
import { SharedStreams } from './shared-streams.ts'

type Maybe<T> = T | Promise<T>

/** Who makes a call, as far as a server's link depends on it. */
export interface Caller {
  readonly identity: Identity
  /** Tells callers apart: sessions and caches of one are never another's. */
  readonly identityKey: string
  /** The listener's name in the rules. */
  readonly listener: string
  /** The caller's own token, where it showed one. */
  readonly token: string | undefined
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject
  readonly traceparent: string | undefined
  /** The sessions with servers that the client's own session holds; undefined: the client has no session. */
  readonly sessions: SessionHolder | undefined
}

/** Where a client's session keeps those with servers. */
export interface SessionHolder {
  get(server: string): { session: ServerSession; capabilities: JsonObject } | undefined
  set(server: string, session: ServerSession, capabilities: JsonObject): void
  delete(server: string): void
}

type Shown = readonly (readonly [name: string, value: string])[]

/** What the gateway shows a server. */
export interface Credentials {
  /** @throws {McpError} where the caller has to do something first */
  headers(caller: Pick<Caller, 'identity' | 'token'>): Maybe<Shown>
  /**
   * Told when the server refused what it was shown.
   * @returns whether it is worth another try with what `headers` gives then
   * @throws {McpError} where the caller has to do something first
   */
  refused(
    caller: Pick<Caller, 'identity' | 'token'>,
    refusal: { status: 401 | 403; wwwAuthenticate: string | undefined; shown: Shown },
  ): Maybe<boolean>
}

/** How a server is reached. */
export type Transport =
  | { readonly type: 'http'; readonly server: HttpServer; readonly era: 'auto' | 'legacy' | 'modern' }
  | {
      readonly type: 'channel'
      readonly open: (client: ClientSide, ended: () => void) => Maybe<Channel>
      readonly era: 'auto' | 'legacy' | 'modern'
    }
  /** Something that is made a server. */
  | { readonly type: 'link'; readonly link: (client: ClientSide) => Link }

interface Held {
  readonly link: Promise<Link>
  busy: number
  usedAt: number
  /** It is not idle before: there are tasks in it. */
  keptUntil: number
  /** A session that ends with its process or its stream. */
  readonly end: () => void
}

/** Links that are held for callers whose own side has no session, or whose server's cannot be given away. */
const mostHeld = 256
/** How long what a server says of itself is believed. */
const infoMs = 60_000
/** Lists are asked for again after this, whatever the server says. */
const longestCacheMs = 3_600_000

/** A server of the rules, through all its links. It outlives the rules as long as they say the same of it. */
export class McpServer {
  readonly name: string
  readonly rule: McpServerRule
  readonly #transport: Transport
  readonly credentials: Credentials
  readonly #held = new Map<string, Held>()
  readonly #streams = new SharedStreams()
  readonly #tools = new Map<string, Tool>()
  readonly #plain = new PlainCalls()
  readonly #lists = new Map<string, { items: readonly JsonObject[]; until: number }>()
  readonly #sweeper: NodeJS.Timeout
  readonly #idleMs: number
  readonly listMs: number
  readonly callMs: number
  #info: { info: ServerInfo; until: number } | undefined
  #probe: Promise<ServerInfo> | undefined
  #failedAt = 0
  #failures = 0

  constructor(name: string, rule: McpServerRule, transport: Transport, credentials: Credentials) {
    this.name = name
    this.rule = rule
    this.#transport = transport
    this.credentials = credentials
    this.#idleMs = durationMs(rule.sessionIdle)
    this.listMs = durationMs(rule.listTimeout)
    this.callMs = durationMs(rule.callTimeout)
    this.#sweeper = setInterval(() => this.#sweep(performance.now()), Math.max(1_000, this.#idleMs / 4))
    this.#sweeper.unref()
  }

  /** Whether sessions with it can be given to the client. */
  get sealable(): boolean {
    return this.#transport.type === 'http'
  }

  /** A list that anybody may be shown, for as long as the server said (2026-07-28, Caching). */
  cached(list: string): { readonly items: readonly JsonObject[]; readonly ttlMs: number } | undefined {
    const kept = this.#lists.get(list)
    const ttlMs = kept ? Math.floor(kept.until - performance.now()) : 0
    return kept && ttlMs > 0 ? { items: kept.items, ttlMs } : undefined
  }

  keep(list: string, items: readonly JsonObject[], ttlMs: number): void {
    this.#lists.set(list, { items, until: performance.now() + Math.min(ttlMs, longestCacheMs) })
  }

  /** What it had is not what it has. */
  forgetLists(): void {
    this.#lists.clear()
  }

  /** What is known of its tools, by its own names. */
  tool(name: string): Tool | undefined {
    return this.#tools.get(name)
  }

  /** Keeps what it said of its tools: calls need their schemas and annotations. */
  learn(tools: readonly Tool[]): void {
    if (this.#tools.size > 10_000) this.#tools.clear()
    for (const tool of tools) this.#tools.set(tool.name, tool)
  }

  /** What it says of itself, and whatever session is needed to know it. @throws {ServerError | ServerUnavailable} */
  async describe(caller: Caller, signal: AbortSignal): Promise<ServerInfo> {
    return this.#accepted(caller, async () => (await this.#link(caller, signal)).link.info)
  }

  /**
   * @returns the result in the form of the server's era, the era, and the session that it was asked in, where it can be given away
   * @throws {ServerError | ServerUnavailable}
   */
  async request(
    caller: Caller,
    method: string,
    params: JsonObject,
    hooks: CallHooks,
    relinked: () => void = () => undefined,
  ): Promise<{ result: JsonObject; info: ServerInfo; session?: ServerSession | undefined }> {
    return this.#accepted(caller, () => this.#request(caller, method, params, hooks, relinked))
  }

  /** Shows it something else once, where it does not take what it was shown. */
  async #accepted<T>(caller: Caller, action: () => Promise<T>): Promise<T> {
    try {
      return await action()
    } catch (error) {
      if (!(error instanceof CredentialsRefused)) throw error
      if (!(await this.credentials.refused(caller, error))) throw error
      this.#drop(caller)
      return action()
    }
  }

  async #request(
    caller: Caller,
    method: string,
    params: JsonObject,
    hooks: CallHooks,
    relinked: () => void,
  ): Promise<{ result: JsonObject; info: ServerInfo; session?: ServerSession | undefined }> {
    const plain = this.#plain.watch(method, params, hooks)
    for (let round = 0; ; round++) {
      const { link, release } = await this.#link(caller, hooks.signal)
      try {
        const result = await link.request(method, params, plain.hooks)
        plain.succeeded()
        return { result, info: link.info, ...(link instanceof LegacyHttpLink && { session: link.session }) }
      } catch (error) {
        if (!(error instanceof ServerError)) plain.failed()
        if (!(error instanceof SessionLost) || round > 0) throw this.#worded(error)
        this.#forget(caller)
        relinked()
      } finally {
        release()
      }
    }
  }

  /**
   * Asks in one session, whichever the caller has by now: what the session holds is nowhere else.
   * @throws {SessionLost} where the server does not know it any more
   * @throws {ServerError | ServerUnavailable}
   */
  async requestIn(
    session: ServerSession,
    caller: Caller,
    method: string,
    params: JsonObject,
    hooks: CallHooks,
  ): Promise<{ result: JsonObject; info: ServerInfo; session?: ServerSession | undefined }> {
    const transport = this.#transport
    if (transport.type !== 'http') return this.request(caller, method, params, hooks)
    const info: ServerInfo = { era: 'legacy', version: session.version, capabilities: {} }
    const link = new LegacyHttpLink(transport.server, session, info, await this.#client(caller))
    return { result: await link.request(method, params, hooks), info, session }
  }

  /**
   * Goes on with a stream that answers a request, in the session that it is in.
   * @throws {ServerError | ServerUnavailable}
   */
  async resumeIn(
    position: UpstreamPosition,
    caller: Caller,
    hooks: CallHooks,
  ): Promise<{ result: JsonObject; info: ServerInfo; session?: ServerSession | undefined }> {
    const transport = this.#transport
    const { session } = position
    if (transport.type !== 'http')
      throw new ServerUnavailable(this.name, `The MCP server ${this.name} cannot go on with a stream.`)
    const info: ServerInfo = { era: 'legacy', version: session.version, capabilities: {} }
    const link = new LegacyHttpLink(transport.server, session, info, await this.#client(caller))
    return { result: await link.resume(position, hooks), info, session }
  }

  /** Does not end for idleness what this process holds for the caller: a task is in it. */
  keepFor(caller: Caller, ms: number): void {
    const held = this.#held.get(`${caller.identityKey}\0${digest(caller.capabilities)}`)
    if (held) held.keptUntil = Math.max(held.keptUntil, performance.now() + ms)
  }

  async notify(caller: Caller, method: string, params: JsonObject): Promise<void> {
    const { link, release } = await this.#link(caller, AbortSignal.timeout(this.listMs))
    try {
      await link.notify(method, params)
    } finally {
      release()
    }
  }

  /** Hears what it says by itself, until the signal ends it. */
  async listen(caller: Caller, interest: Interest, hooks: ListenHooks): Promise<void> {
    const { link, release } = await this.#link(caller, hooks.signal)
    hooks.signal.addEventListener('abort', release, { once: true })
    const heard: ListenHooks = {
      ...hooks,
      notified: (method, params) => {
        if (method.endsWith('/list_changed')) this.forgetLists()
        hooks.notified(method, params)
      },
    }
    if (link instanceof LegacyHttpLink && link.session.id !== undefined)
      await this.#streams.listen(link.session.id, heard, (all) => link.listen(interest, all))
    else await link.listen(interest, heard)
  }

  /** Ends the session that a client's own one holds. */
  async end(caller: Caller): Promise<void> {
    const held = caller.sessions?.get(this.name)
    if (!held || this.#transport.type !== 'http') return
    const client = await this.#client(caller)
    const info: ServerInfo = { era: 'legacy', version: held.session.version, capabilities: held.capabilities }
    await new LegacyHttpLink(this.#transport.server, held.session, info, client).end()
  }

  /** Ends all that is held. Nothing may ask it any more. */
  close(): void {
    clearInterval(this.#sweeper)
    for (const { end } of this.#held.values()) end()
    this.#held.clear()
  }

  /** Whether anything is under way on what is held. */
  get busy(): boolean {
    for (const { busy } of this.#held.values()) if (busy > 0) return true
    return false
  }

  async #client(caller: Caller): Promise<ClientSide> {
    const { capabilities, clientInfo, traceparent } = caller
    const shown = await this.credentials.headers(caller)
    return {
      capabilities,
      ...(caller.sessions && { modernCapabilities: withTasks(capabilities) }),
      clientInfo,
      headers: traceparent === undefined ? shown : [...shown, ['traceparent', traceparent] as const],
    }
  }

  async #link(caller: Caller, signal: AbortSignal): Promise<{ link: Link; release: () => void }> {
    const transport = this.#transport
    const free = () => undefined
    if (transport.type === 'link') return { link: transport.link(await this.#client(caller)), release: free }
    if (transport.type === 'channel') return this.#hold(caller, signal)
    const { server } = transport
    const client = await this.#client(caller)
    const info = await this.#infoOf(caller, client, signal)
    if (info.era === 'modern')
      return {
        link: new ModernHttpLink(server, info, client, (name) => this.#tools.get(name)?.inputSchema),
        release: free,
      }
    const { sessions } = caller
    if (!sessions) return this.#hold(caller, signal)
    const known = sessions.get(this.name)
    if (known) {
      const { session, capabilities } = known
      const { version } = session
      return { link: new LegacyHttpLink(server, session, { ...info, version, capabilities }, client), release: free }
    }
    const link = await LegacyHttpLink.initialize(server, client, signal)
    sessions.set(this.name, link.session, link.info.capabilities)
    return { link, release: free }
  }

  /** What an HTTP server is: asked once, and again when it is old or was wrong. */
  async #infoOf(caller: Caller, client: ClientSide, signal: AbortSignal): Promise<ServerInfo> {
    const now = performance.now()
    if (this.#info && now < this.#info.until) return this.#info.info
    // One that is of the old era stays so until a session with it cannot be begun.
    if (this.#info?.info.era === 'legacy') return this.#info.info
    this.#probe ??= this.#discover(caller, client).finally(() => {
      this.#probe = undefined
    })
    return abortable(this.#probe, signal)
  }

  async #discover(caller: Caller, client: ClientSide): Promise<ServerInfo> {
    const { server, era } = this.#transport as Transport & { type: 'http' }
    const timeout = AbortSignal.timeout(this.listMs)
    const keep = (info: ServerInfo) => {
      this.#info = { info, until: performance.now() + infoMs }
      return info
    }
    if (era !== 'legacy')
      try {
        return keep(await ModernHttpLink.discover(server, client, timeout))
      } catch (error) {
        if (era === 'modern' || isModern(error) || unreachable(error)) throw this.#worded(error)
      }
    try {
      const link = await LegacyHttpLink.initialize(server, client, timeout)
      const { sessions } = caller
      if (sessions) sessions.set(this.name, link.session, link.info.capabilities)
      else void link.end()
      return keep(link.info)
    } catch (error) {
      throw this.#worded(error)
    }
  }

  /** A link that this process keeps for the caller. */
  async #hold(caller: Caller, signal: AbortSignal): Promise<{ link: Link; release: () => void }> {
    const key = `${caller.identityKey}\0${digest(caller.capabilities)}`
    let held = this.#held.get(key)
    if (!held) {
      if (this.#held.size >= mostHeld && !this.#evict())
        throw new ServerUnavailable(this.name, `The MCP server ${this.name} has too many sessions under way.`)
      this.#backOff()
      held = this.#open(caller, key)
      this.#held.set(key, held)
    }
    const taken = held
    taken.busy++
    let released = false
    const release = () => {
      if (released) return
      released = true
      taken.busy--
      taken.usedAt = performance.now()
    }
    try {
      return { link: await abortable(taken.link, signal), release }
    } catch (error) {
      release()
      throw this.#worded(error)
    }
  }

  #open(caller: Caller, key: string): Held {
    const transport = this.#transport
    let end: () => void = () => undefined
    const dropped = () => {
      if (this.#held.get(key) === held) this.#held.delete(key)
    }
    const open = async (): Promise<Link> => {
      const client = await this.#client(caller)
      // A client that starts it and goes away must not make it fail for the others.
      const timeout = AbortSignal.timeout(Math.max(this.listMs, 30_000))
      if (transport.type === 'channel') {
        const channel = await transport.open(client, () => {
          dropped()
          if (performance.now() - startedAt < 5_000) this.#failed()
        })
        end = () => void channel.close()
        await channel.start(transport.era, timeout)
        return channel
      }
      const { server } = transport as Transport & { type: 'http' }
      const link = await LegacyHttpLink.initialize(server, client, timeout)
      end = () => void link.end()
      return link
    }
    const startedAt = performance.now()
    const link = open()
    link.then(
      () => {
        this.#failures = 0
      },
      () => {
        this.#failed()
        dropped()
      },
    )
    const held: Held = { link, busy: 0, usedAt: startedAt, keptUntil: 0, end: () => end() }
    return held
  }

  #forget(caller: Caller): void {
    caller.sessions?.delete(this.name)
    this.#info = undefined
    this.#drop(caller)
  }

  /** Ends what is held for a caller. */
  #drop(caller: Caller): void {
    const key = `${caller.identityKey}\0${digest(caller.capabilities)}`
    this.#held.get(key)?.end()
    this.#held.delete(key)
  }

  #failed(): void {
    this.#failures++
    this.#failedAt = performance.now()
  }

  /** A server that fails again and again is not started for each request. @throws {ServerUnavailable} */
  #backOff(): void {
    if (this.#failures === 0) return
    const waitMs = Math.min(30_000, 250 * 2 ** Math.min(this.#failures - 1, 10))
    if (performance.now() - this.#failedAt < waitMs)
      throw new ServerUnavailable(
        this.name,
        `The MCP server ${this.name} failed ${this.#failures} times in a row; it is tried again in at most ${Math.ceil(waitMs / 1000)} s.`,
      )
  }

  #evict(): boolean {
    let oldest: string | undefined
    for (const [key, { busy, usedAt }] of this.#held)
      if (busy === 0 && (oldest === undefined || usedAt < this.#held.get(oldest)!.usedAt)) oldest = key
    if (oldest === undefined) return false
    this.#held.get(oldest)!.end()
    return this.#held.delete(oldest)
  }

  #sweep(now: number): void {
    for (const [key, { busy, usedAt, keptUntil, end }] of this.#held) {
      if (busy > 0 || now - usedAt < this.#idleMs || now < keptUntil) continue
      end()
      this.#held.delete(key)
    }
  }

  #worded(error: unknown): unknown {
    if (error instanceof SessionLost)
      return new ServerUnavailable(this.name, `The MCP server ${this.name} loses its sessions.`)
    if (error instanceof DOMException && error.name === 'TimeoutError')
      return new ServerUnavailable(this.name, `The MCP server ${this.name} did not answer in time.`)
    return error
  }
}

const modernErrors: readonly number[] = [
  errorCode.headerMismatch,
  errorCode.missingClientCapability,
  errorCode.unsupportedVersion,
]

/** What a client of the old era can towards a server of the new one: the gateway waits for its tasks. */
function withTasks(capabilities: JsonObject): JsonObject {
  const { tasks: _, extensions, ...rest } = capabilities
  return { ...rest, extensions: { ...(isObject(extensions) && extensions), [tasksExtension]: {} } }
}

/** Whether only a server of the new era says this (2026-07-28, Streamable HTTP: Backward Compatibility). */
function isModern(error: unknown): boolean {
  return error instanceof ServerError && modernErrors.includes(error.body.code)
}

/** Whether nothing was learned of its era: it was not there, or let nobody in. */
function unreachable(error: unknown): boolean {
  if (error instanceof DOMException) return true
  if (!(error instanceof ServerUnavailable)) return false
  const { cause, status = 0 } = error
  return cause !== undefined || status >= 500 || status === 401 || status === 403 || status === 429
}

const digests = new WeakMap<JsonObject, string>()
function digest(value: JsonObject): string {
  let found = digests.get(value)
  if (found === undefined) {
    found = createHash('sha256')
      .update(JSON.stringify(sorted(value)))
      .digest('base64url')
      .slice(0, 16)
    digests.set(value, found)
  }
  return found
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  )
}

/** Waits for something that others wait for too, no longer than the signal lets it. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason)
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
