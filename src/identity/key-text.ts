import { hash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

/**
 * The text of a virtual key: `chp_<id>_<secret><checksum>`, 66 characters.
 *
 * | part | characters | what it is |
 * |---|---|---|
 * | id | 12 of base62 | names the key in logs, limits and budgets; no secret |
 * | secret | 43 of base62 | 256 random bits |
 * | checksum | 6 of base62 | CRC-32 of all before it, so that people's typos and secret scanners can be told at once |
 *
 * Base62 has neither `_` nor `-`: a double click selects the whole key.
 */

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const prefix = 'chp_'
const idLength = 12
const secretLength = 43
const checksumLength = 6
const idEnd = prefix.length + idLength
const secretEnd = idEnd + 1 + secretLength
const length = secretEnd + checksumLength

/** What secret scanners may look for. */
export const keyTextPattern = /\bchp_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}\b/

/** @returns whether a credential is meant to be a virtual key; it need not be a whole one */
export function looksLikeKey(credential: string): boolean {
  return credential.startsWith(prefix)
}

/** @returns an id for a new key */
export function newKeyId(): string {
  return randomText(idLength)
}

/**
 * @param id the key's id
 * @returns the text of a new key: the only place where its secret ever stands
 */
export function newKeyText(id: string): string {
  const body = `${prefix}${id}_${randomText(secretLength)}`
  return body + checksum(body)
}

/** @returns the id within a key's text; undefined where the text has not a key's form (its checksum is not looked at) */
export function keyIdOf(text: string): string | undefined {
  return text.length === length && looksLikeKey(text) && text.charCodeAt(idEnd) === 0x5f
    ? text.slice(prefix.length, idEnd)
    : undefined
}

/** @returns whether the text is one that `newKeyText` may have made: false means that it was mistyped or cut */
export function isIntact(text: string): boolean {
  return (
    keyTextPattern.test(text) && text.length === length && text.slice(secretEnd) === checksum(text.slice(0, secretEnd))
  )
}

/**
 * What is stored instead of a key. One SHA-256 is enough: slow, salted hashes make the guessing of people's passwords
 * expensive, and 256 random bits cannot be guessed at any speed. The hash covers the whole text, and so binds the id.
 * @returns 64 hexadecimal digits
 */
export function keyHash(text: string): string {
  return hash('sha256', text, 'hex')
}

/** Whether two hashes are the same, in a time that does not tell where they differ. */
export function sameHash(a: string, b: string): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}

/** CRC-32 in base62: 62^6 > 2^32. */
function checksum(text: string): string {
  let rest = crc32(text)
  let digits = ''
  for (let i = 0; i < checksumLength; i++) {
    digits = alphabet[rest % 62]! + digits
    rest = Math.floor(rest / 62)
  }
  return digits
}

/** Evenly spread: bytes from 248 (4 × 62) on are thrown away. */
function randomText(characters: number): string {
  let text = ''
  while (text.length < characters)
    for (const byte of randomBytes(characters - text.length)) if (byte < 248) text += alphabet[byte % 62]
  return text
}
