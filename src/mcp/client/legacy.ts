import { randomUUID } from 'node:crypto'
import { isObject } from '../../json.ts'
import { TimeLeft } from '../../limits/time-left.ts'
import type { Approvals } from '../approval/approvals.ts'
import {
  approvalRequest,
  approveElsewhere,
  cannotAsk,
  mustApprove,
  mustBeApproved,
  notOpened,
  pageRequest,
} from '../approval/request.ts'
import type { McpContext } from '../context.ts'
import { boundTo, callerOf, gatewayInfo, type Incoming } from '../endpoint.ts'
import { errorBody, invalidParams, invalidRequest, McpError, ServerError } from '../errors.ts'
import type { Routed } from '../federation.ts'
import { kindOf, kinds } from '../kinds.ts'
import { isLogLevel, loudEnough } from '../logs.ts'
import {
  eraOf,
  errorCode,
  type JsonObject,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  legacyVersion,
  type RequestId,
} from '../protocol.ts'
import type { Sealer } from '../seal.ts'
import type { CallHooks } from '../server/link.ts'
import { StreamEnded } from '../server/position.ts'
import { unasked } from '../server/server.ts'
import { askTask } from '../tasks/client-tasks.ts'
import { isTaskMethod, type Tasks } from '../tasks/tasks.ts'
import { withTraceContext } from '../trace-context.ts'
import { account } from './account.ts'
import { mergedCapabilities, mergedInstructions } from './capabilities.ts'
import { openCursor, sealCursor } from './cursor.ts'
import { Cancelled } from './kept-stream.ts'
import { lackingCapability } from './lacking.ts'
import { askClient, type Listening } from './listening.ts'
import type { Reply } from './reply.ts'
import { errorFor, legacyResult } from './results.ts'
import type { Keeping, ResumableStreams, ResumePoint } from './resume.ts'
import type { ClientSession, Sessions } from './session.ts'

const mostSubscriptions = 1000
const longestCapabilities = 4_096
const longestInfo = 200

/** Clients of the revisions with sessions (2024-11-05 to 2025-11-25). */
export class LegacyFront {
  readonly #context: McpContext
  readonly #sealer: Sealer
  readonly #sessions: Sessions
  readonly #listening: Listening
  readonly #tasks: Tasks
  readonly #resumable: ResumableStreams
  readonly #approvals: Approvals | undefined

  constructor(
    context: McpContext,
    sealer: Sealer,
    sessions: Sessions,
    listening: Listening,
    tasks: Tasks,
    resumable: ResumableStreams,
    approvals: Approvals | undefined,
  ) {
    this.#approvals = approvals
    this.#tasks = tasks
    this.#resumable = resumable
    this.#context = context
    this.#sealer = sealer
    this.#sessions = sessions
    this.#listening = listening
  }

  /** Answers a request. Never rejects. */
  async request(incoming: Incoming, message: JsonRpcRequest, reply: Reply, gone: AbortSignal): Promise<void> {
    const done = account(this.#context, incoming, 'legacy', message)
    // Who waits for the answer: the connection, or who may come again for it.
    let waits = gone
    try {
      if (message.method === 'initialize') await this.#initialize(incoming, message, reply, gone)
      else {
        const session = this.#session(incoming)
        const keeping = this.#resumable.keep(streamBound(incoming, session), message.id, primes(session), reply, gone)
        waits = keeping.stream.signal
        await this.#inSession(incoming, session, message, reply, keeping, done)
      }
      done.succeeded()
    } catch (error) {
      this.#failed(incoming, message, reply, waits, done, error)
    }
  }

  /** Answers with an error, if anybody still waits. */
  #failed(
    incoming: Incoming,
    { id, method, params = {} }: JsonRpcRequest,
    reply: Reply,
    waits: AbortSignal,
    done: ReturnType<typeof account>,
    error: unknown,
  ): void {
    if (waits.aborted) {
      done.failed('client_gone')
      return
    }
    if (!(error instanceof McpError || error instanceof ServerError)) this.#context.report(error, incoming.requestId)
    const body = errorFor('legacy', errorBody(error, incoming.requestId), method, params)
    done.failed(error instanceof McpError ? error.reason : 'server_error', body.code, error)
    // SDKs of this era take any other status for a failure of the transport and do not look at the body.
    const transport =
      error instanceof McpError && (body.code === errorCode.session || body.code === errorCode.invalidRequest)
    reply.error(id, transport ? error.status : 200, body, error instanceof McpError ? error.headers : [])
  }

  /** Takes a notification. @throws {McpError} where there is no such session */
  notification(incoming: Incoming, { method, params = {} }: JsonRpcNotification): void {
    const session = this.#session(incoming)
    const { live } = session
    switch (method) {
      case 'notifications/cancelled': {
        const { requestId } = params
        if (typeof requestId === 'string' || typeof requestId === 'number')
          live.calls.get(requestId)?.abort(new Cancelled('the client cancelled the request'))
        return
      }
      case 'notifications/roots/list_changed': {
        const caller = callerOf(incoming, session.capabilities, session.clientInfo, session)
        for (const server of incoming.endpoint.federation.serversOf(caller))
          if (!server.sealable || session.get(server.name))
            void server.notify(caller, method, {}).catch(() => undefined)
        return
      }
      default:
      // notifications/initialized: each server got its own. Others are of no use to anybody here.
    }
  }

  /** Takes the answer to a request that the client was asked. @throws {McpError} where there is no such session */
  response(incoming: Incoming, message: JsonRpcResponse): void {
    const { live } = this.#session(incoming)
    const { id } = message
    const waiting = id === undefined ? undefined : live.asked.get(id)
    waiting?.('result' in message ? { result: message.result } : { error: message.error })
  }

  /** The stream of what servers say by themselves. @throws {McpError} */
  async listen(incoming: Incoming, replyOf: () => Reply, gone: AbortSignal): Promise<void> {
    const session = this.#session(incoming)
    const bound = streamBound(incoming, session)
    const last = incoming.headers.get('last-event-id')
    const point = last ? this.#resumable.open(bound, last) : undefined
    const reply = replyOf()
    const attached = point && this.#resumable.attach(point, reply, gone)
    if (attached !== undefined) return attached
    if (point?.request !== undefined)
      return this.#resume(incoming, session, { ...point, request: point.request }, reply, gone)
    const { stream } = this.#resumable.keep(bound, undefined, primes(session), reply, gone)
    // What was missed is not known.
    await this.#listening.legacy(incoming, session, reply, stream.signal, point !== undefined)
  }

  /** Goes on with the stream that answers a request, where the server's own stream stands. */
  async #resume(
    incoming: Incoming,
    session: ClientSession,
    { request: id, upstream }: ResumePoint & { readonly request: RequestId },
    reply: Reply,
    gone: AbortSignal,
  ): Promise<void> {
    const { federation } = incoming.endpoint
    const { live } = session
    const message: JsonRpcRequest = { jsonrpc: '2.0', id, method: upstream?.call.method ?? 'unknown' }
    const done = account(this.#context, incoming, 'legacy', message)
    const keeping = this.#resumable.keep(streamBound(incoming, session), id, primes(session), reply, gone)
    const { stream } = keeping
    const controller = new AbortController()
    const signal = AbortSignal.any([stream.signal, controller.signal])
    try {
      if (!upstream) throw lostStream()
      const { server, method, name, task } = upstream.call
      keeping.call = upstream.call
      stream.at(upstream)
      reply.begin()
      const caller = callerOf(incoming, session.capabilities, session.clientInfo, session)
      const routed =
        task === undefined
          ? await federation.routeStream(method, name, server, caller, signal, lostStream)
          : await this.#tasks.route(incoming, 'legacy', method, { taskId: task }, caller, signal)
      done.about(routed)
      if (!live.calls.has(id)) live.calls.set(id, controller)
      const hooks = this.#hooks(incoming, session, routed, reply, keeping, signal)
      const asked = { ...routed, position: upstream }
      const { result } = await this.#tasks.call(incoming, 'legacy', asked, caller, hooks, () => undefined)
      done.result(result)
      reply.result(id, legacyResult(method, result))
      done.succeeded()
    } catch (error) {
      reply.begin()
      if (error instanceof StreamEnded) {
        stream.handOver()
        done.succeeded()
      } else if (controller.signal.aborted) {
        done.failed('cancelled')
        reply.end()
      } else this.#failed(incoming, message, reply, stream.signal, done, error)
    } finally {
      if (live.calls.get(id) === controller) live.calls.delete(id)
    }
  }

  /** Ends the session. @throws {McpError} */
  async end(incoming: Incoming): Promise<void> {
    const session = this.#session(incoming)
    this.#sessions.end(session)
    const caller = callerOf(incoming, session.capabilities, session.clientInfo, session)
    await Promise.all(incoming.endpoint.federation.servers.map((server) => server.end(caller).catch(() => undefined)))
  }

  /** @throws {McpError} 400 without a session's id, 404 with one that is none (any more) */
  #session(incoming: Incoming): ClientSession {
    const version = incoming.headers.get('mcp-protocol-version')
    if (version !== undefined && eraOf(version) !== 'legacy')
      throw invalidRequest(`Unsupported protocol version: ${version.slice(0, 50)}`)
    const text = incoming.headers.get('mcp-session-id')
    if (text === undefined)
      throw new McpError(
        400,
        errorCode.session,
        'Bad Request: the header Mcp-Session-Id is missing. Begin with initialize.',
        {
          reason: 'missing_session',
        },
      )
    return this.#sessions.open(text, boundTo(incoming))
  }

  async #initialize(
    incoming: Incoming,
    { id, params = {} }: JsonRpcRequest,
    reply: Reply,
    gone: AbortSignal,
  ): Promise<void> {
    const { protocolVersion, capabilities, clientInfo } = params
    if (typeof protocolVersion !== 'string') throw invalidParams('"protocolVersion" must be a string.')
    if (!isObject(capabilities)) throw invalidParams('"capabilities" must be an object.')
    // They are in the session's id, which is a header of every request.
    if (JSON.stringify(capabilities).length > longestCapabilities)
      throw invalidParams(`"capabilities" must not be longer than ${longestCapabilities} characters.`)
    const admitted = await this.#context.admit(incoming, 'initialize', undefined)
    try {
      const version = eraOf(protocolVersion) === 'legacy' ? protocolVersion : legacyVersion
      const session = this.#sessions.begin(
        version,
        shownToServers(capabilities),
        isObject(clientInfo) ? shortInfo(clientInfo) : gatewayInfo,
      )
      const caller = callerOf(incoming, session.capabilities, session.clientInfo, session)
      const { infos, unavailable } = await incoming.endpoint.federation.describe(caller, gone)
      const instructions = mergedInstructions(incoming.endpoint, infos)
      reply.result(
        id,
        {
          protocolVersion: version,
          capabilities: mergedCapabilities([...infos.values()], 'legacy'),
          serverInfo: gatewayInfo,
          ...(instructions !== undefined && { instructions }),
          ...(unavailable.length > 0 && { _meta: { 'dev.chaperone/unavailable': unavailable } }),
        },
        [...admitted.headers, ['mcp-session-id', this.#sessions.seal(session, boundTo(incoming))]],
      )
    } finally {
      admitted.release()
    }
  }

  async #inSession(
    incoming: Incoming,
    session: ClientSession,
    message: JsonRpcRequest,
    reply: Reply,
    keeping: Keeping,
    done: ReturnType<typeof account>,
  ): Promise<void> {
    const { id, method, params = {} } = message
    const { endpoint } = incoming
    const { live } = session
    if (method === 'ping') {
      reply.result(id, {})
      return
    }
    if (live.calls.has(id)) throw invalidRequest('A request with this id is under way.')
    live.calls.set(id, keeping.stream)
    const { signal } = keeping.stream
    try {
      const caller = callerOf(incoming, session.capabilities, session.clientInfo, session)
      const kind = kindOf(method)
      if (kind) {
        const admitted = await this.#context.admit(incoming, method, undefined)
        try {
          const from = openCursor(this.#sealer, incoming, method, params.cursor)
          const page = await endpoint.federation.list(kind, caller, from, endpoint.rule.pageSize, signal)
          reply.result(
            id,
            legacyResult(method, {
              [kinds[kind].items]: page.items,
              ...(page.next && {
                nextCursor: sealCursor(this.#sealer, incoming, method, page.next),
              }),
              ...(page.unavailable.length > 0 && { _meta: { 'dev.chaperone/unavailable': page.unavailable } }),
            }),
            admitted.headers,
          )
        } finally {
          admitted.release()
        }
        return
      }
      if (method === 'logging/setLevel') {
        await this.#setLevel(incoming, session, params, signal)
        reply.result(id, {})
        return
      }
      const { _meta, ...rest } = params
      const told = withTraceContext(isObject(_meta) ? _meta : undefined, incoming.trace)
      const own = { ...rest, ...(told && { _meta: told }) }
      if (method === 'tasks/list') {
        const admitted = await this.#context.admit(incoming, method, undefined)
        try {
          const { tasks, next } = await this.#tasks.list(incoming, params.cursor, caller, signal)
          reply.result(id, { tasks, ...(next !== undefined && { nextCursor: next }) }, admitted.headers)
        } finally {
          admitted.release()
        }
        return
      }
      const routed = isTaskMethod(method)
        ? await this.#tasks.route(incoming, 'legacy', method, own, caller, signal)
        : await endpoint.federation.route(method, own, caller, signal)
      done.about(routed)
      const admitted = await this.#context.admit(incoming, method, {
        server: routed.server.name,
        name: routed.name,
        arguments: isObject(routed.params.arguments) ? routed.params.arguments : {},
        definition: routed.tool,
      })
      const left = new TimeLeft(admitted.deadline, signal)
      try {
        keeping.call = { server: routed.server.name, method, name: routed.name, task: routed.outward }
        const hooks: CallHooks = {
          ...this.#hooks(incoming, session, routed, reply, keeping, left.signal),
          // On the way of a carried call nothing can be said while the server is silent.
          carrier: admitted.deadline ? undefined : reply.carrier,
        }
        if (routed.approval && routed.server.rule.approvalBy === 'url')
          done.approved(await this.#approvedOnPage(incoming, session, routed, reply, left.signal))
        else if (routed.approval) {
          const asked = approvalRequest(routed)
          if (!reply.open || lackingCapability('elicitation/create', asked, session.capabilities))
            throw cannotAsk(routed)
          mustApprove(routed, await askClient(session, 'elicitation/create', asked, reply))
        }
        const relinked = () => {
          for (const stream of live.streams) {
            stream.refresh()
            for (const each of ['tools', 'prompts', 'resources'])
              stream.notify(`notifications/${each}/list_changed`, {})
          }
        }
        if (method === 'resources/subscribe' || method === 'resources/unsubscribe') {
          const uri = String(params.uri)
          if (method === 'resources/subscribe') {
            if (live.subscribed.size >= mostSubscriptions) throw invalidParams('There are too many subscriptions.')
            live.subscribed.add(uri)
          } else live.subscribed.delete(uri)
          const { era } = await routed.server.describe(caller, signal)
          if (era === 'modern') {
            // There it is what streams listen to.
            for (const stream of live.streams) stream.refresh()
            reply.result(id, {}, admitted.headers)
            return
          }
        }
        const { result } = await this.#tasks.call(incoming, 'legacy', routed, caller, hooks, relinked)
        done.result(result)
        reply.result(id, legacyResult(method, result), admitted.headers)
      } catch (error) {
        throw left.why(error)
      } finally {
        left.stop()
        admitted.release()
      }
    } catch (error) {
      if (error instanceof StreamEnded) {
        keeping.stream.handOver()
        return
      }
      // A cancelled request gets no answer (2025-11-25, Cancellation).
      if (signal.reason instanceof Cancelled) {
        done.failed('cancelled')
        reply.accepted()
        return
      }
      throw error
    } finally {
      live.calls.delete(id)
    }
  }

  /** Leads the client to the page, and waits for who decides there. @returns who approved it @throws {McpError} where it is not approved */
  async #approvedOnPage(
    incoming: Incoming,
    session: ClientSession,
    routed: Routed,
    reply: Reply,
    signal: AbortSignal,
  ): Promise<string> {
    const approvals = this.#approvals!
    const standing = await approvals.look(incoming, routed)
    if (standing.state !== 'waiting') return mustBeApproved(routed, standing)
    const asked = pageRequest(routed, standing)
    if (!reply.open || lackingCapability('elicitation/create', asked, session.capabilities))
      throw approveElsewhere(routed, standing.url)
    const { action } = await askClient(session, 'elicitation/create', asked, reply)
    if (action !== 'accept') throw notOpened(routed)
    return mustBeApproved(routed, await approvals.decided(incoming, routed, routed.server.callMs, signal))
  }

  /** What becomes of what a server says while it works on a request. */
  #hooks(
    incoming: Incoming,
    session: ClientSession,
    { server }: Routed,
    reply: Reply,
    { stream }: Keeping,
    signal: AbortSignal,
  ): CallHooks {
    const { live } = session
    const { federation } = incoming.endpoint
    return {
      takesInputRequired: false,
      logLevel: live.logLevel,
      room: () => reply.room,
      signal,
      resumable: {
        at: (position) => {
          stream.at(position)
          // The client can come again from here on, if it is told.
          if (primes(session)) reply.begin()
        },
        ended: () => stream.resumableUpstream,
      },
      notified: (notification, told) => {
        if (
          notification === 'notifications/message' &&
          live.logLevel !== undefined &&
          !loudEnough(told.level, live.logLevel)
        )
          return
        reply.notify(notification, federation.outwardParams(server.name, told))
      },
      asked: (asked, what) => {
        const missing = lackingCapability(asked, what, session.capabilities)
        if (missing) return Promise.reject(new ServerError({ code: errorCode.methodNotFound, message: missing }))
        return askTask(this.#sealer, boundTo(incoming), server.name, asked, what, (meant) =>
          askClient(session, asked, forClient(asked, meant), reply),
        )
      },
    }
  }

  async #setLevel(incoming: Incoming, session: ClientSession, params: JsonObject, signal: AbortSignal): Promise<void> {
    const { level } = params
    if (!isLogLevel(level)) throw invalidParams('"level" is no log level.')
    session.live.logLevel = level
    const caller = callerOf(incoming, session.capabilities, session.clientInfo, session)
    const { infos } = await incoming.endpoint.federation.describe(caller, signal)
    await Promise.all(
      [...infos].map(async ([server, { era, capabilities }]) => {
        // In the new era each request says it.
        if (era === 'modern' || !isObject(capabilities.logging)) return
        const timed = AbortSignal.any([signal, AbortSignal.timeout(server.listMs)])
        await server.request(caller, 'logging/setLevel', { level }, unasked(timed)).catch(() => undefined)
      }),
    )
  }
}

/** Events of one session are nothing to another. */
const streamBound = (incoming: Incoming, { id }: ClientSession): string => `${boundTo(incoming)}\0${id}`

/** Clients of the revisions before take an event without data for one that is broken. */
const primes = ({ version }: ClientSession): boolean => version >= '2025-11-25'

const lostStream = () =>
  new McpError(200, errorCode.internal, 'What the stream would have brought is lost: send the request anew.', {
    reason: 'lost_stream',
  })

/** What a client says it can, as servers hear it: its list of tasks holds those of all servers, and is for none of them. */
function shownToServers({ tasks, ...known }: JsonObject): JsonObject {
  if (!isObject(tasks)) return known
  const { list: _, ...own } = tasks
  return { ...known, tasks: own }
}

/** What a client says that it is, without pictures (schema: Implementation). */
function shortInfo(info: JsonObject): JsonObject {
  const short: JsonObject = {}
  for (const key of ['name', 'title', 'version'])
    if (typeof info[key] === 'string') short[key] = info[key].slice(0, longestInfo)
  return short
}

/** A server's request of the new era in the words of the old one. */
function forClient(method: string, params: JsonObject): JsonObject {
  if (method !== 'elicitation/create' || params.mode !== 'url' || params.elicitationId !== undefined) return params
  return { ...params, elicitationId: randomUUID() }
}
