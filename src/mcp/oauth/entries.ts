/** What is kept under one key. */
export interface Entry {
  readonly value: string
  /** Unix milliseconds. */
  readonly untilMs: number
}

/** Entries in memory: the table behind the stores that have no server. */
export class Entries {
  readonly #all: Map<string, Entry>
  readonly #now: () => number
  readonly #most: number

  constructor(now: () => number, most: number, all: Iterable<readonly [string, Entry]> = []) {
    this.#all = new Map(all)
    this.#now = now
    this.#most = most
  }

  get(key: string): string | undefined {
    const entry = this.#all.get(key)
    return entry && this.#now() < entry.untilMs ? entry.value : undefined
  }

  set(key: string, value: string, untilMs: number): void {
    this.#all.delete(key)
    this.#all.set(key, { value, untilMs })
    if (this.#all.size > this.#most) this.#shrink()
  }

  add(key: string, value: string, untilMs: number): boolean {
    if (this.get(key) !== undefined) return false
    this.set(key, value, untilMs)
    return true
  }

  delete(key: string, value?: string): boolean {
    const known = this.get(key)
    if (known === undefined || (value !== undefined && value !== known)) return false
    return this.#all.delete(key)
  }

  /** What is still good. */
  *[Symbol.iterator](): Iterator<readonly [string, Entry]> {
    for (const entry of this.#all) if (this.#now() < entry[1].untilMs) yield entry
  }

  /** Takes away what is over, and then what was written the longest ago: its users authorize again. */
  #shrink(): void {
    for (const [key, { untilMs }] of this.#all) if (this.#now() >= untilMs) this.#all.delete(key)
    for (const key of this.#all.keys()) {
      if (this.#all.size <= this.#most) break
      this.#all.delete(key)
    }
  }
}
