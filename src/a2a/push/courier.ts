import { isObject, type JsonObject } from '../../json.ts'
import { A2aError } from '../errors.ts'
import type { Box } from './box.ts'
import type { Dispatch } from './dispatch.ts'
import type { Outcome } from './post.ts'
import type { NotificationRecord } from './record.ts'
import type { Registration } from './registration.ts'
import { type DeadLetter, isTaken, type PushStore, type Taken } from './store/push-store.ts'

/** What a courier goes by, under one revision of the rules. */
export interface CourierRules {
  readonly box: Box
  readonly dispatch: Dispatch
  readonly attempts: number
  readonly retentionMs: number
}

/** What is sealed with a notification. */
interface Content {
  readonly event: JsonObject
  readonly taskId: string
  readonly state: string | undefined
}

/** A delivery under way says that it is, this often; who has not said it for so long has died. ms */
const sayEveryMs = 3_000
const holdMs = 10_000
/** Other processes are not heard when they put something into the store. ms */
const lookEveryMs = 1_000
const mostAtOnce = 64
/** Of one client's: those whose receivers are slow must not hold up everybody else's. */
const mostOfOne = 16
/** A client that has so many under way comes again then, ms. */
const ofOneWaitMs = 250
/** The first wait after a failure and the longest, ms. */
const firstWaitMs = 1_000
const longestWaitMs = 60 * 60 * 1000
/** Somebody else may have the key. ms */
const unopenedWaitMs = 60_000

/**
 * Brings notifications to clients, until they have them or they are given up. As many processes may do it as there are: each
 * takes what is due, and what one that died had taken is due again after some seconds.
 */
export class Courier {
  readonly #store: PushStore
  readonly #notified: (record: NotificationRecord) => void
  readonly #report: (error: unknown) => void
  readonly #stop = new AbortController()
  readonly #under = new Set<Promise<void>>()
  /** How many are under way of each client. */
  readonly #busy = new Map<string, number>()
  #rules: CourierRules | undefined
  #timer: NodeJS.Timeout | undefined
  #looking = false
  #again = false
  #away = false

  constructor(store: PushStore, notified: (record: NotificationRecord) => void, report: (error: unknown) => void) {
    this.#store = store
    this.#notified = notified
    this.#report = report
  }

  /** Goes by these rules from now on; undefined: nothing is delivered. */
  use(rules: CourierRules | undefined): void {
    this.#rules = rules
    this.look()
  }

  /** Something may be due. */
  look(): void {
    if (this.#looking) {
      this.#again = true
      return
    }
    this.#looking = true
    void this.#take().finally(() => {
      this.#looking = false
      if (this.#again) this.look()
    })
  }

  /** Ends: what is under way may take `graceMs` more, and is otherwise for the next process. */
  async stop(graceMs: number): Promise<void> {
    this.#rules = undefined
    clearTimeout(this.#timer)
    const timer = setTimeout(() => this.#stop.abort(), graceMs)
    while (this.#looking || this.#under.size > 0)
      await (this.#under.size > 0 ? Promise.all(this.#under) : new Promise((resolve) => setTimeout(resolve, 5)))
    clearTimeout(timer)
    clearTimeout(this.#timer)
  }

  async #take(): Promise<void> {
    this.#again = false
    clearTimeout(this.#timer)
    let waitMs: number | undefined
    try {
      while (this.#rules && this.#under.size < mostAtOnce) {
        const taken = await this.#store.take(holdMs)
        this.#away = false
        if (!isTaken(taken)) {
          waitMs = taken.waitMs
          break
        }
        const delivery = this.#bring(taken, this.#rules).finally(() => {
          this.#under.delete(delivery)
          this.look()
        })
        this.#under.add(delivery)
      }
    } catch (error) {
      // Once for each time that it is away.
      if (!this.#away) this.#report(new Error('Notifications that wait cannot be asked for', { cause: error }))
      this.#away = true
    }
    if (!this.#rules) return
    this.#timer = setTimeout(() => this.look(), Math.min(waitMs ?? lookEveryMs, lookEveryMs))
    this.#timer.unref()
  }

  async #bring(taken: Taken, rules: CourierRules | undefined): Promise<void> {
    let lost = false
    const say = setInterval(() => {
      this.#store.hold(taken, holdMs).then(
        (held) => {
          lost ||= !held
        },
        () => undefined,
      )
    }, sayEveryMs)
    try {
      await this.#settle(taken, rules, () => lost)
    } catch (error) {
      // Nobody has settled it: it is due again when the hold is over.
      this.#report(error)
    } finally {
      clearInterval(say)
    }
  }

  async #settle(taken: Taken, rules: CourierRules | undefined, lost: () => boolean): Promise<void> {
    if (!rules) return this.#store.later(taken, 0, false)
    const { box, retentionMs } = rules
    const { callback, notification } = taken
    const registration = box.openCallback(callback, taken.kept)
    const content = contentOf(box.openContent(callback, notification.id, notification.sealed))
    const old = taken.nowMs - taken.sinceMs > retentionMs
    if (!registration || !content) {
      if (!old) return this.#store.later(taken, unopenedWaitMs, false)
      return this.#giveUp(taken, registration, content, 'it was sealed with a key that is gone', undefined)
    }
    if (old && taken.tries > 0)
      return this.#giveUp(taken, registration, content, 'it was tried for as long as the rules want', undefined)
    const { owner } = registration
    const busy = this.#busy.get(owner) ?? 0
    if (busy >= mostOfOne) return this.#store.later(taken, ofOneWaitMs * (1 + Math.random()), false)
    this.#busy.set(owner, busy + 1)
    try {
      await this.#deliver(taken, rules, registration, content, lost)
    } finally {
      const left = (this.#busy.get(owner) ?? 1) - 1
      if (left > 0) this.#busy.set(owner, left)
      else this.#busy.delete(owner)
    }
  }

  async #deliver(
    taken: Taken,
    { box, dispatch, attempts }: CourierRules,
    registration: Registration,
    content: Content,
    lost: () => boolean,
  ): Promise<void> {
    const { callback, notification } = taken
    const before = taken.state === undefined ? undefined : box.openContent(callback, 'progress', taken.state)
    let after: JsonObject | undefined
    let denied: A2aError | undefined
    let outcome: Outcome
    try {
      const ready = await dispatch.prepare(registration, content.event, before ?? {})
      after = ready.progress
      denied = ready.denied
      outcome = await dispatch.send(registration, notification.id, content.taskId, ready.events, this.#stop.signal)
    } catch (error) {
      if (!(error instanceof A2aError)) this.#report(error)
      // What is too long, or what the client's version cannot say, will not do better later.
      if (error instanceof A2aError) return this.#giveUp(taken, registration, content, error.kind, undefined)
      outcome = { type: 'failed', reason: 'the gateway failed' }
    }
    if (lost()) return
    const state = after && box.content(callback, 'progress', after)
    if (outcome.type !== 'failed' && denied)
      return this.#giveUp(taken, registration, content, denied.rule ?? denied.kind, state)
    if (outcome.type !== 'failed') {
      await this.#store.done(taken, state)
      if (outcome.type === 'delivered') this.#tell('delivered', taken, registration, content, outcome)
      return
    }
    if (this.#stop.signal.aborted) return this.#store.later(taken, 0, false)
    if (outcome.gone === true || taken.tries + 1 >= attempts) {
      await this.#giveUp({ ...taken, tries: taken.tries + 1 }, registration, content, outcome.reason, state)
      if (outcome.gone === true) await this.#store.remove(callback)
      return
    }
    await this.#store.later(taken, Math.max(waitAfter(taken.tries), outcome.retryAfterMs ?? 0), true)
    this.#tell('failed', taken, registration, content, outcome)
  }

  async #giveUp(
    taken: Taken,
    registration: Registration | undefined,
    content: Content | undefined,
    reason: string,
    state: string | undefined,
  ): Promise<void> {
    const letter: DeadLetter = {
      id: taken.notification.id,
      agent: registration?.agent ?? '',
      taskId: content?.taskId ?? '',
      host: hostOf(registration),
      reason,
      tries: taken.tries,
      sinceMs: taken.sinceMs,
      givenUpMs: Date.now(),
    }
    await this.#store.giveUp(taken, letter, state)
    const { id, agent, taskId, host, tries } = letter
    const ageMs = Math.max(0, taken.nowMs - taken.sinceMs)
    this.#notified({ outcome: 'dead', id, agent, taskId, host, reason, tries, ageMs, state: content?.state })
  }

  #tell(
    outcome: 'delivered' | 'failed',
    { notification, tries, nowMs, sinceMs }: Taken,
    registration: Registration,
    { taskId, state }: Content,
    said: Outcome,
  ): void {
    this.#notified({
      outcome,
      id: notification.id,
      agent: registration.agent,
      taskId,
      state,
      host: hostOf(registration),
      ...('status' in said && { status: said.status }),
      ...('reason' in said && { reason: said.reason }),
      tries: tries + 1,
      ageMs: Math.max(0, nowMs - sinceMs),
    })
  }
}

/** Longer after each failure, and spread, so that not all come back at once. @param tries before the one that failed */
function waitAfter(tries: number): number {
  return Math.min(longestWaitMs, firstWaitMs * 3 ** tries) * (0.5 + Math.random() / 2)
}

function contentOf(value: JsonObject | undefined): Content | undefined {
  if (!value || !isObject(value.event) || typeof value.taskId !== 'string') return undefined
  return { event: value.event, taskId: value.taskId, state: typeof value.state === 'string' ? value.state : undefined }
}

function hostOf(registration: Registration | undefined): string {
  return registration && URL.canParse(registration.url) ? new URL(registration.url).host : ''
}
