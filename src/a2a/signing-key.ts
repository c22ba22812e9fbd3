import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { calculateJwkThumbprint, type JWK } from 'jose'

/** The key that the gateway signs cards and delegations with, and what it publishes of it. */

export const signingAlgorithms = ['ES256', 'ES384', 'EdDSA', 'RS256', 'PS256'] as const
export type SigningAlgorithm = (typeof signingAlgorithms)[number]

export interface SigningKey {
  readonly key: KeyObject
  readonly alg: SigningAlgorithm
  readonly kid: string
  /** What verifies (RFC 7517), for the key set that is published. */
  readonly publicJwk: JWK
}

/**
 * A key of the rules.
 * @param pem PKCS #8
 * @throws {Error} where it is no private key, or not one for the algorithm; the message has nothing of the key
 */
export function readSigningKey(pem: string, alg: SigningAlgorithm, kid: string): SigningKey {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    throw new Error('the signing key is not a private key in PEM (PKCS #8)')
  }
  if (!fits(key, alg)) throw new Error(`the signing key is not one for ${alg}; ${wanted[alg]}`)
  return { key, alg, kid, publicJwk: publicOf(key, alg, kid) }
}

/**
 * A key that lives as long as the process, for gateways whose rules have none. Its id is its RFC 7638 thumbprint.
 * @param key on the curve P-256; default: a new one
 */
export async function makeSigningKey(
  key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
): Promise<SigningKey> {
  const kid = await calculateJwkThumbprint(createPublicKey(key).export({ format: 'jwk' }) as JWK)
  return { key, alg: 'ES256', kid, publicJwk: publicOf(key, 'ES256', kid) }
}

/**
 * The key set to publish.
 * @param keys the one that signs, and those that did, until nothing is valid any more that they signed
 */
export function keySet(keys: readonly SigningKey[]): { keys: JWK[] } {
  return { keys: keys.map(({ publicJwk }) => publicJwk) }
}

const wanted: Record<SigningAlgorithm, string> = {
  ES256: 'it takes a key on the curve P-256',
  ES384: 'it takes a key on the curve P-384',
  EdDSA: 'it takes a key on the curve Ed25519',
  RS256: 'it takes an RSA key of 2048 bits or more',
  PS256: 'it takes an RSA key of 2048 bits or more',
}

function fits(key: KeyObject, alg: SigningAlgorithm): boolean {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  switch (alg) {
    case 'ES256':
      return type === 'ec' && details?.namedCurve === 'prime256v1'
    case 'ES384':
      return type === 'ec' && details?.namedCurve === 'secp384r1'
    case 'EdDSA':
      return type === 'ed25519'
    case 'RS256':
    case 'PS256':
      return type === 'rsa' && (details?.modulusLength ?? 0) >= 2048
  }
}

/** By way of the public key, so that no private member can be left in. */
function publicOf(key: KeyObject, alg: SigningAlgorithm, kid: string): JWK {
  const jwk = createPublicKey(key).export({ format: 'jwk' }) as JWK
  return { ...jwk, kid, alg, use: 'sig' }
}
