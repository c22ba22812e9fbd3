import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Cluster, Redis } from 'ioredis'
import { replacePrivateFile } from '../../identity/keys-file.ts'
import { RedisListener } from '../../redis-listener.ts'
import { PinStoreError } from './pin-store-error.ts'
import { readPins, writePins } from './pins-file.ts'
import { noPins, readServerPins, type ServerPins, writeServerPins } from './server-pins.ts'
import { type PinEdit, TablePinStore } from './table-pin-store.ts'

export interface RedisPinStoreOptions {
  /** Whose pins: their Redis keys share one hash tag, and so one node of a cluster. */
  readonly tenant: string
  /** Where the last known pins are kept (mode 0600) for a start without Redis; none: they are not. */
  readonly lastKnownFile?: string | undefined
  /** The time, in Unix milliseconds. */
  readonly now?: (() => number) | undefined
  /** How often Redis is asked whether anything changed, in milliseconds. */
  readonly everyMs?: number | undefined
  /** How long Redis may take for an answer, in milliseconds. */
  readonly timeoutMs?: number | undefined
  /** Told when pins begin to be unobtainable, and of pins that are damaged. */
  report(error: PinStoreError): void
}

/** With the time for the answer less than a second, even where the message that tells of a change is lost. */
const defaultEveryMs = 800
const defaultTimeoutMs = 2000
/** Servers whose changes are read one by one; more: everything is. */
const mostChanges = 100
const mostTries = 20

/**
 * Replaces a server's pins where they still are what they were when they were read, and tells everyone.
 * KEYS: pins, version, changes. ARGV: server, SHA-1 of the JSON that is expected (empty: none), the new JSON, the channel.
 */
const replaceScript = `
local known = redis.call('HGET', KEYS[1], ARGV[1])
local sum = ''
if known then sum = redis.sha1hex(known) end
if sum ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
local version = redis.call('INCR', KEYS[2])
redis.call('ZADD', KEYS[3], version, ARGV[1])
redis.call('PUBLISH', ARGV[4], version)
return version`

/**
 * Pins in Redis, for many sidecars. All of a tenant's pins are in every sidecar's memory; a request asks Redis nothing.
 *
 * | Redis key | type | what |
 * |---|---|---|
 * | `chaperone:{tenant}:mcp-pins` | hash | a server's pins, as JSON, by its name |
 * | `chaperone:{tenant}:mcp-pins:version` | counter | grows with every change |
 * | `chaperone:{tenant}:mcp-pins:changes` | sorted set | servers by the version that changed them last |
 * | `chaperone:{tenant}:mcp-pins:changed` | channel | the new version |
 *
 * Only what changed since the version that is known is read, and everything at the start, where the version went back or the
 * connection was made anew. Pins are never deleted, only emptied: a Redis that has none any more has lost them, and is given back
 * what this process has read from it before. What a process knows from its file only is given to no Redis: it may be another's.
 */
export class RedisPinStore extends TablePinStore {
  readonly #client: Redis | Cluster
  #listener: RedisListener | undefined
  readonly #options: RedisPinStoreOptions
  readonly #names: {
    readonly pins: string
    readonly version: string
    readonly changes: string
    readonly changed: string
  }
  /** What the table shows. */
  #version = 0
  /** Whether everything is to be read, whatever the version. */
  #stale = true
  /** Whether what the table shows was in Redis. */
  #fromRedis = false
  #away = false
  #closed = false
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #following: Promise<void> | undefined
  #saving: Promise<void> = Promise.resolve()
  #unsaved = false
  /** What was reported as damaged, until it is good again. */
  readonly #damaged = new Set<string>()
  readonly #onReady = () => {
    this.#stale = true
    this.#wake()
  }

  private constructor(client: Redis | Cluster, options: RedisPinStoreOptions) {
    super(options.now)
    this.#client = client
    this.#options = options
    const pins = `chaperone:{${options.tenant}}:mcp-pins`
    this.#names = { pins, version: `${pins}:version`, changes: `${pins}:changes`, changed: `${pins}:changed` }
  }

  /**
   * Loads the pins of a tenant. Without Redis it begins with the last known ones, and goes on trying.
   * @param client stays the caller's: it is neither configured nor closed here
   * @throws {PinStoreError} `invalid` where the tenant's name is none
   */
  static async open(client: Redis | Cluster, options: RedisPinStoreOptions): Promise<RedisPinStore> {
    if (!/^[A-Za-z0-9._-]{1,63}$/.test(options.tenant))
      throw new PinStoreError('invalid', 'A tenant’s name is 1 to 63 letters, digits, dots, dashes or underscores.')
    const store = new RedisPinStore(client, options)
    await store.#start()
    return store
  }

  protected async change(server: string, edit: PinEdit): Promise<void> {
    // A Redis that has lost the pins gets back what is known before one server's new ones are taken for all there are.
    await this.#sync()
    for (let i = 0; i < mostTries; i++) {
      const text = await this.#ask(this.#client.hget(this.#names.pins, server))
      const before = text === null ? noPins(server) : parsePins(text, server)
      if (!before) throw damaged(server)
      const after = edit(before)
      if (!after) return
      if (!(await this.#replace(text, after))) continue
      // Redis has it; where it cannot be read back just now, what was written is what is known.
      await this.#sync().catch(() => this.#show([after]))
      return
    }
    throw new PinStoreError('conflict', `Others kept changing the pins of the server ${server}. Try again.`)
  }

  protected refresh(): Promise<void> {
    return this.#sync()
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
    this.#failed(new PinStoreError('unavailable', 'There is no connection to Redis.'))
  }

  #wake(): void {
    if (!this.#closed) void this.#sync().catch(() => {})
  }

  /**
   * Brings the table up to date with all that was in Redis when this was called. One at a time, so that the table never goes
   * back to what an earlier one read; those who ask while one is under way share the next.
   */
  #sync(): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#load()
        .then(
          () => {
            this.#away = false
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
  #failed(error: PinStoreError): PinStoreError {
    if (!this.#away && !this.#closed) this.#options.report(error)
    this.#away = true
    return error
  }

  async #load(): Promise<void> {
    const stale = this.#stale
    // Before anything is asked: a reconnection in between asks for everything once more.
    this.#stale = false
    try {
      // Read first: what changes meanwhile is read again next time.
      const version = Number((await this.#ask(this.#client.get(this.#names.version))) ?? 0)
      if (!stale && version === this.#version) return
      if (stale || version < this.#version || !(await this.#loadChanges())) await this.#loadAll()
      this.#version = version
    } catch (error) {
      this.#stale ||= stale
      throw error
    }
  }

  /** @returns false where so much has changed that reading everything is less work */
  async #loadChanges(): Promise<boolean> {
    const { changes, pins } = this.#names
    const servers = await this.#ask(
      this.#client.zrangebyscore(changes, `(${this.#version}`, '+inf', 'LIMIT', 0, mostChanges),
    )
    if (servers.length === mostChanges) return false
    if (servers.length === 0) return true
    const texts = await this.#ask(this.#client.hmget(pins, ...servers))
    this.#show(this.#readAll(servers.map((server, i) => [server, texts[i] ?? ''])))
    this.#fromRedis = true
    return true
  }

  async #loadAll(): Promise<void> {
    let texts = await this.#ask(this.#client.hgetall(this.#names.pins))
    if (Object.keys(texts).length === 0 && this.#fromRedis) {
      for (const pins of this.table.values()) await this.#replace(null, pins)
      texts = await this.#ask(this.#client.hgetall(this.#names.pins))
    }
    const read = this.#readAll(Object.entries(texts))
    this.#fromRedis = read.length > 0
    this.#saveAfter(() => this.replace(read))
  }

  /** A damaged server's pins approve nothing; the others are none the worse for it. */
  #readAll(texts: Iterable<readonly [server: string, text: string]>): ServerPins[] {
    return Array.from(texts, ([server, text]) => {
      const pins = parsePins(text, server)
      if (pins) this.#damaged.delete(server)
      else if (!this.#damaged.has(server)) {
        this.#damaged.add(server)
        this.#options.report(damaged(server))
      }
      return pins ?? noPins(server)
    })
  }

  #show(some: readonly ServerPins[]): void {
    this.#saveAfter(() => this.put(some))
  }

  /** @param before the text that is expected; null: none */
  async #replace(before: string | null, after: ServerPins): Promise<boolean> {
    const { pins, version, changes, changed } = this.#names
    const sum = before === null ? '' : createHash('sha1').update(before).digest('hex')
    const text = writeServerPins(after)
    const done = await this.#ask(
      this.#client.eval(replaceScript, 3, pins, version, changes, after.server, sum, text, changed),
    )
    return done !== 0
  }

  /** @throws {PinStoreError} `unavailable` where Redis fails or takes too long */
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
      this.replace(readPins(await readFile(path, 'utf8')))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      this.#options.report(fileError(path, error))
    }
  }

  /** Changes the table and writes what is known then: one write at a time, which takes all that changed until it begins. */
  #saveAfter(change: () => void): void {
    change()
    const path = this.#options.lastKnownFile
    if (path === undefined || this.#unsaved) return
    this.#unsaved = true
    this.#saving = this.#saving.then(async () => {
      this.#unsaved = false
      try {
        await replacePrivateFile(path, writePins(this.table.values()))
      } catch (error) {
        this.#options.report(fileError(path, error))
      }
    })
  }
}

function parsePins(text: string, server: string): ServerPins | undefined {
  try {
    const pins = readServerPins(JSON.parse(text))
    return pins?.server === server ? pins : undefined
  } catch {
    return undefined
  }
}

function damaged(server: string): PinStoreError {
  return new PinStoreError(
    'unavailable',
    `The pins of the server ${JSON.stringify(server.slice(0, 63))} are damaged in Redis and approve nothing.`,
  )
}

function unavailable(error: unknown): PinStoreError {
  if (error instanceof PinStoreError) return error
  return new PinStoreError('unavailable', `Pins cannot be had from Redis: ${(error as Error).message}`, {
    cause: error,
  })
}

function fileError(path: string, error: unknown): PinStoreError {
  return new PinStoreError(
    'unavailable',
    `The file of the last known pins, ${path}, cannot be used: ${(error as Error).message}`,
    { cause: error },
  )
}
