import { setMaxListeners } from 'node:events'
import { isObject } from '../../json.ts'
import { boundTo, callerOf, type Endpoint, type Incoming } from '../endpoint.ts'
import { invalidParams, ServerError } from '../errors.ts'
import { loudEnough } from '../logs.ts'
import { errorCode, type JsonObject, type JsonRpcRequest, meta } from '../protocol.ts'
import type { Interest } from '../server/link.ts'
import type { Caller } from '../server/server.ts'
import type { Tasks } from '../tasks/tasks.ts'
import { concerns } from '../uris.ts'
import { mergedCapabilities } from './capabilities.ts'
import type { Reply } from './reply.ts'
import type { ClientSession, ClientStream } from './session.ts'

const mostUris = 1000
const mostEarly = 1000
/** Requests to one client that wait for its answer. */
const mostAsked = 200
const mostStreams = 20_000

/** A stream of what servers say by themselves, whichever era asked for it. */
interface Stream extends ClientStream {
  readonly endpoint: string
  /** Goes on under changed rules. */
  move(endpoint: Endpoint): void
}

/** The streams by which clients hear of what changes. They outlive the rules. */
export class Listening {
  readonly #streams = new Set<Stream>()
  readonly #tasks: Tasks

  constructor(tasks: Tasks) {
    this.#tasks = tasks
  }

  /** How many streams are open. */
  get size(): number {
    return this.#streams.size
  }

  /** The rules have changed: every stream goes on with the new servers, and clients look at their lists again. */
  move(endpoints: ReadonlyMap<string, Endpoint>): void {
    for (const stream of this.#streams) {
      const endpoint = endpoints.get(stream.endpoint)
      if (endpoint) stream.move(endpoint)
      else stream.end()
    }
  }

  /** Somebody approved tools, or took it back: clients look at their lists again. */
  toolsChanged(): void {
    for (const stream of this.#streams) stream.notify('notifications/tools/list_changed', {})
  }

  /** Ends all streams, each in the way of its era. */
  stop(): void {
    for (const stream of [...this.#streams]) stream.end()
  }

  /** A client of the new era (2026-07-28, subscriptions/listen). @returns when the stream is over */
  async modern(
    incoming: Incoming,
    caller: Caller,
    { id, params = {} }: JsonRpcRequest,
    reply: Reply,
    gone: AbortSignal,
  ): Promise<void> {
    const filter = params.notifications
    if (!isObject(filter)) throw invalidParams('"notifications" must say what to listen to.')
    const uris = Array.isArray(filter.resourceSubscriptions) ? filter.resourceSubscriptions : []
    if (uris.length > mostUris || uris.some((uri) => typeof uri !== 'string'))
      throw invalidParams(`"resourceSubscriptions" must be at most ${mostUris} URIs.`)
    const taskIds = Array.isArray(filter.taskIds) ? filter.taskIds : []
    if (taskIds.length > mostUris) throw invalidParams(`"taskIds" must be at most ${mostUris} ids.`)
    const tasks = await this.#tasks.listened(incoming, taskIds, caller, gone)
    const { infos } = await incoming.endpoint.federation.describe(caller, gone)
    const { tools, prompts, resources } = mergedCapabilities([...infos.values()], 'modern')
    const honored: JsonObject = {
      ...(filter.toolsListChanged === true && tools !== undefined && { toolsListChanged: true }),
      ...(filter.promptsListChanged === true && prompts !== undefined && { promptsListChanged: true }),
      ...(filter.resourcesListChanged === true && resources !== undefined && { resourcesListChanged: true }),
      ...(uris.length > 0 && isObject(resources) && resources.subscribe === true && { resourceSubscriptions: uris }),
      ...(tasks.length > 0 && { taskIds: tasks.map(({ outward }) => outward) }),
    }
    const interest: Interest = {
      tools: honored.toolsListChanged === true,
      prompts: honored.promptsListChanged === true,
      resources: honored.resourcesListChanged === true,
      uris: (honored.resourceSubscriptions as string[] | undefined) ?? [],
      tasks,
    }
    const tagged = { [meta.subscriptionId]: id }
    // What comes before the acknowledgement waits for it.
    const early: [string, JsonObject][] = []
    let acknowledged = false
    const notify = (method: string, told: JsonObject) => {
      const hears =
        method === 'notifications/resources/updated'
          ? uris.some((uri) => concerns(uri as string, String(told.uri)))
          : method === 'notifications/tasks' ||
            (method === 'notifications/tools/list_changed' && interest.tools) ||
            (method === 'notifications/prompts/list_changed' && interest.prompts) ||
            (method === 'notifications/resources/list_changed' && interest.resources)
      if (!hears) return
      if (!acknowledged) {
        if (early.length < mostEarly) early.push([method, told])
        return
      }
      // Who has not taken a mebibyte of these learns nothing by one more.
      if (reply.room !== undefined) return
      reply.notify(method, { ...told, _meta: { ...(isObject(told._meta) && told._meta), ...tagged } })
    }
    await new Promise<void>((resolve) => {
      const end = () => {
        reply.result(id, { resultType: 'complete', _meta: tagged })
        resolve()
      }
      const stream = this.#follow(incoming.endpoint, caller, () => interest, notify, undefined, end)
      gone.addEventListener('abort', () => {
        stream.close()
        resolve()
      })
      void stream.started.then(() => {
        acknowledged = true
        reply.notify('notifications/subscriptions/acknowledged', { notifications: honored, _meta: tagged })
        for (const [method, told] of early) notify(method, told)
      })
    })
  }

  /**
   * A client of the old era (2025-11-25, Listening for Messages from the Server).
   * @param missed whether something may have been said while it did not listen
   * @returns when the stream is over
   */
  async legacy(
    incoming: Incoming,
    session: ClientSession,
    reply: Reply,
    gone: AbortSignal,
    missed: boolean,
  ): Promise<void> {
    const caller = callerOf(incoming, session.capabilities, session.clientInfo, session)
    const { live } = session
    reply.begin()
    const notify = (method: string, params: JsonObject) => {
      if (method === 'notifications/message' && live.logLevel !== undefined && !loudEnough(params.level, live.logLevel))
        return
      if (reply.room !== undefined) return
      reply.notify(method, params)
    }
    await new Promise<void>((resolve) => {
      const interest = (): Interest => ({ tools: true, prompts: true, resources: true, uris: [...live.subscribed] })
      const stream = this.#follow(
        incoming.endpoint,
        caller,
        interest,
        notify,
        (method, params) => askClient(session, method, params, reply),
        resolve,
      )
      live.streams.add(stream)
      if (missed) for (const kind of ['tools', 'prompts', 'resources']) notify(`notifications/${kind}/list_changed`, {})
      gone.addEventListener('abort', () => {
        live.streams.delete(stream)
        stream.close()
        resolve()
      })
    })
    live.streams.forEach((each) => {
      if (!this.#streams.has(each as Stream)) live.streams.delete(each)
    })
  }

  #follow(
    first: Endpoint,
    caller: Caller,
    interest: () => Interest,
    notify: (method: string, params: JsonObject) => void,
    ask: ((method: string, params: JsonObject) => Promise<JsonObject>) | undefined,
    over: () => void,
  ): Stream & { readonly started: Promise<void>; close(): void } {
    if (this.#streams.size >= mostStreams) throw new Error('too many streams are open')
    const tasks = this.#tasks
    const bound = boundTo({ identity: caller.identity, endpoint: first })
    let endpoint = first
    let controller = new AbortController()
    const listen = (): Promise<void> => {
      controller = new AbortController()
      const { signal } = controller
      // Each server of many listens to it.
      setMaxListeners(0, signal)
      const { federation } = endpoint
      return federation.listen(
        caller,
        interest,
        ({ name }) => ({
          notified: (method, params) => {
            const told = tasks.notified(bound, name, method, params, interest().tasks)
            if (told) notify(method, federation.outwardParams(name, told))
          },
          asked: (method, params) =>
            ask
              ? tasks.asked(bound, name, method, params, (meant) => ask(method, meant))
              : Promise.reject(new ServerError({ code: errorCode.methodNotFound, message: 'Method not found' })),
          signal,
        }),
        signal,
      )
    }
    const close = () => {
      this.#streams.delete(stream)
      controller.abort(new Error('nobody listens any more'))
    }
    const stream = {
      endpoint: first.name,
      started: Promise.resolve(),
      notify,
      refresh(): void {
        controller.abort(new Error('it listens anew'))
        void listen()
      },
      move(next: Endpoint): void {
        endpoint = next
        stream.refresh()
        for (const kind of ['tools', 'prompts', 'resources']) notify(`notifications/${kind}/list_changed`, {})
      },
      end(): void {
        close()
        over()
      },
      close,
    }
    this.#streams.add(stream)
    stream.started = listen()
    return stream
  }
}

let lastAsked = 0
const prefix = Math.random().toString(36).slice(2, 10)
const askMs = 10 * 60_000

/**
 * Asks a client of the old era: on the stream of the request that it belongs to, or on any other that is open.
 * @returns the client's result
 * @throws {ServerError} the client's error, or that it cannot be asked
 */
export function askClient(
  session: ClientSession,
  method: string,
  params: JsonObject,
  reply: Reply,
): Promise<JsonObject> {
  if (!reply.open)
    return Promise.reject(
      new ServerError({ code: errorCode.internal, message: 'The client takes no requests on this stream' }),
    )
  const { asked } = session.live
  if (asked.size >= mostAsked)
    return Promise.reject(
      new ServerError({ code: errorCode.internal, message: 'The client is asked too much at once' }),
    )
  const id = `${prefix}-${++lastAsked}`
  return new Promise<JsonObject>((resolve, reject) => {
    const timer = setTimeout(
      () => settle({ error: { code: errorCode.internal, message: 'The client did not answer' } }),
      askMs,
    )
    timer.unref()
    const settle: NonNullable<ReturnType<typeof asked.get>> = (outcome) => {
      clearTimeout(timer)
      asked.delete(id)
      if ('result' in outcome) resolve(outcome.result)
      else reject(new ServerError(outcome.error))
    }
    asked.set(id, settle)
    reply.ask({ jsonrpc: '2.0', id, method, params })
  })
}
