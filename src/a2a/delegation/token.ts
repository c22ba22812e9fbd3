import { randomUUID } from 'node:crypto'
import {
  type CryptoKey,
  decodeProtectedHeader,
  errors,
  type JWK,
  type JWTPayload,
  jwtVerify,
  type KeyObject,
  SignJWT,
} from 'jose'
import type { TreeBudget } from '../../identity/identity.ts'
import { isObject, type JsonObject } from '../../json.ts'
import { readBudgets, writeBudgets } from './budget-claim.ts'
import { longestChain, readActors, writeActors } from './chain.ts'
import { DelegationError } from './errors.ts'
import { intersection, type Rights, rightKinds } from './rights.ts'
import { mostBudgets, type Tree } from './tree.ts'

/**
 * What a callee gets to show that a delegation was allowed: a JWT of the gateway's (RFC 7519), whose nested `act` claims are
 * the chain (RFC 8693, section 4.1) and whose `txn` is the tree that it belongs to. It goes to one agent and is shown by
 * that agent alone, beside its own credentials: who steals it cannot use it without being that agent.
 */

/** Keeps any other token of the same signer from being taken for one. */
const tokenType = 'chaperone-delegation+jwt'
const longestToken = 16_384
/** How far the clocks of two sidecars may be apart, s. */
const clockSkew = 5
const algorithms = ['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519', 'RS256', 'PS256']

/** A delegation that was allowed. */
export interface Delegation {
  /** The token's own id. */
  readonly id: string
  /** On whose behalf all of it happens: the user or agent that began. */
  readonly subject: string
  /** Who delegated, the first first. As many as there are delegations. */
  readonly actors: readonly string[]
  /** To whom the last of them delegated. */
  readonly callee: string
  /** The same in all tokens of one tree. */
  readonly root: string
  /** What the callee may use at most. */
  readonly rights: Rights
  /** What the tree may spend, the whole tree's first. */
  readonly budgets: readonly TreeBudget[]
  /** The trace that the tree is in: 32 hex digits. */
  readonly trace?: string
  /** ms since 1970. */
  readonly expires: number
}

export interface DelegationSigner {
  readonly key: CryptoKey | KeyObject
  readonly alg: string
  readonly kid: string
  /** What verifiers know it by. */
  readonly issuer: string
}

/** ms since 1970. */
export type Clock = () => number

export interface NewDelegation {
  /** What it is a part of: the parent's tree, where there is a parent. */
  readonly tree: Tree
  /** With the caller at its end: from `extendChain`. */
  readonly actors: readonly string[]
  readonly callee: string
  /** What the caller was delegated itself. */
  readonly parent?: Delegation | undefined
  /** What the caller's own rights and the rules leave the callee. */
  readonly rights: Rights
  readonly trace?: string | undefined
  /** How long it may be used, ms; never longer than the parent. */
  readonly lifetimeMs: number
}

/**
 * Makes the token of a delegation. Subject and root of a tree are those of its first token; rights get fewer, and what its
 * budgets allow does not become more.
 * @returns the token, and what it says
 */
export async function mintDelegation(
  wanted: NewDelegation,
  signer: DelegationSigner,
  clock: Clock,
): Promise<{ token: string; delegation: Delegation }> {
  const { parent, callee, actors, tree } = wanted
  const now = Math.floor(clock() / 1000)
  const own = now + Math.max(1, Math.ceil(wanted.lifetimeMs / 1000))
  const expires = parent === undefined ? own : Math.min(own, Math.floor(parent.expires / 1000))
  const trace = wanted.trace ?? parent?.trace
  const delegation: Delegation = {
    id: randomUUID(),
    subject: parent?.subject ?? tree.subject,
    actors,
    callee,
    root: parent?.root ?? tree.id,
    rights: parent === undefined ? wanted.rights : intersection(parent.rights, wanted.rights),
    budgets: tree.budgets,
    ...(trace !== undefined && { trace }),
    expires: expires * 1000,
  }
  const token = await new SignJWT({
    act: writeActors(actors),
    txn: delegation.root,
    rights: { ...delegation.rights },
    ...(tree.budgets.length > 0 && { budgets: writeBudgets(tree.budgets) }),
    ...(trace !== undefined && { trace }),
  })
    .setProtectedHeader({ alg: signer.alg, kid: signer.kid, typ: tokenType })
    .setIssuer(signer.issuer)
    .setSubject(delegation.subject)
    .setAudience(callee)
    .setIssuedAt(now)
    .setNotBefore(now)
    .setExpirationTime(expires)
    .setJti(delegation.id)
    .sign(signer.key)
  return { token, delegation }
}

export interface DelegationTrust {
  /** Whose tokens count. */
  readonly issuers: readonly string[]
  /** The public key of an issuer by its id. @returns undefined where it has none by that id */
  readonly find: (
    kid: string,
  ) => CryptoKey | KeyObject | JWK | undefined | Promise<CryptoKey | KeyObject | JWK | undefined>
}

/**
 * Reads what a caller was delegated.
 * @param presenter the agent that shows the token, as its own credentials prove it
 * @throws {DelegationError} where the token is not one for this agent, now; whatever `find` throws
 */
export async function verifyDelegation(
  token: string,
  presenter: string,
  trust: DelegationTrust,
  clock: Clock,
): Promise<Delegation> {
  if (token.length > longestToken) throw malformed(`is longer than ${longestToken} characters`)
  let kid: unknown
  try {
    kid = decodeProtectedHeader(token).kid
  } catch (error) {
    throw malformed('is not a JWT', error)
  }
  if (typeof kid !== 'string') throw malformed('names no key')
  const key = await trust.find(kid)
  if (key === undefined)
    throw new DelegationError(
      'unknown_key',
      'The delegation’s key is not one of this gateway’s; it may have been rotated out',
    )
  let payload: JWTPayload
  try {
    const verified = await jwtVerify(token, key, {
      algorithms,
      typ: tokenType,
      issuer: [...trust.issuers],
      audience: presenter,
      currentDate: new Date(clock()),
      clockTolerance: clockSkew,
      requiredClaims: ['sub', 'aud', 'exp', 'nbf', 'jti', 'txn', 'act'],
    })
    payload = verified.payload
  } catch (error) {
    throw refusalOf(error)
  }
  // More than one audience would be a token that more than one agent can show.
  if (typeof payload.aud !== 'string') throw malformed('is for more than one agent')
  return read(payload, presenter)
}

function read(payload: JWTPayload, presenter: string): Delegation {
  const { sub, jti, exp, act, txn, rights, trace } = payload
  const actors = readActors(act)
  if (actors.length === 0 || actors.length > longestChain) throw malformed('has no chain')
  if (actors.includes(presenter))
    throw new DelegationError('delegation_loop', 'The delegation is for an agent of its own chain')
  for (const value of [sub, jti, txn])
    if (typeof value !== 'string' || value === '' || value.length > 512) throw malformed('lacks a claim')
  if (trace !== undefined && (typeof trace !== 'string' || trace.length > 512))
    throw malformed('has a claim of the wrong type')
  const budgets = readBudgets(payload.budgets, mostBudgets)
  if (!budgets) throw malformed('has budgets that are not known here')
  return {
    id: String(jti),
    subject: String(sub),
    actors,
    callee: presenter,
    root: String(txn),
    rights: readRights(rights),
    budgets,
    ...(trace !== undefined && { trace: String(trace) }),
    expires: Number(exp) * 1000,
  }
}

/** Nothing is read leniently: a list that is not understood would bound nothing. */
function readRights(value: unknown): Rights {
  if (!isObject(value)) throw malformed('has no rights')
  const rights: JsonObject = {}
  for (const [kind, names] of Object.entries(value)) {
    const known = (rightKinds as readonly string[]).includes(kind)
    const list = Array.isArray(names) && names.length <= 1000 && names.every((name) => typeof name === 'string')
    if (!known || !list) throw malformed('has rights that are not known here')
    rights[kind] = names
  }
  return rights as Rights
}

const malformed = (text: string, cause?: unknown) =>
  new DelegationError('malformed_token', `The delegation ${text}; send it as the gateway gave it`, cause)

function refusalOf(error: unknown): DelegationError {
  if (error instanceof errors.JWTExpired)
    return new DelegationError(
      'expired_token',
      'The delegation has expired; the work it was for has to be asked for anew',
      error,
    )
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'aud')
      return new DelegationError(
        'wrong_audience',
        'The delegation was given to another agent than the one that shows it',
        error,
      )
    if (error.claim === 'iss')
      return new DelegationError('unknown_issuer', 'The delegation is not of a gateway that is trusted here', error)
    if (error.claim === 'nbf' && error.reason === 'check_failed')
      return new DelegationError('token_not_yet_valid', 'The delegation is not valid yet; the clocks may differ', error)
    return malformed(`has a wrong or no ${error.claim}`, error)
  }
  return new DelegationError(
    'bad_signature',
    'The delegation’s signature is not right; send it as the gateway gave it',
    error,
  )
}
