import { Entries } from './entries.ts'
import type { TokenStore } from './token-store.ts'

/** Tokens in this process only: users authorize again when it starts anew. */
export class MemoryTokenStore implements TokenStore {
  readonly #entries: Entries

  /** @param now Unix milliseconds */
  constructor(now: () => number = Date.now, most = 100_000) {
    this.#entries = new Entries(now, most)
  }

  async get(key: string): Promise<string | undefined> {
    return this.#entries.get(key)
  }

  async set(key: string, value: string, untilMs: number): Promise<void> {
    this.#entries.set(key, value, untilMs)
  }

  async add(key: string, value: string, untilMs: number): Promise<boolean> {
    return this.#entries.add(key, value, untilMs)
  }

  async delete(key: string, value?: string): Promise<boolean> {
    return this.#entries.delete(key, value)
  }

  async close(): Promise<void> {}
}
