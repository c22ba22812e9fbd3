import { MemoryPushStore } from './memory-push-store.ts'
import { PushJournal } from './push-journal.ts'
import type { DeadLetter, Enqueued, Kept, Nothing, Notification, Order, PushStore, Taken } from './push-store.ts'

/**
 * The store of one machine: in memory, with a journal that outlives the process. The journal is opened when it is first needed:
 * a service that takes another's place waits until that one has let go of it, and until then every call fails.
 */
export class FilePushStore implements PushStore {
  readonly #path: string
  #opened: { store: MemoryPushStore; journal: PushJournal } | undefined
  #closed = false

  constructor(path: string) {
    this.#path = path
  }

  async put(id: string, sealed: string, task: string | undefined): Promise<boolean> {
    return this.#store().put(id, sealed, task)
  }
  async get(id: string): Promise<Kept | undefined> {
    return this.#store().get(id)
  }
  async bind(id: string, task: string): Promise<boolean> {
    return this.#store().bind(id, task)
  }
  async remove(id: string): Promise<void> {
    return this.#store().remove(id)
  }
  async name(task: string, config: string, id: string): Promise<void> {
    return this.#store().name(task, config, id)
  }
  async find(task: string, config: string): Promise<string | undefined> {
    return this.#store().find(task, config)
  }
  async enqueue(id: string, notification: Notification, order: Order): Promise<Enqueued> {
    return this.#store().enqueue(id, notification, order)
  }
  async take(forMs: number): Promise<Taken | Nothing> {
    return this.#store().take(forMs)
  }
  async hold(taken: Taken, forMs: number): Promise<boolean> {
    return this.#store().hold(taken, forMs)
  }
  async done(taken: Taken, state: string | undefined): Promise<void> {
    return this.#store().done(taken, state)
  }
  async later(taken: Taken, delayMs: number, failed: boolean): Promise<void> {
    return this.#store().later(taken, delayMs, failed)
  }
  async giveUp(taken: Taken, letter: DeadLetter, state: string | undefined): Promise<void> {
    return this.#store().giveUp(taken, letter, state)
  }
  async deadLetters(most: number): Promise<DeadLetter[]> {
    return this.#store().deadLetters(most)
  }
  async waiting(): Promise<number> {
    return this.#store().waiting()
  }

  /** Lets go of the journal: from now on every call fails. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (!this.#opened) return
    const { store, journal } = this.#opened
    try {
      journal.rewrite(store.changes())
    } finally {
      journal.close()
    }
  }

  /** @throws {Error} where the journal cannot be had, or another process has it */
  #store(): MemoryPushStore {
    if (this.#closed) throw new Error(`${this.#path} was closed`)
    if (this.#opened) return this.#opened.store
    const journal = new PushJournal(this.#path)
    const store = new MemoryPushStore()
    try {
      for (const change of journal.read()) store.apply(change)
      journal.rewrite(store.changes())
    } catch (error) {
      journal.close()
      throw error
    }
    store.keepWith((change) => journal.append(change, () => store.changes()))
    this.#opened = { store, journal }
    return store
  }
}
