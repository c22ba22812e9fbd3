import { createHash } from 'node:crypto'
import type { McpServerRule } from '../../config/mcp.ts'
import { durationMs } from '../../config/primitives.ts'
import type { Identity } from '../../identity/identity.ts'
import { isObject } from '../../json.ts'
import { CredentialsRefused, McpError, ServerError, ServerUnavailable, SessionLost } from '../errors.ts'
import { errorCode, type JsonObject, type Tool, tasksExtension } from '../protocol.ts'
import type { TraceContext } from '../trace-context.ts'
import { abortable } from './abortable.ts'
import { ConnectionFailed } from './carrier.ts'
import type { Channel } from './channel.ts'
import { Comeback } from './comeback.ts'
import { HeldLinks } from './held-links.ts'
import type { HttpServer } from './http-server.ts'
import { LegacyHttpLink, type ServerSession } from './legacy-http-link.ts'
import type { CallHooks, ClientSide, Interest, Link, Listener, ListenHooks, ServerInfo } from './link.ts'
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
  /** The route of the rules that took it; absent where none did. */
  readonly route?: string | undefined
  /** The caller's own token, where it showed one. */
  readonly token: string | undefined
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject
  readonly trace: TraceContext
  /** The sessions with servers that the client's own session holds; undefined: the client has no session. */
  readonly sessions: SessionHolder | undefined
}

/** Where a client's session keeps those with servers. */
export interface SessionHolder {
  /** The same for all requests of a client's session. */
  readonly key: object
  /** The least severe log messages that the client wants; undefined: it has not said. */
  readonly logLevel: string | undefined
  get(server: string): { session: ServerSession; capabilities: JsonObject } | undefined
  set(server: string, session: ServerSession, capabilities: JsonObject): void
  delete(server: string): void
}

type Shown = readonly (readonly [name: string, value: string])[]

/** What the gateway shows a server. */
export interface Credentials {
  /** @throws {McpError} where the caller has to do something first */
  headers(caller: Pick<Caller, 'identity' | 'token'>): Maybe<Shown>
  /** Parameters for the query of each request. */
  query?(): Shown
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

/** How long what a server says of itself is believed. */
const infoMs = 60_000
/** How long a replica is under suspicion that a call could not reach; and how many are. */
const suspectMs = 60_000
const mostSuspects = 1_000
/** Who is waited for so long is late. */
const lateMs = 1_000
/** How long it may take to start, ms: a process may have to be fetched first. */
const longestStartMs = 30_000
/** Lists are asked for again after this, whatever the server says. */
const longestCacheMs = 3_600_000

/** A server of the rules, through all its links. It outlives the rules as long as they say the same of it. */
export class McpServer {
  readonly name: string
  readonly rule: McpServerRule
  readonly #transport: Transport
  readonly credentials: Credentials
  readonly #held: HeldLinks
  readonly #closed = new AbortController()
  readonly #comeback = new Comeback(this.#closed.signal)
  /** Sessions that are being begun for a client's, so that requests of the same moment share one. */
  readonly #beginning = new WeakMap<object, Promise<LegacyHttpLink>>()
  /** Who listens on a link that this process holds. */
  readonly #interests = new WeakMap<Link, Set<() => Interest>>()
  readonly #streams = new SharedStreams()
  readonly #tools = new Map<string, Tool>()
  readonly #plain = new PlainCalls()
  readonly #lists = new Map<string, { items: readonly JsonObject[]; until: number }>()
  readonly listMs: number
  readonly callMs: number
  readonly #report: (error: unknown) => void
  readonly #listeners = new Set<Listener>()
  #missing = false
  #late = false
  #info: { info: ServerInfo; until: number } | undefined
  #lastInfo: ServerInfo | undefined
  #probe: Promise<ServerInfo> | undefined

  /** @param report told when it begins to be missing from lists */
  constructor(
    name: string,
    rule: McpServerRule,
    transport: Transport,
    credentials: Credentials,
    report: (error: unknown) => void = () => undefined,
  ) {
    this.name = name
    this.#report = report
    this.rule = rule
    this.#transport = transport
    this.credentials = credentials
    this.#held = new HeldLinks(name, durationMs(rule.sessionIdle))
    this.listMs = durationMs(rule.listTimeout)
    this.callMs = durationMs(rule.callTimeout)
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
    const info = await this.#accepted(caller, async () => {
      const { link, release } = await this.#link(caller, signal)
      release()
      return link.info
    })
    this.#lastInfo = info
    return info
  }

  /** What it said of itself the last time; undefined: it never has. */
  get lastInfo(): ServerInfo | undefined {
    return this.#lastInfo
  }

  /** It did not answer in time the last time, so nobody waits for it as long again. */
  get late(): boolean {
    return this.#late
  }

  /** A list is without it. @param waitedMs how long it was waited for */
  missed(error: unknown, waitedMs: number): void {
    // That one caller may not in says nothing of the server.
    if (error instanceof McpError || error instanceof CredentialsRefused) return
    if (waitedMs >= lateMs) this.#late = true
    if (this.#missing) return
    this.#missing = true
    this.#report(this.#worded(error))
  }

  /** A list could have it. Those whose lists were without it hear that there is another. */
  present(): void {
    this.#late = false
    if (!this.#missing) return
    this.#missing = false
    for (const { notified } of this.#listeners)
      for (const kind of ['tools', 'prompts', 'resources']) notified(`notifications/${kind}/list_changed`, {})
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
        if (hooks.logLevel !== undefined && !caller.sessions && link instanceof LegacyHttpLink)
          await link.wantLogs(hooks.logLevel)
        const result = await link.request(method, params, plain.hooks)
        plain.succeeded()
        return { result, info: link.info, ...(link instanceof LegacyHttpLink && { session: link.session }) }
      } catch (error) {
        if (!(error instanceof ServerError)) plain.failed()
        if (plain.carried && error instanceof ServerUnavailable && error.cause instanceof ConnectionFailed) {
          if (link instanceof LegacyHttpLink) this.#suspect(link.session.host)
          // It is known to do no harm that it is asked again.
          if (round === 0 && mayRepeat(method, this.#tools.get(String(params.name)))) continue
        }
        if (!(error instanceof SessionLost) || round > 0) throw this.#worded(error)
        await this.#forget(caller, link)
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
    this.#held.keepFor(keyOf(caller), ms)
  }

  async notify(caller: Caller, method: string, params: JsonObject): Promise<void> {
    const { link, release } = await this.#link(caller, AbortSignal.timeout(this.listMs))
    try {
      await link.notify(method, params)
    } finally {
      release()
    }
  }

  /**
   * Hears what it says by itself, until the signal ends it. Where the server goes away it is waited for, and when it is back the
   * listener hears that all lists may be others.
   * @returns when it listens
   * @throws {ServerError | ServerUnavailable} where it is not there yet; it is waited for all the same
   */
  async listen(caller: Caller, interest: () => Interest, hooks: Listener): Promise<void> {
    const again = async () => {
      await this.#listenOnce(caller, interest, heard)
      this.forgetLists()
      for (const kind of ['tools', 'prompts', 'resources']) hooks.notified(`notifications/${kind}/list_changed`, {})
    }
    const heard: ListenHooks = {
      ...hooks,
      notified: (method, params) => {
        if (method.endsWith('/list_changed')) this.forgetLists()
        hooks.notified(method, params)
      },
      lost: () => this.#comeback.wait(again, hooks.signal),
    }
    this.#listeners.add(heard)
    hooks.signal.addEventListener('abort', () => this.#listeners.delete(heard), { once: true })
    try {
      await this.#listenOnce(caller, interest, heard)
    } catch (error) {
      this.#comeback.wait(again, hooks.signal)
      throw error
    }
  }

  async #listenOnce(caller: Caller, interest: () => Interest, hooks: ListenHooks): Promise<void> {
    // It ends with the client, with the link, or where it does not come about.
    const controller = new AbortController()
    const signal = AbortSignal.any([hooks.signal, controller.signal])
    const timer = setTimeout(() => controller.abort(new DOMException('too late', 'TimeoutError')), longestStartMs)
    try {
      const { link, release } = await this.#link(caller, signal)
      signal.addEventListener('abort', release, { once: true })
      const own: ListenHooks = {
        ...hooks,
        signal,
        lost: () => {
          controller.abort(new SessionLost())
          void this.#forget(caller, link).then(hooks.lost)
        },
      }
      try {
        const legacy = link instanceof LegacyHttpLink
        if (legacy && link.session.id !== undefined)
          await this.#streams.listen(link.session.id, own, (all) => link.listen(interest, all))
        else await link.listen(interest, own)
        if (link.info.era === 'legacy') await this.#subscribe(caller, link, interest, signal)
      } catch (error) {
        if (error instanceof SessionLost) await this.#forget(caller, link)
        throw error
      }
    } catch (error) {
      controller.abort(error)
      throw this.#worded(error)
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * In the old era subscriptions are requests. A client of that era sends them itself, but not to a session that it does not know
   * of; one of the new era names what it listens to.
   */
  async #subscribe(caller: Caller, link: Link, interest: () => Interest, signal: AbortSignal): Promise<void> {
    const { resources } = link.info.capabilities
    if (!isObject(resources) || resources.subscribe !== true) return
    const { uris } = interest()
    const ask = (method: string, uri: string) =>
      link.request(method, { uri }, unasked(AbortSignal.timeout(this.listMs))).catch(() => undefined)
    if (caller.sessions === undefined && uris.length > 0) {
      const others = this.#interests.get(link) ?? new Set<() => Interest>()
      this.#interests.set(link, others)
      others.add(interest)
      const leave = () => {
        others.delete(interest)
        const left = uris.filter((uri) => ![...others].some((other) => other().uris.includes(uri)))
        for (const uri of left) void ask('resources/unsubscribe', uri)
      }
      signal.addEventListener('abort', leave, { once: true })
    }
    await Promise.all(uris.map((uri) => ask('resources/subscribe', uri)))
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
    this.#closed.abort(new Error('the rules do not have the server any more'))
    this.#held.close()
  }

  /** Whether anything is under way on what is held. */
  get busy(): boolean {
    return this.#held.busy
  }

  async #client(caller: Caller): Promise<ClientSide> {
    const { capabilities, clientInfo, trace } = caller
    const shown = await this.credentials.headers(caller)
    const query = this.credentials.query?.()
    return {
      ...(query && { query }),
      capabilities,
      ...(caller.sessions && { modernCapabilities: withTasks(capabilities) }),
      clientInfo,
      headers: trace.traceparent === undefined ? shown : [...shown, ...Object.entries(trace)],
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
    return { link: await abortable(this.#begin(sessions, client), signal), release: free }
  }

  /** Begins a session inside of a client's, once however many requests need it. */
  #begin(sessions: SessionHolder, client: ClientSide): Promise<LegacyHttpLink> {
    const { server } = this.#transport as Transport & { type: 'http' }
    const underWay = this.#beginning.get(sessions.key)
    if (underWay) return underWay
    const begin = async () => {
      const link = await LegacyHttpLink.initialize(server, client, AbortSignal.timeout(longestStartMs))
      sessions.set(this.name, link.session, link.info.capabilities)
      const { logLevel } = sessions
      if (logLevel !== undefined && isObject(link.info.capabilities.logging))
        await link
          .request('logging/setLevel', { level: logLevel }, unasked(AbortSignal.timeout(this.listMs)))
          .catch(() => undefined)
      return link
    }
    const beginning = begin().finally(() => this.#beginning.delete(sessions.key))
    this.#beginning.set(sessions.key, beginning)
    return beginning
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
    const transport = this.#transport
    const open = async (ended: () => void, endsBy: (end: () => void) => void): Promise<Link> => {
      const client = await this.#client(caller)
      // A client that starts it and goes away must not make it fail for the others.
      const timeout = AbortSignal.timeout(Math.max(this.listMs, longestStartMs))
      if (transport.type === 'channel') {
        const channel = await transport.open(client, ended)
        endsBy(() => void channel.close())
        await channel.start(transport.era, timeout)
        return channel
      }
      const { server } = transport as Transport & { type: 'http' }
      const link = await LegacyHttpLink.initialize(server, client, timeout)
      endsBy(() => void link.end())
      return link
    }
    try {
      return await this.#held.hold(keyOf(caller), signal, open)
    } catch (error) {
      throw this.#worded(error)
    }
  }

  /** A replica may be gone: for a while calls do not go straight to it, but on a way where others can be tried. */
  #suspect(host: string | undefined): void {
    if (host === undefined || this.#transport.type !== 'http') return
    const { suspects } = this.#transport.server
    if (suspects.size >= mostSuspects) suspects.clear()
    suspects.set(host, performance.now() + suspectMs)
  }

  /** A session is over: the next request begins another, unless one has been begun already. */
  async #forget(caller: Caller, link: Link): Promise<void> {
    this.#info = undefined
    const { sessions } = caller
    if (link instanceof LegacyHttpLink && sessions?.get(this.name)?.session.id === link.session.id)
      sessions?.delete(this.name)
    await this.#held.drop(keyOf(caller), link)
  }

  /** Ends what is held for a caller. */
  #drop(caller: Caller): void {
    void this.#held.drop(keyOf(caller))
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

/** Whether a request that may have been carried out does no harm when it comes again (schema: ToolAnnotations). */
function mayRepeat(method: string, tool: Tool | undefined): boolean {
  if (method !== 'tools/call') return true
  const { readOnlyHint, idempotentHint } = tool?.annotations ?? {}
  return readOnlyHint === true || idempotentHint === true
}

/** What is held for callers is held by this. */
const keyOf = ({ identityKey, capabilities }: Caller) => `${identityKey}\0${digest(capabilities)}`

/** Hooks for what the gateway asks by itself. */
export function unasked(signal: AbortSignal): CallHooks {
  return {
    notified: () => undefined,
    asked: () => Promise.reject(new ServerError({ code: errorCode.methodNotFound, message: 'Method not found' })),
    takesInputRequired: false,
    signal,
  }
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
