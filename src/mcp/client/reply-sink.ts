import type { ServerResponse } from 'node:http'

type Headers = readonly (readonly [name: string, value: string])[]

/** Where the bytes of a reply go. */
export interface ReplySink {
  /** Nobody takes them any more. */
  readonly gone: boolean
  head(status: number, headers: Headers): void
  /** What there is must be seen now. */
  flush(): void
  write(text: string): void
  end(text?: string): void
}

/** A response of the service's own HTTP server. */
export class ResponseSink implements ReplySink {
  readonly #response: ServerResponse

  constructor(response: ServerResponse) {
    this.#response = response
  }

  get gone(): boolean {
    return this.#response.destroyed
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
