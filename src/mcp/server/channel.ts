import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { isObject } from '../../json.ts'
import { ServerError, ServerUnavailable } from '../errors.ts'
import { loudEnough } from '../logs.ts'
import { messageOf } from '../message.ts'
import {
  errorCode,
  type JsonObject,
  type JsonRpcErrorBody,
  type JsonRpcRequest,
  legacyVersion,
  meta,
  modernVersion,
} from '../protocol.ts'
import { relatedIn } from '../tasks/words.ts'
import { concerns } from '../uris.ts'
import { initializedInfo } from './legacy-http-link.ts'
import type { CallHooks, ClientSide, Interest, Link, ListenHooks, ServerInfo } from './link.ts'
import { infoOf } from './modern-link.ts'

interface Waiting {
  readonly method: string
  readonly hooks: CallHooks | undefined
  /** The progress token of the client's own; on the channel it is the request's id. */
  readonly token: string | number | undefined
  /** The task that the request is about. */
  readonly task: unknown
  resolve(result: JsonObject): void
  reject(error: unknown): void
}

const mostRounds = 20
/** How long a server may take to say which era it is of, before it is taken for a legacy one. */
const probeMs = 10_000

/**
 * A conversation over one channel for all messages: a process's standard input and output, or HTTP with SSE (2024-11-05).
 * There is no telling which request a message of the server's own belongs to, so a channel is for one caller only.
 */
export class Channel implements Link {
  info: ServerInfo = { era: 'legacy', version: legacyVersion, capabilities: {} }
  readonly #server: string
  readonly #transport: Transport
  readonly #client: ClientSide
  readonly #waiting = new Map<number, Waiting>()
  readonly #listeners = new Set<{ hooks: ListenHooks; interest: () => Interest }>()
  readonly #ended: () => void
  #lastId = 0
  #closed = false
  #closing = false
  #logLevel: string | undefined

  /** @param ended told once when the channel is over, whoever ended it */
  constructor(server: string, transport: Transport, client: ClientSide, ended: () => void) {
    this.#server = server
    this.#transport = transport
    this.#client = client
    this.#ended = ended
    transport.onmessage = (message) => this.#heard(message)
    transport.onclose = () => this.#over()
    transport.onerror = () => undefined
  }

  /** How many requests are under way. */
  get busy(): number {
    return this.#waiting.size + this.#listeners.size
  }

  /** Whether it is this side that ends it. */
  get closing(): boolean {
    return this.#closing
  }

  /**
   * Opens the channel and finds out what the server is.
   * @param era what the rules say
   * @throws {ServerError | ServerUnavailable}
   */
  async start(era: 'auto' | 'legacy' | 'modern', signal: AbortSignal): Promise<void> {
    try {
      await this.#transport.start()
    } catch (error) {
      this.#over()
      throw new ServerUnavailable(this.#server, `The MCP server ${this.#server} could not be started.`, error)
    }
    try {
      if (era !== 'legacy' && (await this.#discovered(era === 'modern', signal))) return
      const result = await this.#ask(
        'initialize',
        {
          protocolVersion: legacyVersion,
          capabilities: this.#client.capabilities,
          clientInfo: this.#client.clientInfo,
        },
        undefined,
        signal,
      )
      this.info = initializedInfo(this.#server, result)
      await this.#send({ jsonrpc: '2.0', method: 'notifications/initialized' })
    } catch (error) {
      await this.close()
      throw error
    }
  }

  async request(method: string, params: JsonObject, hooks: CallHooks): Promise<JsonObject> {
    if (this.info.era === 'legacy') {
      // Others may share the process, and listen on.
      const needed = (uri: unknown) =>
        [...this.#listeners].some(({ interest }) => interest().uris.some((each) => each === uri))
      if (method === 'resources/unsubscribe' && needed(params.uri)) return {}
      await this.#wantLogs(hooks.logLevel)
      return this.#ask(method, params, hooks, hooks.signal)
    }
    let sent = params
    for (let round = 0; round < mostRounds; round++) {
      const result = await this.#ask(method, this.#withMeta(sent, hooks.logLevel), hooks, hooks.signal)
      if (result.resultType !== 'input_required' || hooks.takesInputRequired) return result
      const inputResponses: JsonObject = {}
      for (const [key, request] of Object.entries(isObject(result.inputRequests) ? result.inputRequests : {}))
        if (isObject(request) && typeof request.method === 'string')
          inputResponses[key] = await hooks.asked(request.method, isObject(request.params) ? request.params : {})
      sent = {
        ...params,
        inputResponses,
        ...(result.requestState !== undefined && { requestState: result.requestState }),
      }
    }
    throw new ServerUnavailable(
      this.#server,
      `The MCP server ${this.#server} asked for more input more than ${mostRounds} times.`,
    )
  }

  async notify(method: string, params: JsonObject): Promise<void> {
    if (this.info.era === 'legacy') await this.#send({ jsonrpc: '2.0', method, params })
  }

  async listen(interestNow: () => Interest, hooks: ListenHooks): Promise<void> {
    if (this.#closed) throw this.#gone()
    const interest = interestNow()
    const listener = { hooks, interest: interestNow }
    this.#listeners.add(listener)
    hooks.signal.addEventListener('abort', () => this.#listeners.delete(listener), { once: true })
    const { capabilities } = this.info
    if (this.info.era === 'modern') {
      const offers = (kind: string) => isObject(capabilities[kind]) && capabilities[kind].listChanged === true
      const notifications = {
        ...(interest.tools && offers('tools') && { toolsListChanged: true }),
        ...(interest.prompts && offers('prompts') && { promptsListChanged: true }),
        ...(interest.resources && offers('resources') && { resourcesListChanged: true }),
        ...(interest.uris.length > 0 && { resourceSubscriptions: interest.uris }),
        ...(interest.tasks && interest.tasks.length > 0 && { taskIds: interest.tasks.map(({ id }) => id) }),
      }
      if (Object.keys(notifications).length > 0)
        void this.#ask('subscriptions/listen', this.#withMeta({ notifications }), undefined, hooks.signal).catch(
          () => undefined,
        )
    }
  }

  async close(): Promise<void> {
    this.#closing = true
    this.#over()
    await this.#transport.close().catch(() => undefined)
  }

  /** @returns whether it is a modern server */
  async #discovered(must: boolean, signal: AbortSignal): Promise<boolean> {
    try {
      const timed = AbortSignal.any([signal, AbortSignal.timeout(probeMs)])
      const result = await this.#ask('server/discover', this.#withMeta({}, undefined, modernVersion), undefined, timed)
      this.info = infoOf(result)
      return true
    } catch (error) {
      // Anything but an answer of the new era means the old one (2026-07-28, stdio: Backward Compatibility).
      if (must || signal.aborted || this.#closed) throw error
      return false
    }
  }

  #withMeta(params: JsonObject, logLevel?: string, version = this.info.version): JsonObject {
    return {
      ...params,
      _meta: {
        ...(isObject(params._meta) && params._meta),
        [meta.protocolVersion]: version,
        [meta.clientInfo]: this.#client.clientInfo,
        [meta.clientCapabilities]: this.#client.modernCapabilities ?? this.#client.capabilities,
        ...(logLevel !== undefined && { [meta.logLevel]: logLevel }),
      },
    }
  }

  async #wantLogs(level: string | undefined): Promise<void> {
    if (level === undefined || !isObject(this.info.capabilities.logging)) return
    // Requests with other levels share it: it is the loudest that counts, and each gets what it wants of it.
    if (this.#logLevel !== undefined && loudEnough(level, this.#logLevel)) return
    this.#logLevel = level
    await this.#ask('logging/setLevel', { level }, undefined, AbortSignal.timeout(5_000)).catch(() => undefined)
  }

  #ask(method: string, params: JsonObject, hooks: CallHooks | undefined, signal: AbortSignal): Promise<JsonObject> {
    const id = ++this.#lastId
    const given = isObject(params._meta) ? params._meta.progressToken : undefined
    const token = typeof given === 'string' || typeof given === 'number' ? given : undefined
    const sent =
      token === undefined ? params : { ...params, _meta: { ...(params._meta as JsonObject), progressToken: id } }
    return new Promise<JsonObject>((resolve, reject) => {
      if (this.#closed) {
        reject(this.#gone())
        return
      }
      const stop = () => {
        this.#waiting.delete(id)
        void this.#send({
          jsonrpc: '2.0',
          method: 'notifications/cancelled',
          params: { requestId: id, reason: 'the client went away' },
        }).catch(() => undefined)
        reject(signal.reason)
      }
      const settled = () => {
        this.#waiting.delete(id)
        signal.removeEventListener('abort', stop)
      }
      if (signal.aborted) {
        reject(signal.reason)
        return
      }
      signal.addEventListener('abort', stop, { once: true })
      this.#waiting.set(id, {
        method,
        hooks,
        token,
        task: params.taskId,
        resolve(result) {
          settled()
          resolve(result)
        },
        reject(error) {
          settled()
          reject(error)
        },
      })
      this.#send({ jsonrpc: '2.0', id, method, params: sent }).catch((error) => {
        settled()
        reject(error)
      })
    })
  }

  async #send(message: object): Promise<void> {
    try {
      await this.#transport.send(message as Parameters<Transport['send']>[0])
    } catch (error) {
      throw new ServerUnavailable(this.#server, `The MCP server ${this.#server} cannot be reached.`, error)
    }
  }

  #heard(raw: unknown): void {
    const message = messageOf(raw)
    if (typeof message === 'string') return
    if (!('method' in message)) {
      const waiting = typeof message.id === 'number' ? this.#waiting.get(message.id) : undefined
      if (!waiting) return
      if ('result' in message) waiting.resolve(message.result)
      else waiting.reject(new ServerError(message.error))
      return
    }
    const params = message.params ?? {}
    if ('id' in message) this.#asked(message, params)
    else this.#notified(message.method, params)
  }

  #notified(method: string, params: JsonObject): void {
    switch (method) {
      case 'notifications/progress': {
        const waiting = typeof params.progressToken === 'number' ? this.#waiting.get(params.progressToken) : undefined
        if (waiting?.token !== undefined) waiting.hooks?.notified(method, { ...params, progressToken: waiting.token })
        return
      }
      case 'notifications/message': {
        const calls = [...this.#waiting.values()].filter(({ hooks }) => hooks !== undefined)
        // With one request under way it can only be that one's.
        if (calls.length === 1) calls[0]!.hooks!.notified(method, params)
        else for (const { hooks } of this.#listeners) hooks.notified(method, params)
        return
      }
      case 'notifications/resources/updated':
        for (const { hooks, interest } of this.#listeners)
          if (interest().uris.some((uri) => concerns(uri, String(params.uri)))) hooks.notified(method, params)
        return
      default:
        for (const { hooks } of this.#listeners) hooks.notified(method, params)
    }
  }

  #asked(message: JsonRpcRequest, params: JsonObject): void {
    const { id, method } = message
    const answer = (outcome: { result: JsonObject } | { error: JsonRpcErrorBody }) =>
      void this.#send({ jsonrpc: '2.0', id, ...outcome }).catch(() => undefined)
    if (method === 'ping') {
      answer({ result: {} })
      return
    }
    // Who waits for the task's result is asked for it. Otherwise the request that came last is the one that it most likely belongs
    // to; without any, those who listen are asked.
    const calls = [...this.#waiting.values()].filter(({ hooks }) => hooks !== undefined)
    const task = relatedIn(params)
    const waiting =
      task === undefined ? undefined : calls.find((call) => call.task === task && call.method === 'tasks/result')
    const hooks = (waiting ?? calls.at(-1))?.hooks ?? [...this.#listeners].at(-1)?.hooks
    if (!hooks) {
      answer({ error: { code: errorCode.methodNotFound, message: 'There is no client that could answer.' } })
      return
    }
    hooks.asked(method, params).then(
      (result) => answer({ result }),
      (error: unknown) =>
        answer({
          error:
            error instanceof ServerError
              ? error.body
              : { code: errorCode.internal, message: 'The client did not answer.' },
        }),
    )
  }

  #over(): void {
    if (this.#closed) return
    this.#closed = true
    for (const { reject } of [...this.#waiting.values()]) reject(this.#gone())
    this.#waiting.clear()
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    this.#ended()
    for (const { hooks } of listeners) hooks.lost()
  }

  #gone(): ServerUnavailable {
    return new ServerUnavailable(this.#server, `The MCP server ${this.#server} ended.`)
  }
}
