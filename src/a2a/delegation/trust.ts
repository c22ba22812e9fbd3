import {
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type FlattenedJWSInput,
  type JWTHeaderParameters,
  type JWTVerifyGetKey,
} from 'jose'
import type { A2aDelegationRule } from '../../config/a2a.ts'
import type { KeySets } from '../../identity/jwks.ts'
import type { SigningKey } from '../signing-key.ts'
import { DelegationError } from './errors.ts'
import type { Verify } from './standing.ts'
import { type Clock, verifyDelegation } from './token.ts'

const longestToken = 16_384

/** Whose delegations count: this gateway's own, and those of the gateways that the rules name, each by its own keys alone. */
export function verifierOf(
  rule: A2aDelegationRule,
  signer: () => Promise<SigningKey>,
  keySets: Pick<KeySets, 'at' | 'in'>,
  clock: Clock = Date.now,
): Verify {
  const others = new Map<string, JWTVerifyGetKey>()
  for (const { issuer, jwksUri, jwksFile } of Object.values(rule.trusted))
    others.set(issuer, jwksFile === undefined ? keySets.at(jwksUri ?? '') : keySets.in(jwksFile))
  return async (token, presenter) => {
    const issuer = issuerOf(token)
    const keys = others.get(issuer)
    const find = async (kid: string) => {
      const own = await signer()
      if (issuer === rule.issuer && own.kid === kid) return own.publicJwk
      if (!keys) return undefined
      try {
        const found = await keys(decodeProtectedHeader(token) as JWTHeaderParameters, nothing)
        // A symmetric key is nobody's public one.
        return found instanceof Uint8Array ? undefined : found
      } catch (error) {
        if (error instanceof errors.JWKSNoMatchingKey) return undefined
        throw error
      }
    }
    return verifyDelegation(token, presenter, { issuers: [issuer], find }, clock)
  }
}

const nothing: FlattenedJWSInput = { payload: '', signature: '' }

/** Who a token says that it is from: not proved yet, but it is that one's keys that have to prove it. */
function issuerOf(token: string): string {
  if (token.length > longestToken) throw new DelegationError('malformed_token', 'The delegation is too long')
  let issuer: unknown
  try {
    issuer = decodeJwt(token).iss
  } catch (error) {
    throw new DelegationError('malformed_token', 'The delegation is not a JWT; send it as the gateway gave it', error)
  }
  if (typeof issuer !== 'string' || issuer === '')
    throw new DelegationError('unknown_issuer', 'The delegation does not say which gateway it is from')
  return issuer
}
