import type { RequestId } from '../protocol.ts'
import { Detached, type UpstreamPosition } from '../server/position.ts'
import type { ReplySink } from './reply-sink.ts'

/** What a stream holds of what it sent, and how long after nobody takes it. */
const mostEvents = 1_000
const mostCharacters = 1024 * 1024
const graceMs = 120_000

/** The client does not want the answer any more: it cancelled the request, or ended its session. */
export class Cancelled extends Error {
  override readonly name = 'Cancelled'
}

/** Where the events go. */
export interface Target {
  /** As of a ReplySink. */
  readonly room?: Promise<void> | undefined
  write(text: string): void
  end(): void
}

/** Where an event stands: what its id says (2025-11-25, Resumability and Redelivery). */
export interface EventPosition {
  /** The stream, as the process knows it that makes it. */
  readonly stream: string
  readonly number: number
  /** The client's request that the stream answers; undefined: it is the stream of what servers say by themselves. */
  readonly request: RequestId | undefined
  /** Where the server's own stream stood. */
  readonly upstream: UpstreamPosition | undefined
}

export interface KeptStreamParts {
  /** Makes the id, where one is needed. */
  newId(): string
  readonly request: RequestId | undefined
  /** Whether an event without data begins it, so that it can be gone on with from the beginning (from 2025-11-25 on). */
  readonly primes: boolean
  readonly sink: ReplySink
  /** @returns an event's id */
  seal(position: EventPosition): string
  /** The stream has sent something, and can be found by its id. */
  begun(stream: KeptStream): void
  /** It holds so many characters more, or fewer. */
  held(difference: number): void
  /** Nobody can go on with it. */
  forgotten(stream: KeptStream): void
}

/**
 * A stream of events to a client of the old era that outlives its connection. Each event gets an id. When the connection is
 * gone, a stream whose server can resume its own is let go, for any replica can go on with it there; any other one goes on in this
 * process for a while, and what it says is kept for the client that comes again.
 */
export class KeptStream implements ReplySink {
  readonly request: RequestId | undefined
  readonly #parts: KeptStreamParts
  readonly #controller = new AbortController()
  #id: string | undefined
  #target: Target | undefined
  #isStream = false
  #events: { readonly number: number; readonly text: string }[] = []
  #characters = 0
  #last = 0
  #upstream: UpstreamPosition | undefined
  #ended = false
  #forgotten = false
  #dropped = false
  #timer: NodeJS.Timeout | undefined

  constructor(parts: KeptStreamParts) {
    this.request = parts.request
    this.#parts = parts
    this.#target = parts.sink
  }

  get id(): string {
    this.#id ??= this.#parts.newId()
    return this.#id
  }

  /** Ends what the stream waits for, as its client wants. */
  abort(reason: Cancelled): void {
    this.#controller.abort(reason)
  }

  /** Aborted when nobody waits for the rest any more; the reason is a `Detached` where the server can be asked for it again. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get gone(): boolean {
    return this.#forgotten || (this.#target === undefined && !this.#resumable)
  }

  get room(): Promise<void> | undefined {
    return this.#target?.room
  }

  /** Whether the client could go on from where the server's stream stands. */
  get resumableUpstream(): boolean {
    return this.#parts.primes && this.#upstream !== undefined && this.#last > 0 && !this.#ended
  }

  head(status: number, headers: readonly (readonly [string, string])[]): void {
    this.#isStream = headers.some(([name, value]) => name === 'content-type' && value === 'text/event-stream')
    this.#parts.sink.head(status, headers)
  }

  flush(): void {
    this.#parts.sink.flush()
    if (!this.#isStream || !this.#parts.primes || this.#last > 0) return
    const retryMs = this.#upstream?.retryMs
    this.#event(retryMs === undefined ? 'data: \n\n' : `retry: ${retryMs}\ndata: \n\n`)
  }

  /** From here on events stand behind this position of the server's stream. */
  at(position: UpstreamPosition): void {
    this.#upstream = position
  }

  /** The server has ended its stream for now, so this one ends too: the rest is asked of the server. */
  handOver(): void {
    this.#target?.end()
    this.#target = undefined
    this.#release(new Detached())
  }

  write(text: string): void {
    // Comments are no events.
    if (!this.#isStream || text.startsWith(':')) this.#target?.write(text)
    else this.#event(text)
  }

  end(text?: string): void {
    if (this.#ended) return
    if (!this.#isStream) {
      this.#ended = true
      this.#parts.sink.end(text)
      return
    }
    if (text !== undefined) this.#event(text)
    this.#ended = true
    this.#target?.end()
    // The end may have been lost on its way.
    this.#forgetLater()
  }

  /** The connection is gone. @param target whose it was; another one may have come meanwhile */
  detach(target: Target = this.#parts.sink): void {
    if (this.#target !== target) return
    this.#target = undefined
    if (this.#ended) return
    if (this.#upstream && this.#last > 0) this.#release(new Detached())
    else if (this.#resumable) this.#forgetLater()
    else this.#release(new Error('the client went away'))
  }

  /**
   * Goes on with a client that came again.
   * @param after the last event that it has
   * @returns whether nothing is missing
   */
  attach(target: Target, after: number): boolean {
    const first = this.#events[0]?.number ?? this.#last + 1
    if (this.#forgotten || first > after + 1) return false
    // The connection before may be half open: two must not both get what follows.
    this.#target?.end()
    this.#target = target
    clearTimeout(this.#timer)
    for (const { number, text } of this.#events) if (number > after) target.write(text)
    if (this.#ended) {
      target.end()
      this.#forgetLater()
    }
    return true
  }

  /** Holds nothing any more; goes on only as long as somebody is connected. */
  drop(): void {
    if (!this.#target || this.#ended) this.#release(new Error('there are too many streams'))
    else {
      this.#dropped = true
      this.#parts.held(-this.#characters)
      this.#events = []
      this.#characters = 0
    }
  }

  get #resumable(): boolean {
    return this.#isStream && this.#last > 0 && !this.#dropped
  }

  #event(text: string): void {
    const { request } = this
    const number = ++this.#last
    if (number === 1) this.#parts.begun(this)
    const id = this.#parts.seal({ stream: this.id, number, request, upstream: this.#upstream })
    const whole = `id: ${id}\n${text}`
    this.#events.push({ number, text: whole })
    this.#target?.write(whole)
    if (this.#dropped) return
    const before = this.#characters
    this.#characters += whole.length
    while (this.#events.length > mostEvents || (this.#characters > mostCharacters && this.#events.length > 1))
      this.#characters -= this.#events.shift()!.text.length
    this.#parts.held(this.#characters - before)
  }

  #forgetLater(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#release(new Error('the client did not come again')), graceMs)
    this.#timer.unref()
  }

  #release(reason: Error): void {
    if (this.#forgotten) return
    this.#forgotten = true
    clearTimeout(this.#timer)
    this.#parts.held(-this.#characters)
    this.#events = []
    this.#characters = 0
    this.#parts.forgotten(this)
    this.#controller.abort(reason)
  }
}
