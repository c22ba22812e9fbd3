import type { Delegated } from '../identity/identity.ts'
import type { Usage } from '../llm/conversation.ts'
import type { Cost } from '../llm/prices.ts'

/** What is known of a finished request: the one source of its metrics, its log line and its trace. Free of content. */
export interface RequestRecord {
  readonly requestId: string
  /** The endpoint: `chat`, `messages`, … */
  readonly operation: string
  /** The model's name in the rules, `*` included: a bounded set. */
  readonly model: string
  /** The model the client asked for. */
  readonly requestModel: string
  /** Who asked, where the rules tell callers apart. */
  readonly caller?: Caller | undefined
  /** The budget that put another model in the place of the one asked for. */
  readonly downgraded?: string | undefined
  /** The rules that had a part in it, in the order they were asked; `DecisionEntry` says how they are written. */
  readonly rules?: readonly string[] | undefined
  /** The revision of the rules, where they come from a store. */
  readonly revision?: number | undefined
  /** The target that answered, or that was tried last. */
  readonly provider?: string | undefined
  readonly providerType?: string | undefined
  /** The model's name at the provider. */
  readonly targetModel?: string | undefined
  /** The model as the provider reports it. */
  readonly responseModel?: string | undefined
  readonly stream: boolean
  /** The status the client got; 0: none, as far as is known. */
  readonly status: number
  readonly errorType?: string | undefined
  readonly errorCode?: string | undefined
  readonly attempts: readonly AttemptRecord[]
  /** Unix milliseconds. */
  readonly startMs: number
  readonly durationMs: number
  /** From the attempt's start to the first byte of the answer. */
  readonly firstByteMs?: number | undefined
  readonly usage?: Usage | undefined
  readonly cost?: Cost | undefined
  readonly finishReasons: readonly string[]
  /** The answer was cut before its end. */
  readonly aborted: boolean
  /** Fields of the request that the target had no place for. */
  readonly drops: readonly string[]
  /** W3C context of Envoy's own span, or of the client's where Envoy does not trace. */
  readonly traceparent?: string | undefined
}

export interface AttemptRecord {
  readonly provider: string
  readonly model: string
  /** The upstream's status, or a word: `no_response`, an error's code. */
  readonly outcome: string
  readonly durationMs: number
}

/** Who asked, as far as it was proved. */
export interface Caller {
  /** The kind of identity: `key`, `jwt`, `mtls`, `pod`, `anonymous`. */
  readonly identity: string
  readonly subject: string
  readonly user?: string | undefined
  readonly team?: string | undefined
  readonly organization?: string | undefined
  /** A virtual key's id. */
  readonly key?: string | undefined
  /** The listener's name in the rules. */
  readonly listener: string
  /** What it was asked to do by others, where it has shown that. */
  readonly work?: Delegated | undefined
}

/** A request that got no further than stage 1. Free of content. */
export interface RefusalRecord extends Omit<Caller, 'subject'> {
  readonly requestId: string
  readonly subject?: string | undefined
  /** The endpoint: `chat`, `messages`, … */
  readonly operation: string
  readonly status: number
  /** The error's code: `invalid_key`, `policy_denied`, `budget_exceeded`, … */
  readonly code: string
  /** The rule that refused, by its path; undefined: the request itself was wrong. */
  readonly rule: string | undefined
  /** Milliseconds from its arrival on. */
  readonly durationMs?: number | undefined
  readonly traceparent?: string | undefined
  /** The model the client asked for, where that is known. */
  readonly requestModel?: string | undefined
  /** The rules that had a part in it before, in the order they were asked. */
  readonly rules?: readonly string[] | undefined
  /** The revision of the rules, where they come from a store. */
  readonly revision?: number | undefined
}

/** A finished MCP request, for the log, the metrics and the trace. Free of content. */
export interface McpRecord {
  readonly requestId: string
  /** The endpoint's name in the rules. */
  readonly endpoint: string
  readonly method: string
  /** Of the client. */
  readonly era: 'legacy' | 'modern'
  readonly caller: Caller
  /** The server that it was for; undefined: several, or none. */
  readonly server?: string | undefined
  /** The tool's or prompt's name at the server, or the resource's URI. */
  readonly name?: string | undefined
  /** The arguments' names with the kinds of their values: what they say is not in the log. */
  readonly arguments?: Readonly<Record<string, string>> | undefined
  /** The HTTP status that says how it went; 200 where JSON-RPC carries a tool's own failure. */
  readonly status: number
  /** Who approved it on the page, where that was needed. */
  readonly approvedBy?: string | undefined
  /** JSON-RPC's code, where it failed. */
  readonly code?: number | undefined
  /** For programs: `policy_denied`, `unknown_tool`, … */
  readonly reason?: string | undefined
  /** The rule that refused, by its path. */
  readonly rule?: string | undefined
  /** Whether a tool said that it failed. */
  readonly toolError?: boolean | undefined
  /** Unix milliseconds. */
  readonly startMs: number
  readonly durationMs: number
  /** W3C context: what the client says in `_meta`, else Envoy's own span. */
  readonly traceparent?: string | undefined
}
