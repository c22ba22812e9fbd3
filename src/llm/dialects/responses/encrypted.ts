import type { Opaque, ReasoningPart } from '../../conversation.ts'
import { unwrapOpaque, wrapOpaque } from '../../opaque.ts'

/**
 * What a reasoning item's `encrypted_content` may hold. OpenAI's own content is there as it came. Data of other
 * origins is marked by opaque.ts and says, in front of the value, what it was: the signature of the text beside it,
 * thinking that was redacted, or the signature of a tool call (Gemini), which is told with the id of its call so that
 * it finds it again wherever the client puts the item.
 */
export type Encrypted =
  | { kind: 'redacted' | 'signature'; opaque: Opaque }
  | { kind: 'call'; callId: string; opaque: Opaque }

const foreign = /^(signature|redacted|call:[^:]*):(.*)$/s

/** @returns the text of an `encrypted_content` field. */
export function writeEncrypted(encrypted: Encrypted): string {
  const { opaque, kind } = encrypted
  const name = kind === 'call' ? `call:${escapeColon(encrypted.callId)}` : kind
  if (opaque.origin === 'openai') return opaque.value
  return wrapOpaque({ origin: opaque.origin, value: `${name}:${opaque.value}` }, 'openai')
}

/** Undoes writeEncrypted. @returns undefined for a foreign value that is not as this service wrote it. */
export function readEncrypted(text: string): Encrypted | undefined {
  const { origin, value: body } = unwrapOpaque(text, 'openai')
  if (origin === 'openai') return { kind: 'redacted', opaque: { origin, value: body } }
  const [, name, value] = foreign.exec(body) ?? []
  if (name === undefined || value === undefined) return undefined
  const opaque: Opaque = { origin, value }
  if (name === 'signature' || name === 'redacted') return { kind: name, opaque }
  return { kind: 'call', callId: unescapeColon(name.slice('call:'.length)), opaque }
}

/** @returns the `encrypted_content` of a reasoning part; it has one field, and no provider sends both kinds at once. */
export function encryptedOf(part: Pick<ReasoningPart, 'signature' | 'redacted'>): string | undefined {
  if (part.redacted) return writeEncrypted({ kind: 'redacted', opaque: part.redacted })
  if (part.signature) return writeEncrypted({ kind: 'signature', opaque: part.signature })
  return undefined
}

/** Keeps the colon after the call's id the first one. Unlike encodeURIComponent it takes any string. */
function escapeColon(text: string): string {
  return text.replaceAll('%', '%25').replaceAll(':', '%3A')
}

function unescapeColon(text: string): string {
  return text.replaceAll('%3A', ':').replaceAll('%25', '%')
}
