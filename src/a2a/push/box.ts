import { isObject, type JsonObject } from '../../json.ts'
import { Sealer, type SealKey } from '../../mcp/seal.ts'
import { type Registration, readRegistration } from './registration.ts'

/** Much longer than the longest notification and what is made of it, in base64, characters. */
const longest = 64 * 1024 * 1024
/** Stores say when a thing's time is over; what is sealed has none of its own. Unix seconds. */
const never = 2 ** 40 - 1

/**
 * Seals what stores keep: callbacks hold clients' tokens, notifications hold what agents said. Each is bound to its place, so
 * that nobody who can write to a store can put one in another's.
 */
export class Box {
  readonly #sealer: Sealer

  /** @param keys the first seals, all open */
  constructor(keys: readonly SealKey[]) {
    this.#sealer = new Sealer(keys, undefined, longest)
  }

  callback(id: string, registration: Registration): string {
    return this.#seal(`callback ${id}`, registration)
  }

  /** @returns undefined where it was sealed with a key that is gone, or for another place */
  openCallback(id: string, sealed: string): Registration | undefined {
    return readRegistration(this.#open(`callback ${id}`, sealed))
  }

  /** A notification, or what is known with it, of a callback. @param what which of its places */
  content(id: string, what: string, value: JsonObject): string {
    return this.#seal(`${what} ${id}`, value)
  }

  openContent(id: string, what: string, sealed: string): JsonObject | undefined {
    const value = this.#open(`${what} ${id}`, sealed)
    return isObject(value) ? value : undefined
  }

  #seal(bound: string, value: unknown): string {
    return this.#sealer.seal('push', bound, value, never)
  }

  #open(bound: string, sealed: string): unknown {
    const opened = this.#sealer.open('push', bound, sealed, 0)
    return typeof opened === 'object' ? opened.value : undefined
  }
}
