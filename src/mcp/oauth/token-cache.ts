import { Lru } from '../../identity/lru.ts'

type Maybe<T> = T | Promise<T>

/** Headers that a server is shown. */
export type Shown = readonly (readonly [name: string, value: string])[]

/** A token that is good for a while. */
export interface GoodToken {
  readonly headers: Shown
  /** Unix milliseconds. */
  readonly untilMs: number
}

interface Kept extends GoodToken {
  readonly gotMs: number
  readonly renewMs: number
}

/** A token is renewed so long before it ends, ms; a short one in the last half of its life. */
const earlyMs = 60_000
/** Where a token is refused so soon after it came, another would be as well, ms. */
const youngMs = 10_000

/** Tokens by whom they are for: given at once while they are good, renewed before they end, one request for each at a time. */
export class TokenCache {
  readonly #kept: Lru<string, Kept>
  readonly #coming = new Map<string, Promise<GoodToken>>()
  readonly #now: () => number

  /** @param now Unix milliseconds */
  constructor(now: () => number, most = 10_000) {
    this.#now = now
    this.#kept = new Lru(most)
  }

  /**
   * @param fetch gets a new token; its failure is the callers' where no token is good any more
   * @returns at once where a token is there
   */
  headers(key: string, fetch: () => Promise<GoodToken>): Maybe<Shown> {
    const now = this.#now()
    const kept = this.#kept.get(key)
    if (kept && now < kept.renewMs) return kept.headers
    const coming = this.#fetch(key, fetch)
    // The old one is good while the new one comes.
    if (kept && now < kept.untilMs) {
      coming.catch(() => undefined)
      return kept.headers
    }
    return coming.then(({ headers }) => headers)
  }

  /**
   * Forgets a token that its server refused.
   * @param shown what was refused; a newer one is kept
   * @returns whether there is, or will be, another one to try
   */
  drop(key: string, shown: Shown): boolean {
    const kept = this.#kept.get(key)
    if (!kept || kept.headers[0]?.[1] !== shown[0]?.[1]) return true
    if (this.#now() - kept.gotMs < youngMs) return false
    this.#kept.delete(key)
    return true
  }

  /** Forgets whatever is there. */
  forget(key: string): void {
    this.#kept.delete(key)
  }

  #fetch(key: string, fetch: () => Promise<GoodToken>): Promise<GoodToken> {
    let coming = this.#coming.get(key)
    if (!coming) {
      coming = fetch()
        .then((token) => {
          const gotMs = this.#now()
          const life = Math.max(0, token.untilMs - gotMs)
          // Spread, so that tokens that began together do not end together.
          const early = Math.min(earlyMs, life / 2) * (0.75 + Math.random() / 2)
          this.#kept.set(key, { ...token, gotMs, renewMs: token.untilMs - early })
          return token
        })
        .finally(() => this.#coming.delete(key))
      this.#coming.set(key, coming)
    }
    return coming
  }
}
