import { randomUUID } from 'node:crypto'
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

/** What changes in the store, as a journal has it. Times are Unix milliseconds. */
export type Change =
  | ['callback', id: string, callback: Callback]
  | ['task', id: string, task: string]
  | ['name', task: string, config: string, id: string, untilMs: number]
  | ['queued', id: string, entry: Entry, task: string, mark: string | null, ends: boolean, untilMs: number]
  | ['done', id: string, entry: string, state: string | null]
  | ['tries', id: string, tries: number, dueMs: number]
  | ['dead', id: string, entry: string, letter: DeadLetter, state: string | null]
  | ['removed', id: string]

/** A notification that waits. */
export interface Entry extends Notification {
  readonly sinceMs: number
}

/** A callback with all that is known of it. */
export interface Callback {
  readonly sealed: string
  task?: string | undefined
  untilMs: number
  state?: string | undefined
  marks: readonly string[]
  ended: boolean
  readonly queue: Entry[]
  /** Of the queue's head. */
  tries: number
  /** When the queue's head may be taken. */
  dueMs: number
}

const mostCallbacks = 20_000
/** What may wait in all, characters: it is in memory. */
const mostCharacters = 256 * 1024 * 1024
const sweepMs = 60_000

/** Callbacks and their queues in one process. With a journal they outlive it. */
export class MemoryPushStore implements PushStore {
  readonly #now: () => number
  readonly #most: number
  readonly #mostCharacters: number
  #write: (change: Change) => void = () => undefined
  readonly #callbacks = new Map<string, Callback>()
  readonly #names = new Map<string, { id: string; untilMs: number }>()
  readonly #letters: DeadLetter[] = []
  /** Those with something in their queue; who was served last stands last. */
  readonly #queues = new Set<string>()
  /** Who has what was taken. */
  readonly #holds = new Map<string, string>()
  #waiting = 0
  #characters = 0
  #sweptMs = 0

  /** @param options `now` in Unix milliseconds; how many callbacks are kept, and how many characters may wait in all */
  constructor(options: { now?: () => number; most?: number; characters?: number } = {}) {
    this.#now = options.now ?? Date.now
    this.#most = options.most ?? mostCallbacks
    this.#mostCharacters = options.characters ?? mostCharacters
  }

  /** From now on every change is told before it is made. @param write throws where it cannot be kept */
  keepWith(write: (change: Change) => void): void {
    this.#write = write
  }

  async put(id: string, sealed: string, task: string | undefined): Promise<boolean> {
    this.#sweep(this.#callbacks.size >= this.#most ? 0 : sweepMs)
    if (this.#callbacks.size >= this.#most) return false
    const untilMs = this.#now() + firstLifeMs
    this.#do(['callback', id, { sealed, task, untilMs, marks: [], ended: false, queue: [], tries: 0, dueMs: 0 }])
    return true
  }

  async get(id: string): Promise<Kept | undefined> {
    const callback = this.#live(id)
    return callback && { sealed: callback.sealed, task: callback.task }
  }

  async bind(id: string, task: string): Promise<boolean> {
    const callback = this.#live(id)
    if (!callback) return false
    if (callback.task === undefined) this.#do(['task', id, task])
    return callback.task === task
  }

  async remove(id: string): Promise<void> {
    if (this.#callbacks.has(id)) this.#do(['removed', id])
  }

  async name(task: string, config: string, id: string): Promise<void> {
    this.#do(['name', task, config, id, this.#now() + firstLifeMs])
  }

  async find(task: string, config: string): Promise<string | undefined> {
    const found = this.#names.get(`${task} ${config}`)
    return found && found.untilMs > this.#now() ? found.id : undefined
  }

  async enqueue(id: string, notification: Notification, order: Order): Promise<Enqueued> {
    const callback = this.#live(id)
    if (!callback) return 'unknown'
    if (callback.task !== undefined && callback.task !== order.task) return 'other-task'
    if (order.mark !== undefined && callback.marks.includes(order.mark)) return 'duplicate'
    if (callback.ended) return 'ended'
    if (this.#waiting >= order.most || callback.queue.length >= order.mostEach) return 'full'
    if (this.#characters + notification.sealed.length > this.#mostCharacters) return 'full'
    const sinceMs = this.#now()
    const entry: Entry = { id: notification.id, sealed: notification.sealed, sinceMs }
    this.#do(['queued', id, entry, order.task, order.mark ?? null, order.ends, sinceMs + order.lifeMs])
    return 'queued'
  }

  async take(forMs: number): Promise<Taken | Nothing> {
    this.#sweep(sweepMs)
    const nowMs = this.#now()
    let nextMs: number | undefined
    for (const id of this.#queues) {
      const callback = this.#callbacks.get(id)
      const head = callback?.queue[0]
      if (!callback || !head) continue
      if (callback.dueMs > nowMs) {
        nextMs = Math.min(nextMs ?? callback.dueMs, callback.dueMs)
        continue
      }
      const hold = randomUUID()
      this.#holds.set(id, hold)
      callback.dueMs = nowMs + forMs
      return {
        callback: id,
        kept: callback.sealed,
        state: callback.state,
        notification: head,
        entry: head.id,
        tries: callback.tries,
        sinceMs: head.sinceMs,
        nowMs,
        hold,
      }
    }
    return { waitMs: nextMs === undefined ? undefined : nextMs - nowMs }
  }

  async hold(taken: Taken, forMs: number): Promise<boolean> {
    const callback = this.#held(taken)
    if (callback) callback.dueMs = this.#now() + forMs
    return callback !== undefined
  }

  async done(taken: Taken, state: string | undefined): Promise<void> {
    if (this.#held(taken)) this.#do(['done', taken.callback, taken.entry, state ?? null])
  }

  async later(taken: Taken, delayMs: number, failed: boolean): Promise<void> {
    if (!this.#held(taken)) return
    this.#do(['tries', taken.callback, taken.tries + (failed ? 1 : 0), this.#now() + delayMs])
  }

  async giveUp(taken: Taken, letter: DeadLetter, state: string | undefined): Promise<void> {
    if (this.#held(taken)) this.#do(['dead', taken.callback, taken.entry, letter, state ?? null])
  }

  async deadLetters(most: number): Promise<DeadLetter[]> {
    return this.#letters.slice(-most).reverse()
  }

  async waiting(): Promise<number> {
    return this.#waiting
  }

  async close(): Promise<void> {}

  /** Makes a change, without telling the journal, from which it may be. */
  apply(change: Change): void {
    const [what, id] = change
    const callback = this.#callbacks.get(id)
    switch (what) {
      case 'callback':
        this.#callbacks.set(id, change[2])
        this.#waiting += change[2].queue.length
        this.#characters += charactersOf(change[2].queue)
        if (change[2].queue.length > 0) this.#queues.add(id)
        return
      case 'name': {
        const [, task, config, named, untilMs] = change
        this.#names.set(`${task} ${config}`, { id: named, untilMs })
        return
      }
      case 'removed':
        this.#waiting -= callback?.queue.length ?? 0
        this.#characters -= charactersOf(callback?.queue ?? [])
        this.#callbacks.delete(id)
        this.#queues.delete(id)
        this.#holds.delete(id)
        return
      case 'dead':
        this.#letters.push(change[3])
        if (this.#letters.length > mostLetters) this.#letters.shift()
        if (callback) this.#shift(id, callback, change[2], change[4])
        return
    }
    if (!callback) return
    switch (what) {
      case 'task':
        callback.task ??= change[2]
        return
      case 'queued': {
        const [, , entry, task, mark, ends, untilMs] = change
        callback.task ??= task
        if (mark !== null) callback.marks = [mark, ...callback.marks].slice(0, mostMarks)
        callback.ended ||= ends
        callback.untilMs = untilMs
        callback.queue.push(entry)
        this.#queues.add(id)
        this.#waiting++
        this.#characters += entry.sealed.length
        return
      }
      case 'done':
        this.#shift(id, callback, change[2], change[3])
        return
      case 'tries':
        callback.tries = change[2]
        callback.dueMs = change[3]
        this.#holds.delete(id)
        return
    }
  }

  /** The changes that make what there is out of nothing. */
  *changes(): Iterable<Change> {
    const nowMs = this.#now()
    for (const [id, callback] of this.#callbacks) if (callback.untilMs > nowMs) yield ['callback', id, callback]
    for (const [key, { id, untilMs }] of this.#names) {
      const [task = '', config = ''] = key.split(' ')
      if (untilMs > nowMs) yield ['name', task, config, id, untilMs]
    }
    for (const letter of this.#letters) yield ['dead', '', '', letter, null]
  }

  #do(change: Change): void {
    this.#write(change)
    this.apply(change)
  }

  #live(id: string): Callback | undefined {
    const callback = this.#callbacks.get(id)
    return callback && callback.untilMs > this.#now() ? callback : undefined
  }

  #held({ callback: id, hold }: Taken): Callback | undefined {
    return this.#holds.get(id) === hold ? this.#callbacks.get(id) : undefined
  }

  #shift(id: string, callback: Callback, entry: string, state: string | null): void {
    callback.state = state ?? callback.state
    const at = callback.queue.findIndex((each) => each.id === entry)
    if (at === -1) return
    this.#characters -= charactersOf(callback.queue.splice(at, 1))
    callback.tries = 0
    callback.dueMs = 0
    this.#waiting--
    this.#holds.delete(id)
    this.#queues.delete(id)
    if (callback.queue.length > 0) this.#queues.add(id)
  }

  /** Forgets what has come to its end. @param everyMs not where that was done less than this ago */
  #sweep(everyMs: number): void {
    const nowMs = this.#now()
    if (nowMs - this.#sweptMs < everyMs) return
    this.#sweptMs = nowMs
    for (const [id, { untilMs }] of this.#callbacks) if (untilMs <= nowMs) this.#do(['removed', id])
    for (const [key, { untilMs }] of this.#names) if (untilMs <= nowMs) this.#names.delete(key)
    while (this.#letters[0] && this.#letters[0].givenUpMs + lettersLifeMs < nowMs) this.#letters.shift()
  }
}

function charactersOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { sealed }) => sum + sealed.length, 0)
}
