import { GuardDenied, type GuardedText, type GuardSession } from '../guards/guards.ts'
import type { Answer, AnswerEvent, JsonObject } from './conversation.ts'
import type { ClientFormat } from './dialects/index.ts'
import { ApiError } from './errors.ts'
import { mapAnswerTexts, mapRequestTexts } from './texts.ts'

/** Puts guards on the texts of requests and answers. */

type Maybe<T> = T | Promise<T>

/**
 * Shows the texts of a request to the guards.
 * @returns the body as it may go on; the same object where nothing changed
 * @throws {ApiError} (or rejects with it) 403 where a guard says no
 */
export function guardRequest(session: GuardSession, format: ClientFormat, body: JsonObject): Maybe<JsonObject> {
  if (!session.onRequest) return body
  const texts: string[] = []
  mapRequestTexts(format, body, (text) => {
    texts.push(text)
    return text
  })
  return attempt(
    () => session.request(texts),
    (changed) => {
      let next = 0
      return mapRequestTexts(format, body, () => changed[next++]!)
    },
  )
}

/** The same for a whole answer. */
export function guardAnswer(session: GuardSession, answer: Answer): Maybe<Answer> {
  const texts: string[] = []
  mapAnswerTexts(answer, (text) => {
    texts.push(text)
    return text
  })
  return attempt(
    () => session.response(texts),
    (changed) => {
      let next = 0
      return mapAnswerTexts(answer, () => changed[next++]!)
    },
  )
}

/** Runs what may throw GuardDenied, now or later, and says that in the API's words. */
function attempt<T, R>(run: () => Maybe<T>, next: (value: T) => R): Maybe<R> {
  try {
    const value = run()
    return value instanceof Promise ? value.then(next, refuse) : next(value)
  } catch (error) {
    return refuse(error)
  }
}

function refuse(error: unknown): never {
  throw error instanceof GuardDenied ? deniedError(error) : error
}

/** What a caller is told when a guard said no. */
export function deniedError({ guard, message }: GuardDenied): ApiError {
  return new ApiError(403, 'permission_error', message, { code: 'guard_denied', rule: `guards.${guard}` })
}

/**
 * Guards a streamed answer: each text and each call's arguments has its own window; other events go through in their place,
 * after what the window before them held.
 */
export class GuardedEvents {
  readonly #session: GuardSession
  readonly #texts = new Map<string, GuardedText>()

  constructor(session: GuardSession) {
    this.#session = session
  }

  /** @returns the events as they may go on. @throws {ApiError} (or rejects with it) where a guard says no */
  push(events: readonly AnswerEvent[]): Maybe<AnswerEvent[]> {
    return this.#from(events, 0, [])
  }

  #from(events: readonly AnswerEvent[], start: number, out: AnswerEvent[]): Maybe<AnswerEvent[]> {
    try {
      for (let index = start; index < events.length; index++) {
        const event = events[index]!
        const made = this.#one(event)
        if (made instanceof Promise) return made.then((list) => this.#from(events, index + 1, out.concat(list)), refuse)
        const list: AnswerEvent[] = made
        out.push(...list)
      }
      return out
    } catch (error) {
      return refuse(error)
    }
  }

  #one(event: AnswerEvent): Maybe<AnswerEvent[]> {
    switch (event.type) {
      case 'part':
        if (event.kind !== 'reasoning') this.#texts.set(`${event.choice}/${event.part}`, this.#session.stream())
        return [event]
      case 'delta': {
        const text = this.#texts.get(`${event.choice}/${event.part}`)
        if (!text) return [event]
        const passed = text.push(event.text)
        return passed instanceof Promise ? passed.then((now) => replaced(event, now)) : replaced(event, passed)
      }
      case 'part_end': {
        const key = `${event.choice}/${event.part}`
        const text = this.#texts.get(key)
        if (!text) return [event]
        this.#texts.delete(key)
        const { choice, part } = event
        const finish = (rest: string): AnswerEvent[] =>
          rest === '' ? [event] : [{ type: 'delta', choice, part, text: rest }, event]
        const rest = text.end()
        return rest instanceof Promise ? rest.then(finish) : finish(rest)
      }
      default:
        return [event]
    }
  }
}

/** A delta with the text that may go on; its log probabilities go only where the text is its own. */
function replaced(event: AnswerEvent & { type: 'delta' }, text: string): AnswerEvent[] {
  if (text === event.text) return [event]
  if (text === '') return []
  const { choice, part } = event
  return [{ type: 'delta', choice, part, text }]
}
