import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { watchRules } from '../config/watch.ts'
import { withFileLock } from './file-lock.ts'
import type { StoredKey } from './key-record.ts'
import { KeyStoreError } from './key-store-error.ts'
import { readKeys, replacePrivateFile, writeKeys } from './keys-file.ts'
import { TableKeyStore } from './table-key-store.ts'

export interface FileKeyStoreOptions {
  /** The time, in Unix milliseconds. */
  now?: () => number
  /** How often the file is looked at. */
  everyMs?: number
  /** Told when a changed file cannot be used: the keys of before stay in force. */
  report(error: KeyStoreError): void
}

/**
 * Keys in a JSON file (mode 0600), for one machine. Several processes may share it: a command line that makes keys and
 * a service that believes them. What one writes the others see within half a second.
 */
export class FileKeyStore extends TableKeyStore {
  readonly #path: string
  readonly #watch: { stop(): void }
  /** What this process does to the file: one thing after another. */
  #queue: Promise<unknown> = Promise.resolve()

  private constructor(path: string, options: FileKeyStoreOptions) {
    super(options.now)
    this.#path = path
    this.#watch = watchRules(
      path,
      (text) => {
        try {
          this.table.replace(this.#parse(text))
        } catch (error) {
          options.report(error as KeyStoreError)
        }
      },
      options.everyMs === undefined ? {} : { everyMs: options.everyMs },
    )
  }

  /**
   * Opens a file of keys; it need not exist yet.
   * @throws {KeyStoreError} `unavailable` where it cannot be read
   */
  static async open(path: string, options: FileKeyStoreOptions): Promise<FileKeyStore> {
    // The watch begins before the file is read, so that no change falls between the two.
    const store = new FileKeyStore(path, options)
    try {
      store.table.replace(await store.#read())
      return store
    } catch (error) {
      await store.close()
      throw error
    }
  }

  protected insert(key: StoredKey): Promise<boolean> {
    return this.#change((keys) => (keys.some(({ id }) => id === key.id) ? undefined : [...keys, key]))
  }

  protected update(id: string, change: (key: StoredKey) => StoredKey): Promise<boolean> {
    return this.#change((keys) => {
      const index = keys.findIndex((key) => key.id === id)
      return index < 0 ? undefined : keys.with(index, change(keys[index]!))
    })
  }

  protected refresh(): Promise<void> {
    return this.#next(async () => this.table.replace(await this.#read()))
  }

  async close(): Promise<void> {
    this.#watch.stop()
    await this.#queue
  }

  /** @returns false where `edit` gives undefined: nothing is to be changed */
  #change(edit: (keys: readonly StoredKey[]) => readonly StoredKey[] | undefined): Promise<boolean> {
    return this.#next(async () => {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
      return await withFileLock(`${this.#path}.lock`, async () => {
        const keys = edit(await this.#read())
        if (!keys) return false
        await replacePrivateFile(this.#path, writeKeys(keys))
        this.table.replace(keys)
        return true
      })
    })
  }

  #next<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(action).catch((error: unknown) => {
      if (error instanceof KeyStoreError) throw error
      throw this.#unavailable(error)
    })
    this.#queue = done.catch(() => {})
    return done
  }

  async #read(): Promise<StoredKey[]> {
    let text: string
    try {
      text = await readFile(this.#path, 'utf8')
    } catch (error) {
      // A file that was there and is away is being replaced, or was lost: neither means that there are no keys.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && this.table.size === 0) return []
      throw this.#unavailable(error)
    }
    return this.#parse(text)
  }

  #parse(text: string): StoredKey[] {
    try {
      return readKeys(text)
    } catch (error) {
      throw this.#unavailable(error)
    }
  }

  #unavailable(cause: unknown): KeyStoreError {
    return new KeyStoreError(
      'unavailable',
      `The file of keys ${this.#path} cannot be used: ${(cause as Error).message}`,
      {
        cause,
      },
    )
  }
}
