/**
 * Something that is to be done soon, however often it is asked for: at the end of this turn of the event loop where it was
 * not done lately, else when `everyMs` have gone since. A quiet process loses no time by it, a busy one does it once for many.
 */
export class Soon {
  readonly #act: () => void
  readonly #everyMs: number
  #lastMs = Number.NEGATIVE_INFINITY
  #asked = false
  #immediate: NodeJS.Immediate | undefined
  #timer: NodeJS.Timeout | undefined

  /** @param act must not throw: nobody would catch it */
  constructor(act: () => void, everyMs: number) {
    this.#act = act
    this.#everyMs = everyMs
  }

  ask(): void {
    if (this.#asked) return
    this.#asked = true
    const wait = this.#lastMs + this.#everyMs - performance.now()
    if (wait <= 0) this.#immediate = setImmediate(() => this.now())
    else this.#timer = setTimeout(() => this.now(), wait)
  }

  /** Does it at once, where it was asked for. */
  now(): void {
    if (!this.#asked) return
    this.#asked = false
    clearImmediate(this.#immediate)
    clearTimeout(this.#timer)
    this.#lastMs = performance.now()
    this.#act()
  }
}
