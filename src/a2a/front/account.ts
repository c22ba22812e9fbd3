import type { Identity } from '../../identity/identity.ts'
import type { JsonObject } from '../../json.ts'
import type { A2aCall, A2aRefusal } from '../call.ts'
import type { Standing } from '../delegation/standing.ts'
import type { Tree } from '../delegation/tree.ts'
import type { A2aError } from '../errors.ts'
import type { A2aOperation, Wire } from '../operations.ts'
import type { A2aRecord } from '../record.ts'
import { stateIn, subjectsOf } from '../tasks/guard.ts'

/** Who asks, and how the request came. */
export interface Asker {
  readonly requestId: string
  readonly identity: Identity
  /** The caller's own token, where it showed one. */
  readonly token: string | undefined
  /** The listener's name in the rules. */
  readonly listener: string
  /** Without the query. */
  readonly path: string
  readonly bytes: number
  /** performance.now() at arrival. */
  readonly arrived: number
}

/** Keeps the account of one call: what is known of it by its end becomes its record, once. */
export class Account {
  readonly #asker: Asker
  readonly #call: A2aCall | A2aRefusal
  readonly #agent: string
  readonly #traceparent: string | undefined
  readonly #finished: (record: A2aRecord) => void
  #told = false
  #taskId: string | undefined
  #contextId: string | undefined
  #state: string | undefined
  standing: Standing | undefined
  /** The tree that it is a part of. */
  tree: Tree | undefined
  /** What was delegated with it, by its token's id. */
  delegation: string | undefined
  via: Wire | undefined
  events: number | undefined

  constructor(
    asker: Asker,
    agent: string,
    call: A2aCall | A2aRefusal,
    traceparent: string | undefined,
    finished: (record: A2aRecord) => void,
  ) {
    this.#asker = asker
    this.#agent = agent
    this.#call = call
    this.#traceparent = traceparent
    this.#finished = finished
    if (call.type === 'call') {
      this.#taskId = call.taskId
      this.#contextId = call.contextId
    }
  }

  /** The task that it began, as soon as that is known; undefined: none, or it went on with one. */
  get begun(): string | undefined {
    return this.#call.type === 'call' && this.#call.taskId === undefined && !this.standing?.parent
      ? this.#taskId
      : undefined
  }

  /** Takes from a result or an event what it says of the task that the call is about. */
  saw(operation: A2aOperation, value: JsonObject): void {
    const [subject] = subjectsOf(operation, value)
    this.#taskId ??= subject?.taskId
    this.#contextId ??= subject?.contextId
    this.#state = stateIn(operation, value) ?? this.#state
  }

  /** @param error what the client was told instead of a result. @param aborted the client went away before the end */
  finish(error: A2aError | undefined, aborted: boolean): void {
    if (this.#told) return
    this.#told = true
    const { requestId, identity, listener, arrived } = this.#asker
    const { kind, subject, user, team, organization, key } = identity
    const durationMs = performance.now() - arrived
    const call = this.#call.type === 'call' ? this.#call : undefined
    this.#finished({
      requestId,
      agent: this.#agent,
      operation: call?.operation,
      binding: this.#call.binding,
      version: this.#call.version,
      via: this.via && { binding: this.via.binding, version: this.via.version },
      caller: { identity: kind, subject, user, team, organization, key, listener },
      from: this.standing?.agent,
      depth: this.standing?.parent?.actors.length ?? 0,
      root: this.standing?.parent?.root,
      skill: call?.skill?.slice(0, 200),
      taskId: this.#taskId?.slice(0, 200),
      contextId: this.#contextId?.slice(0, 200),
      state: this.#state,
      events: this.events,
      error: error?.kind,
      rule: error?.rule,
      aborted,
      startMs: Date.now() - durationMs,
      durationMs,
      traceparent: this.#traceparent,
    })
  }
}
