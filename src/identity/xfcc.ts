/**
 * Envoy's header x-forwarded-client-cert (Envoy documentation, "HTTP header manipulation").
 *
 * Elements are separated by commas, one for each proxy that saw a client certificate; an element is `key=value` pairs
 * separated by semicolons. Envoy quotes the subject, the certificate and its chain; within quotes a backslash takes the
 * meaning from the character behind it (subjects are written as RFC 2253 has it). It quotes no URI, whatever is in it.
 */

/** Envoy itself takes no headers of more than 60 KiB altogether. */
const longest = 64 * 1024
const mostElements = 32
const mostPairs = 64

/** One proxy's view of the client: keys in lower case, in the order they stand; a key may stand more than once. */
export type CertificateElement = readonly (readonly [key: string, value: string])[]

/**
 * @returns the elements, the first proxy's first; undefined where the header is not exactly of the form. It is strict
 *   because of what a client can write in front of a proxy's own element: a quote that it leaves open must spoil the
 *   header rather than swallow that element.
 */
export function parseXfcc(header: string): CertificateElement[] | undefined {
  if (header.length > longest) return undefined
  const elements: CertificateElement[] = []
  let pairs: [string, string][] = []
  let at = 0
  for (;;) {
    while (pairs.length === 0 && header[at] === ' ') at++
    const equals = header.indexOf('=', at)
    if (equals < 0) return undefined
    const key = header.slice(at, equals)
    if (!/^[A-Za-z][A-Za-z0-9_-]{0,31}$/.test(key)) return undefined
    const value = header[equals + 1] === '"' ? quoted(header, equals + 1) : plain(header, equals + 1)
    if (!value) return undefined
    pairs.push([key.toLowerCase(), value.text])
    if (pairs.length > mostPairs) return undefined
    at = value.end
    const last = at === header.length
    if (last || header[at] === ',') {
      elements.push(pairs)
      pairs = []
      if (elements.length > mostElements) return undefined
      if (last) return elements
    } else if (header[at] !== ';') return undefined
    at++
  }
}

interface Value {
  readonly text: string
  /** Where what follows begins. */
  readonly end: number
}

function quoted(header: string, open: number): Value | undefined {
  let text = ''
  for (let at = open + 1; at < header.length; at++) {
    const character = header[at]!
    if (character === '"') return { text, end: at + 1 }
    if (character === '\\' && ++at === header.length) return undefined
    text += header[at]!
  }
  return undefined
}

function plain(header: string, start: number): Value | undefined {
  let end = start
  while (end < header.length && header[end] !== ',' && header[end] !== ';') end++
  const text = header.slice(start, end)
  return text.includes('"') ? undefined : { text: text.trimEnd(), end }
}

/**
 * The URI of the certificate that the proxy nearest to us saw.
 *
 * It is the last element that counts: a proxy that forwards appends its own, so all before it was written by someone
 * further away, at worst by the client. Our own Envoy writes exactly one element, and then more than one means that
 * something within it was not what it seemed (a URI of the certificate may hold a comma, which Envoy does not quote).
 *
 * @param single whether our own Envoy wrote the header
 * @returns undefined where the header cannot be believed; `''` where the certificate has no URI. A certificate with
 *   several is not believed either: an X.509-SVID has exactly one (SPIFFE X509-SVID, section 2).
 */
export function nearestUri(header: string, { single }: { single: boolean }): string | undefined {
  const elements = parseXfcc(header)
  if (!elements || (single && elements.length !== 1)) return undefined
  const uris = elements.at(-1)!.filter(([key]) => key === 'uri')
  return uris.length > 1 ? undefined : (uris[0]?.[1] ?? '')
}
