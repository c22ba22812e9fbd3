import { A2aError } from '../errors.ts'

/** Ends a call that takes too long, or that nobody wants any more. */
export class Deadline {
  readonly #own = new AbortController()
  readonly #idle: NodeJS.Timeout
  readonly #end: NodeJS.Timeout | undefined
  /** How long it may take in all, ms from now; undefined: for as long as something comes. */
  readonly totalMs: number | undefined
  readonly signal: AbortSignal
  passed = false

  /**
   * @param idleMs how long nothing may come
   * @param gone aborts where nobody wants the answer any more
   * @param until when it has to be over, by performance.now(); undefined: never
   */
  constructor(idleMs: number, gone: AbortSignal, until: number | undefined) {
    this.signal = AbortSignal.any([this.#own.signal, gone])
    this.#idle = setTimeout(() => this.#pass(), idleMs)
    if (until === undefined) return
    this.totalMs = until - performance.now()
    this.#end = setTimeout(() => this.#pass(), Math.min(Math.max(this.totalMs, 0), longestTimer))
  }

  /** Something came. */
  again(): void {
    this.#idle.refresh()
  }

  stop(): void {
    clearTimeout(this.#idle)
    clearTimeout(this.#end)
  }

  /** What a failure of the call is to its caller. */
  asA2a(error: unknown): A2aError {
    if (error instanceof A2aError) return error
    if (this.passed)
      return new A2aError('deadlineExceeded', 'The agent did not answer in time; the task may go on: ask for it', {
        cause: error,
      })
    if (error instanceof RangeError)
      return new A2aError('invalidAgentResponse', `The agent’s answer cannot be read: ${error.message}`, {
        cause: error,
      })
    return new A2aError('unavailable', 'The connection to the agent broke; the task may go on: ask for it', {
      cause: error,
    })
  }

  #pass(): void {
    this.passed = true
    this.#own.abort()
  }
}

/** Node's; longer ones would be over at once. */
const longestTimer = 2 ** 31 - 1
