import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, randomFillSync } from 'node:crypto'

/** A key that seals or opens. */
export interface SealKey {
  /** Stands in front of what it sealed. */
  readonly id: string
  /** At least 32 random bytes. */
  readonly secret: Uint8Array
}

/**
 * The keys that rules name.
 * @param path where they stand in the rules
 * @param resolve gives the value of a reference to a secret
 * @throws {RangeError} where one is none
 */
export function readSealKeys(
  rules: readonly { readonly id: string; readonly secret: string }[],
  path: string,
  resolve: (reference: string) => string,
): SealKey[] {
  return rules.map(({ id, secret }) => {
    const text = resolve(secret)
    const bytes = /^[0-9a-fA-F]{64,}$/.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'base64')
    if (bytes.length < 32)
      throw new RangeError(`${path}: the key ${id} must be at least 32 random bytes, in base64 or hex`)
    return { id, secret: bytes }
  })
}

/** What a seal is for: what was sealed for one purpose opens for no other. */
export type Purpose = 'session' | 'state' | 'cursor' | 'task' | 'event' | 'oauth' | 'push' | 'tunnel'

const purposes: readonly Purpose[] = ['session', 'state', 'cursor', 'task', 'event', 'oauth', 'push', 'tunnel']
const nonceBytes = 12
const tagBytes = 16
/** Seconds since the epoch, big-endian. */
const expiryBytes = 5
const algorithm = 'aes-256-gcm'
/** What a client may send back, characters; more is not even decoded. */
const longestHeld = 64 * 1024

/** Why something does not open: none of ours (or another's), or too old. */
export type SealFailure = 'invalid' | 'expired'

/**
 * Seals what must survive between requests, so that clients hold it and no server keeps it: AES-256-GCM with a fresh nonce
 * each time, the expiry inside, whom and what it is bound to as associated data, and a key id in front, so that keys
 * rotate. Keys are derived once for each purpose (HKDF-SHA-256).
 *
 * The form is `KEYID.BASE64URL(nonce ‖ ciphertext ‖ tag)`: visible ASCII, as session ids must be (2025-11-25, Session
 * Management).
 */
export class Sealer {
  #keys = new Map<string, ReadonlyMap<Purpose, Buffer>>()
  #first = ''
  /** Of this process only. */
  readonly #own: SealKey
  readonly #nonces = Buffer.alloc(nonceBytes * 256)
  #nextNonce = this.#nonces.length
  readonly #longest: number
  #generation = 0

  /**
   * @param keys the first seals, all open; none: `own` does both
   * @param own at least 32 random bytes, which end with this process
   * @param longest what opens at most, characters
   */
  constructor(keys: readonly SealKey[], own: Uint8Array = randomBytes(32), longest = longestHeld) {
    this.#own = { id: 'p', secret: own }
    this.#longest = longest
    this.use(keys)
  }

  /** Another number whenever the keys are others. */
  get generation(): number {
    return this.#generation
  }

  /** Changes the keys: what was sealed with one that is gone opens no more. */
  use(keys: readonly SealKey[]): void {
    const all = keys.length > 0 ? keys : [this.#own]
    const made = new Map<string, ReadonlyMap<Purpose, Buffer>>()
    for (const { id, secret } of all) {
      if (secret.length < 32) throw new RangeError(`the sealing key ${id} must have at least 32 bytes`)
      const derived = purposes.map(
        (purpose) =>
          [purpose, Buffer.from(hkdfSync('sha256', secret, 'chaperone seal', purpose, 32))] as [Purpose, Buffer],
      )
      made.set(id, new Map(derived))
    }
    this.#keys = made
    this.#generation++
    this.#first = all[0]!.id
  }

  /**
   * @param bound whom and what it is for; opening needs the same text
   * @param value JSON
   * @param expires Unix seconds
   */
  seal(purpose: Purpose, bound: string, value: unknown, expires: number): string {
    const plain = Buffer.from(`\0\0\0\0\0${JSON.stringify(value)}`)
    plain.writeUIntBE(Math.min(Math.max(0, Math.floor(expires)), 2 ** 40 - 1), 0, expiryBytes)
    const nonce = this.#nonce()
    const cipher = createCipheriv(algorithm, this.#keys.get(this.#first)!.get(purpose)!, nonce)
    cipher.setAAD(Buffer.from(`${purpose}\0${bound}`))
    const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    return `${this.#first}.${sealed.toString('base64url')}`
  }

  /**
   * @param now Unix seconds
   * @returns what was sealed and until when it is good, or why it does not open. Which of the checks failed is not told apart on purpose, but for age.
   */
  open(purpose: Purpose, bound: string, text: string, now: number): { value: unknown; expires: number } | SealFailure {
    const dot = text.indexOf('.')
    if (dot < 1 || text.length > this.#longest) return 'invalid'
    const key = this.#keys.get(text.slice(0, dot))?.get(purpose)
    if (!key) return 'invalid'
    const sealed = Buffer.from(text.slice(dot + 1), 'base64url')
    if (sealed.length < nonceBytes + expiryBytes + tagBytes) return 'invalid'
    try {
      const opener = createDecipheriv(algorithm, key, sealed.subarray(0, nonceBytes))
      opener.setAAD(Buffer.from(`${purpose}\0${bound}`))
      opener.setAuthTag(sealed.subarray(sealed.length - tagBytes))
      const plain = Buffer.concat([
        opener.update(sealed.subarray(nonceBytes, sealed.length - tagBytes)),
        opener.final(),
      ])
      const expires = plain.readUIntBE(0, expiryBytes)
      if (expires < now) return 'expired'
      return { value: JSON.parse(plain.toString('utf8', expiryBytes)) as unknown, expires }
    } catch {
      return 'invalid'
    }
  }

  /** Random bytes are fetched for many nonces at once: a system call each would cost more than the cipher. */
  #nonce(): Buffer {
    if (this.#nextNonce === this.#nonces.length) {
      randomFillSync(this.#nonces)
      this.#nextNonce = 0
    }
    const nonce = Buffer.from(this.#nonces.subarray(this.#nextNonce, this.#nextNonce + nonceBytes))
    this.#nextNonce += nonceBytes
    return nonce
  }
}
