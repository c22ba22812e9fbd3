/** Longer than any model's name (Bedrock allows 2,048 characters). */
const longest = 2048

/** Control characters, and what stands between slashes being nothing or a dot segment. */
const unsafe = /\p{Cc}|(?:^|[/\\])\.{0,2}(?:[/\\]|$)/u

/**
 * A model's name as one segment of a path. Wildcard models put a client's own text here, so everything outside
 * RFC 3986's unreserved characters is percent-encoded, slashes and colons included (AWS's rule as well: an ARN is one
 * segment).
 * @returns undefined for a name that no model has: empty, with control characters or lone surrogates, or with a dot
 *   segment, which some servers resolve even when it is encoded
 */
export function modelSegment(model: string): string | undefined {
  if (model.length > longest || unsafe.test(model)) return undefined
  try {
    return encodeURIComponent(model).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}
