import { type KeyRecord, publicRecord, type StoredKey } from './key-record.ts'
import type { KeyDirectory, KeyPage, KeyQuery, KeyRefusal } from './key-store.ts'
import { KeyStoreError } from './key-store-error.ts'
import { isIntact, keyHash, keyIdOf, sameHash } from './key-text.ts'

interface Entry {
  readonly key: StoredKey
  readonly record: KeyRecord
}

/** All keys in memory: what every store verifies against and lists from. */
export class KeyTable implements KeyDirectory {
  #entries = new Map<string, Entry>()
  readonly #watchers = new Set<(ids: readonly string[]) => void>()
  #loaded = false

  get loaded(): boolean {
    return this.#loaded
  }

  get size(): number {
    return this.#entries.size
  }

  verify(text: string, nowMs: number): KeyRecord | KeyRefusal {
    const id = keyIdOf(text)
    if (id === undefined) return 'malformed'
    // That an id is unknown shows in the time this takes. Ids are no secrets: they stand in logs and lists.
    const entry = this.#entries.get(id)
    if (!entry) return isIntact(text) ? 'unknown' : 'malformed'
    const hash = keyHash(text)
    const { previousHash } = entry.key
    const current = sameHash(hash, entry.key.hash)
    if (!current && !(previousHash !== undefined && sameHash(hash, previousHash)))
      return isIntact(text) ? 'wrong' : 'malformed'
    const { record } = entry
    // Whatever its moment says: a revocation by a clock that is ahead counts at once.
    if (record.revokedAt !== undefined) return 'revoked'
    if (!current) return nowMs < (record.graceUntil ?? 0) ? record : 'replaced'
    if (record.expiresAt !== undefined && nowMs >= record.expiresAt) return 'expired'
    return record
  }

  get(id: string): StoredKey | undefined {
    return this.#entries.get(id)?.key
  }

  record(id: string): KeyRecord | undefined {
    return this.#entries.get(id)?.record
  }

  keys(): StoredKey[] {
    return Array.from(this.#entries.values(), ({ key }) => key)
  }

  /** Adds keys and replaces those it has. */
  put(keys: readonly StoredKey[]): void {
    this.#loaded = true
    const changed = keys.filter((key) => !sameKey(this.#entries.get(key.id)?.key, key))
    for (const key of changed) this.#entries.set(key.id, entryOf(key))
    this.#tell(changed.map(({ id }) => id))
  }

  /** Holds these keys and no others from now on. */
  replace(keys: readonly StoredKey[]): void {
    this.#loaded = true
    const before = this.#entries
    const after = new Map<string, Entry>()
    const changed: string[] = []
    for (const key of keys) {
      const known = before.get(key.id)
      // A key that stays the same keeps its record: what was made of it stays valid.
      const same = known !== undefined && sameKey(known.key, key)
      after.set(key.id, same ? known : entryOf(key))
      if (!same) changed.push(key.id)
    }
    for (const id of before.keys()) if (!after.has(id)) changed.push(id)
    this.#entries = after
    this.#tell(changed)
  }

  /** Lets nobody in with these any more: their stored form cannot be read. */
  drop(ids: readonly string[]): void {
    this.#tell(ids.filter((id) => this.#entries.delete(id)))
  }

  /**
   * @param nowMs the time, in Unix milliseconds: decides which keys have expired
   * @throws {KeyStoreError} `invalid`
   */
  list(query: KeyQuery, nowMs: number): KeyPage {
    const limit = query.limit ?? 100
    if (!(Number.isInteger(limit) && limit >= 1 && limit <= 1000))
      throw new KeyStoreError('invalid', 'A page holds 1 to 1000 keys.')
    const after = query.cursor === undefined ? undefined : readCursor(query.cursor)
    const found = Array.from(this.#entries.values(), ({ record }) => record)
      .filter((record) => matches(record, query, nowMs) && (after === undefined || isAfter(record, after)))
      .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
    const keys = found.slice(0, limit)
    const last = keys.at(-1)
    return { keys, ...(found.length > limit && last && { next: `${last.createdAt}.${last.id}` }) }
  }

  watch(onChange: (ids: readonly string[]) => void): () => void {
    // One watcher more for each call, even where the function is the same.
    const watcher = (ids: readonly string[]) => onChange(ids)
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  #tell(ids: readonly string[]): void {
    if (ids.length > 0) for (const watcher of this.#watchers) watcher(ids)
  }
}

function entryOf(key: StoredKey): Entry {
  return {
    key,
    record: Object.freeze(publicRecord(key)),
  }
}

function sameKey(a: StoredKey | undefined, b: StoredKey): boolean {
  return a !== undefined && (a === b || JSON.stringify(a) === JSON.stringify(b))
}

function matches(record: KeyRecord, query: KeyQuery, nowMs: number): boolean {
  if (query.team !== undefined && record.team !== query.team) return false
  if (query.user !== undefined && record.user !== query.user) return false
  if (query.organization !== undefined && record.organization !== query.organization) return false
  return query.state === undefined || stateOf(record, nowMs) === query.state
}

function stateOf(record: KeyRecord, nowMs: number): 'active' | 'expired' | 'revoked' {
  if (record.revokedAt !== undefined) return 'revoked'
  return record.expiresAt !== undefined && nowMs >= record.expiresAt ? 'expired' : 'active'
}

interface Cursor {
  readonly createdAt: number
  readonly id: string
}

function readCursor(cursor: string): Cursor {
  const [, createdAt, id] = /^(\d{1,16})\.([0-9A-Za-z]{12})$/.exec(cursor) ?? []
  if (id === undefined) throw new KeyStoreError('invalid', 'This cursor is none that a list of keys gave.')
  return { createdAt: Number(createdAt), id }
}

function isAfter(record: KeyRecord, cursor: Cursor): boolean {
  return record.createdAt === cursor.createdAt ? record.id > cursor.id : record.createdAt > cursor.createdAt
}
