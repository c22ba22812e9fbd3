import type { ServerResponse } from 'node:http'

type Headers = readonly (readonly [name: string, value: string])[]

/** Where the bytes of a reply go. */
export interface ReplySink {
  /** Nobody takes them any more. */
  readonly gone: boolean
  /** Resolves when the client has taken what waits for it; undefined: there is room for more. Never rejects. */
  readonly room: Promise<void> | undefined
  head(status: number, headers: Headers): void
  /** What there is must be seen now. */
  flush(): void
  write(text: string): void
  end(text?: string): void
}

/** Bytes that may wait for a client before its servers are read on; and before nobody waits for it any more. */
const muchWaiting = 1024 * 1024
const mostWaiting = 16 * 1024 * 1024

/** A response of the service's own HTTP server. */
export class ResponseSink implements ReplySink {
  readonly #response: ServerResponse
  #room: Promise<void> | undefined

  constructor(response: ServerResponse) {
    this.#response = response
  }

  get gone(): boolean {
    return this.#response.destroyed
  }

  get room(): Promise<void> | undefined {
    const response = this.#response
    if (response.destroyed || response.writableLength < muchWaiting) return undefined
    this.#room ??= new Promise<void>((resolve) => {
      const done = () => {
        response.off('drain', done)
        response.off('close', done)
        this.#room = undefined
        resolve()
      }
      response.on('drain', done)
      response.on('close', done)
    })
    return this.#room
  }

  head(status: number, headers: Headers): void {
    for (const [name, value] of headers) this.#response.setHeader(name, value)
    this.#response.statusCode = status
  }

  flush(): void {
    if (!this.#response.headersSent) this.#response.flushHeaders()
  }

  write(text: string): void {
    this.#response.write(text)
    // It takes nothing while its server cannot be held back: memory is not its to fill.
    if (this.#response.writableLength > mostWaiting) this.#response.destroy()
  }

  end(text?: string): void {
    this.#response.end(text)
  }
}

/** Ends what is done for a client that goes away before its answer is whole. */
export function goneOf(response: ServerResponse): AbortSignal {
  const controller = new AbortController()
  response.on('close', () => {
    if (!response.writableFinished) controller.abort(new Error('the client went away'))
  })
  return controller.signal
}
