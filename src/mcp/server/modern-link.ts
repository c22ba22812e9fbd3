import { isObject } from '../../json.ts'
import { ServerError, ServerUnavailable } from '../errors.ts'
import { headerValue } from '../header-value.ts'
import {
  errorCode,
  type JsonObject,
  type JsonRpcErrorBody,
  type JsonRpcMessage,
  meta,
  modernVersion,
  type RequestId,
} from '../protocol.ts'
import { abortable } from './abortable.ts'
import type { Carrier } from './carrier.ts'
import type { HttpServer, Posted } from './http-server.ts'
import type { CallHooks, ClientSide, Interest, Link, ListenHooks, ServerInfo } from './link.ts'
import { paramHeaders } from './param-headers.ts'
import { pause } from './pause.ts'

/** How often a server may come back for more input within one call. */
const mostRounds = 20
let lastId = 0

/** A server of the revisions without sessions, over HTTP: each request says all that the server must know. */
export class ModernHttpLink implements Link {
  readonly info: ServerInfo
  readonly #server: HttpServer
  readonly #client: ClientSide
  readonly #schemaOf: (tool: string) => JsonObject | undefined

  /** @param schemaOf the input schema of a tool, by the server's own name: it may want arguments in headers */
  constructor(
    server: HttpServer,
    info: ServerInfo,
    client: ClientSide,
    schemaOf: (tool: string) => JsonObject | undefined,
  ) {
    this.#server = server
    this.info = info
    this.#client = client
    this.#schemaOf = schemaOf
  }

  /** Asks a server what it is (2026-07-28, server/discover). @throws {ServerError | ServerUnavailable} */
  static async discover(server: HttpServer, client: ClientSide, signal: AbortSignal): Promise<ServerInfo> {
    const nothing = { era: 'modern' as const, version: modernVersion, capabilities: {} }
    const link = new ModernHttpLink(server, nothing, client, () => undefined)
    return infoOf(await link.#once('server/discover', {}, undefined, signal, undefined))
  }

  async request(method: string, params: JsonObject, hooks: CallHooks): Promise<JsonObject> {
    let sent = params
    for (let round = 0; round < mostRounds; round++) {
      const result = await this.#once(
        method,
        sent,
        hooks.logLevel,
        hooks.signal,
        hooks,
        hooks.carrier?.era === 'modern' ? hooks.carrier : undefined,
      )
      if (result.resultType !== 'input_required' || hooks.takesInputRequired) return result
      sent = { ...params, ...(await answersTo(result, hooks)) }
    }
    throw new ServerUnavailable(
      this.#server.name,
      `The MCP server ${this.#server.name} asked for more input more than ${mostRounds} times.`,
    )
  }

  async notify(): Promise<void> {
    // 2026-07-28 has no notifications of clients over HTTP.
  }

  async listen(interest: () => Interest, hooks: ListenHooks): Promise<void> {
    const filter = filterOf(interest(), this.info.capabilities)
    if (!filter) return
    const first = await this.#subscribe(filter, hooks)
    void this.#follow(first, filter, hooks)
  }

  async #subscribe(filter: JsonObject, hooks: ListenHooks): Promise<AsyncIterator<JsonRpcMessage> | undefined> {
    const { id, posted } = await this.#post('subscriptions/listen', { notifications: filter }, undefined, hooks.signal)
    if (posted.body.type !== 'stream') return undefined
    const messages = posted.body.events[Symbol.asyncIterator]()
    // The acknowledgement comes first: what happens after it will be told.
    const { value } = await messages.next()
    if (value && 'method' in value && value.method === 'notifications/subscriptions/acknowledged') return messages
    throw unexpected(this.#server.name, id)
  }

  async #follow(
    first: AsyncIterator<JsonRpcMessage> | undefined,
    filter: JsonObject,
    hooks: ListenHooks,
  ): Promise<void> {
    let messages = first
    for (let failures = 0; !hooks.signal.aborted; ) {
      try {
        while (messages) {
          const { value, done } = await messages.next()
          if (done || !('method' in value)) break
          failures = 0
          hooks.notified(value.method, withoutSubscription(value.params ?? {}))
        }
      } catch {
        // A stream that broke is opened anew.
      }
      if (hooks.signal.aborted || !(await pause(failures++, hooks.signal))) return
      try {
        messages = await this.#subscribe(filter, hooks)
        // What changed while nobody listened is not known.
        for (const kind of ['tools', 'prompts', 'resources'])
          if (filter[`${kind}ListChanged`]) hooks.notified(`notifications/${kind}/list_changed`, {})
      } catch {
        messages = undefined
      }
    }
  }

  async #once(
    method: string,
    params: JsonObject,
    logLevel: string | undefined,
    signal: AbortSignal,
    hooks: CallHooks | undefined,
    carrier?: Carrier,
  ): Promise<JsonObject> {
    const { id, posted } = await this.#post(method, params, logLevel, signal, carrier)
    const { body, status } = posted
    if (body.type === 'message') return resultOf(this.#server.name, body.message, id)
    if (body.type === 'none') throw refused(this.#server.name, status)
    for await (const message of body.events) {
      if (!('method' in message)) return resultOf(this.#server.name, message, id)
      if (!('id' in message)) hooks?.notified(message.method, message.params ?? {})
      // Requests are not allowed here; nobody would be asked, and nothing waits for them.
      const room = hooks?.room?.()
      if (room !== undefined) await abortable(room, signal)
    }
    if (signal.aborted) throw signal.reason
    throw new ServerUnavailable(
      this.#server.name,
      `The MCP server ${this.#server.name} ended its stream without an answer.`,
    )
  }

  async #post(
    method: string,
    params: JsonObject,
    logLevel: string | undefined,
    signal: AbortSignal,
    carrier?: Carrier,
  ): Promise<{ id: RequestId; posted: Posted }> {
    const id = ++lastId
    const { clientInfo, headers, modernCapabilities: capabilities = this.#client.capabilities } = this.#client
    const { version } = this.info
    const _meta = {
      ...(isObject(params._meta) && params._meta),
      [meta.protocolVersion]: version,
      [meta.clientInfo]: clientInfo,
      [meta.clientCapabilities]: capabilities,
      ...(logLevel !== undefined && { [meta.logLevel]: logLevel }),
    }
    const sent: (readonly [string, string])[] = [
      ['mcp-protocol-version', version],
      ['mcp-method', method],
    ]
    const name = nameIn(method, params)
    if (name !== undefined) sent.push(['mcp-name', headerValue(name)])
    if (method === 'tools/call' && name !== undefined) {
      const schema = this.#schemaOf(name)
      if (schema) sent.push(...paramHeaders(schema, isObject(params.arguments) ? params.arguments : {}))
    }
    for (const header of headers) sent.push(header)
    const posted = await this.#server.post(
      { jsonrpc: '2.0', id, method, params: { ...params, _meta } },
      sent,
      signal,
      carrier,
    )
    return { id, posted }
  }
}

/** @returns what Mcp-Name must say (2026-07-28, Standard Request Headers) */
export function nameIn(method: string, params: JsonObject): string | undefined {
  switch (method) {
    case 'tools/call':
    case 'prompts/get':
      return typeof params.name === 'string' ? params.name : undefined
    case 'resources/read':
      return typeof params.uri === 'string' ? params.uri : undefined
    case 'tasks/get':
    case 'tasks/update':
    case 'tasks/cancel':
      return typeof params.taskId === 'string' ? params.taskId : undefined
    default:
      return undefined
  }
}

/** @throws {ServerUnavailable} where it is none */
export function infoOf(result: JsonObject): ServerInfo {
  const { capabilities, instructions, supportedVersions, _meta } = result
  const versions = Array.isArray(supportedVersions) ? supportedVersions : []
  const serverInfo = isObject(_meta) ? _meta[meta.serverInfo] : undefined
  if (!versions.includes(modernVersion))
    throw new ServerError({ code: errorCode.unsupportedVersion, message: 'Unsupported protocol version' })
  return {
    era: 'modern',
    version: modernVersion,
    capabilities: isObject(capabilities) ? capabilities : {},
    ...(isObject(serverInfo) && { serverInfo }),
    ...(typeof instructions === 'string' && { instructions }),
  }
}

/** Asks the client for what a server wants to know. @returns what goes into the next try */
async function answersTo({ inputRequests, requestState }: JsonObject, hooks: CallHooks): Promise<JsonObject> {
  const inputResponses: JsonObject = {}
  await Promise.all(
    Object.entries(isObject(inputRequests) ? inputRequests : {}).map(async ([key, request]) => {
      if (!isObject(request) || typeof request.method !== 'string') return
      inputResponses[key] = await hooks.asked(request.method, isObject(request.params) ? request.params : {})
    }),
  )
  return { inputResponses, ...(requestState !== undefined && { requestState }) }
}

/** @throws {ServerError} where it is an error @throws {ServerUnavailable} where it is no answer to this request */
export function resultOf(server: string, message: JsonRpcMessage, id: RequestId): JsonObject {
  if ('result' in message && message.id === id) return message.result
  if ('error' in message && (message.id === id || message.id === undefined || message.id === null))
    throw new ServerError(boundedError(message.error))
  throw unexpected(server, id)
}

function boundedError({ code, message, data }: JsonRpcErrorBody): JsonRpcErrorBody {
  return { code, message: message.slice(0, 10_000), ...(data !== undefined && { data }) }
}

const unexpected = (server: string, id: RequestId) =>
  new ServerUnavailable(server, `The MCP server ${server} answered another request than the one it was sent (${id}).`)

/** What an HTTP status without a JSON-RPC message means. */
export function refused(server: string, status: number): ServerUnavailable {
  const why =
    status === 401 || status === 403
      ? 'does not accept the gateway’s credentials'
      : status === 429
        ? 'has too many requests'
        : 'does not answer as an MCP server'
  return new ServerUnavailable(server, `The MCP server ${server} ${why} (HTTP ${status}).`, undefined, status)
}

/** @returns what of it the server offers (2026-07-28, subscriptions/listen), or undefined */
function filterOf(
  { tools, prompts, resources, uris, tasks = [] }: Interest,
  capabilities: JsonObject,
): JsonObject | undefined {
  const offers = (kind: string) => isObject(capabilities[kind]) && capabilities[kind].listChanged === true
  const subscribes = isObject(capabilities.resources) && capabilities.resources.subscribe === true
  const filter = {
    ...(tools && offers('tools') && { toolsListChanged: true }),
    ...(prompts && offers('prompts') && { promptsListChanged: true }),
    ...(resources && offers('resources') && { resourcesListChanged: true }),
    ...(uris.length > 0 && subscribes && { resourceSubscriptions: uris }),
    ...(tasks.length > 0 && { taskIds: tasks.map(({ id }) => id) }),
  }
  return Object.keys(filter).length > 0 ? filter : undefined
}

function withoutSubscription(params: JsonObject): JsonObject {
  if (!isObject(params._meta)) return params
  const { [meta.subscriptionId]: _, ...rest } = params._meta
  const { _meta: __, ...others } = params
  return Object.keys(rest).length > 0 ? { ...others, _meta: rest } : others
}
