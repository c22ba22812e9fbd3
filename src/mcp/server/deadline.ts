import { setMaxListeners } from 'node:events'

/**
 * A signal that is aborted with another one, or when a time is over. AbortSignal.timeout and AbortSignal.any do the same, but hold
 * their timer until it is due: with minutes for each call, hundreds of thousands of them.
 */
export class Deadline {
  readonly #controller = new AbortController()
  readonly #outer: AbortSignal
  readonly #stop = () => this.#controller.abort(this.#outer.reason)
  readonly #timer: NodeJS.Timeout | undefined
  #expired = false

  /** It must be cleared when it is not needed any more. @param ms how long there is */
  constructor(outer: AbortSignal, ms: number) {
    this.#outer = outer
    if (outer.aborted) {
      this.#stop()
      return
    }
    // As many servers as there are wait with one client: that is no leak, and nobody is to be warned of it.
    setMaxListeners(0, outer)
    outer.addEventListener('abort', this.#stop)
    this.#timer = setTimeout(() => {
      this.#expired = true
      this.#controller.abort(new DOMException('It took too long', 'TimeoutError'))
    }, ms)
    this.#timer.unref()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whether the time was over before the other signal was aborted. */
  get expired(): boolean {
    return this.#expired
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#outer.removeEventListener('abort', this.#stop)
  }
}
