import { invalidParams } from '../errors.ts'

/** The resource names of the 0.3 protos: `tasks/ID` and `tasks/ID/pushNotificationConfigs/ID`. */

const pattern = /^tasks?\/([^/]+)(?:\/pushNotificationConfigs(?:\/([^/]+))?)?$/

/** What a name names. @throws {A2aError} where it is none */
export function readName(name: unknown, path: string): { taskId: string; configId?: string } {
  const match = typeof name === 'string' ? pattern.exec(name) : null
  if (!match) throw invalidParams(path, 'must be tasks/ID, or tasks/ID/pushNotificationConfigs/ID')
  return { taskId: match[1]!, ...(match[2] !== undefined && { configId: match[2] }) }
}

/** The name of a task. @throws {A2aError} where the id would be read as another */
export function legacyTaskName(taskId: string): string {
  return `tasks/${segment(taskId, 'the task’s id')}`
}

/** The name of a push config. @param configId empty: the agent makes one up */
export function legacyConfigName(taskId: string, configId: string): string {
  const parent = `${legacyTaskName(taskId)}/pushNotificationConfigs`
  return configId === '' ? parent : `${parent}/${segment(configId, 'the push config’s id')}`
}

function segment(id: string, what: string): string {
  if (id === '' || id.includes('/'))
    throw invalidParams(what, 'must not be empty or have slashes in it, for this agent')
  return id
}
