import { isObject } from '../../json.ts'
import { McpError, ServerError, ServerUnavailable } from '../errors.ts'
import { type Era, errorCode, type JsonObject, type JsonRpcErrorBody } from '../protocol.ts'
import { Deadline } from '../server/deadline.ts'
import type { CallHooks } from '../server/link.ts'
import type { McpServer } from '../server/server.ts'
import { isOver, withRelated } from './words.ts'

/** Requests about one task. */
export interface TaskCalls {
  /**
   * @param params without the task's id
   * @param signal the hooks' where it is left out
   */
  ask(method: string, params: JsonObject, signal?: AbortSignal): Promise<JsonObject>
  /** A result inside of an answer, in the names of clients. */
  shown(result: JsonObject): JsonObject
}

const shortestPollMs = 100
const longestPollMs = 10_000
const usualPollMs = 1_000
const cancelMs = 5_000

/**
 * Waits for a task on behalf of a client that wants the result itself, and asks the client what the task asks. When the
 * client goes away, the task is cancelled.
 * @returns what the call would have been answered
 * @throws {ServerError} what it would have been refused with
 * @throws {ServerUnavailable} where it takes longer than a call may
 */
export async function awaitTask(
  calls: TaskCalls,
  era: Era,
  server: Pick<McpServer, 'name' | 'callMs'>,
  hooks: CallHooks,
): Promise<JsonObject> {
  const deadline = new Deadline(hooks.signal, server.callMs)
  const { signal } = deadline
  try {
    if (era === 'legacy') return withRelated(await calls.ask('tasks/result', {}, signal), undefined)
    return await polled(calls, hooks, signal)
  } catch (error) {
    if (!signal.aborted) throw error
    void calls.ask('tasks/cancel', {}, AbortSignal.timeout(cancelMs)).catch(() => undefined)
    if (hooks.signal.aborted) throw error
    throw new ServerUnavailable(
      server.name,
      `The MCP server ${server.name} did not end its task within the ${server.callMs / 1000} s that the rules allow.`,
    )
  } finally {
    deadline.clear()
  }
}

async function polled(calls: TaskCalls, hooks: CallHooks, signal: AbortSignal): Promise<JsonObject> {
  const answered = new Set<string>()
  for (;;) {
    const task = await calls.ask('tasks/get', {}, signal)
    if (isOver(task)) return outcomeOf(task, calls)
    if (task.status === 'input_required' && isObject(task.inputRequests)) {
      const fresh = Object.entries(task.inputRequests).filter(([key]) => !answered.has(key))
      const inputResponses = await answersTo(fresh, hooks, signal)
      for (const [key] of fresh) answered.add(key)
      if (fresh.length > 0) await calls.ask('tasks/update', { inputResponses }, signal)
    }
    const wanted = typeof task.pollIntervalMs === 'number' ? task.pollIntervalMs : usualPollMs
    await pauseOf(Math.min(Math.max(wanted, shortestPollMs), longestPollMs), signal)
  }
}

async function answersTo(
  requests: readonly (readonly [string, unknown])[],
  hooks: CallHooks,
  signal: AbortSignal,
): Promise<JsonObject> {
  const responses: JsonObject = {}
  await unlessAborted(
    signal,
    Promise.all(
      requests.map(async ([key, request]) => {
        if (!isObject(request) || typeof request.method !== 'string') return
        responses[key] = await hooks.asked(request.method, isObject(request.params) ? request.params : {})
      }),
    ),
  )
  return responses
}

/** What a task that is over has come to. */
function outcomeOf({ status, result, error }: JsonObject, calls: TaskCalls): JsonObject {
  if (status === 'completed' && isObject(result)) return calls.shown(result)
  if (status === 'failed' && isObject(error) && typeof error.code === 'number')
    throw new ServerError(error as unknown as JsonRpcErrorBody)
  throw new McpError(200, errorCode.internal, `The task of this call ended without a result: ${String(status)}.`, {
    reason: 'task_over',
  })
}

function pauseOf(ms: number, signal: AbortSignal): Promise<void> {
  return unlessAborted(signal, new Promise<void>((resolve) => setTimeout(resolve, ms)))
}

function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
