import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isObject, type JsonObject } from '../../json.ts'
import type { Sealer } from '../seal.ts'
import type { TokenStore } from './token-store.ts'
import { TokenStoreError } from './token-store.ts'

/** What is kept: what a user authorized, the same until it was confirmed, the gateway's registrations, and calls that wait for a human. */
export type VaultKind = 'grant' | 'pending' | 'client' | 'approval'

/** Longer than all that is done under a lock may take: who holds it for so long has died. */
const leaseMs = 60_000
const patienceMs = 20_000
/** Room for requests of the same moment on other clocks. */
const graceMs = 60_000

/**
 * A token store whose values are sealed (AES-256-GCM with a key id in front): bound to what they are and whom they are for, so
 * that nobody who can write to the store can give one user's tokens to another.
 */
export class Vault {
  readonly #store: TokenStore
  readonly #sealer: Sealer
  readonly now: () => number

  /** @param now Unix milliseconds */
  constructor(store: TokenStore, sealer: Sealer, now: () => number = Date.now) {
    this.#store = store
    this.#sealer = sealer
    this.now = now
  }

  /** @returns undefined where there is nothing, or nothing that opens: it was sealed with a key that is gone */
  async get(kind: VaultKind, name: string): Promise<JsonObject | undefined> {
    const text = await this.#store.get(keyOf(kind, name))
    if (text === undefined) return undefined
    const opened = this.#sealer.open('oauth', boundOf(kind, name), text, this.now() / 1000)
    return typeof opened === 'object' && isObject(opened.value) ? opened.value : undefined
  }

  async set(kind: VaultKind, name: string, value: JsonObject, untilMs: number): Promise<void> {
    const sealed = this.#sealer.seal('oauth', boundOf(kind, name), value, untilMs / 1000)
    await this.#store.set(keyOf(kind, name), sealed, untilMs)
  }

  async delete(kind: VaultKind, name: string): Promise<void> {
    await this.#store.delete(keyOf(kind, name))
  }

  /** Takes something that can be taken once. @param untilMs from when on nobody would take it any more */
  useUp(what: string, untilMs: number): Promise<boolean> {
    return this.#store.add(keyOf('used', what), '1', untilMs + graceMs)
  }

  /** Whether something was taken. */
  async isUsedUp(what: string): Promise<boolean> {
    return (await this.#store.get(keyOf('used', what))) !== undefined
  }

  /** For somebody's eyes only, as a part of a URL. @param bound what it opens with */
  seal(bound: string, value: JsonObject, untilMs: number): string {
    return this.#sealer.seal('oauth', `url\0${bound}`, value, untilMs / 1000)
  }

  open(bound: string, text: string): JsonObject | 'invalid' | 'expired' {
    const opened = this.#sealer.open('oauth', `url\0${bound}`, text, this.now() / 1000)
    if (typeof opened === 'string') return opened
    return isObject(opened.value) ? opened.value : 'invalid'
  }

  /**
   * Does something while no other process does it for the same name.
   * @throws {TokenStoreError} where others do it for too long
   */
  async alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    const key = keyOf('lock', name)
    const mine = randomBytes(16).toString('base64url')
    const deadline = performance.now() + patienceMs
    while (!(await this.#store.add(key, mine, this.now() + leaseMs))) {
      if (performance.now() > deadline) throw new TokenStoreError('Another process holds a lock for too long.')
      await sleep(20 + Math.random() * 60)
    }
    try {
      return await work()
    } finally {
      // A lock that cannot be given back ends by itself.
      await this.#store.delete(key, mine).catch(() => false)
    }
  }
}

const keyOf = (kind: VaultKind | 'used' | 'lock', name: string) =>
  `${kind}:${createHash('sha256').update(name).digest('base64url')}`
const boundOf = (kind: VaultKind, name: string) => `${kind}\0${name}`
