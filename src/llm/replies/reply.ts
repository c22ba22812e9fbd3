import { ApiError } from '../errors.ts'

/**
 * What is made of one response body, piece by piece. Each file of this folder is one way: the client's own wire
 * format passed on (`passed-*`), another one translated (`translated-*`), whole or as a stream, and errors.
 */
export interface Reply {
  /** @throws {ApiError} where the answer cannot be used; where some of it was sent already, the request is cut */
  push(chunk: Uint8Array, last: boolean): Outcome | Promise<Outcome>
}

export type Outcome =
  /** Nothing can be said yet: the head and this piece wait. Never after the first `send`. */
  | { type: 'hold' }
  /** The head may go, and `body` in the piece's place (absent: the piece as it is). */
  | { type: 'send'; body?: Uint8Array; held: 'keep' | 'drop' }
  /** The answer is an error after all. Only before the first `send`. */
  | { type: 'fail'; error: ApiError }

export const hold: Outcome = { type: 'hold' }
export const passOn: Outcome = { type: 'send', held: 'keep' }
export const nothing = new Uint8Array(0)

/** How much may wait for its end before the head must go, bytes. */
export const longestHold = 256 * 1024

/** Bytes that arrive in pieces, bounded. */
export class Collector {
  readonly #pieces: Uint8Array[] = []
  readonly #limit: number
  length = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** @returns whether the piece still fitted; what does not fit is not kept */
  add(chunk: Uint8Array): boolean {
    this.length += chunk.length
    if (this.length > this.#limit) {
      this.#pieces.length = 0
      return false
    }
    if (chunk.length > 0) this.#pieces.push(chunk)
    return true
  }

  bytes(): Uint8Array {
    return this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
  }
}

/** The error for what should have been an answer and is none. */
export function garbage(what: string, cause?: unknown): ApiError {
  return new ApiError(502, 'api_error', `The provider's answer cannot be read: ${what}. Try again.`, {
    code: 'upstream_answer_invalid',
    cause,
  })
}
