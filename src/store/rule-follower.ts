import type { LastGood } from './last-good.ts'
import type { Revision, RevisionMeta } from './revision.ts'
import { type RuleStore, StoreError } from './rule-store.ts'

export interface RuleFollowerOptions {
  store: RuleStore
  /** Where the revision in force is kept for a start without the store; none: it is not. */
  lastGood?: LastGood | undefined
  /** Puts a revision into force. @returns why it cannot be, or undefined. Never called again before it is done. */
  apply(revision: Revision): Promise<string | undefined>
  events: {
    applied(revision: RevisionMeta): void
    /** Said once for each revision. */
    refused(revision: RevisionMeta, why: string): void
    /** Something is wrong with the store or the file of the last good one. */
    failed(error: unknown): void
  }
}

const firstRetryMs = 250
const longestRetryMs = 5_000
/** A start waits this long for a store that does not answer before it takes the last good revision. */
const startMs = 3_000

/** What a sidecar does with a store: takes each new head, compiles it aside, and keeps what it has where that fails. */
export class RuleFollower {
  readonly #options: RuleFollowerOptions
  #inForce: string | undefined
  #refused: string | undefined
  #wanted: RevisionMeta | undefined
  #working = false
  #failures = 0
  #retry: NodeJS.Timeout | undefined
  #stop: (() => void) | undefined

  constructor(options: RuleFollowerOptions) {
    this.#options = options
  }

  /**
   * The revision to begin with: the head, or the last good one where the store cannot be asked in time. It counts as in force.
   * @throws {StoreError} where neither is to be had
   */
  async first(): Promise<Revision> {
    const { store, lastGood, events } = this.#options
    let failure: unknown
    try {
      const revision = await within(head(store), startMs)
      if (revision) return this.#begin(revision)
      failure = new StoreError('Nothing was published yet. Publish rules: chaperone rules apply -f FILE.')
    } catch (error) {
      failure = error
    }
    try {
      const kept = lastGood?.read()
      if (kept) {
        events.failed(failure)
        return this.#begin(kept, false)
      }
    } catch (error) {
      events.failed(error)
    }
    throw failure
  }

  /** From now on each new head is put into force. */
  follow(): void {
    this.#stop = this.#options.store.watch((head) => {
      this.#wanted = head
      void this.#work()
    })
  }

  stop(): void {
    this.#stop?.()
    this.#stop = undefined
    clearTimeout(this.#retry)
    this.#wanted = undefined
  }

  #begin(revision: Revision, keep = true): Revision {
    this.#inForce = idOf(revision)
    if (keep) this.#keep(revision)
    return revision
  }

  async #work(): Promise<void> {
    if (this.#working) return
    this.#working = true
    clearTimeout(this.#retry)
    try {
      while (this.#wanted) {
        const meta = this.#wanted
        const id = idOf(meta)
        if (id === this.#inForce || id === this.#refused) {
          if (this.#wanted === meta) this.#wanted = undefined
          continue
        }
        const revision = await this.#options.store.revision(meta.number)
        if (!revision || revision.hash !== meta.hash)
          throw new StoreError(`Revision ${meta.number} is the head and is not there as it was published.`)
        const why = await this.#options.apply(revision)
        if (why === undefined) {
          this.#inForce = id
          this.#refused = undefined
          this.#keep(revision)
          this.#options.events.applied(meta)
        } else {
          this.#refused = id
          this.#options.events.refused(meta, why)
        }
        this.#failures = 0
      }
    } catch (error) {
      // Said once an outage; it is tried until it goes.
      if (this.#failures++ === 0) this.#options.events.failed(error)
      const pause = Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(this.#failures, 6))
      if (this.#stop) this.#retry = setTimeout(() => void this.#work(), pause)
    } finally {
      this.#working = false
    }
  }

  #keep(revision: Revision): void {
    try {
      this.#options.lastGood?.write(revision)
    } catch (error) {
      this.#options.events.failed(error)
    }
  }
}

const idOf = ({ number, hash }: RevisionMeta) => `${number} ${hash}`

async function head(store: RuleStore): Promise<Revision | undefined> {
  const meta = await store.head()
  return meta && (await store.revision(meta.number))
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StoreError(`The store did not answer within ${ms} ms.`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
    promise.catch(() => undefined)
  }
}
