/** Cuts a call off when the time of the tree that it is part of is over. */
export class TimeLeft {
  /** Aborts when the time is over, or when nobody waits any more. */
  readonly signal: AbortSignal
  readonly #error: Error | undefined
  readonly #timer: NodeJS.Timeout | undefined
  #over = false

  /**
   * @param deadline when it is over, and what the caller is told then; undefined: never
   * @param gone aborts when nobody waits any more
   */
  constructor(deadline: { readonly inMs: number; readonly error: Error } | undefined, gone: AbortSignal) {
    this.#error = deadline?.error
    if (!deadline) {
      this.signal = gone
      return
    }
    const controller = new AbortController()
    this.signal = AbortSignal.any([gone, controller.signal])
    const end = () => {
      this.#over = true
      controller.abort(deadline.error)
    }
    this.#timer = setTimeout(end, Math.min(deadline.inMs, longestTimer)).unref()
  }

  /** What went wrong, for the caller: whatever it was, once the time is over it is that. */
  why(error: unknown): unknown {
    return this.#over ? this.#error : error
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}

/** What a timer of Node's can wait, ms. */
const longestTimer = 2 ** 31 - 1
