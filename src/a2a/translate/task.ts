import type { JsonObject } from '../../json.ts'
import { A2aError } from '../errors.ts'
import { isTerminal, legacyRole, legacyState, modernRole, modernState } from './enums.ts'
import { compact, field, listAt, objectAt, optionalObject } from './fields.ts'
import { legacyPart, modernPart } from './part.ts'
import type { LegacyStyle } from './style.ts'

/** Messages, artifacts, tasks and the events of streams: 1.0, sections 4.1 and 4.2; 0.3, sections 6 and 7.2. */

/** A message of 0.3, in either spelling, as 1.0 has it. @throws {A2aError} where it is none */
export function modernMessage(value: unknown, path: string): JsonObject {
  const message = objectAt(value, path)
  const parts = field(message, 'parts') ?? field(message, 'content')
  return compact({
    messageId: field(message, 'messageId'),
    contextId: field(message, 'contextId'),
    taskId: field(message, 'taskId'),
    role: modernRole(field(message, 'role'), `${path}.role`),
    parts: listAt(parts, `${path}.parts`).map((part, index) => modernPart(part, `${path}.parts[${index}]`)),
    metadata: field(message, 'metadata'),
    extensions: field(message, 'extensions'),
    referenceTaskIds: field(message, 'referenceTaskIds'),
  })
}

/** A message of 1.0 as 0.3 has it. Protobuf's spelling has no `referenceTaskIds`. @throws {A2aError} as `legacyPart` */
export function legacyMessage(value: unknown, style: LegacyStyle, path: string): JsonObject {
  const message = objectAt(value, path)
  const parts = listAt(message.parts, `${path}.parts`).map((part, index) =>
    legacyPart(part, style, `${path}.parts[${index}]`),
  )
  const common = compact({
    contextId: message.contextId,
    taskId: message.taskId,
    metadata: message.metadata,
    extensions: message.extensions,
  })
  const messageId = message.messageId ?? ''
  const role = legacyRole(message.role, style)
  if (style === 'proto') return { messageId, role, content: parts, ...common }
  return {
    kind: 'message',
    messageId,
    role,
    parts,
    ...common,
    ...compact({ referenceTaskIds: message.referenceTaskIds }),
  }
}

function modernArtifact(value: unknown, path: string): JsonObject {
  const artifact = objectAt(value, path)
  return compact({
    artifactId: field(artifact, 'artifactId'),
    name: field(artifact, 'name'),
    description: field(artifact, 'description'),
    parts: listAt(field(artifact, 'parts'), `${path}.parts`).map((part, index) =>
      modernPart(part, `${path}.parts[${index}]`),
    ),
    metadata: field(artifact, 'metadata'),
    extensions: field(artifact, 'extensions'),
  })
}

function legacyArtifact(value: unknown, style: LegacyStyle, path: string): JsonObject {
  const artifact = objectAt(value, path)
  return {
    artifactId: artifact.artifactId ?? '',
    ...compact({ name: artifact.name, description: artifact.description }),
    parts: listAt(artifact.parts, `${path}.parts`).map((part, index) =>
      legacyPart(part, style, `${path}.parts[${index}]`),
    ),
    ...compact({ metadata: artifact.metadata, extensions: artifact.extensions }),
  }
}

function modernStatus(value: unknown, path: string): JsonObject {
  const status = objectAt(value, path)
  const message = field(status, 'message') ?? field(status, 'update')
  return compact({
    state: modernState(field(status, 'state')),
    message: message === undefined ? undefined : modernMessage(message, `${path}.message`),
    timestamp: utc(field(status, 'timestamp')),
  })
}

/** 0.3 takes any ISO 8601 time, such as one with an offset, or one with none, which the SDKs mean as UTC; 1.0 has UTC only. */
function utc(timestamp: unknown): unknown {
  if (typeof timestamp !== 'string' || timestamp.endsWith('Z')) return timestamp
  const time = Date.parse(/[+-]\d\d:?\d\d$/.test(timestamp) ? timestamp : `${timestamp}Z`)
  return Number.isNaN(time) ? undefined : new Date(time).toISOString()
}

function legacyStatus(value: unknown, style: LegacyStyle, path: string): JsonObject {
  const status = optionalObject(value, path) ?? {}
  return {
    state: legacyState(status.state, style),
    ...compact({
      message: status.message === undefined ? undefined : legacyMessage(status.message, style, `${path}.message`),
      timestamp: status.timestamp,
    }),
  }
}

/** A task of 0.3, in either spelling, as 1.0 has it. @throws {A2aError} where it is none */
export function modernTask(value: unknown, path = 'task'): JsonObject {
  const task = objectAt(value, path)
  return compact({
    id: field(task, 'id'),
    contextId: field(task, 'contextId'),
    status: modernStatus(field(task, 'status'), `${path}.status`),
    artifacts: listAt(field(task, 'artifacts'), `${path}.artifacts`).map((artifact, index) =>
      modernArtifact(artifact, `${path}.artifacts[${index}]`),
    ),
    history: listAt(field(task, 'history'), `${path}.history`).map((message, index) =>
      modernMessage(message, `${path}.history[${index}]`),
    ),
    metadata: field(task, 'metadata'),
  })
}

/** A task of 1.0 as 0.3 has it. @throws {A2aError} as `legacyPart` */
export function legacyTask(value: unknown, style: LegacyStyle, path = 'task'): JsonObject {
  const task = objectAt(value, path)
  return {
    ...(style === 'kind' && { kind: 'task' }),
    id: task.id ?? '',
    contextId: task.contextId ?? '',
    status: legacyStatus(task.status, style, `${path}.status`),
    ...compact({
      artifacts: listAt(task.artifacts, `${path}.artifacts`).map((artifact, index) =>
        legacyArtifact(artifact, style, `${path}.artifacts[${index}]`),
      ),
      history: listAt(task.history, `${path}.history`).map((message, index) =>
        legacyMessage(message, style, `${path}.history[${index}]`),
      ),
      metadata: task.metadata,
    }),
  }
}

/**
 * What 0.3 answers to a message, or sends in a stream, as 1.0 has it: an object with one member that names its kind.
 * @param value told apart by `kind`, or, in protobuf's spelling, by its one member
 * @throws {A2aError} where it is neither
 */
export function modernEvent(value: unknown): JsonObject {
  const event = objectAt(value, 'result')
  switch (event.kind) {
    case 'task':
      return { task: modernTask(event) }
    case 'message':
      return { message: modernMessage(event, 'message') }
    case 'status-update':
      return { statusUpdate: modernStatusUpdate(event) }
    case 'artifact-update':
      return { artifactUpdate: modernArtifactUpdate(event) }
  }
  const task = field(event, 'task')
  if (task !== undefined) return { task: modernTask(task) }
  const message = field(event, 'message') ?? field(event, 'msg')
  if (message !== undefined) return { message: modernMessage(message, 'message') }
  const status = field(event, 'statusUpdate')
  if (status !== undefined) return { statusUpdate: modernStatusUpdate(objectAt(status, 'statusUpdate')) }
  const artifact = field(event, 'artifactUpdate')
  if (artifact !== undefined) return { artifactUpdate: modernArtifactUpdate(objectAt(artifact, 'artifactUpdate')) }
  throw new A2aError('invalidAgentResponse', 'The agent’s answer is neither a task, nor a message, nor an update')
}

function modernStatusUpdate(update: JsonObject): JsonObject {
  return compact({
    taskId: field(update, 'taskId'),
    contextId: field(update, 'contextId'),
    status: modernStatus(field(update, 'status'), 'statusUpdate.status'),
    metadata: field(update, 'metadata'),
  })
}

function modernArtifactUpdate(update: JsonObject): JsonObject {
  return compact({
    taskId: field(update, 'taskId'),
    contextId: field(update, 'contextId'),
    artifact: modernArtifact(field(update, 'artifact'), 'artifactUpdate.artifact'),
    append: field(update, 'append') === true ? true : undefined,
    lastChunk: field(update, 'lastChunk') === true ? true : undefined,
    metadata: field(update, 'metadata'),
  })
}

/**
 * What 1.0 answers to a message, or sends in a stream, as 0.3 has it. `final` is there where the task's state is its last.
 * @throws {A2aError} where it has none of the members, or as `legacyPart`
 */
export function legacyEvent(value: unknown, style: LegacyStyle): JsonObject {
  const event = objectAt(value, 'result')
  if (event.task !== undefined) return legacyWrapped('task', legacyTask(event.task, style), style)
  if (event.message !== undefined)
    return legacyWrapped('message', legacyMessage(event.message, style, 'message'), style)
  if (event.statusUpdate !== undefined) {
    const update = objectAt(event.statusUpdate, 'statusUpdate')
    const status = optionalObject(update.status, 'statusUpdate.status')
    const legacy = {
      ...(style === 'kind' && { kind: 'status-update' }),
      taskId: update.taskId ?? '',
      contextId: update.contextId ?? '',
      status: legacyStatus(status, style, 'statusUpdate.status'),
      final: isTerminal(status?.state),
      ...compact({ metadata: update.metadata }),
    }
    return legacyWrapped('statusUpdate', legacy, style)
  }
  if (event.artifactUpdate !== undefined) {
    const update = objectAt(event.artifactUpdate, 'artifactUpdate')
    const legacy = {
      ...(style === 'kind' && { kind: 'artifact-update' }),
      taskId: update.taskId ?? '',
      contextId: update.contextId ?? '',
      artifact: legacyArtifact(update.artifact, style, 'artifactUpdate.artifact'),
      append: update.append === true,
      lastChunk: update.lastChunk === true,
      ...compact({ metadata: update.metadata }),
    }
    return legacyWrapped('artifactUpdate', legacy, style)
  }
  throw new A2aError('invalidAgentResponse', 'The agent’s answer is neither a task, nor a message, nor an update')
}

const legacyWrapped = (member: string, value: JsonObject, style: LegacyStyle): JsonObject =>
  style === 'kind' ? value : { [member]: value }
