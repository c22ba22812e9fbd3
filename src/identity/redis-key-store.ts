import { readFile } from 'node:fs/promises'
import type { Cluster, Redis } from 'ioredis'
import { RedisListener } from '../redis-listener.ts'
import { readStoredKey, type StoredKey } from './key-record.ts'
import { KeyStoreError } from './key-store-error.ts'
import { readKeys, replacePrivateFile, writeKeys } from './keys-file.ts'
import { TableKeyStore } from './table-key-store.ts'

export interface RedisKeyStoreOptions {
  /** Whose keys: its Redis keys share one hash tag, and so one node of a cluster. */
  readonly tenant: string
  /** Where the last known keys are kept (mode 0600, hashes only) for a start without Redis; none: they are not. */
  readonly lastKnownFile?: string | undefined
  /** The time, in Unix milliseconds. */
  readonly now?: (() => number) | undefined
  /** How often Redis is asked whether anything changed, in milliseconds. */
  readonly everyMs?: number | undefined
  /** How long Redis may take for an answer, in milliseconds. */
  readonly timeoutMs?: number | undefined
  /** Told when keys begin to be unobtainable, and of keys that are damaged: the directory goes on with what it knows. */
  report(error: KeyStoreError): void
}

/** With the time for the answer less than a second, even where the message that tells of a change is lost. */
const defaultEveryMs = 800
const defaultTimeoutMs = 2000
/** What a failover or a person's hand may have changed without a new version is seen after this long. */
const fullEveryMs = 5 * 60_000
const pageSize = 1000
const mostTries = 20
const lostMessage =
  'Redis has lost all keys; those that were known stay in force. Restore it before keys are made or changed.'

/**
 * Replaces a key where it still is what it was when it was read, and tells everyone.
 * KEYS: keys, version, changes. ARGV: id, the JSON that is expected (empty: no key), the new JSON, the channel.
 */
const replaceScript = `
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
local version = redis.call('INCR', KEYS[2])
redis.call('ZADD', KEYS[3], version, ARGV[1])
redis.call('PUBLISH', ARGV[4], version)
return version`

/**
 * Keys in Redis, for many sidecars. All of a tenant's keys are in every sidecar's memory; a request asks Redis nothing.
 *
 * | Redis key | type | what |
 * |---|---|---|
 * | `chaperone:{tenant}:keys` | hash | a key's JSON by its id |
 * | `chaperone:{tenant}:keys:version` | counter | grows with every change |
 * | `chaperone:{tenant}:keys:changes` | sorted set | ids by the version that changed them last |
 * | `chaperone:{tenant}:keys:changed` | channel | the new version |
 *
 * Only what changed since the version that is known is read, and everything at the start, where the version went back or
 * the connection was made anew (which is how a failover that lost writes shows), and every five minutes. A Redis that has lost all
 * keys is not believed until it has some again: keys are revoked, never deleted.
 */
export class RedisKeyStore extends TableKeyStore {
  readonly #client: Redis | Cluster
  #listener: RedisListener | undefined
  readonly #options: RedisKeyStoreOptions
  readonly #names: {
    readonly keys: string
    readonly version: string
    readonly changes: string
    readonly changed: string
  }
  /** What the table shows. */
  #version = 0
  /** Whether everything is to be read, whatever the version. */
  #stale = true
  #fullAtMs = 0
  /** Why the keys cannot be had now, as far as it was reported. */
  #failure: 'unreachable' | 'lost' | undefined
  #closed = false
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #following: Promise<void> | undefined
  #saving: Promise<void> = Promise.resolve()
  #unsaved = false
  readonly #onReady = () => {
    this.#stale = true
    this.#wake()
  }

  private constructor(client: Redis | Cluster, options: RedisKeyStoreOptions) {
    super(options.now)
    this.#client = client
    this.#options = options
    const keys = `chaperone:{${options.tenant}}:keys`
    this.#names = { keys, version: `${keys}:version`, changes: `${keys}:changes`, changed: `${keys}:changed` }
  }

  /**
   * Loads the keys of a tenant. Without Redis it begins with the last known ones, and goes on trying.
   * @param client stays the caller's: it is neither configured nor closed here
   */
  static async open(client: Redis | Cluster, options: RedisKeyStoreOptions): Promise<RedisKeyStore> {
    if (!/^[A-Za-z0-9._-]{1,63}$/.test(options.tenant))
      throw new KeyStoreError('invalid', 'A tenant’s name is 1 to 63 letters, digits, dots, dashes or underscores.')
    const store = new RedisKeyStore(client, options)
    await store.#start()
    return store
  }

  protected async insert(key: StoredKey): Promise<boolean> {
    // A Redis that has lost all keys must not be given a first one, which every sidecar would take for all there are.
    await this.#sync()
    return await this.#replace(key.id, '', key)
  }

  protected async update(id: string, change: (key: StoredKey) => StoredKey): Promise<boolean> {
    await this.#sync()
    for (let i = 0; i < mostTries; i++) {
      const before = await this.#ask(this.#client.hget(this.#names.keys, id))
      if (before === null) return false
      const key = parseKey(before)
      if (!key) throw new KeyStoreError('unavailable', `The key ${id} is damaged in Redis.`)
      if (await this.#replace(id, before, change(key))) return true
    }
    throw new KeyStoreError('conflict', `Others kept changing the key ${id}. Try again.`)
  }

  protected async refresh(): Promise<void> {
    await this.#sync()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#client.off('ready', this.#onReady)
    this.#listener?.close()
    await Promise.allSettled([this.#running, this.#following])
    await this.#saving
  }

  async #start(): Promise<void> {
    await this.#loadLastKnown()
    this.table.watch(() => this.#save())
    this.#listener = new RedisListener(
      this.#client,
      this.#names.changed,
      () => this.#wake(),
      (error) => {
        // Without the channel changes are still seen by asking.
        if (!this.#closed) this.#options.report(unavailable(error))
      },
    )
    await this.#sync().catch(() => {})
    this.#client.on('ready', this.#onReady)
    this.#poll()
  }

  #poll(): void {
    this.#timer = setTimeout(() => {
      // Where there is no connection ioredis would keep the question for later: 'ready' asks it anyway.
      const asked = this.#client.status === 'ready' ? this.#sync() : this.#noConnection()
      void asked.catch(() => {}).finally(() => this.#closed || this.#poll())
    }, this.#options.everyMs ?? defaultEveryMs)
  }

  async #noConnection(): Promise<void> {
    this.#failed(new KeyStoreError('unavailable', 'There is no connection to Redis.'))
  }

  #wake(): void {
    if (!this.#closed) void this.#sync().catch(() => {})
  }

  /**
   * Brings the table up to date with all that was in Redis when this was called. One at a time, so that the table never
   * goes back to what an earlier one read; those who ask while one is under way share the next.
   */
  #sync(): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#load()
        .then(
          () => {
            this.#failure = undefined
          },
          (error: unknown) => {
            throw this.#failed(unavailable(error))
          },
        )
        .finally(() => {
          this.#running = undefined
        })
      return this.#running
    }
    this.#following ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#following = undefined
        return this.#sync()
      })
    return this.#following
  }

  /** Reported when it begins, not each time that it goes on. */
  #failed(error: KeyStoreError): KeyStoreError {
    const failure = error.message === lostMessage ? 'lost' : 'unreachable'
    if (failure !== this.#failure && !this.#closed) this.#options.report(error)
    this.#failure = failure
    return error
  }

  async #load(): Promise<void> {
    const stale = this.#stale || performance.now() - this.#fullAtMs > fullEveryMs
    // Before anything is asked: a reconnection in between asks for everything once more.
    this.#stale = false
    try {
      // Read first: what changes meanwhile is read again next time.
      const version = Number((await this.#ask(this.#client.get(this.#names.version))) ?? 0)
      if (!stale && version === this.#version) return
      if (stale || version < this.#version || !(await this.#loadChanges())) {
        await this.#loadAll()
        this.#fullAtMs = performance.now()
      }
      this.#version = version
    } catch (error) {
      this.#stale ||= stale
      throw error
    }
  }

  /** @returns false where so much has changed that reading everything is less work */
  async #loadChanges(): Promise<boolean> {
    const { changes, keys } = this.#names
    const ids = await this.#ask(this.#client.zrangebyscore(changes, `(${this.#version}`, '+inf', 'LIMIT', 0, pageSize))
    if (ids.length === pageSize) return false
    if (ids.length === 0) return true
    const texts = await this.#ask(this.#client.hmget(keys, ...ids))
    const read = this.#readAll(ids.map((id, i) => [id, texts[i] ?? '']))
    this.table.put(read)
    const good = new Set(read.map(({ id }) => id))
    this.table.drop(ids.filter((id) => !good.has(id)))
    return true
  }

  async #loadAll(): Promise<void> {
    const texts = new Map<string, string>()
    let cursor = '0'
    do {
      const [next, fields] = await this.#ask(this.#client.hscan(this.#names.keys, cursor, 'COUNT', pageSize))
      for (let i = 0; i + 1 < fields.length; i += 2) texts.set(fields[i]!, fields[i + 1]!)
      cursor = next
    } while (cursor !== '0')
    if (texts.size === 0 && this.table.size > 0) throw new KeyStoreError('unavailable', lostMessage)
    this.table.replace(this.#readAll(texts))
  }

  /** A damaged key lets nobody in; the others are none the worse for it. */
  #readAll(texts: Iterable<readonly [id: string, text: string]>): StoredKey[] {
    const keys: StoredKey[] = []
    for (const [id, text] of texts) {
      const key = parseKey(text)
      if (key?.id === id) keys.push(key)
      else
        this.#options.report(
          new KeyStoreError(
            'unavailable',
            `The key ${JSON.stringify(id.slice(0, 40))} is damaged in Redis and works no longer.`,
          ),
        )
    }
    return keys
  }

  async #replace(id: string, before: string, after: StoredKey): Promise<boolean> {
    const { keys, version, changes, changed } = this.#names
    const text = JSON.stringify(after)
    const done = await this.#ask(this.#client.eval(replaceScript, 3, keys, version, changes, id, before, text, changed))
    if (done === 0) return false
    try {
      await this.#sync()
    } catch {
      // Redis went away right after it took the change: what it took is what is known.
      this.table.put([after])
    }
    return true
  }

  /** @throws {KeyStoreError} `unavailable` where Redis fails or takes too long */
  async #ask<T>(answer: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error('it did not answer in time; what was asked for may still be done')),
        this.#options.timeoutMs ?? defaultTimeoutMs,
      )
    })
    try {
      return await Promise.race([answer, late])
    } catch (error) {
      throw unavailable(error)
    } finally {
      clearTimeout(timer)
    }
  }

  async #loadLastKnown(): Promise<void> {
    const path = this.#options.lastKnownFile
    if (path === undefined) return
    try {
      this.table.replace(readKeys(await readFile(path, 'utf8')))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      this.#options.report(fileError(path, error))
    }
  }

  /** Writes the last known keys: one write at a time, which takes all that changed until it begins. */
  #save(): void {
    const path = this.#options.lastKnownFile
    if (path === undefined || this.#unsaved) return
    this.#unsaved = true
    this.#saving = this.#saving.then(async () => {
      this.#unsaved = false
      try {
        await replacePrivateFile(path, writeKeys(this.table.keys()))
      } catch (error) {
        this.#options.report(fileError(path, error))
      }
    })
  }
}

function parseKey(text: string): StoredKey | undefined {
  try {
    return readStoredKey(JSON.parse(text))
  } catch {
    return undefined
  }
}

function unavailable(error: unknown): KeyStoreError {
  if (error instanceof KeyStoreError) return error
  return new KeyStoreError('unavailable', `Keys cannot be had from Redis: ${(error as Error).message}`, {
    cause: error,
  })
}

function fileError(path: string, error: unknown): KeyStoreError {
  return new KeyStoreError(
    'unavailable',
    `The file of the last known keys, ${path}, cannot be used: ${(error as Error).message}`,
    {
      cause: error,
    },
  )
}
