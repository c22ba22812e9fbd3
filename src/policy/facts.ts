import type { Identity } from '../identity/identity.ts'

/** What a rule's expression can ask about: one request, as it was before anything was decided. */
export interface Facts {
  readonly request: {
    readonly id: string
    readonly method: string
    /** Without the query. */
    readonly path: string
    /** The listener's name in the rules. */
    readonly listener: string
    /** What is asked for: `chat`, `messages`, `embeddings`, `tools/call`, … */
    readonly operation: string
    readonly stream: boolean
    /** The body's length. */
    readonly bytes: number
  }
  readonly identity: Identity
  /** The model asked for, after aliases; empty where none is. */
  readonly model: string
  /** The request's top-level parameters: an LLM request's body without its messages. */
  readonly parameters: Readonly<Record<string, unknown>>
  readonly tool?: { readonly server: string; readonly name: string; readonly arguments: unknown } | undefined
  readonly agent?: { readonly name: string; readonly skill: string; readonly depth: number } | undefined
  readonly now: Date
  /** The share of a budget that this caller has used up, 0 to 1 and beyond. */
  spent(budget: string): number
}
