import type { JsonObject } from '../json.ts'
import { A2aError, invalidParams } from './errors.ts'
import type { A2aOperation, A2aVersion } from './operations.ts'

/** The paths of the HTTP+JSON binding: 1.0, sections 5.3 and 11.3; 0.3, section 3.5.6. */

/** A path and its method, understood. */
export interface HttpRoute {
  readonly operation: A2aOperation
  /** The part of the path before 1.0's own, where it has one. */
  readonly tenant?: string
  readonly taskId?: string
  readonly configId?: string
}

/**
 * What a request of HTTP+JSON asks for.
 * @param path after the agent's base, without its query
 * @returns undefined where the version has no such path
 * @throws {A2aError} where an id in it is not well encoded
 */
export function readRoute(method: string, path: string, version: A2aVersion): HttpRoute | undefined {
  const segments = path.replace(/^\//, '').split('/')
  if (version === '0.3') return segments[0] === 'v1' ? routeOf(method, segments.slice(1), version) : undefined
  const route = routeOf(method, segments, version)
  if (route !== undefined || segments.length < 2) return route
  const tenanted = routeOf(method, segments.slice(1), version)
  return tenanted && { ...tenanted, tenant: unescaped(segments[0]!) }
}

function routeOf(method: string, segments: readonly string[], version: A2aVersion): HttpRoute | undefined {
  const [first, task, third, config] = segments
  if (segments.length === 1) {
    if (method === 'POST' && first === 'message:send') return { operation: 'sendMessage' }
    if (method === 'POST' && first === 'message:stream') return { operation: 'streamMessage' }
    if (method === 'GET' && first === 'tasks') return { operation: 'listTasks' }
    if (method === 'GET' && first === (version === '1.0' ? 'extendedAgentCard' : 'card'))
      return { operation: 'getExtendedCard' }
    return undefined
  }
  if (first !== 'tasks' || task === undefined || task === '') return undefined
  if (segments.length === 2) {
    const [, name = task, verb] = /^(.*):(cancel|subscribe)$/.exec(task) ?? []
    const taskId = unescaped(name)
    if (verb === undefined) return method === 'GET' ? { operation: 'getTask', taskId } : undefined
    if (verb === 'cancel') return method === 'POST' ? { operation: 'cancelTask', taskId } : undefined
    // The proto says GET, the text POST.
    return method === 'GET' || method === 'POST' ? { operation: 'subscribeToTask', taskId } : undefined
  }
  if (third !== 'pushNotificationConfigs' || segments.length > 4) return undefined
  const taskId = unescaped(task)
  if (config === undefined) {
    if (method === 'POST') return { operation: 'setPushConfig', taskId }
    return method === 'GET' ? { operation: 'listPushConfigs', taskId } : undefined
  }
  const configId = unescaped(config)
  if (method === 'GET') return { operation: 'getPushConfig', taskId, configId }
  return method === 'DELETE' ? { operation: 'deletePushConfig', taskId, configId } : undefined
}

function unescaped(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new A2aError('invalidRequest', 'The path has a percent sign that does not begin an escape')
  }
}

const numbers: ReadonlySet<string> = new Set(['historyLength', 'pageSize'])
const texts: ReadonlySet<string> = new Set([
  'tenant',
  'id',
  'taskId',
  'contextId',
  'status',
  'pageToken',
  'statusTimestampAfter',
])

/**
 * The parameters that a query has, by their names in JSON, which may be in snake_case (1.0, section 11.5). Others are left out.
 * @throws {A2aError} where one is there twice, or is not what it should be
 */
export function readQuery(query: string): JsonObject {
  const params: JsonObject = {}
  for (const [given, value] of new URLSearchParams(query)) {
    const name = given.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    const known = numbers.has(name) || texts.has(name) || name === 'includeArtifacts'
    if (!known) continue
    if (params[name] !== undefined) throw invalidParams(name, 'is in the query twice')
    if (numbers.has(name)) {
      if (!/^-?\d{1,9}$/.test(value)) throw invalidParams(name, 'must be a number')
      params[name] = Number(value)
    } else if (name === 'includeArtifacts') {
      if (value !== 'true' && value !== 'false') throw invalidParams(name, 'must be true or false')
      params[name] = value === 'true'
    } else params[name] = value
  }
  return params
}

/** Where a request of HTTP+JSON goes. @param query the parameters that have no place in path or body */
export function writeRoute(
  route: HttpRoute,
  version: A2aVersion,
  query: JsonObject = {},
): { method: 'GET' | 'POST' | 'DELETE'; path: string } {
  const prefix = version === '0.3' ? '/v1' : route.tenant === undefined ? '' : `/${escaped(route.tenant)}`
  const task = () => `${prefix}/tasks/${escaped(route.taskId ?? '')}`
  const configs = () => `${task()}/pushNotificationConfigs`
  const config = () => `${configs()}/${escaped(route.configId ?? '')}`
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value))
  const suffix = search.size === 0 ? '' : `?${search}`
  switch (route.operation) {
    case 'sendMessage':
      return { method: 'POST', path: `${prefix}/message:send` }
    case 'streamMessage':
      return { method: 'POST', path: `${prefix}/message:stream` }
    case 'getTask':
      return { method: 'GET', path: task() + suffix }
    case 'listTasks':
      return { method: 'GET', path: `${prefix}/tasks${suffix}` }
    case 'cancelTask':
      return { method: 'POST', path: `${task()}:cancel` }
    case 'subscribeToTask':
      // The SDKs of both versions answer POST; those of 0.3 ask with GET and POST.
      return { method: 'POST', path: `${task()}:subscribe` }
    case 'setPushConfig':
      return { method: 'POST', path: configs() }
    case 'getPushConfig':
      return { method: 'GET', path: config() }
    case 'listPushConfigs':
      return { method: 'GET', path: configs() + suffix }
    case 'deletePushConfig':
      return { method: 'DELETE', path: config() }
    case 'getExtendedCard':
      return { method: 'GET', path: `${prefix}/${version === '1.0' ? 'extendedAgentCard' : 'card'}` }
  }
}

function escaped(id: string): string {
  if (id === '' || id === '.' || id === '..') throw invalidParams('id', 'must not be empty, or only dots')
  return encodeURIComponent(id)
}
