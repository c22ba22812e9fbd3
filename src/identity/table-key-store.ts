import {
  type IssuedKey,
  issueKey,
  type KeyRecord,
  type NewKey,
  type Rotation,
  revokeKey,
  rotateKey,
  type StoredKey,
} from './key-record.ts'
import type { KeyDirectory, KeyPage, KeyQuery, KeyStore } from './key-store.ts'
import { KeyStoreError } from './key-store-error.ts'
import { KeyTable } from './key-table.ts'

/** What the key stores have in common: keys are in a table in memory; the stores differ in what stands behind it. */
export abstract class TableKeyStore implements KeyStore {
  protected readonly table = new KeyTable()
  readonly #now: () => number

  /** @param now the time, in Unix milliseconds */
  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /**
   * Keeps a new key, and has it in the table when it is done.
   * @returns false where its id is taken
   */
  protected abstract insert(key: StoredKey): Promise<boolean>

  /**
   * Replaces a key by what `change` makes of it, with no other change in between, and has it in the table when it is
   * done. `change` may be called again.
   * @returns false where there is no such key
   */
  protected abstract update(id: string, change: (key: StoredKey) => StoredKey): Promise<boolean>

  /** Brings the table up to date. */
  protected abstract refresh(): Promise<void>

  abstract close(): Promise<void>

  async create(request: NewKey): Promise<IssuedKey> {
    for (;;) {
      const { key, text } = issueKey(request, this.#now())
      // 62^12 ids: that one is taken will hardly be seen, but two keys under one id must not be.
      if (!(await this.insert(key))) continue
      return { record: this.#known(key.id), text }
    }
  }

  async get(id: string): Promise<KeyRecord | undefined> {
    await this.refresh()
    return this.table.record(id)
  }

  async list(query: KeyQuery = {}): Promise<KeyPage> {
    await this.refresh()
    return this.table.list(query, this.#now())
  }

  async revoke(id: string): Promise<KeyRecord> {
    return await this.#change(id, (key) => revokeKey(key, this.#now()))
  }

  async rotate(id: string, rotation: Rotation = {}): Promise<IssuedKey> {
    let text = ''
    const record = await this.#change(id, (key) => {
      const rotated = rotateKey(key, rotation, this.#now())
      text = rotated.text
      return rotated.key
    })
    return { record, text }
  }

  directory(): KeyDirectory {
    return this.table
  }

  watch(onChange: (ids: readonly string[]) => void): () => void {
    return this.table.watch(onChange)
  }

  async #change(id: string, change: (key: StoredKey) => StoredKey): Promise<KeyRecord> {
    if (!(await this.update(id, change)))
      throw new KeyStoreError('not_found', `There is no key ${JSON.stringify(id.slice(0, 40))}.`)
    return this.#known(id)
  }

  #known(id: string): KeyRecord {
    const record = this.table.record(id)
    if (!record) throw new KeyStoreError('conflict', `The key ${id} was changed again in this very moment.`)
    return record
  }
}
