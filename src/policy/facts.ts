import type { Identity } from '../identity/identity.ts'

/** The request's part of the facts, as it came. */
export interface RequestFacts {
  readonly id: string
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** The listener's name in the rules. */
  readonly listener: string
  /** The route of the rules that took it; absent where none did. */
  readonly route?: string | undefined
  /** What is asked for: `chat`, `messages`, `embeddings`, `tools/call`, … */
  readonly operation: string
  readonly stream: boolean
  /** The body's length. */
  readonly bytes: number
}

/** What a rule's expression can ask about: one request, as it was before anything was decided. */
export interface Facts {
  readonly request: RequestFacts
  readonly identity: Identity
  /** The model asked for, after aliases; empty where none is. */
  readonly model: string
  /** The body's top-level members: for an LLM request `temperature`, `max_tokens`, `tools`, … */
  readonly parameters: Readonly<Record<string, unknown>>
  readonly tool?: ToolFacts | undefined
  readonly agent?: AgentFacts | undefined
  readonly now: Date
  /** @returns the share of a budget that this caller has used up, 0 to 1 and beyond */
  spent(budget: string): number
}

/** An MCP tool that is called. */
export interface ToolFacts {
  readonly server: string
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
  /** What the server says of it; false where the server says nothing and the tool may well be harmless. */
  readonly destructive?: boolean | undefined
  readonly readOnly?: boolean | undefined
}

/** An agent that is delegated to (A2A). */
export interface AgentFacts {
  readonly name: string
  readonly skill: string
  /** How many delegations lie before this one. */
  readonly depth: number
  /** The agent that calls, by its name in the rules; absent: the caller is none of them. */
  readonly from?: string | undefined
}
