import { isObject } from '../../json.ts'
import { boundTo, type Incoming } from '../endpoint.ts'
import { errorBody, invalidParams, McpError, methodNotFound, ServerError, SessionLost } from '../errors.ts'
import type { Routed } from '../federation.ts'
import { type Era, errorCode, type JsonObject, tasksExtension } from '../protocol.ts'
import type { Sealer } from '../seal.ts'
import type { CallHooks, ListenedTask, ServerInfo } from '../server/link.ts'
import type { Caller } from '../server/server.ts'
import { TaskBook } from './book.ts'
import { askTask } from './client-tasks.ts'
import { awaitTask, type TaskCalls } from './drive.ts'
import { AllQuestions } from './questions.ts'
import { type HeldTask, openTask, sealTask } from './task-id.ts'
import { isOver, knowsTasks, legacyTask, makesTasks, modernTask, relatedIn, withRelated } from './words.ts'

/** What clients of each era may ask about a task. */
const methods: Readonly<Record<Era, readonly string[]>> = {
  legacy: ['tasks/get', 'tasks/result', 'tasks/cancel'],
  modern: ['tasks/get', 'tasks/update', 'tasks/cancel'],
}

/** Tasks on one page of a list. */
const pageSize = 50
/** How long a session is kept for a task that its server keeps for ever, and at most. */
const openEndedMs = 3_600_000
const longestMs = 24 * 3_600_000

/** An answer of a server, and what it is. */
interface Answered {
  readonly result: JsonObject
  readonly info: ServerInfo
}

/** Whether a method is one of tasks. */
export function isTaskMethod(method: string): boolean {
  return method.startsWith('tasks/')
}

/**
 * Tasks: calls whose result is fetched later. In the old era the client makes a task of a call (2025-11-25, Tasks), in the
 * new one the server does (tasks extension). The id of a task holds the server and its own id of it.
 */
export class Tasks {
  readonly #sealer: Sealer
  readonly #book = new TaskBook()
  readonly #questions = new AllQuestions()

  constructor(sealer: Sealer) {
    this.#sealer = sealer
  }

  /**
   * Finds the server that holds a task.
   * @throws {McpError} where it is no task of this caller's, or its tool is not the caller's any more
   */
  async route(
    incoming: Incoming,
    era: Era,
    method: string,
    params: JsonObject,
    caller: Caller,
    signal: AbortSignal,
  ): Promise<Routed> {
    if (!methods[era].includes(method)) throw methodNotFound(method)
    if (era === 'modern' && !knowsTasks(caller.capabilities)) throw missingExtension()
    const task = openTask(this.#sealer, boundTo(incoming), params.taskId)
    if (!task) throw unknownTask()
    const { taskId: _, ...rest } = params
    const own = { ...rest, taskId: task.id }
    const { federation } = incoming.endpoint
    const routed = await federation.routeTask(method, own, task, caller, signal, unknownTask)
    return { ...routed, outward: String(params.taskId) }
  }

  /**
   * Calls a server, and makes what the client's era has for tasks of what comes of it.
   * @throws {McpError | ServerError | ServerUnavailable}
   */
  async call(
    incoming: Incoming,
    era: Era,
    routed: Routed,
    caller: Caller,
    hooks: CallHooks,
    relinked: () => void,
  ): Promise<Answered> {
    const { federation } = incoming.endpoint
    const related = this.#related(incoming, routed, hooks)
    if (routed.task) return this.#ofTask(incoming, era, routed, routed.task, caller, related)
    if (routed.method !== 'tools/call') return federation.call(routed, caller, related, relinked)
    const { asked, takes } = await this.#asked(era, routed, caller, hooks.signal)
    const { result, info, session } = await federation.call(asked, caller, related, relinked)
    const seed = begun(result, info)
    if (!seed) return { result, info }
    const task: HeldTask = { server: routed.server.name, id: seed.id, tool: routed.name, era: info.era, session }
    routed.server.keepFor(caller, keptMs(seed.ttl))
    const calls = this.#callsOf(incoming, routed, task, caller, related)
    // A server of the old era makes a task only of what the client wanted as one.
    if (!takes && !(era === 'legacy' && info.era === 'legacy'))
      return { result: await awaitTask(calls, info.era, routed.server, related), info }
    const outward = sealTask(this.#sealer, boundTo(incoming), task)
    this.#book.add(boundTo(incoming), { outward, task })
    if (era === 'legacy') return { result: { ...result, task: { ...seed.task, taskId: outward } }, info }
    if (info.era === 'modern') return { result: { ...result, taskId: outward }, info }
    const { task: _, ...rest } = withRelated(result, undefined)
    return { result: { ...rest, resultType: 'task', ...modernTask(seed.task), taskId: outward }, info }
  }

  /** The caller's tasks that were begun through this process, as they are now (2025-11-25, Listing Tasks). */
  async list(
    incoming: Incoming,
    cursor: unknown,
    caller: Caller,
    signal: AbortSignal,
  ): Promise<{ tasks: readonly JsonObject[]; next: string | undefined }> {
    const bound = boundTo(incoming)
    const all = this.#book.of(bound)
    // Behind which task it goes on: others may have been forgotten meanwhile.
    const from = cursor === undefined ? 0 : all.findIndex(({ outward }) => outward === cursor) + 1
    if (cursor !== undefined && from === 0) throw invalidParams('Invalid cursor.', 'invalid_cursor')
    const found = await Promise.all(
      all.slice(from, from + pageSize).map(async ({ outward, task }) => {
        try {
          const routed = await this.route(incoming, 'legacy', 'tasks/get', { taskId: outward }, caller, signal)
          const hooks = silent(AbortSignal.any([signal, AbortSignal.timeout(routed.server.listMs)]))
          return (await this.#ofTask(incoming, 'legacy', routed, task, caller, hooks)).result
        } catch (error) {
          if (signal.aborted) throw error
          // It may have been deleted meanwhile; a server that does not answer has none to show now.
          if (error instanceof ServerError) this.#book.delete(bound, task)
          return undefined
        }
      }),
    )
    const next = from + pageSize < all.length ? all[from + pageSize - 1]?.outward : undefined
    return { tasks: found.filter((each) => each !== undefined), next }
  }

  /**
   * The tasks that a client wants to hear of (tasks extension, Task Status Notifications), as far as their servers tell of them: those
   * of the old era are not asked to.
   * @throws {McpError} where the client does not say that it knows tasks
   */
  async listened(
    incoming: Incoming,
    ids: readonly unknown[],
    caller: Caller,
    signal: AbortSignal,
  ): Promise<readonly ListenedTask[]> {
    if (ids.length === 0) return []
    if (!knowsTasks(caller.capabilities)) throw missingExtension()
    const tasks = await Promise.all(
      ids.map(async (outward) => {
        try {
          const { task } = await this.route(incoming, 'modern', 'tasks/get', { taskId: outward }, caller, signal)
          return task?.era === 'modern' ? { server: task.server, id: task.id, outward: String(outward) } : undefined
        } catch (error) {
          // What is not the caller's is not listened to, and the acknowledgement says so.
          if (error instanceof McpError) return undefined
          throw error
        }
      }),
    )
    return tasks.filter((task) => task !== undefined)
  }

  /**
   * What a server says by itself of a task, as the caller may hear it.
   * @param listened the tasks that the client asked to hear of
   * @returns undefined where it is of a task that is not known here to be the caller's
   */
  notified(
    bound: string,
    server: string,
    method: string,
    params: JsonObject,
    listened: readonly ListenedTask[] = [],
  ): JsonObject | undefined {
    if (method === 'notifications/tasks') {
      const task = listened.find((each) => each.server === server && each.id === params.taskId)
      return task && { ...params, taskId: task.outward }
    }
    if (method === 'notifications/tasks/status') {
      const outward = typeof params.taskId === 'string' ? this.#book.outward(bound, server, params.taskId) : undefined
      return outward === undefined ? undefined : { ...params, taskId: outward }
    }
    return this.outward(bound, server, params)
  }

  /** What a server says, with the client's id of the task that it belongs to. */
  outward(bound: string, server: string, message: JsonObject, known?: { id: string; outward: string }): JsonObject {
    const id = relatedIn(message)
    if (id === undefined) return message
    return withRelated(message, id === known?.id ? known.outward : this.#book.outward(bound, server, id))
  }

  /** What a client answers a server, with the server's own id of the task that it belongs to. */
  inward(bound: string, server: string, message: JsonObject): JsonObject {
    const text = relatedIn(message)
    if (text === undefined) return message
    const task = openTask(this.#sealer, bound, text)
    return withRelated(message, task?.server === server ? task.id : undefined)
  }

  /** Asks a client what a server asks by itself. @param ask asks it, in its own words */
  async asked(
    bound: string,
    server: string,
    method: string,
    params: JsonObject,
    ask: (params: JsonObject) => Promise<JsonObject>,
  ): Promise<JsonObject> {
    const shown = this.outward(bound, server, params)
    return this.inward(bound, server, await askTask(this.#sealer, bound, server, method, shown, ask))
  }

  /** How a tool is called, and whether the client takes a task for an answer. */
  async #asked(
    era: Era,
    routed: Routed,
    caller: Caller,
    signal: AbortSignal,
  ): Promise<{ asked: Routed; takes: boolean }> {
    const { task: wanted, ...plain } = routed.params
    const support = isObject(routed.tool?.execution) ? routed.tool.execution.taskSupport : undefined
    const able = support === 'required' || support === 'optional'
    const takes = era === 'legacy' ? isObject(wanted) : knowsTasks(caller.capabilities)
    const ordinary = { asked: wanted === undefined ? routed : { ...routed, params: plain }, takes }
    if (era === 'legacy') {
      if (!isObject(wanted)) return ordinary
      const info = await routed.server.describe(caller, signal)
      // Whether a server of the new era makes a task is its own decision: nobody can promise one for it.
      if (info.era === 'modern' || !able)
        throw new McpError(200, errorCode.methodNotFound, 'This tool cannot be called as a task: leave out "task".', {
          reason: 'no_task',
        })
      return { asked: routed, takes: true }
    }
    if (!able || (support === 'optional' && !takes)) return ordinary
    const info = await routed.server.describe(caller, signal)
    if (info.era !== 'legacy' || !makesTasks(info.capabilities)) return ordinary
    return { asked: { ...routed, params: { ...plain, task: {} } }, takes }
  }

  /** A request about a task. */
  async #ofTask(
    incoming: Incoming,
    era: Era,
    routed: Routed,
    task: HeldTask,
    caller: Caller,
    hooks: CallHooks,
  ): Promise<Answered> {
    const info: ServerInfo = { era: task.era, version: '', capabilities: {} }
    const calls = this.#callsOf(incoming, routed, task, caller, hooks)
    const { method, params } = routed
    const outward = String(routed.outward)
    if (era === task.era) {
      const result = await calls.ask(method, params)
      const named = result.taskId === task.id ? { ...result, taskId: outward } : result
      if (method === 'tasks/result') return { result: withRelated(named, outward), info }
      return { result: isObject(named.result) ? { ...named, result: calls.shown(named.result) } : named, info }
    }
    const result =
      era === 'legacy'
        ? await this.#legacyOfModern(method, routed, calls, hooks)
        : await this.#modernOfLegacy(incoming, method, routed, task, caller, calls)
    return { result: 'taskId' in result ? { ...result, taskId: outward } : result, info }
  }

  /** A client of the old era about a task of a server of the new one: another client of the same caller began it. */
  async #legacyOfModern(method: string, routed: Routed, calls: TaskCalls, hooks: CallHooks): Promise<JsonObject> {
    if (method === 'tasks/result')
      return withRelated(await awaitTask(calls, 'modern', routed.server, hooks), String(routed.outward))
    const before = await calls.ask('tasks/get', {})
    if (method === 'tasks/get') return legacyTask(before)
    if (isOver(before))
      throw invalidParams(`Cannot cancel task: already in terminal status '${String(before.status)}'`, 'task_over')
    await calls.ask('tasks/cancel', {})
    return legacyTask({ ...(await calls.ask('tasks/get', {})), status: 'cancelled' })
  }

  /** A client of the new era about a task of a server of the old one. */
  async #modernOfLegacy(
    incoming: Incoming,
    method: string,
    routed: Routed,
    task: HeldTask,
    caller: Caller,
    calls: TaskCalls,
  ): Promise<JsonObject> {
    const key = `${boundTo(incoming)}\0${task.server}\0${task.id}`
    if (method === 'tasks/update') {
      const { inputResponses } = routed.params
      const questions = this.#questions.get(key)
      for (const [name, response] of Object.entries(isObject(inputResponses) ? inputResponses : {}))
        if (isObject(response)) questions?.answer(name, response)
      // A task that nobody has any more is an error, also where it has no questions here.
      if (!questions) await calls.ask('tasks/get', {})
      return {}
    }
    const state = await calls.ask('tasks/get', {})
    if (method === 'tasks/cancel') {
      // In the new era what is over may be cancelled: it makes no difference.
      if (!isOver(state)) await calls.ask('tasks/cancel', {})
      this.#questions.get(key)?.end()
      return {}
    }
    const shown = modernTask(state)
    switch (state.status) {
      case 'input_required': {
        const questions = this.#questions.of(key, (waiting) =>
          waiting.start((asked) => {
            const hooks: CallHooks = { ...silent(waiting.signal), asked }
            return this.#callsOf(incoming, routed, task, caller, hooks).ask('tasks/result', {})
          }),
        )
        const inputRequests = await questions.open()
        return inputRequests ? { ...shown, inputRequests } : { ...shown, status: 'working' }
      }
      case 'completed':
      case 'failed': {
        const known = this.#questions.get(key)
        const outcome =
          known?.outcome ??
          (await calls.ask('tasks/result', {}).then(
            (result) => ({ result }),
            (error: unknown) => ({ error }),
          ))
        known?.end()
        if ('result' in outcome)
          return { ...shown, status: 'completed', result: withRelated(outcome.result, undefined) }
        if (!(outcome.error instanceof ServerError)) throw outcome.error
        return { ...shown, status: 'failed', error: errorBody(outcome.error, incoming.requestId) }
      }
      default:
        return shown
    }
  }

  /** Asks the server about a task, in the session that the task is in. */
  #callsOf(incoming: Incoming, routed: Routed, task: HeldTask, caller: Caller, hooks: CallHooks): TaskCalls {
    const { federation } = incoming.endpoint
    return {
      ask: async (method, params, signal = hooks.signal) => {
        const asked: Routed = { ...routed, method, params: { ...params, taskId: task.id }, task }
        try {
          return (await federation.call(asked, caller, { ...hooks, signal }, () => undefined)).result
        } catch (error) {
          throw error instanceof SessionLost ? unknownTask() : error
        }
      },
      shown: (result) => federation.outwardResult(task.server, result),
    }
  }

  /** Hooks that know tasks by the ids that each side has. */
  #related(incoming: Incoming, { server, task, outward }: Routed, hooks: CallHooks): CallHooks {
    const bound = boundTo(incoming)
    const known = task && outward !== undefined ? { id: task.id, outward } : undefined
    return {
      ...hooks,
      notified: (method, params) => {
        if (method === 'notifications/tasks/status') {
          const told = this.notified(bound, server.name, method, params)
          if (told) hooks.notified(method, told)
        } else hooks.notified(method, this.outward(bound, server.name, params, known))
      },
      asked: async (method, params) =>
        this.inward(bound, server.name, await hooks.asked(method, this.outward(bound, server.name, params, known))),
    }
  }
}

/** The task that a server made of a call, in the words of its era; undefined: it made none. */
function begun(
  result: JsonObject,
  { era }: ServerInfo,
): { task: JsonObject; id: string; ttl: number | undefined } | undefined {
  const task = era === 'legacy' ? result.task : result.resultType === 'task' ? result : undefined
  if (!isObject(task) || typeof task.taskId !== 'string') return undefined
  const ttl = era === 'legacy' ? task.ttl : task.ttlMs
  return { task, id: task.taskId, ttl: typeof ttl === 'number' ? ttl : undefined }
}

const keptMs = (ttl: number | undefined) => Math.min(Math.max(ttl ?? openEndedMs, 0), longestMs)

function silent(signal: AbortSignal): CallHooks {
  return {
    notified: () => undefined,
    asked: () => Promise.reject(new ServerError(methodNotFound('').body)),
    takesInputRequired: false,
    signal,
  }
}

/** A task of somebody else's looks like one that never was. */
const unknownTask = () => invalidParams('There is no such task for you here, or it has expired.', 'unknown_task')

/** Tasks extension, Protocol Errors. */
const missingExtension = () =>
  new McpError(400, errorCode.missingClientCapability, 'The client does not say that it knows tasks.', {
    reason: 'missing_capability',
    data: { requiredCapabilities: { extensions: { [tasksExtension]: {} } } },
  })
