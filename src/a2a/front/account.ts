import type { Identity } from '../../identity/identity.ts'
import type { JsonObject } from '../../json.ts'
import type { Caller } from '../../telemetry/record.ts'
import type { A2aCall, A2aRefusal } from '../call.ts'
import { delegated, inTree } from '../delegation/caller.ts'
import type { Standing } from '../delegation/standing.ts'
import type { Tree } from '../delegation/tree.ts'
import { spelling } from '../error-kinds.ts'
import type { A2aError } from '../errors.ts'
import type { A2aOperation, Wire } from '../operations.ts'
import type { A2aRecord, A2aStreamChange } from '../record.ts'
import { stateIn, subjectsOf } from '../tasks/guard.ts'

/** Who asks, and how the request came. */
export interface Asker {
  readonly requestId: string
  readonly identity: Identity
  /** The caller's own token, where it showed one. */
  readonly token: string | undefined
  /** The listener's name in the rules. */
  readonly listener: string
  /** The route of the rules that took it; absent where none did. */
  readonly route?: string | undefined
  /** Without the query. */
  readonly path: string
  readonly bytes: number
  /** performance.now() at arrival. */
  readonly arrived: number
}

/** Who is told of calls. */
export interface Hearers {
  finished(record: A2aRecord): void
  stream(change: A2aStreamChange): void
}

/** Keeps the account of one call: what is known of it by its end becomes its record, once. */
export class Account {
  readonly #asker: Asker
  readonly #call: A2aCall | A2aRefusal
  readonly #agent: string
  readonly #traceparent: string | undefined
  readonly #hearers: Hearers
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
  /** How many events a stream has had. */
  #events: number | undefined

  constructor(
    asker: Asker,
    agent: string,
    call: A2aCall | A2aRefusal,
    traceparent: string | undefined,
    hearers: Hearers,
  ) {
    this.#asker = asker
    this.#agent = agent
    this.#call = call
    this.#traceparent = traceparent
    this.#hearers = hearers
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
    const before = this.#state
    this.#state = stateIn(operation, value) ?? before
    if (this.#events !== undefined && this.#state !== before) this.#changed(before ?? '', this.#state)
  }

  /** The answer is a stream. */
  streams(): void {
    this.#events = 0
    this.#changed(undefined, this.#state ?? '')
  }

  /** The client was sent an event. */
  sent(): void {
    this.#events = (this.#events ?? 0) + 1
  }

  #changed(from: string | undefined, to: string | undefined): void {
    this.#hearers.stream({ agent: this.#agent, binding: this.#call.binding, from, to })
  }

  /** @param error what the client was told instead of a result. @param aborted the client went away before the end */
  finish(error: A2aError | undefined, aborted: boolean): void {
    if (this.#told) return
    this.#told = true
    if (this.#events !== undefined) this.#changed(this.#state ?? '', undefined)
    const { requestId, identity, listener, arrived } = this.#asker
    const { parent } = this.standing ?? {}
    const known = parent ? delegated(identity, parent) : identity
    const work = (this.tree ? inTree(known, this.tree) : known).delegation
    const durationMs = performance.now() - arrived
    const call = this.#call.type === 'call' ? this.#call : undefined
    this.#hearers.finished({
      requestId,
      agent: this.#agent,
      operation: call?.operation,
      binding: this.#call.binding,
      version: this.#call.version,
      via: this.via && { binding: this.via.binding, version: this.via.version },
      caller: { ...callerOf(identity), listener, work },
      from: this.standing?.agent,
      depth: parent?.actors.length ?? 0,
      root: work?.tree,
      delegation: this.delegation,
      status: error ? spelling[error.kind].http : aborted ? 499 : 200,
      skill: call?.skill?.slice(0, 200),
      taskId: this.#taskId?.slice(0, 200),
      contextId: this.#contextId?.slice(0, 200),
      state: this.#state,
      events: this.#events,
      error: error?.kind,
      rule: error?.rule,
      aborted,
      startMs: Date.now() - durationMs,
      durationMs,
      traceparent: this.#traceparent,
    })
  }
}

/** A call that was refused before anybody looked into it. */
export interface Refused {
  readonly id: string
  readonly arrived: number
  readonly headers: ReadonlyMap<string, string>
  readonly listener: string
  /** Undefined: nobody that is known. */
  readonly identity: Identity | undefined
}

/** The record of such a call. Which agent it was for is not in it: its name is the client's word. */
export function refusalRecord(
  { id, arrived, headers, listener, identity }: Refused,
  { binding, version }: Wire,
  { kind, rule }: A2aError,
): A2aRecord {
  const durationMs = performance.now() - arrived
  return {
    requestId: id,
    agent: '',
    operation: undefined,
    binding,
    version,
    caller: { ...callerOf(identity), listener },
    depth: 0,
    error: kind,
    rule,
    status: spelling[kind].http,
    aborted: false,
    startMs: Date.now() - durationMs,
    durationMs,
    traceparent: headers.get('traceparent'),
  }
}

function callerOf(identity: Identity | undefined): Omit<Caller, 'listener'> {
  if (!identity) return { identity: 'none', subject: '' }
  const { kind, subject, user, team, organization, key } = identity
  return { identity: kind, subject, user, team, organization, key }
}
