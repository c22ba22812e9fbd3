import { isObject, type JsonObject } from '../../json.ts'

/** The texts of messages, artifacts and tasks in the neutral form: what guards look at. A file is one if it says that it is text, or says nothing and is. */

/** Gives what stands in a text's place. Called in the order of the texts, the same each time. */
export type Replace = (text: string) => string

/** A message, an artifact, or whatever else has parts. */
export function mapParts(value: unknown, replace: Replace): unknown {
  if (!isObject(value) || !Array.isArray(value.parts)) return value
  return { ...value, parts: value.parts.map((part) => (isObject(part) ? mapPart(part, replace) : part)) }
}

function mapPart(part: JsonObject, replace: Replace): JsonObject {
  if (typeof part.text === 'string') return { ...part, text: replace(part.text) }
  if (typeof part.raw === 'string') return mapFile(part, part.raw, replace)
  return part.data === undefined ? part : { ...part, data: mapData(part.data, replace) }
}

const textual = /^(?:text\/|application\/(?:[\w.-]+\+)?(?:json|xml|yaml|x-yaml|x-ndjson|javascript|sql)(?:;|\s*$))/i
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** What could as well have been sent as a text. @param raw in Base64 */
function mapFile(part: JsonObject, raw: string, replace: Replace): JsonObject {
  const { mediaType } = part
  if (mediaType !== undefined && !textual.test(String(mediaType))) return part
  let text: string
  try {
    text = utf8.decode(Buffer.from(raw, 'base64'))
  } catch {
    return part
  }
  const changed = replace(text)
  return changed === text ? part : { ...part, raw: Buffer.from(changed, 'utf8').toString('base64') }
}

/** Every text in data; its names are the protocol of whoever made it. Depth is bounded where it was read. */
function mapData(value: unknown, replace: Replace): unknown {
  if (typeof value === 'string') return replace(value)
  if (Array.isArray(value)) return value.map((item) => mapData(item, replace))
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, mapData(item, replace)]))
}

/** A task: its artifacts, its history, and what its status says. */
export function mapTask(task: JsonObject, replace: Replace): JsonObject {
  return {
    ...task,
    ...(isObject(task.status) && { status: mapStatus(task.status, replace) }),
    ...(Array.isArray(task.artifacts) && { artifacts: task.artifacts.map((each) => mapParts(each, replace)) }),
    ...(Array.isArray(task.history) && { history: task.history.map((each) => mapParts(each, replace)) }),
  }
}

function mapStatus(status: JsonObject, replace: Replace): JsonObject {
  return status.message === undefined ? status : { ...status, message: mapParts(status.message, replace) }
}

/** What answers a message, or one event of a stream, or a task, or a list of them. */
export function mapResult(value: JsonObject, replace: Replace): JsonObject {
  if (Array.isArray(value.tasks))
    return { ...value, tasks: value.tasks.map((task) => (isObject(task) ? mapTask(task, replace) : task)) }
  if (isObject(value.task)) return { ...value, task: mapTask(value.task, replace) }
  if (isObject(value.message)) return { ...value, message: mapParts(value.message, replace) }
  if (isObject(value.statusUpdate)) {
    const { status } = value.statusUpdate
    return isObject(status)
      ? { ...value, statusUpdate: { ...value.statusUpdate, status: mapStatus(status, replace) } }
      : value
  }
  if (isObject(value.artifactUpdate)) {
    const artifact = mapParts(value.artifactUpdate.artifact, replace)
    return { ...value, artifactUpdate: { ...value.artifactUpdate, artifact } }
  }
  return mapTask(value, replace)
}
