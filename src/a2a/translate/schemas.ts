import { type DescMessage, fromBinary, fromJson, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf'
import { EmptySchema } from '@bufbuild/protobuf/wkt'
import * as legacy from '#gen/a2a/v1/a2a_pb.js'
import * as modern from '#gen/lf/a2a/v1/a2a_pb.js'
import { isObject, type JsonObject } from '../../json.ts'
import { A2aError } from '../errors.ts'
import type { A2aOperation, A2aVersion } from '../operations.ts'

/** The protobuf messages of each operation: 1.0's are the normative definition of its JSON as well (1.0, section 1.4). */

interface Messages {
  readonly request: DescMessage
  /** What answers it; of streams, each event. */
  readonly result: DescMessage
}

const modernMessages: Record<A2aOperation, Messages> = {
  sendMessage: { request: modern.SendMessageRequestSchema, result: modern.SendMessageResponseSchema },
  streamMessage: { request: modern.SendMessageRequestSchema, result: modern.StreamResponseSchema },
  getTask: { request: modern.GetTaskRequestSchema, result: modern.TaskSchema },
  listTasks: { request: modern.ListTasksRequestSchema, result: modern.ListTasksResponseSchema },
  cancelTask: { request: modern.CancelTaskRequestSchema, result: modern.TaskSchema },
  subscribeToTask: { request: modern.SubscribeToTaskRequestSchema, result: modern.StreamResponseSchema },
  setPushConfig: {
    request: modern.TaskPushNotificationConfigSchema,
    result: modern.TaskPushNotificationConfigSchema,
  },
  getPushConfig: {
    request: modern.GetTaskPushNotificationConfigRequestSchema,
    result: modern.TaskPushNotificationConfigSchema,
  },
  listPushConfigs: {
    request: modern.ListTaskPushNotificationConfigsRequestSchema,
    result: modern.ListTaskPushNotificationConfigsResponseSchema,
  },
  deletePushConfig: { request: modern.DeleteTaskPushNotificationConfigRequestSchema, result: EmptySchema },
  getExtendedCard: { request: modern.GetExtendedAgentCardRequestSchema, result: modern.AgentCardSchema },
}

const legacyMessages: Partial<Record<A2aOperation, Messages>> = {
  sendMessage: { request: legacy.SendMessageRequestSchema, result: legacy.SendMessageResponseSchema },
  streamMessage: { request: legacy.SendMessageRequestSchema, result: legacy.StreamResponseSchema },
  getTask: { request: legacy.GetTaskRequestSchema, result: legacy.TaskSchema },
  cancelTask: { request: legacy.CancelTaskRequestSchema, result: legacy.TaskSchema },
  subscribeToTask: { request: legacy.TaskSubscriptionRequestSchema, result: legacy.StreamResponseSchema },
  setPushConfig: {
    request: legacy.CreateTaskPushNotificationConfigRequestSchema,
    result: legacy.TaskPushNotificationConfigSchema,
  },
  getPushConfig: {
    request: legacy.GetTaskPushNotificationConfigRequestSchema,
    result: legacy.TaskPushNotificationConfigSchema,
  },
  listPushConfigs: {
    request: legacy.ListTaskPushNotificationConfigRequestSchema,
    result: legacy.ListTaskPushNotificationConfigResponseSchema,
  },
  deletePushConfig: { request: legacy.DeleteTaskPushNotificationConfigRequestSchema, result: EmptySchema },
  getExtendedCard: { request: legacy.GetAgentCardRequestSchema, result: legacy.AgentCardSchema },
}

/** The messages of an operation. @throws {A2aError} where the version does not have it */
export function messagesOf(operation: A2aOperation, version: A2aVersion): Messages {
  const messages = version === '1.0' ? modernMessages[operation] : legacyMessages[operation]
  if (messages === undefined) throw notInLegacy(operation)
  return messages
}

/** The refusal of what 0.3 cannot do. */
export function notInLegacy(operation: A2aOperation): A2aError {
  return new A2aError('unsupportedOperation', `A2A 0.3 has no ${operation}; it takes an agent that speaks A2A 1.0`)
}

/**
 * JSON of 1.0 as protobuf writes it: one name a field, no fields that the version does not know, no defaults.
 * What is not written so is read in different ways by different agents, so that the gateway could be made to see
 * another task than the agent does.
 * @throws {A2aError} `invalidParams`, with the field that does not fit but not its value
 */
export function normalized(schema: DescMessage, json: JsonObject): JsonObject {
  try {
    const message = fromJson(schema, json as JsonValue, { ignoreUnknownFields: true })
    return toJson(schema, message) as JsonObject
  } catch (error) {
    throw notOf(schema, error)
  }
}

/** Reads protobuf as its JSON. @throws {A2aError} where the bytes are not such a message, or nested deeper than 100 */
export function decoded(schema: DescMessage, bytes: Uint8Array): JsonObject {
  try {
    const json = toJson(schema, fromBinary(schema, bytes, { readUnknownFields: false }))
    return isObject(json) ? json : {}
  } catch (error) {
    throw notOf(schema, error)
  }
}

/** Writes JSON as protobuf. @throws {A2aError} where it does not fit */
export function encoded(schema: DescMessage, json: JsonObject): Uint8Array {
  try {
    return toBinary(schema, fromJson(schema, json as JsonValue, { ignoreUnknownFields: true }))
  } catch (error) {
    throw notOf(schema, error)
  }
}

/** The library's own words would have the value in them. */
function notOf(schema: DescMessage, error: unknown): A2aError {
  const field = fieldOf(error) ?? (error instanceof Error ? fieldOf(error.cause) : undefined)
  if (field !== undefined)
    return new A2aError('invalidParams', `The ${schema.name} has a ${field} that is not what it should be`, {
      violations: [{ field, description: `must be as ${schema.typeName} of the A2A protos says` }],
    })
  const deep = error instanceof Error && error.message.includes('recursion depth')
  return new A2aError('invalidParams', `The ${schema.name} ${deep ? 'is nested too deeply' : 'cannot be read'}`)
}

/** The name in JSON of the field or group of fields that an error is about. */
function fieldOf(error: unknown): string | undefined {
  if (!(error instanceof Error && 'field' in error && typeof error.field === 'function')) return undefined
  const field: unknown = error.field()
  if (typeof field !== 'object' || field === null) return undefined
  const name = 'jsonName' in field ? field.jsonName : 'name' in field ? field.name : undefined
  return typeof name === 'string' ? name : undefined
}
