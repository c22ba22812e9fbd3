import { type CryptoKey, FlattenedSign, flattenedVerify, type JWK, type KeyObject } from 'jose'
import { isObject, type JsonObject } from '../../json.ts'
import { canonicalCard, canonicalCardOfSdks, canonicalJson } from './canonical.ts'
import type { ReadCard } from './read-card.ts'

/** Signatures of cards: 1.0, sections 8.4.2 and 8.4.3, with RFC 7515. */

/** Algorithms that signatures may have: of public keys only, so that a key that is published can sign nothing. */
const algorithms = ['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'EdDSA', 'Ed25519']

type PublicKey = CryptoKey | KeyObject | JWK

/**
 * Finds the key of a signature.
 * @param kid the key's id, as the signature says
 * @param jku where the signature says that its key is
 * @returns undefined where there is no such key, or none that is trusted
 */
export type FindCardKey = (
  kid: string,
  jku: string | undefined,
) => PublicKey | undefined | Promise<PublicKey | undefined>

/** What came of looking at a card's signatures. */
export type CardVerification =
  | { readonly type: 'verified'; readonly kid: string }
  | { readonly type: 'unsigned' }
  /** @property reasons one a signature, without anything of the card's */
  | { readonly type: 'invalid'; readonly reasons: readonly string[] }

/**
 * Looks for a signature of the card that a trusted key made. Only what is in `ReadCard.card` counts as signed: fields that
 * no version knows are in no canonical form.
 * @throws whatever `find` throws: where keys cannot be had, nothing is known of the card
 */
export async function verifyCard({ document, card }: ReadCard, find: FindCardKey): Promise<CardVerification> {
  const signatures = Array.isArray(document.signatures) ? document.signatures.slice(0, 16) : []
  if (signatures.length === 0) return { type: 'unsigned' }
  const payloads = payloadsOf(document, card)
  const reasons: string[] = []
  for (const signature of signatures) {
    const result = await verifyOne(signature, payloads, find)
    if ('kid' in result) return { type: 'verified', kid: result.kid }
    reasons.push(result.reason)
  }
  return { type: 'invalid', reasons }
}

/**
 * The forms of a card that its signature may be of: the specification's, the SDKs', and for cards of 0.3, whose
 * specification names no form, the document as it is.
 */
function payloadsOf(document: JsonObject, card: JsonObject): Uint8Array[] {
  const forms = new Set<string>()
  const add = (form: () => string) => {
    try {
      forms.add(form())
    } catch (error) {
      // A text that RFC 8785 has no form for: nobody can have signed it in this one.
      if (!(error instanceof RangeError)) throw error
    }
  }
  if (document.supportedInterfaces === undefined) {
    const { signatures: _, ...rest } = document
    add(() => canonicalJson(rest))
  } else {
    add(() => canonicalCard(card))
    add(() => canonicalCardOfSdks(card))
  }
  return [...forms].map((form) => Buffer.from(form, 'utf8'))
}

async function verifyOne(
  value: unknown,
  payloads: readonly Uint8Array[],
  find: FindCardKey,
): Promise<{ kid: string } | { reason: string }> {
  if (!isObject(value) || typeof value.protected !== 'string' || typeof value.signature !== 'string')
    return { reason: 'it has no protected header or no signature' }
  const header = readHeader(value.protected)
  if (header === undefined) return { reason: 'its protected header is not JSON' }
  const { alg, kid, jku } = header
  if (typeof kid !== 'string' || kid === '') return { reason: 'its protected header names no key' }
  if (typeof alg !== 'string' || !algorithms.includes(alg)) return { reason: 'its algorithm is not one that is taken' }
  if (header.crit !== undefined || header.b64 !== undefined)
    return { reason: 'its header demands what is not known here' }
  const key = await find(kid, typeof jku === 'string' ? jku : undefined)
  if (key === undefined) return { reason: 'its key is not one that is trusted' }
  for (const payload of payloads) {
    try {
      await flattenedVerify(
        { protected: value.protected, payload: Buffer.from(payload).toString('base64url'), signature: value.signature },
        key,
        { algorithms: [alg] },
      )
      return { kid }
    } catch {
      // Another form may be the one that was signed.
    }
  }
  return { reason: 'it is not of this card' }
}

function readHeader(text: string): JsonObject | undefined {
  if (text.length > 8192) return undefined
  try {
    const header: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
    return isObject(header) ? header : undefined
  } catch {
    return undefined
  }
}

/** The key that the gateway signs cards with. */
export interface CardSigner {
  readonly key: CryptoKey | KeyObject
  readonly alg: string
  readonly kid: string
  /** Where its public key is published. */
  readonly jku: string
}

/**
 * The card with the gateway's signature. Where the SDKs' form differs from the specification's there is one of each.
 * @param card in 1.0's JSON as protobuf writes it; fields of other versions may be beside it, and are not signed
 * @param document what gets the signatures; the card where absent
 */
export async function signCard(card: JsonObject, signer: CardSigner, document: JsonObject = card): Promise<JsonObject> {
  const signatures: JsonObject[] = []
  for (const form of new Set([canonicalCard(card), canonicalCardOfSdks(card)])) {
    const jws = await new FlattenedSign(Buffer.from(form, 'utf8'))
      .setProtectedHeader({ alg: signer.alg, typ: 'JOSE', kid: signer.kid, jku: signer.jku })
      .sign(signer.key)
    signatures.push({ protected: jws.protected, signature: jws.signature })
  }
  return { ...document, signatures }
}
