import { McpError } from '../errors.ts'
import { pause } from './pause.ts'

interface Waiting {
  readonly attempt: () => Promise<void>
  readonly signal: AbortSignal
  /** performance.now() before which it is not tried again: it is the caller that has to do something. */
  notBefore: number
}

/** How long one waits whose own affair it is that a try failed. */
const ownAffairMs = 60_000
/** How many are let in at once when the server is back. */
const atOnce = 8

/**
 * Those who listened to a server that went away. One of them at a time tries whether it is back, after pauses that grow; when it
 * is, all the others follow.
 */
export class Comeback {
  readonly #waiting = new Set<Waiting>()
  readonly #signal: AbortSignal
  #trying = false

  /** @param signal ends all waiting */
  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size
  }

  /**
   * @param attempt what shows that the server is back; it rejects where it is not
   * @param signal ends the waiting
   */
  wait(attempt: () => Promise<void>, signal: AbortSignal): void {
    if (signal.aborted || this.#signal.aborted) return
    const waiting: Waiting = { attempt, signal, notBefore: 0 }
    this.#waiting.add(waiting)
    signal.addEventListener('abort', () => this.#waiting.delete(waiting), { once: true })
    if (!this.#trying) void this.#try()
  }

  async #try(): Promise<void> {
    this.#trying = true
    for (let failures = 0; this.#waiting.size > 0; ) {
      if (!(await pause(failures, this.#signal))) break
      const now = performance.now()
      const due = [...this.#waiting].find(({ notBefore }) => notBefore <= now)
      if (!due || !(await this.#attempted(due))) {
        failures++
        continue
      }
      failures = 0
      const others = [...this.#waiting]
      while (others.length > 0 && !this.#signal.aborted)
        await Promise.all(others.splice(0, atOnce).map((other) => this.#attempted(other)))
    }
    this.#trying = false
  }

  async #attempted(waiting: Waiting): Promise<boolean> {
    if (!this.#waiting.delete(waiting)) return true
    try {
      await waiting.attempt()
      return true
    } catch (error) {
      if (waiting.signal.aborted || this.#signal.aborted) return false
      // What the caller has to do says nothing of the server.
      if (error instanceof McpError) waiting.notBefore = performance.now() + ownAffairMs
      // Behind the others: their turn is next.
      this.#waiting.add(waiting)
      return false
    }
  }
}
