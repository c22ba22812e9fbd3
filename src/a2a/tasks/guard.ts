import { isObject, type JsonObject } from '../../json.ts'
import type { A2aCall } from '../call.ts'
import { A2aError, invalidParams } from '../errors.ts'
import { longestId, type OwnedKind, type Owners } from './owners.ts'

/** Holds one call to its caller's own tasks: those that it names, and those that the agent's answer shows. */
export class TaskGuard {
  readonly #owners: Owners
  readonly #agent: string
  readonly #owner: string
  /** Known to be the caller's, so that a stream of many events asks once. */
  readonly #own = new Set<string>()

  /** @param owner the caller, as `ownerKey` spells it */
  constructor(owners: Owners, agent: string, owner: string) {
    this.#owners = owners
    this.#agent = agent
    this.#owner = owner
  }

  /**
   * What a call names must be the caller's. Others' tasks are answered like those that do not exist.
   * @throws {A2aError}
   */
  async mayAsk({ taskId, referencedTaskIds, contextId, operation }: A2aCall): Promise<void> {
    for (const id of new Set([...(taskId === undefined ? [] : [taskId]), ...referencedTaskIds]))
      if ((await this.#ownerOf('task', id)) !== this.#owner)
        throw new A2aError('taskNotFound', 'There is no such task', { metadata: { taskId: id.slice(0, longestId) } })
    if (contextId === undefined) return
    const owner = await this.#ownerOf('context', contextId)
    // A client may make up the id of a new context: it is its own from now on (1.0, section 3.4.1).
    const begins = owner === undefined && (operation === 'sendMessage' || operation === 'streamMessage')
    if (begins ? !(await this.#mine('context', contextId)) : owner !== this.#owner && operation !== 'listTasks')
      throw invalidParams('contextId', 'there is no such context; leave it out to begin a new one')
  }

  /**
   * Notes what an answer or an event shows as the caller's.
   * @returns what may be shown of it
   * @throws {A2aError} where it is somebody else's: the agent mixes callers up
   */
  async shown(operation: A2aCall['operation'], value: JsonObject): Promise<JsonObject> {
    if (operation === 'listTasks') return this.#listed(value)
    for (const { taskId, contextId } of subjectsOf(operation, value)) {
      const mine =
        (taskId === undefined || (await this.#mine('task', taskId))) &&
        (contextId === undefined || (await this.#mine('context', contextId)))
      if (!mine) throw new A2aError('invalidAgentResponse', 'The agent answered with a task of another caller')
    }
    return value
  }

  /** The agent knows one caller, the gateway: its list has everybody's tasks. */
  async #listed(value: JsonObject): Promise<JsonObject> {
    const tasks = Array.isArray(value.tasks) ? value.tasks.filter(isObject) : []
    const own: JsonObject[] = []
    for (const task of tasks)
      if (typeof task.id === 'string' && (await this.#ownerOf('task', task.id)) === this.#owner) own.push(task)
    // Its total would tell how many tasks others have.
    return { ...value, tasks: own, totalSize: own.length }
  }

  async #mine(kind: OwnedKind, id: string): Promise<boolean> {
    const key = `${kind} ${id}`
    if (this.#own.has(key)) return true
    if (id.length > longestId) throw invalidParams(`${kind}Id`, `is longer than ${longestId} characters`)
    let owner: string
    try {
      owner = await this.#owners.claim(this.#agent, kind, id, this.#owner)
    } catch (cause) {
      throw unknowable(cause)
    }
    if (owner === this.#owner) this.#own.add(key)
    return owner === this.#owner
  }

  async #ownerOf(kind: OwnedKind, id: string): Promise<string | undefined> {
    if (id.length > longestId) return undefined
    try {
      return await this.#owners.ownerOf(this.#agent, kind, id)
    } catch (cause) {
      throw unknowable(cause)
    }
  }
}

const unknowable = (cause: unknown) =>
  new A2aError('unavailable', 'Whose task this is cannot be told at the moment; try again later', { cause })

interface Subject {
  readonly taskId: string | undefined
  readonly contextId: string | undefined
}

/** The tasks and contexts that a result or an event is about. */
export function subjectsOf(operation: A2aCall['operation'], value: JsonObject): Subject[] {
  switch (operation) {
    case 'getTask':
    case 'cancelTask':
      return [subjectOf(value.id, value.contextId)]
    case 'sendMessage':
    case 'streamMessage':
    case 'subscribeToTask': {
      const { task, message, statusUpdate, artifactUpdate } = value
      if (isObject(task)) return [subjectOf(task.id, task.contextId)]
      return [message, statusUpdate, artifactUpdate].filter(isObject).map((one) => subjectOf(one.taskId, one.contextId))
    }
    default:
      return []
  }
}

function subjectOf(taskId: unknown, contextId: unknown): Subject {
  return { taskId: textOf(taskId), contextId: textOf(contextId) }
}
const textOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)

/** The state that a result or an event says its task is in, as 1.0 spells it. */
export function stateIn(operation: A2aCall['operation'], value: JsonObject): string | undefined {
  const about =
    operation === 'getTask' || operation === 'cancelTask'
      ? value
      : isObject(value.task)
        ? value.task
        : value.statusUpdate
  const status = isObject(about) ? about.status : undefined
  return isObject(status) ? textOf(status.state) : undefined
}
