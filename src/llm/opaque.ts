import type { Opaque } from './conversation.ts'

/**
 * How data that only its origin understands (see Opaque) travels through a client of another make and back.
 *
 * A client API has fields for such data (messages: `signature`, `redacted_thinking.data`; responses:
 * `encrypted_content`; chat: `reasoning_details`), which clients return as they got them. A value of the API's own
 * origin goes in as it is; a foreign one is marked with its origin, so that it is recognised when it comes back and
 * is never shown to a provider that did not make it.
 */
const mark = /^chaperone\.(openai|anthropic|gemini|bedrock)\.(.*)$/s

/** @returns the text to put into a field of an API whose own origin is `native`. */
export function wrapOpaque(opaque: Opaque, native: Opaque['origin']): string {
  return opaque.origin === native ? opaque.value : `chaperone.${opaque.origin}.${opaque.value}`
}

/** Undoes wrapOpaque: unmarked text is of the API's own origin. */
export function unwrapOpaque(text: string, native: Opaque['origin']): Opaque {
  const match = mark.exec(text)
  return match ? { origin: match[1] as Opaque['origin'], value: match[2]! } : { origin: native, value: text }
}

/** @returns the value where it is of this origin, else undefined: foreign data is left out. */
export function ownOpaque(opaque: Opaque | undefined, origin: Opaque['origin']): string | undefined {
  return opaque?.origin === origin ? opaque.value : undefined
}
