import { createHash, randomBytes } from 'node:crypto'
import { isObject } from '../../json.ts'
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
import { errorBody, invalidParams, McpError, methodNotFound, ServerError } from '../errors.ts'
import type { Routed } from '../federation.ts'
import { decodeHeaderValue } from '../header-value.ts'
import { kindOf, kinds } from '../kinds.ts'
import { isLogLevel, loudEnough } from '../logs.ts'
import {
  errorCode,
  type JsonObject,
  type JsonRpcNotification,
  type JsonRpcRequest,
  legacyVersions,
  meta,
  modernVersions,
} from '../protocol.ts'
import type { Sealer } from '../seal.ts'
import type { Carrier } from '../server/carrier.ts'
import type { CallHooks, ServerInfo } from '../server/link.ts'
import { nameIn } from '../server/modern-link.ts'
import { mirroredIn } from '../server/param-headers.ts'
import type { Caller } from '../server/server.ts'
import { isTaskMethod, type Tasks } from '../tasks/tasks.ts'
import { withTraceContext } from '../trace-context.ts'
import { account } from './account.ts'
import { mergedCapabilities, mergedInstructions } from './capabilities.ts'
import { openCursor, sealCursor } from './cursor.ts'
import { lackingCapability } from './lacking.ts'
import type { Listening } from './listening.ts'
import type { Reply } from './reply.ts'
import { errorFor, modernResult, statusOf } from './results.ts'

/** How long a call waits for the client to come again, and a state is good. */
const parkedMs = 15 * 60_000
const mostParked = 10_000
/** Of one call, at the same time. */
const mostQuestions = 100
/** Requests of a server that come at once go to the client at once. */
const gatherMs = 5
const approvalKey = 'approval'
/** How long a call waits for somebody who is on the page, before the client is asked again. */
const pageMs = 120_000

/** A question of a server that waits for the client's answer. */
interface Question {
  readonly method: string
  readonly params: JsonObject
  resolve(result: JsonObject): void
  reject(error: unknown): void
}

/** A call to a server of the old era that waits in the middle, for a client of the new one. */
interface Parked {
  readonly bound: string
  readonly outcome: Promise<{ result: JsonObject; info: ServerInfo }>
  readonly questions: Map<string, Question>
  /** Called when a question comes. */
  wake: () => void
  /** Ends the call with an error of our own. */
  readonly fail: (error: McpError) => void
  /** Where notifications go: the reply that is open at the time. */
  reply: Reply | undefined
  readonly controller: AbortController
  /** Runs while nobody waits for it. */
  timer: NodeJS.Timeout | undefined
}

/** What a requestState of ours holds. */
type State =
  /** A server's own state. */
  | { s: string; d: string; t: string | null }
  /** A call that waits in this process. */
  | { p: string; d: string }
  /** A call that waits for a human's approval, and has not begun. */
  | { a: true; d: string }

/** Clients of the revisions without sessions (2026-07-28). */
export class ModernFront {
  readonly #context: McpContext
  readonly #sealer: Sealer
  readonly #listening: Listening
  readonly #tasks: Tasks
  readonly #approvals: Approvals | undefined
  readonly #parked = new Map<string, Parked>()

  constructor(
    context: McpContext,
    sealer: Sealer,
    listening: Listening,
    tasks: Tasks,
    approvals: Approvals | undefined,
  ) {
    this.#approvals = approvals
    this.#tasks = tasks
    this.#context = context
    this.#sealer = sealer
    this.#listening = listening
  }

  /** @returns whether a request is of this era: it says so itself */
  static knows(message: JsonRpcRequest | JsonRpcNotification, version: string | undefined): boolean {
    if (version !== undefined && (modernVersions as readonly string[]).includes(version)) return true
    const said = isObject(message.params?._meta) ? message.params._meta[meta.protocolVersion] : undefined
    return said !== undefined
  }

  /** Answers a request. Never rejects. @param gone ends what is done for it, when the client has gone away */
  async request(incoming: Incoming, message: JsonRpcRequest, reply: Reply, gone: AbortSignal): Promise<void> {
    const { id, method } = message
    const params = message.params ?? {}
    const done = account(this.#context, incoming, 'modern', message)
    try {
      const client = checked(incoming, message)
      const caller = callerOf(incoming, client.capabilities, client.clientInfo, undefined)
      const kind = kindOf(method)
      const { endpoint } = incoming
      if (method === 'server/discover') {
        const admitted = await this.#context.admit(incoming, method, undefined)
        const { infos, unavailable } = await endpoint.federation.describe(caller, gone)
        admitted.release()
        const instructions = mergedInstructions(endpoint, infos)
        reply.result(
          id,
          modernResult(
            method,
            {
              supportedVersions: [...modernVersions, ...legacyVersions],
              capabilities: mergedCapabilities([...infos.values()], 'modern'),
              ...(instructions !== undefined && { instructions }),
              ...(unavailable.length > 0 && { _meta: { 'dev.chaperone/unavailable': unavailable } }),
            },
            endpoint.cacheMs,
          ),
          admitted.headers,
        )
      } else if (kind) {
        const admitted = await this.#context.admit(incoming, method, undefined)
        try {
          const from = openCursor(this.#sealer, incoming, method, params.cursor)
          const page = await endpoint.federation.list(kind, caller, from, endpoint.rule.pageSize, gone)
          reply.result(
            id,
            modernResult(
              method,
              {
                [kinds[kind].items]: page.items,
                ttlMs: page.ttlMs ?? endpoint.cacheMs,
                // What one caller may see is not for another.
                cacheScope: 'private',
                ...(page.next && { nextCursor: sealCursor(this.#sealer, incoming, method, page.next) }),
                ...(page.unavailable.length > 0 && { _meta: { 'dev.chaperone/unavailable': page.unavailable } }),
              },
              endpoint.cacheMs,
            ),
            admitted.headers,
          )
        } finally {
          admitted.release()
        }
      } else if (method === 'subscriptions/listen') {
        await this.#listening.modern(incoming, caller, message, reply, gone)
      } else await this.#call(incoming, message, caller, client.logLevel, reply, gone, done)
      done.succeeded()
    } catch (error) {
      if (gone.aborted) {
        done.failed('client_gone')
        return
      }
      const body = errorFor('modern', errorBody(error, incoming.requestId), method, message.params ?? {})
      if (!(error instanceof McpError || error instanceof ServerError)) this.#context.report(error, incoming.requestId)
      done.failed(error instanceof McpError ? error.reason : 'server_error', body.code, error)
      const status = error instanceof McpError && error.status !== 200 ? error.status : statusOf(body)
      reply.error(
        id,
        status === 404 && body.code !== errorCode.methodNotFound ? 200 : status,
        body,
        error instanceof McpError ? error.headers : [],
      )
    }
  }

  async #call(
    incoming: Incoming,
    { id, method, params = {} }: JsonRpcRequest,
    caller: Caller,
    logLevel: string | undefined,
    reply: Reply,
    gone: AbortSignal,
    done: ReturnType<typeof account>,
  ): Promise<void> {
    const { federation, cacheMs } = incoming.endpoint
    if (method === 'resources/subscribe' || method === 'resources/unsubscribe') throw methodNotFound(method)
    const { inputResponses, requestState, _meta, ...asked } = params
    const told = withTraceContext(isObject(_meta) ? forServer(_meta) : undefined, incoming.trace)
    const own: JsonObject = { ...asked, ...(told && { _meta: told }) }
    const state = this.#state(incoming, requestState)
    const digest = () => digestOf(method, asked)
    if (state && state.d !== digest()) throw badState()
    const routed = isTaskMethod(method)
      ? await this.#tasks.route(incoming, 'modern', method, own, caller, gone)
      : await federation.route(method, own, caller, gone)
    done.about(routed)
    checkParamHeaders(incoming, routed)
    const admitted = await this.#context.admit(incoming, method, {
      server: routed.server.name,
      name: routed.name,
      arguments: isObject(own.arguments) ? own.arguments : {},
      definition: routed.tool,
    })
    const { deadline } = admitted
    let timer: NodeJS.Timeout | undefined
    try {
      let parked: Parked
      if (routed.approval && (!state || 'a' in state)) {
        const answer = state && isObject(inputResponses) ? inputResponses[approvalKey] : undefined
        const asked = await this.#approvalFor(incoming, routed, caller, answer, gone, done)
        if (asked) {
          const sealed: State = { a: true, d: digest() }
          reply.result(
            id,
            modernResult(
              method,
              this.#waiting(incoming, { [approvalKey]: { method: 'elicitation/create', params: asked } }, sealed),
              cacheMs,
            ),
            admitted.headers,
          )
          return
        }
      }
      if (state && 'p' in state) {
        const waiting = this.#parked.get(state.p)
        if (!waiting || waiting.bound !== boundTo(incoming)) throw badState()
        parked = waiting
        clearTimeout(parked.timer)
        parked.reply = reply
        this.#answer(parked, isObject(inputResponses) ? inputResponses : {})
      } else {
        const own = state && 's' in state ? state : undefined
        const retried: Routed =
          own || (inputResponses !== undefined && !state)
            ? {
                ...routed,
                params: {
                  ...routed.params,
                  ...(isObject(inputResponses) && { inputResponses }),
                  ...(own && own.t !== null && { requestState: own.t }),
                },
              }
            : routed
        if (own && own.s !== routed.server.name) throw badState()
        // On the way of a carried call nothing can be said while the server is silent.
        const carrier = deadline ? undefined : reply.carrier
        parked = this.#start(incoming, retried, caller, logLevel, reply, carrier)
      }
      if (deadline && deadline.inMs < parkedMs) timer = setTimeout(() => parked.fail(deadline.error), deadline.inMs)
      const abandon = () => parked.controller.abort(gone.reason)
      gone.addEventListener('abort', abandon, { once: true })
      const settled = await this.#next(parked).finally(() => gone.removeEventListener('abort', abandon))
      if (settled) {
        this.#drop(parked)
        let { result } = settled
        if (result.resultType === 'input_required')
          result = this.#sealed(incoming, routed.server.name, digest(), result)
        done.result(result)
        reply.result(id, modernResult(method, result, cacheMs), admitted.headers)
        return
      }
      // The server asks something: the client gets the questions, and comes again with the answers.
      const key = randomBytes(12).toString('base64url')
      this.#park(key, parked)
      parked.reply = undefined
      const inputRequests: JsonObject = {}
      for (const [name, question] of parked.questions)
        inputRequests[name] = { method: question.method, params: question.params }
      const result = this.#waiting(incoming, inputRequests, { p: key, d: digest() })
      reply.result(id, modernResult(method, result, cacheMs), admitted.headers)
    } finally {
      clearTimeout(timer)
      admitted.release()
    }
  }

  /**
   * What the client is to ask its user before the call.
   * @param answer what it answered, where it was asked already
   * @returns undefined where it is approved
   * @throws {McpError} where it is not
   */
  async #approvalFor(
    incoming: Incoming,
    routed: Routed,
    caller: Caller,
    answer: unknown,
    gone: AbortSignal,
    done: ReturnType<typeof account>,
  ): Promise<JsonObject | undefined> {
    if (routed.server.rule.approvalBy === 'form') {
      const asked = approvalRequest(routed)
      if (lackingCapability('elicitation/create', asked, caller.capabilities)) throw cannotAsk(routed)
      if (!isObject(answer)) return asked
      mustApprove(routed, answer)
      return undefined
    }
    if (isObject(answer) && answer.action !== 'accept') throw notOpened(routed)
    const approvals = this.#approvals!
    // Who comes again is on the page, or has been there.
    const standing = isObject(answer)
      ? ((await approvals.decided(incoming, routed, pageMs, gone)) ?? (await approvals.look(incoming, routed)))
      : await approvals.look(incoming, routed)
    if (standing.state === 'waiting') {
      const asked = pageRequest(routed, standing)
      if (lackingCapability('elicitation/create', asked, caller.capabilities))
        throw approveElsewhere(routed, standing.url)
      const { elicitationId: _, ...modern } = asked
      return modern
    }
    done.approved(mustBeApproved(routed, standing))
    return undefined
  }

  /** Begins a call that may have to wait in the middle. */
  #start(
    incoming: Incoming,
    routed: Routed,
    caller: Caller,
    logLevel: string | undefined,
    reply: Reply,
    carrier: Carrier | undefined,
  ): Parked {
    const controller = new AbortController()
    const questions = new Map<string, Question>()
    let lastQuestion = 0
    const hooks: CallHooks = {
      takesInputRequired: true,
      logLevel,
      room: () => parked.reply?.room,
      signal: controller.signal,
      carrier,
      notified: (method, params) => {
        if (method === 'notifications/message') {
          if (logLevel === undefined || !loudEnough(params.level, logLevel)) return
        } else if (method !== 'notifications/progress') return
        parked.reply?.notify(method, params)
      },
      asked: (method, params) => {
        const missing = lackingCapability(method, params, caller.capabilities)
        if (missing) {
          // The server must not have asked; what it does without an answer is not what the client wanted.
          parked.fail(missingCapability(method, params, missing))
          return Promise.reject(new ServerError({ code: errorCode.methodNotFound, message: missing }))
        }
        if (questions.size >= mostQuestions)
          return Promise.reject(new ServerError({ code: errorCode.internal, message: 'There are too many questions.' }))
        return new Promise<JsonObject>((resolve, reject) => {
          questions.set(`${method}-${++lastQuestion}`, { method, params: inputParams(method, params), resolve, reject })
          setTimeout(() => parked.wake(), gatherMs)
        })
      },
    }
    let fail: (error: McpError) => void = () => undefined
    const outcome = Promise.race([
      this.#tasks.call(incoming, 'modern', routed, caller, hooks, () => undefined),
      new Promise<never>((_, reject) => {
        fail = reject
      }),
    ])
    outcome.catch(() => undefined)
    const parked: Parked = {
      bound: boundTo(incoming),
      outcome,
      questions,
      wake: () => undefined,
      fail: (error) => {
        fail(error)
        controller.abort(error)
      },
      reply,
      controller,
      timer: undefined,
    }
    return parked
  }

  /** @returns the outcome, or undefined where the server has questions first */
  #next(parked: Parked): Promise<{ result: JsonObject; info: ServerInfo } | undefined> {
    return new Promise((resolve, reject) => {
      parked.wake = () => {
        if (parked.questions.size > 0) resolve(undefined)
      }
      parked.outcome.then(resolve, (error) => {
        this.#drop(parked)
        reject(error)
      })
      // What the client left unanswered is asked again.
      if (parked.questions.size > 0) setTimeout(() => parked.wake(), gatherMs)
    })
  }

  #answer({ questions }: Parked, answers: JsonObject): void {
    for (const [name, { resolve }] of [...questions]) {
      const answer = answers[name]
      if (!isObject(answer)) continue
      questions.delete(name)
      resolve(answer)
    }
  }

  #park(key: string, parked: Parked): void {
    for (const [other, each] of this.#parked) if (each === parked) this.#parked.delete(other)
    if (this.#parked.size >= mostParked) {
      const [oldest, { controller }] = this.#parked.entries().next().value!
      this.#parked.delete(oldest)
      controller.abort(new Error('too many calls wait'))
    }
    this.#parked.set(key, parked)
    clearTimeout(parked.timer)
    parked.timer = setTimeout(() => parked.controller.abort(new Error('nobody came again')), parkedMs)
    parked.timer.unref()
    const forget = () => this.#parked.delete(key)
    parked.outcome.then(undefined, forget)
  }

  #drop(parked: Parked): void {
    clearTimeout(parked.timer)
    for (const { reject } of parked.questions.values()) reject(new Error('the call is over'))
    for (const [key, each] of this.#parked) if (each === parked) this.#parked.delete(key)
  }

  /** The result that asks the client, and has it come again. */
  #waiting(incoming: Incoming, inputRequests: JsonObject, state: State): JsonObject {
    const requestState = this.#sealer.seal('state', boundTo(incoming), state, (Date.now() + parkedMs) / 1000)
    return { resultType: 'input_required', inputRequests, requestState }
  }

  /** A server's own state goes to the client sealed, bound to the caller and to the request. */
  #sealed(incoming: Incoming, server: string, digest: string, result: JsonObject): JsonObject {
    const t = typeof result.requestState === 'string' ? result.requestState : null
    const state: State = { s: server, d: digest, t }
    return {
      ...result,
      requestState: this.#sealer.seal('state', boundTo(incoming), state, (Date.now() + parkedMs) / 1000),
    }
  }

  #state(incoming: Incoming, requestState: unknown): State | undefined {
    if (requestState === undefined) return undefined
    if (typeof requestState !== 'string') throw badState()
    const opened = this.#sealer.open('state', boundTo(incoming), requestState, Date.now() / 1000)
    if (typeof opened === 'string') throw badState()
    return opened.value as State
  }
}

interface Client {
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject
  readonly logLevel: string | undefined
}

/** Checks what each request must say of itself (2026-07-28, General fields; Streamable HTTP, Server Validation). */
function checked({ headers }: Incoming, { method, params = {} }: JsonRpcRequest): Client {
  const said = isObject(params._meta) ? params._meta : {}
  const version = said[meta.protocolVersion]
  const header = headers.get('mcp-protocol-version')
  if (typeof version !== 'string') throw invalidParams(`"_meta" must have ${meta.protocolVersion}.`)
  if (header === undefined) throw mismatch('the header MCP-Protocol-Version is missing')
  if (header !== version)
    throw mismatch(
      `MCP-Protocol-Version is ${JSON.stringify(header.slice(0, 50))}, the body says ${JSON.stringify(version.slice(0, 50))}`,
    )
  if (!(modernVersions as readonly string[]).includes(version))
    throw new McpError(400, errorCode.unsupportedVersion, 'Unsupported protocol version', {
      reason: 'unsupported_version',
      data: { supported: [...modernVersions, ...legacyVersions], requested: version },
    })
  const capabilities = said[meta.clientCapabilities]
  if (!isObject(capabilities)) throw invalidParams(`"_meta" must have ${meta.clientCapabilities}.`)
  const told = headers.get('mcp-method')
  if (told === undefined) throw mismatch('the header Mcp-Method is missing')
  if (told !== method)
    throw mismatch(`Mcp-Method is ${JSON.stringify(told.slice(0, 50))}, the body says ${JSON.stringify(method)}`)
  const name = nameIn(method, params)
  if (name !== undefined) {
    const sent = headers.get('mcp-name')
    if (sent === undefined) throw mismatch('the header Mcp-Name is missing')
    if (decodeHeaderValue(sent) !== name) throw mismatch('Mcp-Name does not say what the body says')
  }
  const logLevel = said[meta.logLevel]
  if (logLevel !== undefined && !isLogLevel(logLevel)) throw invalidParams(`${meta.logLevel} is no log level.`)
  const clientInfo = said[meta.clientInfo]
  return { capabilities, clientInfo: isObject(clientInfo) ? clientInfo : gatewayInfo, logLevel }
}

/** @throws {McpError} where a header does not say what the argument says */
function checkParamHeaders({ headers }: Incoming, { method, tool, params }: Routed): void {
  if (method !== 'tools/call' || !tool) return
  const mirrored = mirroredIn(tool.inputSchema)
  if (mirrored === 'invalid') return
  const args = isObject(params.arguments) ? params.arguments : {}
  for (const { header, path } of mirrored) {
    let value: unknown = args
    for (const step of path) value = isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined
    const sent = headers.get(`mcp-param-${header}`)
    const given = typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number'
    if (!given) {
      if (sent !== undefined) throw mismatch(`Mcp-Param-${header} has no argument`)
      continue
    }
    if (sent === undefined) throw mismatch(`the header Mcp-Param-${header} is missing`)
    const decoded = decodeHeaderValue(sent)
    const same =
      decoded !== undefined && (typeof value === 'number' ? Number(decoded) === value : decoded === String(value))
    if (!same) throw mismatch(`Mcp-Param-${header} does not say what the argument says`)
  }
}

function mismatch(what: string): McpError {
  return new McpError(400, errorCode.headerMismatch, `Header mismatch: ${what}`, { reason: 'header_mismatch' })
}

const badState = () =>
  invalidParams(
    'The request state is not, or no longer, good for this request: send the request anew, without requestState.',
    'invalid_state',
  )

/** The request as far as a state is bound to it. */
function digestOf(method: string, asked: JsonObject): string {
  return createHash('sha256')
    .update(`${method}\0${JSON.stringify(asked)}`)
    .digest('base64url')
    .slice(0, 22)
}

/** `_meta` without what the gateway says itself. */
function forServer(said: JsonObject): JsonObject {
  const {
    [meta.protocolVersion]: _,
    [meta.clientInfo]: __,
    [meta.clientCapabilities]: ___,
    [meta.logLevel]: ____,
    ...rest
  } = said
  return rest
}

/** 2026-07-28, MissingRequiredClientCapabilityError. */
function missingCapability(method: string, params: JsonObject, why: string): McpError {
  const needed: JsonObject =
    method === 'sampling/createMessage'
      ? { sampling: {} }
      : method === 'roots/list'
        ? { roots: {} }
        : { elicitation: params.mode === 'url' ? { url: {} } : {} }
  return new McpError(400, errorCode.missingClientCapability, `${why}, and this request needs it.`, {
    reason: 'missing_capability',
    data: { requiredCapabilities: needed },
  })
}

/** A request of the old era as an input request of the new one. */
function inputParams(method: string, params: JsonObject): JsonObject {
  if (method !== 'elicitation/create') return params
  const { elicitationId: _, ...rest } = params
  return rest
}
