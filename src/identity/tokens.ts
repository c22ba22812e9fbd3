import { hash } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { IssuerRule, TeamsRule } from '../config/identities.ts'
import { durationMs } from '../config/primitives.ts'
import { nameAt, teamAt } from './claims.ts'
import { type Identity, isUnidentified, type Unidentified } from './identity.ts'
import type { KeySets } from './jwks.ts'
import { Lru } from './lru.ts'
import { makeIdentity } from './make-identity.ts'
import { refuse, unavailable } from './refusals.ts'

const longestToken = 16 * 1024
const mostVerified = 10_000
/** A token is checked again after this long, lest it outlive the key that signed it by more. */
const longestTrustMs = 5 * 60_000

/** RFC 8725, section 3.11: what else an issuer signs (logout tokens, DPoP proofs) is no access token. */
const types = new Set([undefined, 'jwt', 'at+jwt', 'jose', 'application/jwt', 'application/at+jwt'])

/** An issuer of the rules, ready to be asked. */
interface Issuer {
  readonly name: string
  readonly rule: IssuerRule
  readonly skewMs: number
  readonly keys: JWTVerifyGetKey
}

interface Verified {
  readonly identity: Identity
  readonly untilMs: number
}

/** Whether a credential has the form of a signed JWT (RFC 7515, section 3.1). Its signature may be empty, to be refused. */
export function looksLikeToken(credential: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(credential)
}

/** Checks JWTs (RFC 7519, with the advice of RFC 8725) against the issuers of one revision of the rules. */
export class Tokens {
  readonly #issuers = new Map<string, Issuer[]>()
  readonly #teams: TeamsRule
  /** By the SHA-256 of their text, so that no token that works is kept. */
  readonly #verified = new Lru<string, Verified>(mostVerified)
  readonly #pending = new Map<string, Promise<Identity | Unidentified>>()

  constructor(issuers: Readonly<Record<string, IssuerRule>>, teams: TeamsRule, keySets: KeySets) {
    this.#teams = teams
    for (const [name, rule] of Object.entries(issuers)) {
      const keys = rule.jwksUri === undefined ? keySets.in(rule.jwksFile ?? '') : keySets.at(rule.jwksUri)
      const issuer = { name, rule, skewMs: durationMs(rule.clockSkew), keys }
      this.#issuers.set(rule.issuer, [...(this.#issuers.get(rule.issuer) ?? []), issuer])
    }
  }

  /**
   * @param token what looks like a token
   * @param nowMs the time, in Unix milliseconds
   * @returns at once for a token that was checked lately, else a promise
   */
  verify(token: string, nowMs: number): Identity | Unidentified | Promise<Identity | Unidentified> {
    if (token.length > longestToken) return tooLong
    const digest = hash('sha256', token, 'base64')
    const known = this.#verified.get(digest)
    if (known) {
      if (nowMs < known.untilMs) return known.identity
      this.#verified.delete(digest)
    }
    const pending = this.#pending.get(digest)
    if (pending !== undefined) return pending
    const issuer = this.#issuerOf(token)
    if ('status' in issuer) return issuer
    const checked = this.#check(token, digest, issuer, nowMs).finally(() => this.#pending.delete(digest))
    this.#pending.set(digest, checked)
    return checked
  }

  /** What can be said before any signature is computed: whose token it claims to be, and whether it has the right form. */
  #issuerOf(token: string): Issuer | Unidentified {
    let payload: JWTPayload
    let header: ReturnType<typeof decodeProtectedHeader>
    try {
      header = decodeProtectedHeader(token)
      payload = decodeJwt(token)
    } catch {
      return malformed
    }
    const audiences = [payload.aud].flat()
    const issuers = typeof payload.iss === 'string' ? this.#issuers.get(payload.iss) : undefined
    const issuer = issuers?.find(({ rule }) => rule.audiences.some((name) => audiences.includes(name))) ?? issuers?.[0]
    if (!issuer) return unknownIssuer
    // Of our own choosing, never the token's: `none`, and HMAC with a public key as the secret, end here.
    if (!(issuer.rule.algorithms as readonly unknown[]).includes(header.alg)) return wrongAlgorithm(issuer)
    // We understand no extension that a token may call critical.
    if (header.crit !== undefined || !types.has(typeOf(header.typ))) return malformed
    return issuer
  }

  async #check(token: string, digest: string, issuer: Issuer, nowMs: number): Promise<Identity | Unidentified> {
    const { rule, skewMs } = issuer
    let payload: JWTPayload
    try {
      const verified = await jwtVerify(token, issuer.keys, {
        issuer: rule.issuer,
        audience: rule.audiences,
        algorithms: rule.algorithms,
        clockTolerance: skewMs / 1000,
        currentDate: new Date(nowMs),
        requiredClaims: ['exp'],
      })
      payload = verified.payload
    } catch (error) {
      return explain(error, issuer)
    }
    const identity = this.#identityOf(payload, issuer)
    if (isUnidentified(identity)) return identity
    const untilMs = Math.min(payload.exp! * 1000 + skewMs, nowMs + longestTrustMs)
    this.#verified.set(digest, { identity, untilMs })
    return identity
  }

  #identityOf(payload: JWTPayload, { name, rule }: Issuer): Identity | Unidentified {
    const user = nameAt(payload, rule.userClaim)
    const team =
      rule.teamClaim === undefined
        ? undefined
        : teamAt(payload, rule.teamClaim, (candidate) => Object.hasOwn(this.#teams, candidate))
    const organization = rule.organizationClaim === undefined ? undefined : nameAt(payload, rule.organizationClaim)
    const sub = nameAt(payload, 'sub')
    if (sub === null) return unusableClaim('sub')
    if (typeof user !== 'string') return unusableClaim(rule.userClaim)
    if (team === null) return unusableClaim(rule.teamClaim!)
    if (organization === null) return unusableClaim(rule.organizationClaim!)
    // Subjects are unique for one issuer only (RFC 7519, section 4.1.2).
    const subject = `${name}/${sub ?? user}`
    const owner = { user, team, organization }
    return makeIdentity('jwt', subject, owner, this.#teams, { claims: Object.freeze(payload) })
  }
}

function typeOf(typ: unknown): string | undefined {
  return typ === undefined ? undefined : String(typ).toLowerCase()
}

const malformed = refuse('invalid_token', 'This token is not a signed JWT of a kind that is accepted here.')
const tooLong = refuse('invalid_token', `This token is longer than ${longestToken} characters.`)
const unknownIssuer = refuse(
  'unknown_issuer',
  'This token comes from an issuer that is not among the rules’ identities.issuers.',
)
const expired = refuse('expired_token', 'This token has expired. Get a new one from its issuer.')
const notYet = refuse(
  'token_not_yet_valid',
  'This token is not valid yet: its nbf lies in the future. Check the clocks.',
)
const wrongSignature = refuse(
  'invalid_token',
  'This token’s signature is not its issuer’s. Get a new one from its issuer.',
)
const unknownKey = refuse(
  'invalid_token',
  'This token was signed with a key that its issuer does not publish. Get a new one from its issuer.',
)

function unusableClaim(path: string): Unidentified {
  return refuse('invalid_token', `This token’s claim ${path} is missing or is no name of 1 to 200 characters.`)
}

function wrongAlgorithm({ name, rule }: Issuer): Unidentified {
  return refuse('invalid_token', `Tokens of ${name} must be signed with ${rule.algorithms.join(' or ')}.`)
}

function explain(error: unknown, { name, rule }: Issuer): Unidentified {
  if (error instanceof errors.JWTExpired) return expired
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'aud')
      return refuse(
        'wrong_audience',
        `This token is not made for us: its aud must name ${rule.audiences.join(' or ')}.`,
      )
    if (error.claim === 'nbf' && error.reason === 'check_failed') return notYet
    return refuse('invalid_token', `This token’s claim ${error.claim} is missing or wrong.`)
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return wrongSignature
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) return unknownKey
  if (
    error instanceof errors.JWSInvalid ||
    error instanceof errors.JWTInvalid ||
    error instanceof errors.JOSENotSupported
  )
    return malformed
  if (error instanceof errors.JOSEAlgNotAllowed) return malformed
  return unavailable(
    'issuer_unavailable',
    `Tokens of ${name} cannot be checked at the moment. Try again in a few seconds.`,
    error,
  )
}
