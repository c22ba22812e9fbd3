import { isObject } from '../json.ts'
import type { Access } from './access.ts'
import { invalidParams, McpError, methodNotFound, ServerError, ServerUnavailable } from './errors.ts'
import { type Kind, kinds } from './kinds.ts'
import type { Names } from './names.ts'
import { withUser } from './oauth/ask-user.ts'
import { AuthorizationNeeded, ConfirmationNeeded } from './oauth/needed.ts'
import { UserCredentials } from './oauth/user-credentials.ts'
import { errorCode, type JsonObject, type Tool } from './protocol.ts'
import { Deadline } from './server/deadline.ts'
import type { ServerSession } from './server/legacy-http-link.ts'
import type { CallHooks, Interest, Listener, ServerInfo } from './server/link.ts'
import { mirroredIn } from './server/param-headers.ts'
import type { UpstreamPosition } from './server/position.ts'
import { type Caller, type McpServer, unasked } from './server/server.ts'
import type { HeldTask } from './tasks/task-id.ts'
import { climbs, withUris } from './uris.ts'

/** Pages of one server's list, and entries of all its pages; more is cut. */
const mostPages = 200
const mostItems = 20_000
/** How long a server may take to listen before the client is told that it is listened to. */
const listenMs = 1_000

/** Where a list goes on: behind an entry of a server. */
export interface ListPosition {
  readonly server: string
  /** The servers before it: the list goes on behind them when the rules do not have it any more. */
  readonly before: readonly string[]
  /** Entries of the server that were shown, and the last of them: it may have got another place. */
  readonly shown: number
  readonly last: string
}

/** A page of a list over all servers. */
export interface ListPage {
  readonly items: readonly JsonObject[]
  readonly next: ListPosition | undefined
  /** Servers that are missing from it. */
  readonly unavailable: readonly string[]
  /** The shortest of what the servers say; undefined: none says anything. */
  readonly ttlMs: number | undefined
  readonly public: boolean
}

/** A request on its way to the one server that it is for. */
export interface Routed {
  readonly server: McpServer
  readonly method: string
  /** In the server's own names. */
  readonly params: JsonObject
  /** By the server's own name; empty where there is none. */
  readonly name: string
  readonly tool: Tool | undefined
  /** Whether a human must approve it first. */
  readonly approval: boolean
  /** The task that it is about, and the id that the client has of it. */
  readonly task?: HeldTask | undefined
  readonly outward?: string | undefined
  /** Where the server's stream goes on: it was asked before. */
  readonly position?: UpstreamPosition | undefined
}

/** What tools may be listed and called beside all else: the pins. */
export interface ToolFilter {
  /** @returns those that may be listed */
  listed(server: string, tools: readonly Tool[]): readonly Tool[]
  mayCall(server: string, tool: Tool | undefined): boolean
}

/** What a server answered. */
interface Answered {
  readonly result: JsonObject
  readonly info: ServerInfo
  readonly session?: ServerSession | undefined
}

/** The tool that stands for those of a server that its user has not authorized yet. */
const connectName = 'chaperone_connect'

function connectTool(server: string): JsonObject {
  return {
    name: connectName,
    title: `Connect ${server}`,
    description: `${server} cannot be used before the user has authorized it. This tool gives the user the page where they do so; the tools of ${server} are there afterwards.`,
    inputSchema: { type: 'object', properties: {} },
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  }
}

const connected = (server: string): JsonObject => ({
  content: [{ type: 'text', text: `${server} is connected. List the tools again: its own are there now.` }],
})

const authorizedByUsers = ({ credentials }: McpServer) => credentials instanceof UserCredentials

/** Many servers as one. */
export class Federation {
  readonly servers: readonly McpServer[]
  readonly names: Names
  readonly #byName: ReadonlyMap<string, McpServer>
  readonly #access: Access
  readonly #filter: ToolFilter

  constructor(servers: readonly McpServer[], names: Names, access: Access, filter: ToolFilter) {
    this.servers = servers
    this.names = names
    this.#byName = new Map(servers.map((server) => [server.name, server]))
    this.#access = access
    this.#filter = filter
  }

  server(name: string): McpServer | undefined {
    return this.#byName.get(name)
  }

  /** The servers that a caller may use at all. */
  serversOf({ identity }: Caller): readonly McpServer[] {
    return this.servers.filter(({ name }) => identity.mayUseServer(name))
  }

  /** What all servers say of themselves; those that do not answer in time are left out. */
  async describe(
    caller: Caller,
    signal: AbortSignal,
  ): Promise<{ infos: ReadonlyMap<McpServer, ServerInfo>; unavailable: readonly string[] }> {
    const infos = new Map<McpServer, ServerInfo>()
    const unavailable: string[] = []
    const servers = this.serversOf(caller)
    const all = await Promise.all(
      servers.map((server) => inTime(server, signal, (timed) => server.describe(caller, timed)).catch(() => undefined)),
    )
    servers.forEach((server, i) => {
      const info = all[i]
      if (!info) unavailable.push(server.name)
      // What it could before it can when it is back, and a client asks only once.
      const known = info ?? server.lastInfo
      if (known) infos.set(server, known)
    })
    return { infos, unavailable }
  }

  /**
   * A page of a list: the servers in the order of the rules, each with what it has, in its own order.
   * @throws {ServerUnavailable} where one does not answer that lists must not be without
   */
  async list(
    kind: Kind,
    caller: Caller,
    from: ListPosition | undefined,
    pageSize: number,
    signal: AbortSignal,
  ): Promise<ListPage> {
    const all = this.serversOf(caller)
    // A server that has gone away meanwhile is not where the list goes on; those after it are.
    const order = this.servers.map(({ name }) => name)
    const place = from ? order.indexOf(from.server) : 0
    const start = place === -1 ? 1 + Math.max(...from!.before.map((name) => order.indexOf(name)), -1) : place
    const servers = start <= 0 ? all : all.filter(({ name }) => order.indexOf(name) >= start)
    const lists = await Promise.all(
      servers.map((server) =>
        inTime(server, signal, (timed) => this.#listOf(server, kind, caller, timed)).catch((error: unknown) => {
          if (signal.aborted) throw error
          // Its user can do something about it: a tool says what.
          if (error instanceof AuthorizationNeeded || error instanceof ConfirmationNeeded)
            return { items: kind === 'tools' ? [connectTool(server.name)] : [], ttlMs: undefined, public: false }
          if (server.rule.onFailure === 'fail') throw error
          return undefined
        }),
      ),
    )
    const items: JsonObject[] = []
    const unavailable: string[] = []
    let next: ListPosition | undefined
    let ttlMs: number | undefined
    let isPublic = true
    for (const [index, server] of servers.entries()) {
      const list = lists[index]
      if (!list) {
        unavailable.push(server.name)
        continue
      }
      if (!list.public) isPublic = false
      if (list.ttlMs !== undefined) ttlMs = Math.min(ttlMs ?? Number.POSITIVE_INFINITY, list.ttlMs)
      if (next) continue
      const { key } = kinds[kind]
      let skip = 0
      if (from?.server === server.name) {
        const place = list.items.findIndex((item) => item[key] === from.last)
        skip = place === -1 ? Math.min(from.shown, list.items.length) : place + 1
      }
      const room = pageSize - items.length
      const shown = list.items.slice(skip, skip + room)
      for (const item of shown) items.push(this.#outward(server.name, kind, item))
      if (skip + shown.length < list.items.length && items.length >= pageSize)
        next = {
          server: server.name,
          before: order.slice(0, order.indexOf(server.name)),
          shown: skip + shown.length,
          last: String((shown.at(-1) ?? list.items[skip - 1])?.[key] ?? ''),
        }
    }
    return { items, next, unavailable, ttlMs, public: isPublic }
  }

  /**
   * Finds the server that a request is for.
   * @throws {McpError} where it is for none, or not for this caller
   */
  async route(method: string, params: JsonObject, caller: Caller, signal: AbortSignal): Promise<Routed> {
    switch (method) {
      case 'tools/call': {
        const unknown = () => invalidParams(`Unknown tool: ${String(params.name).slice(0, 100)}`, 'unknown_tool')
        if (typeof params.name !== 'string') throw invalidParams('"name" must be the name of a tool.')
        const { server, name } = await this.#meant('tools', params.name, caller, signal, unknown)
        if (name === connectName && authorizedByUsers(server))
          return { server, method, params: { name }, name, tool: undefined, approval: false }
        const tool = await this.#toolOf(server, name, caller, signal)
        const args = params.arguments ?? {}
        if (!isObject(args)) throw invalidParams('"arguments" must be an object.')
        const wanted = { server: server.name, method, name, tool, arguments: args }
        this.#access.check(caller, 'tools', wanted, unknown)
        if (!this.#filter.mayCall(server.name, tool)) throw unknown()
        return {
          server,
          method,
          params: { ...params, name },
          name,
          tool,
          approval: this.#access.needsApproval(caller, wanted),
        }
      }
      case 'prompts/get': {
        const unknown = () => invalidParams(`Unknown prompt: ${String(params.name).slice(0, 100)}`, 'unknown_prompt')
        if (typeof params.name !== 'string') throw invalidParams('"name" must be the name of a prompt.')
        const { server, name } = await this.#meant('prompts', params.name, caller, signal, unknown)
        const args = isObject(params.arguments) ? params.arguments : {}
        this.#access.check(caller, 'prompts', { server: server.name, method, name, arguments: args }, unknown)
        return { server, method, params: { ...params, name }, name, tool: undefined, approval: false }
      }
      case 'resources/read':
      case 'resources/subscribe':
      case 'resources/unsubscribe': {
        const { uri } = params
        if (typeof uri !== 'string') throw invalidParams('"uri" must be the URI of a resource.')
        const { server, own } = this.#resource(method, uri, caller)
        return { server, method, params: { ...params, uri: own }, name: own, tool: undefined, approval: false }
      }
      case 'completion/complete': {
        const { ref } = params
        if (!isObject(ref)) throw invalidParams('"ref" must name a prompt or a resource.')
        if (ref.type === 'ref/prompt' && typeof ref.name === 'string') {
          const unknown = () => invalidParams(`Unknown prompt: ${String(ref.name).slice(0, 100)}`, 'unknown_prompt')
          const { server, name } = await this.#meant('prompts', ref.name, caller, signal, unknown)
          this.#access.check(caller, 'prompts', { server: server.name, method, name }, unknown)
          return {
            server,
            method,
            params: { ...params, ref: { ...ref, name } },
            name,
            tool: undefined,
            approval: false,
          }
        }
        if (ref.type === 'ref/resource' && typeof ref.uri === 'string') {
          const { server, own } = this.#resource(method, ref.uri, caller)
          return {
            server,
            method,
            params: { ...params, ref: { ...ref, uri: own } },
            name: own,
            tool: undefined,
            approval: false,
          }
        }
        throw invalidParams('"ref" must name a prompt or a resource.')
      }
      default:
        throw methodNotFound(method)
    }
  }

  /**
   * Finds the server that holds a task.
   * @throws {McpError} where the caller may not use the tool (any more) that the task came of
   */
  async routeTask(
    method: string,
    params: JsonObject,
    task: HeldTask,
    caller: Caller,
    signal: AbortSignal,
    unknown: () => McpError,
  ): Promise<Routed> {
    const server = this.#byName.get(task.server)
    if (!server) throw unknown()
    const tool = await this.#stillTool(server, task.tool, caller, signal, unknown)
    return { server, method, params, name: task.tool, tool, approval: false, task }
  }

  /**
   * Finds the server whose stream answers a request that was let through before.
   * @param name in the server's own names
   * @throws {McpError} where the caller may not use it (any more)
   */
  async routeStream(
    method: string,
    name: string,
    on: string,
    caller: Caller,
    signal: AbortSignal,
    unknown: () => McpError,
  ): Promise<Routed> {
    const server = this.#byName.get(on)
    if (!server) throw unknown()
    const tool = method === 'tools/call' ? await this.#stillTool(server, name, caller, signal, unknown) : undefined
    if (method === 'prompts/get' && !this.#access.lists(caller, 'prompts', on, name)) throw unknown()
    if (method.startsWith('resources/') && !this.#access.lists(caller, 'resources', on, name)) throw unknown()
    if (!caller.identity.mayUseServer(on)) throw unknown()
    return { server, method, params: {}, name, tool, approval: false }
  }

  /** @throws {McpError} where the tool is not there for the caller any more */
  async #stillTool(
    server: McpServer,
    name: string,
    caller: Caller,
    signal: AbortSignal,
    unknown: () => McpError,
  ): Promise<Tool | undefined> {
    if (!caller.identity.mayUseServer(server.name)) throw unknown()
    const tool = await this.#toolOf(server, name, caller, signal)
    if (!this.#access.lists(caller, 'tools', server.name, name, tool)) throw unknown()
    if (!this.#filter.mayCall(server.name, tool)) throw unknown()
    return tool
  }

  /**
   * @returns what a server answered, in the names of clients
   * @throws {SessionLost} where it is about a task whose session is over
   */
  async call(
    { server, method, params, task, position }: Routed,
    caller: Caller,
    hooks: CallHooks,
    relinked: () => void,
  ): Promise<Answered> {
    // It is what tasks are for that their results may take long.
    const deadline = method === 'tasks/result' ? undefined : new Deadline(hooks.signal, server.callMs)
    const timed = deadline ? { ...hooks, signal: deadline.signal } : hooks
    const ask = async (): Promise<Answered> => {
      if (position) return server.resumeIn(position, caller, timed)
      if (task?.session) return server.requestIn(task.session, caller, method, params, timed)
      if (params.name === connectName && authorizedByUsers(server))
        return { result: connected(server.name), info: await server.describe(caller, timed.signal) }
      return server.request(caller, method, params, timed, relinked)
    }
    try {
      const { credentials } = server
      const { result, info, session } =
        credentials instanceof UserCredentials
          ? await withUser(
              // In the era of sessions clients know the error.
              { capabilities: caller.capabilities, knowsError: caller.sessions !== undefined, ...timed },
              (code) => credentials.confirm(caller, code),
              ask,
            )
          : await ask()
      return { result: this.outwardResult(server.name, result), info, session }
    } catch (error) {
      if (deadline?.expired)
        throw new ServerUnavailable(
          server.name,
          `The MCP server ${server.name} did not answer within the ${server.callMs / 1000} s that the rules allow.`,
        )
      throw error instanceof ServerError ? new ServerError(this.#outwardError(server.name, error.body)) : error
    } finally {
      deadline?.clear()
    }
  }

  /** Hears all servers. @returns when every one that answers in time is listened to */
  async listen(
    caller: Caller,
    interest: () => Interest,
    hooksOf: (server: McpServer) => Listener,
    signal: AbortSignal,
  ): Promise<void> {
    await Promise.all(
      this.serversOf(caller).map((server) => {
        const own = (): Interest => {
          const all = interest()
          return {
            ...all,
            uris: all.uris.flatMap((uri) => {
              const meant = this.names.uriInward(uri)
              return meant?.server === server.name ? [meant.uri] : []
            }),
            tasks: all.tasks?.filter((task) => task.server === server.name),
          }
        }
        const started = server.listen(caller, own, hooksOf(server))
        // A slow one is heard when it comes; the others are not kept waiting for it.
        return Promise.race([
          started.catch(() => undefined),
          new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, Math.min(server.listMs, listenMs))
            timer.unref()
            signal.addEventListener('abort', () => resolve(), { once: true })
          }),
        ])
      }),
    )
  }

  /** A server's notification in the names of clients. */
  outwardParams(server: string, params: JsonObject): JsonObject {
    // What a task has come to is told with its state.
    const told = isObject(params.result) ? { ...params, result: this.outwardResult(server, params.result) } : params
    return typeof told.uri === 'string' ? { ...told, uri: this.names.uriOutward(server, told.uri) } : told
  }

  outwardResult(server: string, result: JsonObject): JsonObject {
    return withUris(result, (uri) => this.names.uriOutward(server, uri))
  }

  #outwardError<E extends { readonly data?: unknown }>(server: string, body: E): E {
    const { data } = body
    return isObject(data) && typeof data.uri === 'string'
      ? { ...body, data: { ...data, uri: this.names.uriOutward(server, data.uri) } }
      : body
  }

  #outward(server: string, kind: Kind, item: JsonObject): JsonObject {
    const { key } = kinds[kind]
    const own = String(item[key])
    const outward =
      kind === 'tools' || kind === 'prompts' ? this.names.outward(server, own) : this.names.uriOutward(server, own)
    return outward === own ? item : { ...item, [key]: outward }
  }

  async #listOf(
    server: McpServer,
    kind: Kind,
    caller: Caller,
    signal: AbortSignal,
  ): Promise<{ items: readonly JsonObject[]; ttlMs: number | undefined; public: boolean }> {
    const { capability, key } = kinds[kind]
    const info = await server.describe(caller, signal)
    if (!isObject(info.capabilities[capability])) return { items: [], ttlMs: undefined, public: true }
    const { found, ttlMs, public: isPublic } = await this.#fetched(server, kind, caller, info, signal)
    let items: readonly JsonObject[] = found
    if (kind === 'tools') {
      const tools = found.filter((tool) => isObject(tool.inputSchema) && mirroredIn(tool.inputSchema) !== 'invalid')
      server.learn(tools as unknown as Tool[])
      items = this.#filter.listed(server.name, tools as unknown as Tool[]) as unknown as readonly JsonObject[]
    }
    return {
      items: items.filter((item) =>
        this.#access.lists(
          caller,
          kind,
          server.name,
          String(item[key]),
          kind === 'tools' ? (item as unknown as Tool) : undefined,
        ),
      ),
      ttlMs,
      public: isPublic,
    }
  }

  /** A server's whole list, as it is; kept where the server says that it is the same for everybody. */
  async #fetched(
    server: McpServer,
    kind: Kind,
    caller: Caller,
    info: ServerInfo,
    signal: AbortSignal,
  ): Promise<{ found: readonly JsonObject[]; ttlMs: number | undefined; public: boolean }> {
    const { method, items: member, key } = kinds[kind]
    const kept = server.cached(kind)
    if (kept) return { found: kept.items, ttlMs: kept.ttlMs, public: true }
    const found: JsonObject[] = []
    const seen = new Set<string>()
    let cursor: string | undefined
    let ttlMs: number | undefined
    let isPublic = info.era === 'modern'
    const hooks = unasked(signal)
    for (let page = 0; page < mostPages && found.length < mostItems; page++) {
      const { result } = await server.request(caller, method, cursor === undefined ? {} : { cursor }, hooks)
      for (const item of Array.isArray(result[member]) ? result[member] : []) {
        if (!isObject(item) || typeof item[key] !== 'string' || seen.has(item[key])) continue
        seen.add(item[key])
        found.push(item)
      }
      if (typeof result.ttlMs === 'number' && result.ttlMs >= 0)
        ttlMs = Math.min(ttlMs ?? Number.POSITIVE_INFINITY, result.ttlMs)
      if (result.cacheScope !== 'public') isPublic = false
      const { nextCursor } = result
      if (typeof nextCursor !== 'string' || nextCursor === cursor) break
      cursor = nextCursor
    }
    if (isPublic && ttlMs !== undefined && ttlMs > 0) server.keep(kind, found, ttlMs)
    return { found, ttlMs, public: isPublic }
  }

  async #meant(
    kind: 'tools' | 'prompts',
    outward: string,
    caller: Caller,
    signal: AbortSignal,
    unknown: () => McpError,
  ): Promise<{ server: McpServer; name: string }> {
    let meant = this.names.inward(outward)
    if (meant && 'candidates' in meant) {
      // Its lists tell: making the names of what they hold is how the shortened ones are learned.
      for (const name of meant.candidates) {
        const server = this.#byName.get(name)!
        if (!caller.identity.mayUseServer(name)) continue
        const list = await limited(server, signal, (timed) => this.#listOf(server, kind, caller, timed)).catch(
          () => undefined,
        )
        for (const item of list?.items ?? []) this.names.outward(name, String(item[kinds[kind].key]))
      }
      meant = this.names.inward(outward)
    }
    if (!meant || 'candidates' in meant) throw unknown()
    const server = this.#byName.get(meant.server)
    if (!server || !caller.identity.mayUseServer(server.name)) throw unknown()
    return { server, name: meant.name }
  }

  /** What is known of a tool; its server is asked where it is not, for the rules may be about what it says. */
  async #toolOf(server: McpServer, name: string, caller: Caller, signal: AbortSignal): Promise<Tool | undefined> {
    const known = server.tool(name)
    if (known) return known
    await limited(server, signal, (timed) => this.#listOf(server, 'tools', caller, timed)).catch(() => undefined)
    return server.tool(name)
  }

  #resource(method: string, uri: string, caller: Caller): { server: McpServer; own: string } {
    const unknown = () =>
      new McpError(404, errorCode.resourceNotFound, `Resource not found: ${uri.slice(0, 500)}`, {
        reason: 'unknown_resource',
        data: { uri },
      })
    const meant = this.names.uriInward(uri)
    const server = meant && this.#byName.get(meant.server)
    // Rules are about the URI as it stands: what leads elsewhere is not what they allowed.
    if (!meant || !server || climbs(meant.uri)) throw unknown()
    this.#access.check(caller, 'resources', { server: server.name, method, name: meant.uri }, unknown)
    return { server, own: meant.uri }
  }
}

/** Asks a server something that it has no longer for than the rules say. */
async function limited<T>(server: McpServer, outer: AbortSignal, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const deadline = new Deadline(outer, server.listMs)
  try {
    return await ask(deadline.signal)
  } finally {
    deadline.clear()
  }
}

/** How long a server is waited for that did not answer in time the last time, ms. */
const momentMs = 250

/**
 * Asks a server for its part of what is made of many. One that was late the last time is waited for a moment only, and found to be there
 * again by what it answers later.
 * @throws {ServerUnavailable} where it does not answer in time
 */
async function inTime<T>(server: McpServer, signal: AbortSignal, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const began = performance.now()
  const asked = limited(server, signal, ask).then(
    (answer) => {
      server.present()
      return answer
    },
    (error: unknown) => {
      if (!signal.aborted) server.missed(error, performance.now() - began)
      throw error
    },
  )
  if (!server.late || server.rule.onFailure === 'fail') return asked
  let timer: NodeJS.Timeout | undefined
  const moment = new Promise<never>((_, reject) => {
    const late = () => reject(new ServerUnavailable(server.name, `The MCP server ${server.name} is late.`))
    timer = setTimeout(late, momentMs)
  })
  return Promise.race([asked, moment]).finally(() => clearTimeout(timer))
}
