import { isObject, type JsonObject } from '../../json.ts'

/** What is known of a task from what was said of it, from one notification to the next. All of it is in the neutral form. */

export interface Progress {
  /** For clients of 0.3, who are sent the task: as they have seen it. */
  readonly task?: JsonObject | undefined
  /** For guards, who look at whole artifacts: the updates of those that have not come to their end. */
  readonly open?: readonly JsonObject[] | undefined
}

/**
 * The task after an event. What was before the first notification is not known: the state is unspecified until one says it.
 * @returns undefined where the event is about no task
 */
export function taskAfter(task: JsonObject | undefined, event: JsonObject): JsonObject | undefined {
  if (isObject(event.task)) return event.task
  const { statusUpdate, artifactUpdate } = event
  const update = isObject(statusUpdate) ? statusUpdate : isObject(artifactUpdate) ? artifactUpdate : undefined
  if (!update) return undefined
  const before: JsonObject = task ?? { id: update.taskId, contextId: update.contextId, status: {} }
  if (isObject(statusUpdate)) return { ...before, status: statusUpdate.status }
  const artifacts = Array.isArray(before.artifacts) ? before.artifacts.filter(isObject) : []
  const artifact = isObject(update.artifact) ? update.artifact : {}
  const at = artifacts.findIndex(({ artifactId }) => artifactId === artifact.artifactId)
  const known = artifacts[at]
  if (!known) return { ...before, artifacts: [...artifacts, artifact] }
  const next = update.append === true ? joined(known, artifact) : artifact
  return { ...before, artifacts: artifacts.with(at, next) }
}

/**
 * Keeps the pieces of artifacts until these are whole: their last piece says so, or what comes after them.
 * @returns what is still open, and what can be said now: nothing, where the event was a piece
 */
export function gather(
  open: readonly JsonObject[],
  event: JsonObject,
): { open: readonly JsonObject[]; whole: readonly JsonObject[] } {
  const update = event.artifactUpdate
  const artifact = isObject(update) && isObject(update.artifact) ? update.artifact : undefined
  const said = (updates: readonly JsonObject[]) => updates.map((each): JsonObject => ({ artifactUpdate: each }))
  if (!isObject(update) || !artifact) return { open: [], whole: [...said(open), event] }
  const isIt = (each: JsonObject) => isObject(each.artifact) && each.artifact.artifactId === artifact.artifactId
  const before = open.find(isIt)
  const others = open.filter((each) => !isIt(each))
  const goesOn = before !== undefined && update.append === true
  const next: JsonObject = goesOn
    ? { ...before, lastChunk: update.lastChunk, artifact: joined(before.artifact as JsonObject, artifact) }
    : update
  const over = before === undefined || goesOn ? [] : [before]
  return update.lastChunk === true
    ? { open: others, whole: said([...over, next]) }
    : { open: [...others, next], whole: said(over) }
}

/** An artifact with a further piece at its end; texts that meet are one. */
function joined(artifact: JsonObject, piece: JsonObject): JsonObject {
  const parts = [...partsOf(artifact)]
  for (const part of partsOf(piece)) {
    const last = parts.at(-1)
    if (last && isPlainText(last) && isPlainText(part)) parts[parts.length - 1] = { text: `${last.text}${part.text}` }
    else parts.push(part)
  }
  return { ...artifact, ...(piece.metadata !== undefined && { metadata: piece.metadata }), parts }
}

const partsOf = ({ parts }: JsonObject) => (Array.isArray(parts) ? parts.filter(isObject) : [])
const isPlainText = (part: JsonObject) => typeof part.text === 'string' && Object.keys(part).length === 1
