/** SPIFFE ids, and the patterns of the rules for them. */

/** SPIFFE-ID, section 2: a trust domain in lower case, then segments without percent-encoding. */
const spiffeId = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/[A-Za-z0-9._-]+)+$/
const longestId = 2048

/** @returns the id's trust domain and path segments; undefined where the text is no id of a workload */
export function spiffeSegments(id: string): readonly string[] | undefined {
  if (id.length > longestId || !spiffeId.test(id)) return undefined
  const segments = id.slice('spiffe://'.length).split('/')
  return segments.includes('.') || segments.includes('..') ? undefined : segments
}

interface Pattern {
  readonly name: string
  readonly segments: readonly string[]
}

/** The patterns of the rules: `*` is one path segment, `**` at the end is one or more. */
export class SpiffePatterns {
  readonly #patterns: readonly Pattern[]

  /** @param patterns by name */
  constructor(patterns: Readonly<Record<string, string>>) {
    this.#patterns = Object.entries(patterns)
      .map(([name, pattern]) => ({ name, segments: pattern.slice('spiffe://'.length).split('/') }))
      .sort(bySpecificity)
  }

  /**
   * @param segments of `spiffeSegments`
   * @returns the name of the most specific pattern that fits: read from the left, the first segment where patterns
   *   differ decides, a name before `*` before `**`
   */
  match(segments: readonly string[]): string | undefined {
    return this.#patterns.find((pattern) => fits(pattern.segments, segments))?.name
  }
}

function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  const open = pattern.at(-1) === '**'
  if (open ? segments.length < pattern.length : segments.length !== pattern.length) return false
  // The trust domain is who vouches for the rest: nothing stands for it.
  if (pattern[0] !== segments[0]) return false
  const fixed = open ? pattern.length - 1 : pattern.length
  for (let i = 1; i < fixed; i++) if (pattern[i] !== '*' && pattern[i] !== segments[i]) return false
  return true
}

function bySpecificity(a: Pattern, b: Pattern): number {
  for (let i = 0; i < Math.max(a.segments.length, b.segments.length); i++) {
    const difference = width(a.segments[i]) - width(b.segments[i])
    if (difference !== 0) return difference
  }
  return a.name < b.name ? -1 : 1
}

function width(segment: string | undefined): number {
  return segment === '**' ? 2 : segment === '*' ? 1 : 0
}
