/** How long a card may be used: 1.0, section 8.6, and RFC 9111. */

export interface Freshness {
  /** How long it may be used without asking again, ms from when it came. 0: ask each time. */
  readonly lifetimeMs: number
  /** To ask with whether it is still the same (`if-none-match`). */
  readonly etag?: string
  /** The same with a date (`if-modified-since`). */
  readonly lastModified?: string
}

/**
 * What the headers of an agent's answer say of its card. The gateway is a shared cache.
 * @param headers by lower-case names
 * @param bounds what holds where the agent says nothing (`default`), and the most that is believed (`most`), ms
 * @param now ms since 1970
 */
export function freshnessOf(
  headers: ReadonlyMap<string, string>,
  bounds: { default: number; most: number },
  now: number,
): Freshness {
  const etag = headers.get('etag')
  const lastModified = headers.get('last-modified')
  return {
    lifetimeMs: Math.max(0, Math.min(lifetimeOf(headers, bounds.default, now), bounds.most)),
    ...(etag !== undefined && etag.length <= 1024 && { etag }),
    ...(lastModified !== undefined && lastModified.length <= 64 && { lastModified }),
  }
}

function lifetimeOf(headers: ReadonlyMap<string, string>, byDefault: number, now: number): number {
  const control = directives(headers.get('cache-control') ?? '')
  if (control.has('no-store') || control.has('no-cache') || control.has('private')) return 0
  const age = seconds(headers.get('age')) ?? 0
  const explicit = control.has('s-maxage') ? control.get('s-maxage') : control.get('max-age')
  // One that is there and is no number is stale (RFC 9111, section 4.2.1).
  if (explicit !== undefined) return ((seconds(explicit) ?? 0) - age) * 1000
  const expires = headers.get('expires')
  if (expires === undefined) return byDefault
  const until = Date.parse(expires)
  const date = Date.parse(headers.get('date') ?? '')
  return Number.isNaN(until) ? 0 : until - (Number.isNaN(date) ? now : date) - age * 1000
}

/** The directives by their lower-case names; of those that are there twice, the first. */
function directives(text: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const part of text.slice(0, 4096).split(',')) {
    const [name = '', value = ''] = part.trim().split('=', 2)
    const key = name.toLowerCase()
    if (key !== '' && !found.has(key)) found.set(key, value.replace(/^"(.*)"$/, '$1'))
  }
  return found
}

function seconds(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text.trim()) ? Number(text) : undefined
}
