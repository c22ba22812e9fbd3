import { z } from 'zod'
import { modelPatterns, name } from '../config/primitives.ts'
import { KeyStoreError } from './key-store-error.ts'
import { keyHash, newKeyId, newKeyText } from './key-text.ts'

/** What is known of a virtual key, and how it changes over its life. Nothing here knows where keys are kept. */

/** What a key may do in the management API. */
export const keyRoles = ['viewer', 'editor', 'admin'] as const
export type KeyRole = (typeof keyRoles)[number]

const mostNames = 1000
const person = z.string().min(1).max(200)
const moment = z.int().min(0)
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)

/** What an owner decides about a key. */
const grants = {
  name: person.describe('What people call the key'),
  user: person.optional(),
  team: name.optional(),
  organization: name.optional(),
  models: modelPatterns.max(mostNames).optional(),
  servers: z.array(name).max(mostNames).optional(),
  role: z.enum(keyRoles).optional(),
  createdBy: person.optional(),
  expiresAt: moment.optional(),
}

const newKeySchema = z.strictObject(grants)

const storedKeySchema = z.strictObject({
  ...grants,
  id: z.string().regex(/^[0-9A-Za-z]{12}$/),
  lastFour: z.string().length(4),
  createdAt: moment,
  revokedAt: moment.optional(),
  rotatedAt: moment.optional(),
  rotatedFrom: z.string().length(4).optional(),
  graceUntil: moment.optional(),
  hash: sha256,
  previousHash: sha256.optional(),
})

/** What to make a key from. */
export type NewKey = Readonly<z.input<typeof newKeySchema>>

/** A key as it is stored: with the hashes of its secrets. */
export type StoredKey = Readonly<z.output<typeof storedKeySchema>>

/** A virtual key as anyone may see it: without its hashes. Moments are Unix milliseconds. */
export interface KeyRecord {
  readonly id: string
  /** What people call it. */
  readonly name: string
  readonly user?: string | undefined
  readonly team?: string | undefined
  readonly organization?: string | undefined
  /** Model patterns; undefined: all that its team may use. */
  readonly models?: readonly string[] | undefined
  readonly servers?: readonly string[] | undefined
  /** What it may do in the management API; undefined: nothing. */
  readonly role?: KeyRole | undefined
  readonly createdAt: number
  readonly createdBy?: string | undefined
  readonly expiresAt?: number | undefined
  readonly revokedAt?: number | undefined
  readonly rotatedAt?: number | undefined
  /** The last four characters of the text that the current one replaced. */
  readonly rotatedFrom?: string | undefined
  /** Until when the replaced text still works. */
  readonly graceUntil?: number | undefined
  /** The last four characters of its text, by which people tell keys apart. */
  readonly lastFour: string
}

/** A key that was just made, with its text, which is never to be seen again. */
export interface IssuedKey {
  readonly record: KeyRecord
  readonly text: string
}

/** How a key is given a new secret. */
export interface Rotation {
  /** How long the old text still works, in milliseconds; 0 where it leaked. Default: a day. */
  readonly graceMs?: number | undefined
  /** When the new one expires. Default: after as long a life as the old one had; never, where that never expired. */
  readonly expiresAt?: number | undefined
}

const defaultGraceMs = 24 * 3_600_000
const longestGraceMs = 90 * 24 * 3_600_000

/**
 * Makes a key.
 * @param nowMs the time, in Unix milliseconds
 * @throws {KeyStoreError} `invalid` where the request cannot be granted
 */
export function issueKey(request: NewKey, nowMs: number): { key: StoredKey; text: string } {
  const parsed = newKeySchema.safeParse(request)
  if (!parsed.success) throw new KeyStoreError('invalid', `This key cannot be made: ${explain(parsed.error)}`)
  refusePast(parsed.data.expiresAt, nowMs)
  const id = newKeyId()
  const text = newKeyText(id)
  const key = { ...parsed.data, id, createdAt: nowMs, lastFour: text.slice(-4), hash: keyHash(text) }
  return { key: inOrder(key), text }
}

/**
 * Gives a key a new secret. It stays the same key: its limits, budgets and usage go on, so that rotation is no way
 * around any of them. Only the latest of its replaced secrets can still be in its grace period.
 * @throws {KeyStoreError} `revoked`, or `invalid` where the rotation cannot be granted
 */
export function rotateKey(key: StoredKey, rotation: Rotation, nowMs: number): { key: StoredKey; text: string } {
  if (key.revokedAt !== undefined)
    throw new KeyStoreError('revoked', `The key ${key.id} is revoked for good. Make another: chaperone keys create.`)
  const graceMs = rotation.graceMs ?? defaultGraceMs
  if (!(graceMs >= 0 && graceMs <= longestGraceMs))
    throw new KeyStoreError('invalid', 'A grace period lasts from nothing to 90 days.')
  refusePast(rotation.expiresAt, nowMs)
  const lifeMs = key.expiresAt === undefined ? undefined : key.expiresAt - (key.rotatedAt ?? key.createdAt)
  const expiresAt = rotation.expiresAt ?? (lifeMs === undefined ? undefined : nowMs + lifeMs)
  const text = newKeyText(key.id)
  return {
    key: inOrder({
      ...key,
      hash: keyHash(text),
      lastFour: text.slice(-4),
      rotatedAt: nowMs,
      rotatedFrom: key.lastFour,
      previousHash: key.hash,
      // Rotation lengthens no secret's life: an expired one does not work again.
      graceUntil: Math.min(Math.floor(nowMs + graceMs), key.expiresAt ?? Number.MAX_SAFE_INTEGER),
      ...(expiresAt !== undefined && { expiresAt }),
    }),
    text,
  }
}

/** Ends a key, now and for good. One that is revoked already keeps its moment. */
export function revokeKey(key: StoredKey, nowMs: number): StoredKey {
  return key.revokedAt === undefined ? inOrder({ ...key, revokedAt: nowMs }) : key
}

/** @returns what anyone may see of a key */
export function publicRecord({ hash: _, previousHash: __, ...record }: StoredKey): KeyRecord {
  return record
}

/**
 * Reads a key that was stored.
 * @returns undefined where it is none: a damaged one must let nobody in
 */
export function readStoredKey(value: unknown): StoredKey | undefined {
  const parsed = storedKeySchema.safeParse(value)
  return parsed.success ? parsed.data : undefined
}

/** The same key with its fields in the schema's order: equal keys are equal as JSON. */
function inOrder(key: StoredKey): StoredKey {
  return storedKeySchema.parse(key)
}

function refusePast(expiresAt: number | undefined, nowMs: number): void {
  if (expiresAt !== undefined && !(Number.isSafeInteger(expiresAt) && expiresAt > nowMs))
    throw new KeyStoreError('invalid', 'A key must expire in the future.')
}

function explain(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join('.') || 'request'}: ${issue.message}`).join('; ')
}
