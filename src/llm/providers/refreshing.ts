/** A value with a limited life. */
export interface Fresh<T> {
  value: T
  /** When it stops being valid, in milliseconds since 1970; absent: it does not expire. */
  expires?: number
}

export interface RefreshingOptions {
  /** How long before the end a new one is fetched, in milliseconds. */
  early: number
  /** How long a value without end is kept before it is looked up again, in milliseconds. */
  keep: number
  /** How long to wait after a failure before asking again, in milliseconds. */
  pause: number
  /** How long one load may take, in milliseconds. */
  timeout: number
  now?: () => number
}

/** Not handed out in the last moments of its life: the request still has to travel. */
const margin = 10_000

/**
 * A value that is loaded when first asked for and renewed before it expires, by one load at a time. While a renewal
 * runs or fails, the old value is served for as long as it is valid.
 */
export class Refreshing<T> {
  readonly #load: () => Promise<Fresh<T>>
  readonly #options: RefreshingOptions
  readonly #now: () => number
  #current: { value: T; renewAt: number; validUntil: number } | undefined
  #loading: Promise<T> | undefined
  #failure: { error: unknown; until: number } | undefined
  /** Counts `forget`: a load begun before it must not bring the old value back. */
  #generation = 0

  constructor(load: () => Promise<Fresh<T>>, options: RefreshingOptions) {
    this.#load = load
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /**
   * The value: at once where it is at hand, else a promise.
   * @throws what `load` rejects with, where there is no valid value; for `pause` after a failure without a new load
   */
  get(): T | Promise<T> {
    const now = this.#now()
    const current = this.#current
    if (current && now < current.renewAt) return current.value
    const paused = this.#failure !== undefined && now < this.#failure.until
    if (current && now < current.validUntil) {
      // Renewed behind the caller's back; its failure is only remembered.
      if (!paused) this.#renew().catch(() => undefined)
      return current.value
    }
    if (paused) return Promise.reject(this.#failure?.error)
    return this.#renew()
  }

  /** Drops the value, so that the next `get` loads anew. */
  forget(): void {
    this.#generation++
    this.#current = undefined
    this.#loading = undefined
    this.#failure = undefined
  }

  #renew(): Promise<T> {
    this.#loading ??= this.#run(this.#generation)
    return this.#loading
  }

  async #run(generation: number): Promise<T> {
    try {
      const fresh = await within(this.#options.timeout, this.#load())
      if (generation === this.#generation) this.#store(fresh)
      return fresh.value
    } catch (error) {
      if (generation === this.#generation) this.#failure = { error, until: this.#now() + this.#options.pause }
      throw error
    } finally {
      if (generation === this.#generation) this.#loading = undefined
    }
  }

  #store({ value, expires }: Fresh<T>): void {
    const now = this.#now()
    this.#failure = undefined
    this.#current =
      expires === undefined
        ? { value, renewAt: now + this.#options.keep, validUntil: Number.POSITIVE_INFINITY }
        : {
            value,
            // A source may hand out what is left of a cached token: then half of that, rather than at once.
            renewAt: Math.max(expires - this.#options.early, now + Math.max(0, expires - now - margin) / 2),
            validUntil: expires - margin,
          }
  }
}

/** Rejects when the promise takes longer. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms / 1000} s`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
