import type { AnswerEvent } from '../conversation.ts'
import type { Observed, StreamReader, StreamWriter } from '../dialect.ts'
import { ApiError, errorTypeOf } from '../errors.ts'
import { hold, nothing, type Outcome, type Reply } from './reply.ts'

/** A stream that is read in the provider's wire format and written in the client's, event by event. */
export class TranslatedStream implements Reply {
  readonly #reader: StreamReader
  readonly #writer: StreamWriter
  readonly #seen: Observed
  /** Events from before the head went: an error among the first means that the head must say so. */
  #early: AnswerEvent[] | undefined = []

  constructor(reader: StreamReader, writer: StreamWriter, seen: Observed) {
    this.#reader = reader
    this.#writer = writer
    this.#seen = seen
  }

  push(chunk: Uint8Array, last: boolean): Outcome {
    const events = chunk.length > 0 ? this.#reader.push(chunk) : []
    if (last) events.push(...this.#reader.end())
    for (const event of events) observeEvent(event, this.#seen)
    if (this.#early) {
      this.#early.push(...events)
      const error = this.#early.find((event) => event.type === 'error')
      if (error && !this.#early.some((event) => event.type === 'part'))
        return {
          type: 'fail',
          error: new ApiError(error.error.status, errorTypeOf(error.error.status), error.error.message, {
            code: error.error.code,
          }),
        }
      // `start` alone promises nothing yet.
      if (!last && !this.#early.some((event) => event.type !== 'start')) return hold
      events.splice(0, events.length, ...this.#early)
      this.#early = undefined
    }
    const text = events.length > 0 ? this.#writer.write(events) : ''
    return { type: 'send', body: text === '' ? nothing : Buffer.from(text), held: 'drop' }
  }
}

function observeEvent(event: AnswerEvent, seen: Observed): void {
  switch (event.type) {
    case 'start':
      if (event.id !== '') seen.id = event.id
      if (event.model !== '') seen.model = event.model
      if (event.usage) seen.usage = event.usage
      return
    case 'usage':
      seen.usage = event.usage
      return
    case 'finish':
      seen.finishReasons.push(event.reason)
      return
    case 'error':
      seen.error = event.error.code
      return
    default:
      return
  }
}
