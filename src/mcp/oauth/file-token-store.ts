import { mkdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { withFileLock } from '../../identity/file-lock.ts'
import { replacePrivateFile } from '../../identity/keys-file.ts'
import { isObject } from '../../json.ts'
import { Entries, type Entry } from './entries.ts'
import { longestKey, longestValue, type TokenStore, TokenStoreError } from './token-store.ts'

/** Where the tokens of a service without Redis are, in the directory of its state. */
export function tokensFile(state: string): string {
  return join(state, 'mcp-tokens.json')
}

const largestBytes = 256 * 1024 * 1024

export interface FileTokenStoreOptions {
  /** Unix milliseconds. */
  readonly now?: (() => number) | undefined
  readonly most?: number | undefined
}

/**
 * Tokens in a JSON file (mode 0600) that the processes of one machine may share: `{"version": 1, "entries": {KEY: [VALUE,
 * END]}}`. It is read again when it changed, and replaced as a whole under a lock.
 */
export class FileTokenStore implements TokenStore {
  readonly #path: string
  readonly #now: () => number
  readonly #most: number
  #entries: Entries
  /** What `stat` said when it was read. */
  #mark = ''
  /** What this process does to the file: one thing after another. */
  #queue: Promise<unknown> = Promise.resolve()

  constructor(path: string, { now = Date.now, most = 20_000 }: FileTokenStoreOptions = {}) {
    this.#path = path
    this.#now = now
    this.#most = most
    this.#entries = new Entries(now, most)
  }

  get(key: string): Promise<string | undefined> {
    return this.#next(async () => {
      await this.#read()
      return this.#entries.get(key)
    })
  }

  set(key: string, value: string, untilMs: number): Promise<void> {
    return this.#change(() => {
      this.#entries.set(key, value, untilMs)
      return true
    }).then(() => undefined)
  }

  add(key: string, value: string, untilMs: number): Promise<boolean> {
    return this.#change(() => this.#entries.add(key, value, untilMs))
  }

  delete(key: string, value?: string): Promise<boolean> {
    return this.#change(() => this.#entries.delete(key, value))
  }

  async close(): Promise<void> {
    await this.#queue
  }

  /** @param edit changes the entries. @returns whether it did */
  #change(edit: () => boolean): Promise<boolean> {
    return this.#next(async () => {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
      return withFileLock(`${this.#path}.lock`, async () => {
        await this.#read()
        if (!edit()) return false
        const entries = Object.fromEntries(
          [...this.#entries].map(([key, { value, untilMs }]) => [key, [value, untilMs]]),
        )
        // Read anew next time, also where the write fails: memory must not know more than the file.
        this.#mark = ''
        await replacePrivateFile(this.#path, JSON.stringify({ version: 1, entries }))
        return true
      })
    })
  }

  async #read(): Promise<void> {
    let mark: string
    try {
      const { ino, size, mtimeNs } = await stat(this.#path, { bigint: true })
      if (size > largestBytes) throw new Error(`it is larger than ${largestBytes} bytes`)
      mark = `${ino} ${size} ${mtimeNs}`
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      this.#entries = new Entries(this.#now, this.#most)
      this.#mark = ''
      return
    }
    if (mark === this.#mark) return
    this.#entries = new Entries(this.#now, this.#most, entriesIn(await readFile(this.#path, 'utf8')))
    this.#mark = mark
  }

  #next<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(action).catch((cause: unknown) => {
      throw new TokenStoreError(`The file of tokens ${this.#path} cannot be used: ${(cause as Error).message}`, {
        cause,
      })
    })
    this.#queue = done.catch(() => undefined)
    return done
  }
}

/** @throws {Error} where the text is no file of tokens. A damaged entry opens for nobody, and is only left out. */
function entriesIn(text: string): [string, Entry][] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error('it is no JSON')
  }
  if (!isObject(value) || value.version !== 1 || !isObject(value.entries))
    throw new Error('it is no file of tokens of version 1')
  return Object.entries(value.entries).flatMap(([key, entry]): [string, Entry][] => {
    const [sealed, untilMs] = Array.isArray(entry) ? (entry as unknown[]) : []
    if (typeof sealed !== 'string' || typeof untilMs !== 'number') return []
    return key.length > longestKey || sealed.length > longestValue ? [] : [[key, { value: sealed, untilMs }]]
  })
}
