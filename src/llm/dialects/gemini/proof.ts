import type { Opaque, ReasoningPart } from '../../conversation.ts'
import { unwrapOpaque, wrapOpaque } from '../../opaque.ts'

/**
 * What a part's `thoughtSignature` may hold. Gemini's own signatures stand there as they came. Data of other origins is
 * marked by opaque.ts, says in front of its value what it was, and is base64 once more: the field is one of bytes, and
 * Google's SDKs for Python and Go decode it.
 */
export interface Proof {
  kind: 'signature' | 'redacted'
  opaque: Opaque
}

/** Base64 of `chaperone.`, as far as it does not depend on what follows. Both alphabets of base64 have it. */
export const foreignMark = 'Y2hhcGVyb25lL'

/** Stands on calls that no Gemini model made and that nobody signed, so that they are known when they come back. */
export const unsigned: Opaque = { origin: 'openai', value: '' }

/** @returns the text of a `thoughtSignature` */
export function writeProof({ kind, opaque }: Proof): string {
  if (opaque.origin === 'gemini') return opaque.value
  return Buffer.from(wrapOpaque({ ...opaque, value: `${kind}:${opaque.value}` }, 'gemini')).toString('base64')
}

/** The proofs of a reasoning part, written. No provider gives both kinds. */
export function proofsOf({ signature, redacted }: Pick<ReasoningPart, 'signature' | 'redacted'>): string[] {
  return [
    ...(signature ? [writeProof({ kind: 'signature', opaque: signature })] : []),
    ...(redacted ? [writeProof({ kind: 'redacted', opaque: redacted })] : []),
  ]
}

/** Undoes writeProof. @returns undefined for a mark that says nothing more, or none of this service's making */
export function readProof(text: string): Proof | undefined {
  if (!isForeign(text)) return { kind: 'signature', opaque: { origin: 'gemini', value: text } }
  const { origin, value: body } = unwrapOpaque(decode(text), 'gemini')
  const [, kind, value] = /^(signature|redacted):(.+)$/s.exec(body) ?? []
  if (kind === undefined || value === undefined) return undefined
  return { kind: kind as Proof['kind'], opaque: { origin, value } }
}

/** Whether a `thoughtSignature` is not Gemini's. */
export function isForeign(text: string): boolean {
  return text.startsWith(foreignMark) && unwrapOpaque(decode(text), 'gemini').origin !== 'gemini'
}

/** Takes both alphabets of base64, with padding and without. */
function decode(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8')
}
