import type { AnswerEvent } from '../conversation.ts'
import type { Observed, StreamReader, StreamWriter } from '../dialect.ts'
import { ApiError, errorTypeOf } from '../errors.ts'
import type { GuardedEvents } from '../guarded.ts'
import { hold, nothing, type Outcome, type Reply } from './reply.ts'

/** A stream that is read in the provider's wire format and written in the client's, event by event. */
export class TranslatedStream implements Reply {
  readonly #reader: StreamReader
  readonly #writer: StreamWriter
  readonly #seen: Observed
  readonly #guard: GuardedEvents | undefined
  /** Events from before the head went: an error among the first means that the head must say so. */
  #early: AnswerEvent[] | undefined = []

  /** Nothing more goes to the client: a guard has said no. */
  #cut = false

  /** @param guard looks at the texts before they are written */
  constructor(reader: StreamReader, writer: StreamWriter, seen: Observed, guard?: GuardedEvents) {
    this.#reader = reader
    this.#writer = writer
    this.#seen = seen
    this.#guard = guard
  }

  push(chunk: Uint8Array, last: boolean): Outcome | Promise<Outcome> {
    const events = chunk.length > 0 ? this.#reader.push(chunk) : []
    if (last) events.push(...this.#reader.end())
    for (const event of events) observeEvent(event, this.#seen)
    if (this.#cut) return sent('')
    if (!this.#guard) return this.#send(events, last)
    try {
      const guarded = this.#guard.push(events)
      if (guarded instanceof Promise)
        return guarded.then(
          (passed) => this.#send(passed, last),
          (error) => this.#denied(error),
        )
      return this.#send(guarded, last)
    } catch (error) {
      return this.#denied(error)
    }
  }

  #send(events: AnswerEvent[], last: boolean): Outcome {
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
      events = this.#early
      this.#early = undefined
    }
    return sent(events.length > 0 ? this.#writer.write(events) : '')
  }

  /** A guard said no: before the head has gone it can say so, after that the stream ends with the error. */
  #denied(error: unknown): Outcome {
    if (!(error instanceof ApiError)) throw error
    this.#cut = true
    if (this.#early) return { type: 'fail', error }
    const { status, code, message } = error
    this.#seen.error = code ?? error.type
    return sent(
      this.#writer.write([{ type: 'error', error: { status, code: code ?? error.type, message } }, { type: 'end' }]),
    )
  }
}

const sent = (text: string): Outcome => ({
  type: 'send',
  body: text === '' ? nothing : Buffer.from(text),
  held: 'drop',
})

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
