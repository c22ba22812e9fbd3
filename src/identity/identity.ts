import type { identityKinds } from '../config/identities.ts'

export type IdentityKind = (typeof identityKinds)[number]

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
  /** Who delegated, the first first. */
  readonly chain: readonly string[]
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
