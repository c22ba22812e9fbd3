import { createHash, randomUUID } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import {
  type DeadLetter,
  type Enqueued,
  firstLifeMs,
  type Kept,
  lettersLifeMs,
  mostLetters,
  mostMarks,
  type Nothing,
  type Notification,
  type Order,
  type PushStore,
  type Taken,
} from './push-store.ts'
import { scripts } from './scripts.ts'

type Script = keyof typeof scripts
const digests = Object.fromEntries(
  Object.entries(scripts).map(([name, text]) => [name, createHash('sha1').update(text).digest('hex')]),
) as Record<Script, string>

/**
 * Callbacks and what waits for them in Redis, for all replicas: whichever comes first takes the head of a queue, and one that
 * dies with it loses it to another when its time is over. `scripts.ts` says what the keys hold; all have the tenant as hash tag:
 *
 * | Redis key | type | kept |
 * |---|---|---|
 * | `chaperone:{tenant}:a2a:push:callback:ID`, `…:queue:ID` | hash, stream | 30 days after it was last used; 1 day and `retention` after its task has ended |
 * | `…:due`, `…:waiting` | sorted set, counter | as long as anything waits |
 * | `…:name:HASH` | string | 30 days |
 * | `…:dead` | stream | 1,000 of 7 days |
 */
export class RedisPushStore implements PushStore {
  readonly #client: Redis | Cluster
  readonly #prefix: string

  /** @param client a connection of the caller's, who also ends it. @param tenant whose callbacks */
  constructor(client: Redis | Cluster, tenant: string) {
    this.#client = client
    this.#prefix = `chaperone:{${tenant}}:a2a:push:`
  }

  async put(id: string, sealed: string, task: string | undefined): Promise<boolean> {
    const key = this.#of('callback', id)
    const fields = task === undefined ? { sealed } : { sealed, task }
    const answers = await this.#client.multi().hset(key, fields).pexpire(key, firstLifeMs).exec()
    for (const [error] of answers ?? []) if (error) throw error
    return true
  }

  async get(id: string): Promise<Kept | undefined> {
    const [sealed, task] = await this.#client.hmget(this.#of('callback', id), 'sealed', 'task')
    return typeof sealed === 'string' ? { sealed, task: task ?? undefined } : undefined
  }

  async bind(id: string, task: string): Promise<boolean> {
    return (await this.#run('bind', [this.#of('callback', id)], [task])) === 1
  }

  async remove(id: string): Promise<void> {
    await this.#run('remove', this.#queueKeys(id), [id])
  }

  async name(task: string, config: string, id: string): Promise<void> {
    await this.#client.set(this.#named(task, config), id, 'PX', firstLifeMs)
  }

  async find(task: string, config: string): Promise<string | undefined> {
    return (await this.#client.get(this.#named(task, config))) ?? undefined
  }

  async enqueue(id: string, notification: Notification, order: Order): Promise<Enqueued> {
    const { task, mark = '', ends, most, mostEach, lifeMs } = order
    return (await this.#run('enqueue', this.#queueKeys(id), [
      ...[id, notification.id, notification.sealed, task, mark, ends ? 1 : 0],
      ...[most, mostEach, lifeMs, mostMarks],
    ])) as Enqueued
  }

  async take(forMs: number): Promise<Taken | Nothing> {
    const [ids, waitMs] = (await this.#run('due', [`${this.#prefix}due`], [])) as [string[], number]
    for (const id of ids) {
      const hold = randomUUID()
      const found = (await this.#run('take', this.#queueKeys(id), [id, hold, forMs])) as Found | null
      if (!found) continue
      const [kept, state, tries, entry, notification, sealed, nowMs] = found
      return {
        ...{ callback: id, kept, tries, entry, hold },
        state: state === '' ? undefined : state,
        notification: { id: notification, sealed },
        // A stream's ids begin with the time.
        sinceMs: Number(entry.split('-')[0]),
        nowMs: Number(nowMs),
      }
    }
    // Others were faster: there may be more.
    return { waitMs: ids.length > 0 ? 0 : waitMs < 0 ? undefined : waitMs }
  }

  async hold({ callback, hold }: Taken, forMs: number): Promise<boolean> {
    return (await this.#run('hold', this.#headKeys(callback), [callback, hold, forMs])) === 1
  }

  async done(taken: Taken, state: string | undefined): Promise<void> {
    await this.#settle(taken, state ?? '', '')
  }

  async later({ callback, hold }: Taken, delayMs: number, failed: boolean): Promise<void> {
    await this.#run('later', this.#headKeys(callback), [callback, hold, Math.ceil(delayMs), failed ? 1 : 0])
  }

  async giveUp(taken: Taken, letter: DeadLetter, state: string | undefined): Promise<void> {
    await this.#settle(taken, state ?? '', JSON.stringify(letter))
  }

  async deadLetters(most: number): Promise<DeadLetter[]> {
    const entries = await this.#client.xrevrange(`${this.#prefix}dead`, '+', '-', 'COUNT', most)
    return entries.map(([, [, letter = '{}']]) => JSON.parse(letter) as DeadLetter)
  }

  async waiting(): Promise<number> {
    return Number((await this.#client.get(`${this.#prefix}waiting`)) ?? 0)
  }

  async close(): Promise<void> {}

  async #settle({ callback, hold, entry }: Taken, state: string, letter: string): Promise<void> {
    const keys = [...this.#queueKeys(callback), `${this.#prefix}dead`]
    await this.#run('settle', keys, [callback, hold, entry, state, letter, mostLetters, lettersLifeMs])
  }

  async #run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await this.#client.evalsha(digests[script], keys.length, ...keys, ...args)
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
      return await this.#client.eval(scripts[script], keys.length, ...keys, ...args)
    }
  }

  #of(what: 'callback' | 'queue', id: string): string {
    return `${this.#prefix}${what}:${id}`
  }

  #headKeys(id: string): string[] {
    return [this.#of('callback', id), `${this.#prefix}due`]
  }

  #queueKeys(id: string): string[] {
    return [this.#of('callback', id), this.#of('queue', id), `${this.#prefix}due`, `${this.#prefix}waiting`]
  }

  #named(task: string, config: string): string {
    return `${this.#prefix}name:${createHash('sha256').update(`${task} ${config}`).digest('base64url')}`
  }
}

type Found = [
  kept: string,
  state: string,
  tries: number,
  entry: string,
  notification: string,
  sealed: string,
  nowMs: string,
]
