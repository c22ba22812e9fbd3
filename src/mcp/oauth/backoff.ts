/** Leaves alone for a while what failed: a second after the first failure, twice as long after each further one, a minute at most. */
export class Backoff {
  readonly #now: () => number
  #failures = 0
  #until = 0

  /** @param now Unix milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Whether it is to be left alone now. */
  get waiting(): boolean {
    return this.#now() < this.#until
  }

  failed(): void {
    // Spread, so that not all sidecars come back at once.
    const waitMs = Math.min(60_000, 1000 * 2 ** Math.min(this.#failures, 6)) * (0.5 + Math.random() / 2)
    this.#failures++
    this.#until = this.#now() + waitMs
  }

  succeeded(): void {
    this.#failures = 0
    this.#until = 0
  }
}
