import type { ReplySink } from './reply-sink.ts'

type Headers = readonly (readonly [name: string, value: string])[]

/** Takes a reply before it is known where it goes: it is kept until somebody takes it, or goes on to another sink. */
export class LateSink implements ReplySink {
  readonly #signal: AbortSignal
  #sink: ReplySink | undefined
  #status: number | undefined
  #headers: Headers = []
  #urgent = false
  #text = ''
  #ended = false
  #whenEnded: (() => void) | undefined

  /** @param signal aborted when the client has gone away */
  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  get gone(): boolean {
    return this.#signal.aborted || this.#sink?.gone === true
  }

  /** On a client's own request Envoy holds the server back. */
  get room(): Promise<void> | undefined {
    return this.#sink?.room
  }

  /** The head; undefined: it is not known yet. */
  get begun(): { readonly status: number; readonly headers: Headers } | undefined {
    return this.#status === undefined ? undefined : { status: this.#status, headers: this.#headers }
  }

  /** Something was written that cannot wait for the end. */
  get urgent(): boolean {
    return this.#urgent
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Of what was written and not taken, characters. */
  get length(): number {
    return this.#text.length
  }

  /** @returns what was written since the last time */
  taken(): string {
    const text = this.#text
    this.#text = ''
    return text
  }

  /** Calls back, once, when nothing more comes. */
  whenEnded(callback: () => void): void {
    if (this.#ended) callback()
    else this.#whenEnded = callback
  }

  /** What was kept goes on, and all that follows. */
  attach(sink: ReplySink): void {
    this.#sink = sink
    if (this.#status !== undefined) sink.head(this.#status, this.#headers)
    if (this.#urgent && !this.#ended) sink.flush()
    const text = this.taken()
    if (this.#ended) sink.end(text === '' ? undefined : text)
    else if (text !== '') sink.write(text)
  }

  head(status: number, headers: Headers): void {
    this.#status = status
    this.#headers = headers
    this.#sink?.head(status, headers)
  }

  flush(): void {
    this.#urgent = true
    this.#sink?.flush()
  }

  write(text: string): void {
    if (this.#sink) this.#sink.write(text)
    else this.#text += text
  }

  end(text = ''): void {
    this.#ended = true
    if (this.#sink) this.#sink.end(text === '' ? undefined : text)
    else this.#text += text
    this.#whenEnded?.()
  }
}
