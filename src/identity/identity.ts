import { identityKinds } from '../config/identities.ts'

export type IdentityKind = (typeof identityKinds)[number]

export function isIdentityKind(kind: string): kind is IdentityKind {
  return (identityKinds as readonly string[]).includes(kind)
}

/** Who asks, as far as it was proved. Nothing here comes from a header that a client could simply write. */
export interface Identity {
  readonly kind: IdentityKind
  /**
   * Unique within the kind: a key's id; the issuer's name in the rules, a slash, and the token's `sub` (subjects are
   * unique for one issuer only); a SPIFFE id; `pod`; `anonymous`.
   */
  readonly subject: string
  readonly user?: string | undefined
  readonly team?: string | undefined
  readonly organization?: string | undefined
  /** The id of the virtual key. */
  readonly key?: string | undefined
  /** A token's claims; empty for the other kinds. */
  readonly claims: Readonly<Record<string, unknown>>
  /** What it showed that it was asked to do by others (A2A). */
  readonly delegation?: Delegated | undefined
  /** Whether it may use a model: what its key or workload allows, and its team. */
  mayUseModel(model: string): boolean
  /** The same for an MCP server. */
  mayUseServer(server: string): boolean
}

/** The work that a caller was given by others, as a gateway's token proves it. */
export interface Delegated {
  /** The same for all that comes of one task, down to its last tool. */
  readonly tree: string
  /** On whose behalf all of it happens. */
  readonly subject: string
  /** Who delegated, the first first; empty: this caller begins. */
  readonly chain: readonly string[]
  /** The delegation that the caller shows, by its token's id; absent: it begins. */
  readonly id?: string | undefined
  /** The agent that the caller is, by its name in the rules. */
  readonly agent?: string | undefined
  /** What may be spent: every one of these has to have room. The whole tree's comes first. */
  readonly budgets: readonly TreeBudget[]
}

/** What a tree of delegations, or a part of it, may spend. What is absent is not bounded by it. */
export interface TreeBudget {
  /** What its counts are known by, in all sidecars. */
  readonly id: string
  /** Who opened it. */
  readonly by: string
  /** US dollars for models. */
  readonly usd?: number | undefined
  /** Tokens of models, prompts and completions. */
  readonly tokens?: number | undefined
  readonly toolCalls?: number | undefined
  /** Messages to agents. */
  readonly delegations?: number | undefined
  /** Seconds from its beginning to its end. */
  readonly time?: number | undefined
  /** When that is over, Unix milliseconds. */
  readonly until?: number | undefined
}

/** Why a caller was not let in. The message is for the caller: it says what to do, and nothing of the credential. */
export interface Unidentified {
  /** 401 where credentials are missing or wrong, 403 where a delegation is, 503 where they could not be checked. */
  readonly status: 401 | 403 | 503
  /**
   * For programs: `missing_credentials`, `unaccepted_credentials`; `invalid_key`, `expired_key`, `revoked_key`,
   * `replaced_key`, `keys_unavailable`; `invalid_token`, `expired_token`, `token_not_yet_valid`, `wrong_audience`,
   * `unknown_issuer`, `issuer_unavailable`; `delegation_refused`; `invalid_client_certificate`, `unknown_workload`; `unknown_listener`.
   */
  readonly code: string
  readonly message: string
  /** For the operator's log only. */
  readonly cause?: unknown
}

/** @returns whether a caller was not let in */
export function isUnidentified(caller: Identity | Unidentified): caller is Unidentified {
  return 'status' in caller
}
