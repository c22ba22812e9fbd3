import type { IssuedKey, KeyRecord, NewKey, Rotation } from './key-record.ts'

/** Why a text is not let in as a key. */
export type KeyRefusal =
  /** No whole key: mistyped or cut. */
  | 'malformed'
  /** There is no key of this id. */
  | 'unknown'
  /** The id is known, the secret is another. */
  | 'wrong'
  | 'expired'
  | 'revoked'
  /** It was rotated, and its grace period is over. */
  | 'replaced'

/** The keys as the hot path sees them: in memory, always current, never waiting. */
export interface KeyDirectory {
  /**
   * Whether the keys were ever loaded. While they were not, an `unknown` key may be a good one, and callers should be
   * told to come back rather than that their key is wrong.
   */
  readonly loaded: boolean
  /**
   * Looks a key up. What became of a key (expired, revoked, replaced) is told only to those who have its secret.
   * @param text what a caller showed
   * @param nowMs the time, in Unix milliseconds
   * @returns the key's record (the same object until the key changes), or why it is not let in
   */
  verify(text: string, nowMs: number): KeyRecord | KeyRefusal
}

/** Which keys to list. */
export interface KeyQuery {
  readonly team?: string | undefined
  readonly user?: string | undefined
  readonly organization?: string | undefined
  /** Default: all. A revoked key is `revoked`, whether it has expired or not. */
  readonly state?: 'active' | 'expired' | 'revoked' | undefined
  /** How many at most, 1 to 1000; default 100. */
  readonly limit?: number | undefined
  /** `next` of the page before. */
  readonly cursor?: string | undefined
}

export interface KeyPage {
  /** Oldest first. */
  readonly keys: readonly KeyRecord[]
  /** The cursor of the next page; undefined: this is the last. */
  readonly next?: string | undefined
}

/** Where virtual keys are kept. A key is never deleted, only revoked, so that what it did can always be explained. */
export interface KeyStore {
  /** @throws {KeyStoreError} `invalid`, `unavailable` */
  create(request: NewKey): Promise<IssuedKey>
  /** @throws {KeyStoreError} `unavailable` */
  get(id: string): Promise<KeyRecord | undefined>
  /** @throws {KeyStoreError} `invalid` for a limit or cursor that is none, `unavailable` */
  list(query?: KeyQuery): Promise<KeyPage>
  /**
   * Ends a key for good; again for one that is revoked changes nothing.
   * @throws {KeyStoreError} `not_found`, `conflict`, `unavailable`
   */
  revoke(id: string): Promise<KeyRecord>
  /**
   * Gives a key a new secret; the old one still works for a while.
   * @throws {KeyStoreError} `not_found`, `invalid`, `revoked`, `conflict`, `unavailable`
   */
  rotate(id: string, rotation?: Rotation): Promise<IssuedKey>
  /** The live view for the hot path: one object for the store's whole life. */
  directory(): KeyDirectory
  /**
   * @param onChange told the ids of keys that changed, here or elsewhere, once the directory shows it
   * @returns what ends the watch
   */
  watch(onChange: (ids: readonly string[]) => void): () => void
  /** Ends its watching and waits until what it was writing is written. */
  close(): Promise<void>
}
