import { isObject } from '../../json.ts'
import { methodNotFound, ServerError } from '../errors.ts'
import { errorCode, type JsonObject } from '../protocol.ts'
import type { Sealer } from '../seal.ts'
import { boundToServer, openClientTask, sealClientTask } from './task-id.ts'
import { relatedIn, withRelated } from './words.ts'

/**
 * Asks a client of the old era something that may become a task of the client's (2025-11-25, Tasks): what a server asks may
 * carry `task`, and then it asks for the task. One server's id of a task is nothing to another, for they share the client.
 * `tasks/list` is not offered to servers: the client's list holds tasks of all of them.
 * @param bound the caller and the endpoint
 * @param ask asks the client, in its own words
 * @returns what the server is answered
 * @throws {ServerError}
 */
export async function askTask(
  sealer: Sealer,
  bound: string,
  server: string,
  method: string,
  params: JsonObject,
  ask: (params: JsonObject) => Promise<JsonObject>,
): Promise<JsonObject> {
  const whose = boundToServer(bound, server)
  switch (method) {
    case 'tasks/get':
    case 'tasks/result':
    case 'tasks/cancel': {
      const id = openClientTask(sealer, whose, params.taskId)
      if (id === undefined)
        throw new ServerError({ code: errorCode.invalidParams, message: 'There is no such task for this server.' })
      const result = await ask({ ...params, taskId: id })
      const named = result.taskId === id ? { ...result, taskId: params.taskId } : result
      return relatedIn(named) === id ? withRelated(named, String(params.taskId)) : named
    }
    case 'tasks/list':
      throw new ServerError(methodNotFound(method).body)
    default: {
      const result = await ask(params)
      const { task } = result
      if (!isObject(params.task) || !isObject(task) || typeof task.taskId !== 'string') return result
      return { ...result, task: { ...task, taskId: sealClientTask(sealer, whose, task.taskId) } }
    }
  }
}
