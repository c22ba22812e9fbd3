/**
 * Another machine's clock, as far as answers with its time tell. It runs on this machine's steady clock, so setting the
 * local time changes nothing, and a wrong local time is corrected with the first answer.
 */
export class RemoteClock {
  readonly #ticks: () => number
  /** What has to be added to a tick; until the first answer, by the local time. */
  #offset: number
  #set = false

  /**
   * @param ticks milliseconds of a clock that is never set
   * @param local Unix milliseconds, possibly wrong
   */
  constructor(ticks: () => number = () => performance.now(), local: () => number = Date.now) {
    this.#ticks = ticks
    this.#offset = local() - ticks()
  }

  /** Unix milliseconds by the other clock. */
  now(): number {
    return this.#ticks() + this.#offset
  }

  /** A moment to hand to `told`. */
  tick(): number {
    return this.#ticks()
  }

  /**
   * The other clock was read somewhere between the sending of a question and now. What was known before is moved only
   * as far as it contradicts that, so a slow answer spoils nothing.
   * @param sentTick when the question was sent
   * @param remoteMs what the other clock said
   */
  told(sentTick: number, remoteMs: number): void {
    const latest = remoteMs + 1 - sentTick
    const earliest = remoteMs - this.#ticks()
    if (!this.#set) this.#offset = (earliest + latest) / 2
    else this.#offset = Math.min(latest, Math.max(earliest, this.#offset))
    this.#set = true
  }
}
