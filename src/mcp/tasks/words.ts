import { isObject } from '../../json.ts'
import { type JsonObject, relatedTask, tasksExtension } from '../protocol.ts'

/** Tasks in the words of the two eras: 2025-11-25 (Tasks), and the tasks extension of 2026-07-28. */

/** Whether a server of the old era makes tasks of calls of tools. */
export function makesTasks({ tasks }: JsonObject): boolean {
  return (
    isObject(tasks) && isObject(tasks.requests) && isObject(tasks.requests.tools) && isObject(tasks.requests.tools.call)
  )
}

/** Whether a side of the new era has said that it knows tasks. */
export function knowsTasks({ extensions }: JsonObject): boolean {
  return isObject(extensions) && isObject(extensions[tasksExtension])
}

/** A task of the old era for a client of the new one. What it gave or asks is not in it. */
export function modernTask(task: JsonObject): JsonObject {
  const { ttl, pollInterval, _meta: _, ...rest } = task
  return {
    ...rest,
    ttlMs: typeof ttl === 'number' ? ttl : null,
    ...(typeof pollInterval === 'number' && { pollIntervalMs: pollInterval }),
  }
}

/** A task of the new era for a client of the old one. */
export function legacyTask(task: JsonObject): JsonObject {
  const { ttlMs, pollIntervalMs, resultType: _, result, error, inputRequests: __, _meta: ___, ...rest } = task
  // In the old era a tool that failed is a task that failed.
  const failed = rest.status === 'completed' && isObject(result) && result.isError === true
  return {
    ...rest,
    ...(failed && { status: 'failed' }),
    ...(isObject(error) && rest.statusMessage === undefined && { statusMessage: String(error.message) }),
    ttl: typeof ttlMs === 'number' ? ttlMs : null,
    ...(typeof pollIntervalMs === 'number' && { pollInterval: pollIntervalMs }),
  }
}

/** Whether a task of either era is over. */
export function isOver({ status }: JsonObject): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled'
}

/** The task that a message belongs to (2025-11-25, Related Task Metadata). */
export function relatedIn({ _meta }: JsonObject): string | undefined {
  const related = isObject(_meta) ? _meta[relatedTask] : undefined
  return isObject(related) && typeof related.taskId === 'string' ? related.taskId : undefined
}

/** @param id undefined: it is left out */
export function withRelated(message: JsonObject, id: string | undefined): JsonObject {
  const { _meta, ...rest } = message
  const { [relatedTask]: _, ...others } = isObject(_meta) ? _meta : {}
  const said = id === undefined ? others : { ...others, [relatedTask]: { taskId: id } }
  return Object.keys(said).length > 0 ? { ...rest, _meta: said } : rest
}
