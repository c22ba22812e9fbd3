/**
 * Where clients' callbacks are kept, and what waits to be delivered to them: at least once, in order for each callback, over
 * restarts and by whichever process comes first. What is kept is sealed by whoever keeps it: a store sees no addresses,
 * tokens or contents.
 *
 * What waits for one callback is a queue. A process *takes* the head of a queue for a while; nobody else gets it, nor what
 * stands behind it, until it is settled or the time is over.
 */
export interface PushStore {
  /**
   * Keeps a callback.
   * @param id as `newCallbackId` makes it
   * @param task see `taskMark`; undefined: whichever is the first that something is said of
   * @returns false where there are too many
   */
  put(id: string, sealed: string, task: string | undefined): Promise<boolean>
  get(id: string): Promise<Kept | undefined>
  /** Says which task a callback is for, where that was not known. @returns whether it is for this one now */
  bind(id: string, task: string): Promise<boolean>
  /** Forgets a callback, and what waits for it. */
  remove(id: string): Promise<void>
  /** Notes which callback of a task has this id among clients and agents. */
  name(task: string, config: string, id: string): Promise<void>
  /** @returns the callback that was named so */
  find(task: string, config: string): Promise<string | undefined>
  /** Puts a notification at the end of a callback's queue, where nothing is against it. */
  enqueue(id: string, notification: Notification, order: Order): Promise<Enqueued>
  /** Takes the head of a queue that is due. @param forMs how long, before another may */
  take(forMs: number): Promise<Taken | Nothing>
  /** Goes on with what was taken. @returns false where another has it by now */
  hold(taken: Taken, forMs: number): Promise<boolean>
  /** What was taken is delivered. @param state what is to be known with the next one of this queue; undefined: as before */
  done(taken: Taken, state: string | undefined): Promise<void>
  /** What was taken is to be tried again. @param failed whether it was tried */
  later(taken: Taken, delayMs: number, failed: boolean): Promise<void>
  /** What was taken is given up. @param state as of `done` */
  giveUp(taken: Taken, letter: DeadLetter, state: string | undefined): Promise<void>
  /** What was given up, the newest first. */
  deadLetters(most: number): Promise<DeadLetter[]>
  /** How many notifications wait. */
  waiting(): Promise<number>
  close(): Promise<void>
}

export interface Kept {
  readonly sealed: string
  /** The task that it is for, as far as that is known: see `taskMark`. */
  readonly task: string | undefined
}

export interface Notification {
  readonly id: string
  readonly sealed: string
}

export interface Order {
  /** The task that it is about: see `taskMark`. */
  readonly task: string
  /** The same for the same notification; undefined: one like it may well follow. */
  readonly mark: string | undefined
  /** Nothing comes after it. */
  readonly ends: boolean
  /** How long the callback is kept from now on, ms. */
  readonly lifeMs: number
  /** How many may wait in all, and for this callback. */
  readonly most: number
  readonly mostEach: number
}

/** What became of a notification: `duplicate` and `ended` (its task has) are not queued, nor is what is for another task. */
export type Enqueued = 'queued' | 'duplicate' | 'ended' | 'other-task' | 'full' | 'unknown'

/** A notification that this process may deliver. */
export interface Taken {
  readonly callback: string
  readonly kept: string
  /** What was said with `done` of the one before. */
  readonly state: string | undefined
  readonly notification: Notification
  /** Its place in the queue. */
  readonly entry: string
  /** How often it was tried. */
  readonly tries: number
  /** When it was queued, Unix milliseconds of the store's clock. */
  readonly sinceMs: number
  readonly nowMs: number
  /** Proves who took it. */
  readonly hold: string
}

/** Nothing is due. */
export interface Nothing {
  /** When something will be, as far as is known now. */
  readonly waitMs: number | undefined
}

/** What could not be delivered, without its contents. */
export interface DeadLetter {
  /** The notification's. */
  readonly id: string
  readonly agent: string
  readonly taskId: string
  /** The host of the client's URL: the rest may hold secrets. */
  readonly host: string
  readonly reason: string
  readonly tries: number
  /** When the agent sent it, and when it was given up, Unix milliseconds. */
  readonly sinceMs: number
  readonly givenUpMs: number
}

export function isTaken(taken: Taken | Nothing): taken is Taken {
  return 'callback' in taken
}

/** How long a callback is kept that nothing was said to yet, ms. */
export const firstLifeMs = 30 * 24 * 60 * 60 * 1000
/** How many marks are remembered with a callback. */
export const mostMarks = 64
/** How many dead letters are kept, and how long, ms. */
export const mostLetters = 1000
export const lettersLifeMs = 7 * 24 * 60 * 60 * 1000
