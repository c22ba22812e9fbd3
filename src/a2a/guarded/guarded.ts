import { GuardDenied, type GuardSession } from '../../guards/guards.ts'
import { isObject, type JsonObject } from '../../json.ts'
import { A2aError } from '../errors.ts'
import { mapParts, mapResult, type Replace } from './texts.ts'

/** Puts guards on what callers and agents say to each other. */

/**
 * Shows the texts of a message to the guards.
 * @param params in the neutral form
 * @returns the params as they may go on
 * @throws {A2aError} where a guard says no
 */
export async function guardParams(session: GuardSession, params: JsonObject): Promise<JsonObject> {
  if (!session.onRequest || params.message === undefined) return params
  const map = (replace: Replace) => ({ ...params, message: mapParts(params.message, replace) })
  return replaced(map, (texts) => session.request(texts))
}

/** The same for a whole answer, or an event that is whole. @throws {A2aError} */
export async function guardResult(session: GuardSession, value: JsonObject): Promise<JsonObject> {
  if (!session.onResponse) return value
  return replaced(
    (replace) => mapResult(value, replace),
    (texts) => session.response(texts),
  )
}

async function replaced(
  map: (replace: Replace) => JsonObject,
  look: (texts: readonly string[]) => readonly string[] | Promise<readonly string[]>,
): Promise<JsonObject> {
  const texts: string[] = []
  map((text) => {
    texts.push(text)
    return text
  })
  if (texts.length === 0) return map((text) => text)
  const changed = await attempt(async () => look(texts))
  let next = 0
  return map(() => changed[next++]!)
}

interface Open {
  readonly text: ReturnType<GuardSession['stream']>
  /** The update that came last, for what is still held back. */
  update: JsonObject
}

/**
 * Guards the events of a stream. An artifact that comes in pieces is one text to them: what they look for may begin in one
 * piece and end in the next, so that a little is held back until it is known.
 * @throws {A2aError} where a guard says no
 */
export async function* guardEvents(
  session: GuardSession,
  events: AsyncIterable<JsonObject>,
): AsyncGenerator<JsonObject> {
  if (!session.onResponse) {
    yield* events
    return
  }
  const open = new Map<string, Open>()
  for await (const event of events) {
    const update = event.artifactUpdate
    const artifact = isObject(update) && isObject(update.artifact) ? update.artifact : undefined
    if (!isObject(update) || !artifact) {
      // Clients stop to listen at a task's end: nothing may be held back beyond it.
      yield* rests(open)
      yield await guardResult(session, event)
      continue
    }
    const id = String(artifact.artifactId)
    if (update.append !== true) open.delete(id)
    let one = open.get(id)
    if (!one) {
      one = { text: session.stream(), update }
      open.set(id, one)
    }
    one.update = update
    const parts = Array.isArray(artifact.parts) ? artifact.parts : []
    const guarded: unknown[] = []
    for (const part of parts)
      if (isObject(part) && typeof part.text === 'string') {
        const { text } = part
        const { text: guardedText } = one
        guarded.push({ ...part, text: await attempt(async () => guardedText.push(text)) })
      } else {
        const whole = await guardResult(session, { message: { parts: [part] } })
        guarded.push(...(isObject(whole.message) && Array.isArray(whole.message.parts) ? whole.message.parts : []))
      }
    if (update.lastChunk === true) {
      open.delete(id)
      const rest = await attempt(async () => one.text.end())
      if (rest !== '') guarded.push({ text: rest })
    }
    yield { ...event, artifactUpdate: { ...update, artifact: { ...artifact, parts: guarded } } }
  }
  yield* rests(open)
}

/** What was held back, as one piece more of its artifact. */
async function* rests(open: Map<string, Open>): AsyncGenerator<JsonObject> {
  for (const [id, { text, update }] of open) {
    open.delete(id)
    const rest = await attempt(async () => text.end())
    if (rest === '') continue
    const artifact = { ...(isObject(update.artifact) ? update.artifact : {}), parts: [{ text: rest }] }
    yield { artifactUpdate: { ...update, append: true, artifact } }
  }
}

async function attempt<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof GuardDenied)) throw error
    throw new A2aError('permissionDenied', error.message, { rule: `guards.${error.guard}` })
  }
}
