import type { Caller } from '../telemetry/record.ts'
import type { A2aErrorKind } from './errors.ts'
import type { A2aBinding, A2aOperation, A2aVersion } from './operations.ts'

/** A finished call of an agent, for the log, the metrics and the trace. Free of content. */
export interface A2aRecord {
  readonly requestId: string
  /** The agent's name in the rules; empty: the call was refused before it was looked at. */
  readonly agent: string
  /** Undefined: the request was not understood. */
  readonly operation: A2aOperation | undefined
  /** How the client spoke. */
  readonly binding: A2aBinding
  readonly version: A2aVersion
  /** How the agent was spoken to; undefined: it was not asked. */
  readonly via?: { readonly binding: A2aBinding; readonly version: A2aVersion } | undefined
  readonly caller: Caller
  /** The agent that called, by its name in the rules, where the caller is one. */
  readonly from?: string | undefined
  /** How many delegations lie before this call. */
  readonly depth: number
  /** The same for all calls of one tree of delegations. */
  readonly root?: string | undefined
  /** What was delegated with it, by its token's id: what the agent shows where it calls others for it. */
  readonly delegation?: string | undefined
  /** The HTTP status that says how it went. */
  readonly status: number
  readonly skill?: string | undefined
  readonly taskId?: string | undefined
  readonly contextId?: string | undefined
  /** The state that the task was last seen in, as 1.0 spells it. */
  readonly state?: string | undefined
  /** How many events a stream had. */
  readonly events?: number | undefined
  /** What the client was told instead of a result. */
  readonly error?: A2aErrorKind | undefined
  /** The rule that refused, by its path. */
  readonly rule?: string | undefined
  /** The client went away before the end. */
  readonly aborted: boolean
  /** Unix milliseconds. */
  readonly startMs: number
  readonly durationMs: number
  /** W3C context of Envoy's own span, or of the client's where Envoy does not trace. */
  readonly traceparent?: string | undefined
}

/** A stream of an agent's answer that begins, whose task goes into another state, or that ends. */
export interface A2aStreamChange {
  readonly agent: string
  /** How the client speaks. */
  readonly binding: A2aBinding
  /** The state that its task was in, as 1.0 spells it, empty where it is not known; undefined: it begins. */
  readonly from: string | undefined
  /** The state that its task is in; undefined: it ends. */
  readonly to: string | undefined
}
