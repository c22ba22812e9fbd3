import { isObject, type JsonObject, parseObject } from '../../json.ts'
import { A2aError, invalidParams } from '../errors.ts'
import type { A2aVersion } from '../operations.ts'
import { stateIn, subjectsOf } from '../tasks/guard.ts'
import { longestId } from '../tasks/owners.ts'
import { isTerminal } from '../translate/enums.ts'
import { legacyTask } from '../translate/task.ts'
import { readResult, writeResult } from '../translate/wire.ts'
import { markOf } from './store/marks.ts'

/** What agents say to callbacks, and what clients get: 1.0, section 4.3.3 (an event, as in a stream); 0.3, section 9.5 (the task). */

/** What an agent said. */
export interface Notified {
  /** As an event of a stream, in the neutral form. */
  readonly event: JsonObject
  readonly taskId: string
  readonly contextId: string | undefined
  /** The state that the task is said to be in. */
  readonly state: string | undefined
  /** Whether the task will not change any more. */
  readonly ends: boolean
  /**
   * The same for the same notification that comes again. Undefined: one that looks the same may well follow, as a piece of
   * an artifact, or a change of state without a time.
   */
  readonly mark: string | undefined
}

/**
 * Reads what an agent sends to a callback, in either version, whichever its agent speaks.
 * @throws {A2aError} where it is none, or names no task
 */
export function readNotification(body: Uint8Array): Notified {
  const value = parseObject(body)
  if (value === undefined) throw new A2aError('parseError', 'The body is not a JSON object')
  const event = eventIn(value)
  const [subject] = subjectsOf('streamMessage', event)
  const taskId = subject?.taskId
  if (taskId === undefined) throw invalidParams('taskId', 'is required: clients are notified of tasks')
  if (taskId.length > longestId) throw invalidParams('taskId', `must have at most ${longestId} characters`)
  const state = stateIn('streamMessage', event)
  const ends = isTerminal(state)
  const told = ends || isDated(event)
  return { event, taskId, contextId: subject?.contextId, state, ends, mark: told ? markOf(body) : undefined }
}

/** 0.3 tells what it is by `kind`, and its oldest agents send a bare task. */
function eventIn(value: JsonObject): JsonObject {
  const bareTask = typeof value.id === 'string' && isObject(value.status)
  const version: A2aVersion = typeof value.kind === 'string' || bareTask ? '0.3' : '1.0'
  const known = version === '0.3' && value.kind === undefined ? { ...value, kind: 'task' } : value
  try {
    return readResult('streamMessage', known, { binding: 'http+json', version })
  } catch (error) {
    if (!(error instanceof A2aError)) throw error
    throw new A2aError('invalidParams', 'The body is neither a StreamResponse of A2A 1.0 nor a Task of 0.3')
  }
}

/** Whether it says when it happened: what does is not said twice. */
function isDated({ task, statusUpdate, message }: JsonObject): boolean {
  if (isObject(message)) return true
  const about = isObject(task) ? task : isObject(statusUpdate) ? statusUpdate : {}
  return isObject(about.status) && typeof about.status.timestamp === 'string'
}

/** A notification as a client gets it. */
export interface Written {
  readonly contentType: string
  readonly body: string
}

/**
 * Writes a notification for a client.
 * @param task for clients of 0.3: the task as far as it is known from what was said of it, with this event in it
 * @throws {A2aError} where the version cannot say it
 */
export function writeNotification(event: JsonObject, task: JsonObject | undefined, version: A2aVersion): Written {
  if (version === '1.0')
    return {
      contentType: 'application/a2a+json',
      body: JSON.stringify(writeResult('streamMessage', event, { binding: 'http+json', version })),
    }
  const told =
    task === undefined
      ? writeResult('streamMessage', event, { binding: 'http+json', version })
      : legacyTask(task, 'kind')
  return { contentType: 'application/json', body: JSON.stringify(told) }
}
