import { isObject, type JsonObject } from '../../json.ts'
import { A2aError, invalidParams } from '../errors.ts'
import type { A2aOperation } from '../operations.ts'
import { compact, field, objectAt, optionalObject } from './fields.ts'
import { legacyConfigName, legacyTaskName, readName } from './names.ts'
import { legacyPushConfig, legacyTaskPushConfig, modernPushConfig, modernTaskPushConfig } from './push-config.ts'
import { messagesOf, normalized, notInLegacy } from './schemas.ts'
import type { LegacyStyle } from './style.ts'
import { legacyMessage, modernMessage } from './task.ts'

/** Parameters of requests: 1.0, section 3.1 and the proto; 0.3, section 7. The neutral form is 1.0's. */

/**
 * The parameters of 0.3 as 1.0 has them.
 * @param params in either spelling
 * @param style of the wire, for what an absent field means
 * @throws {A2aError} `invalidParams`
 */
export function modernParams(operation: A2aOperation, params: JsonObject, style: LegacyStyle): JsonObject {
  switch (operation) {
    case 'sendMessage':
    case 'streamMessage': {
      const configuration = optionalObject(field(params, 'configuration'), 'configuration')
      return compact({
        message: modernMessage(field(params, 'message') ?? field(params, 'request'), 'message'),
        configuration: configuration && modernConfiguration(configuration, style),
        metadata: field(params, 'metadata'),
      })
    }
    case 'getTask':
      return compact({ id: taskIdOf(params, 'id'), historyLength: historyLength(params, style) })
    case 'cancelTask':
      return compact({ id: taskIdOf(params, 'id'), metadata: field(params, 'metadata') })
    case 'subscribeToTask':
      return compact({ id: taskIdOf(params, 'id') })
    case 'setPushConfig': {
      const config = modernTaskPushConfig(field(params, 'config') ?? params, 'config')
      const parent = field(params, 'parent')
      const taskId = field(params, 'taskId') ?? (parent === undefined ? undefined : readName(parent, 'parent').taskId)
      if (taskId !== undefined && config.taskId !== undefined && taskId !== config.taskId)
        throw invalidParams('config.name', 'names another task than the request does')
      return compact({ ...config, taskId: config.taskId ?? taskId, id: config.id ?? field(params, 'configId') })
    }
    case 'getPushConfig':
    case 'deletePushConfig': {
      const name = field(params, 'name')
      const { taskId, configId } = name === undefined ? {} : readName(name, 'name')
      return compact({
        taskId: taskId ?? field(params, 'id'),
        id: configId ?? field(params, 'pushNotificationConfigId'),
      })
    }
    case 'listPushConfigs': {
      const parent = field(params, 'parent')
      return compact({
        taskId: parent === undefined ? field(params, 'id') : readName(parent, 'parent').taskId,
        pageSize: field(params, 'pageSize'),
        pageToken: field(params, 'pageToken'),
      })
    }
    case 'getExtendedCard':
      return {}
    case 'listTasks':
      throw notInLegacy(operation)
  }
}

function taskIdOf(params: JsonObject, name: string): unknown {
  const resource = field(params, 'name')
  return resource === undefined ? field(params, name) : readName(resource, 'name').taskId
}

/** In protobuf's spelling 0 is what an absent field looks like; in the other it asks for no history. */
function historyLength(params: JsonObject, style: LegacyStyle): unknown {
  const length = field(params, 'historyLength')
  return style === 'proto' && length === 0 ? undefined : length
}

function modernConfiguration(configuration: JsonObject, style: LegacyStyle): JsonObject {
  const push = field(configuration, 'pushNotificationConfig') ?? field(configuration, 'pushNotification')
  const blocking = field(configuration, 'blocking')
  // The SDKs of 0.3 take an absent `blocking` for true; protobuf has no absent one, only false.
  const immediately = style === 'proto' ? blocking !== true : blocking === false
  return compact({
    acceptedOutputModes: field(configuration, 'acceptedOutputModes'),
    taskPushNotificationConfig:
      push === undefined ? undefined : modernPushConfig(push, 'configuration.pushNotificationConfig'),
    historyLength: historyLength(configuration, style),
    returnImmediately: immediately ? true : undefined,
  })
}

/**
 * Parameters of 1.0 as 0.3 has them.
 * @throws {A2aError} where 0.3 has no such operation, no tenants, no pages, or as `legacyPart`
 */
export function legacyParams(operation: A2aOperation, params: JsonObject, style: LegacyStyle): JsonObject {
  if (params.tenant !== undefined)
    throw new A2aError('unsupportedOperation', 'tenant: this agent speaks A2A 0.3, which has no tenants; leave it out')
  const taskName = (id: unknown) => legacyTaskName(String(id ?? ''))
  switch (operation) {
    case 'sendMessage':
    case 'streamMessage': {
      const configuration = optionalObject(params.configuration, 'configuration') ?? {}
      return {
        message: legacyMessage(params.message, style, 'message'),
        configuration: legacyConfiguration(configuration, style),
        ...compact({ metadata: params.metadata }),
      }
    }
    case 'getTask':
      return {
        ...(style === 'kind' ? { id: params.id } : { name: taskName(params.id) }),
        ...compact({ historyLength: params.historyLength }),
      }
    case 'cancelTask':
      return style === 'kind'
        ? { id: params.id, ...compact({ metadata: params.metadata }) }
        : { name: taskName(params.id) }
    case 'subscribeToTask':
      return style === 'kind' ? { id: params.id } : { name: taskName(params.id) }
    case 'setPushConfig': {
      const config = legacyTaskPushConfig(params, style, 'config')
      return style === 'kind'
        ? config
        : { parent: taskName(params.taskId), ...compact({ configId: params.id }), config }
    }
    case 'getPushConfig':
    case 'deletePushConfig':
      return style === 'kind'
        ? { id: params.taskId, ...compact({ pushNotificationConfigId: params.id }) }
        : { name: legacyConfigName(String(params.taskId ?? ''), String(params.id ?? '')) }
    case 'listPushConfigs':
      if (style === 'proto')
        return {
          parent: taskName(params.taskId),
          ...compact({ pageSize: params.pageSize, pageToken: params.pageToken }),
        }
      if (params.pageToken !== undefined)
        throw new A2aError(
          'unsupportedOperation',
          'pageToken: this agent speaks A2A 0.3, which lists all configs at once',
        )
      return { id: params.taskId }
    case 'getExtendedCard':
      return {}
    case 'listTasks':
      throw notInLegacy(operation)
  }
}

function legacyConfiguration(configuration: JsonObject, style: LegacyStyle): JsonObject {
  const push = configuration.taskPushNotificationConfig
  const legacyPush = push === undefined ? undefined : legacyPushConfig(push, 'configuration.taskPushNotificationConfig')
  return {
    ...compact({ acceptedOutputModes: configuration.acceptedOutputModes, historyLength: configuration.historyLength }),
    ...compact({ [style === 'kind' ? 'pushNotificationConfig' : 'pushNotification']: legacyPush }),
    blocking: configuration.returnImmediately !== true,
  }
}

/**
 * What a request asks, in 1.0's JSON as protobuf writes it, and complete.
 * @param params in 1.0's JSON, in whichever names and with whatever else
 * @throws {A2aError} `invalidParams`, with what is missing
 */
export function checkedParams(operation: A2aOperation, params: JsonObject): JsonObject {
  const checked = normalized(messagesOf(operation, '1.0').request, params)
  switch (operation) {
    case 'sendMessage':
    case 'streamMessage':
      checkMessage(objectAt(checked.message, 'message'))
      if (isObject(checked.configuration) && isObject(checked.configuration.taskPushNotificationConfig))
        checkNested(checked.configuration.taskPushNotificationConfig)
      break
    case 'getTask':
    case 'cancelTask':
    case 'subscribeToTask':
      id(checked.id, 'id')
      break
    case 'setPushConfig':
      id(checked.taskId, 'taskId')
      if (checked.id !== undefined) id(checked.id, 'id')
      required(checked.url, 'url')
      break
    case 'getPushConfig':
      id(checked.taskId, 'taskId')
      if (checked.id !== undefined) id(checked.id, 'id')
      break
    case 'deletePushConfig':
      id(checked.taskId, 'taskId')
      id(checked.id, 'id')
      break
    case 'listPushConfigs':
      id(checked.taskId, 'taskId')
      break
    case 'listTasks':
    case 'getExtendedCard':
      break
  }
  return checked
}

function checkMessage(message: JsonObject): void {
  required(message.messageId, 'message.messageId')
  if (message.role !== 'ROLE_USER' && message.role !== 'ROLE_AGENT')
    throw invalidParams('message.role', 'must be ROLE_USER or ROLE_AGENT')
  if (!Array.isArray(message.parts) || message.parts.length === 0)
    throw invalidParams('message.parts', 'must have at least one part')
  for (const [index, part] of message.parts.entries())
    if (!isObject(part) || !['text', 'raw', 'url', 'data'].some((name) => name in part))
      throw invalidParams(`message.parts[${index}]`, 'must have text, raw, url or data')
  for (const name of ['taskId', 'contextId'] as const)
    if (message[name] !== undefined) id(message[name], `message.${name}`)
}

/** The config that comes with a message is for that message's task, whatever it says. */
function checkNested(config: JsonObject): void {
  required(config.url, 'configuration.taskPushNotificationConfig.url')
  delete config.taskId
  delete config.tenant
}

function required(value: unknown, path: string): void {
  if (typeof value !== 'string' || value === '') throw invalidParams(path, 'is required')
}

/** Ids are opaque; only what would do harm in logs and keys is refused. */
function id(value: unknown, path: string): void {
  required(value, path)
  const text = String(value)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (text.length > 512 || /[\u0000-\u001f\u007f]/.test(text))
    throw invalidParams(path, 'must have at most 512 characters and no control characters')
}
