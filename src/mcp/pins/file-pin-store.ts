import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { watchRules } from '../../config/watch.ts'
import { withFileLock } from '../../identity/file-lock.ts'
import { replacePrivateFile } from '../../identity/keys-file.ts'
import { PinStoreError } from './pin-store-error.ts'
import { readPins, writePins } from './pins-file.ts'
import { noPins, type ServerPins } from './server-pins.ts'
import { type PinEdit, TablePinStore } from './table-pin-store.ts'

/** Where the pins of a service without a store are, in the directory of its state. */
export function pinsFile(state: string): string {
  return join(state, 'pins.json')
}

export interface FilePinStoreOptions {
  /** The time, in Unix milliseconds. */
  now?: (() => number) | undefined
  /** How often the file is looked at, in milliseconds. */
  everyMs?: number | undefined
  /** Told when a changed file cannot be used: the pins of before stay in force. */
  report(error: PinStoreError): void
}

/**
 * Pins in a JSON file (mode 0600), for one machine. Several processes may share it: a command line that approves and a service
 * that obeys. What one writes the others see within half a second.
 */
export class FilePinStore extends TablePinStore {
  readonly #path: string
  readonly #watch: { stop(): void }
  /** What this process does to the file: one thing after another. */
  #queue: Promise<unknown> = Promise.resolve()

  private constructor(path: string, options: FilePinStoreOptions) {
    super(options.now)
    this.#path = path
    this.#watch = watchRules(
      path,
      (text) => {
        try {
          this.replace(readPins(text))
        } catch (error) {
          options.report(this.#unavailable(error))
        }
      },
      options.everyMs === undefined ? {} : { everyMs: options.everyMs },
    )
  }

  /**
   * Opens a file of pins; it need not exist yet.
   * @throws {PinStoreError} `unavailable` where it cannot be read
   */
  static async open(path: string, options: FilePinStoreOptions): Promise<FilePinStore> {
    // The watch begins before the file is read, so that no change falls between the two.
    const store = new FilePinStore(path, options)
    try {
      await store.refresh()
      return store
    } catch (error) {
      await store.close()
      throw error
    }
  }

  protected change(server: string, edit: PinEdit): Promise<void> {
    return this.#next(async () => {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
      await withFileLock(`${this.#path}.lock`, async () => {
        const all = await this.#read()
        const index = all.findIndex((pins) => pins.server === server)
        const after = edit(all[index] ?? noPins(server))
        if (!after) return
        const next = index < 0 ? [...all, after] : all.with(index, after)
        await replacePrivateFile(this.#path, writePins(next))
        this.replace(next)
      })
    })
  }

  protected refresh(): Promise<void> {
    return this.#next(async () => this.replace(await this.#read()))
  }

  async close(): Promise<void> {
    this.#watch.stop()
    await this.#queue
  }

  #next<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(action).catch((error: unknown) => {
      throw this.#unavailable(error)
    })
    this.#queue = done.catch(() => {})
    return done
  }

  async #read(): Promise<ServerPins[]> {
    let text: string
    try {
      text = await readFile(this.#path, 'utf8')
    } catch (error) {
      // A file that was there and is away is being replaced, or was lost: neither means that nothing is approved.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && this.table.size === 0) return []
      throw error
    }
    return readPins(text)
  }

  #unavailable(cause: unknown): PinStoreError {
    if (cause instanceof PinStoreError) return cause
    return new PinStoreError(
      'unavailable',
      `The file of pins ${this.#path} cannot be used: ${(cause as Error).message}`,
      {
        cause,
      },
    )
  }
}
