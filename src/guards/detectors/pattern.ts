import type { Detector, Place } from './detector.ts'
import { type LinearPattern, linearPattern } from './linear.ts'

/** Matches that may be longer are held together in streams only up to this length. */
const longestWindow = 1_000
/** So much of a text is searched at once: what one match looks ahead for is bounded. */
const block = 4_096
/** A block that takes longer is one that the quick form is not made for. */
const slowMs = 5

/**
 * A pattern of the rules.
 * @throws {RangeError} where it is wrong, or could take long
 */
export function patternDetector(source: string, label: string): Detector {
  const linear = linearPattern(source)
  if (new RegExp(`^(?:${linear.pattern.source})$`).test(''))
    throw new RangeError('the pattern matches nothing at all, so it would match everywhere')
  // Beside the match, one character more decides whether a word or the text ends there.
  const window = Math.min(linear.longest + 1, longestWindow)
  return {
    label,
    plural: `matches of ${label}`,
    find: (text, from = 0) => findIn(text, from, linear, window),
    open: (text, from) => Math.max(from, text.length - window),
  }
}

function findIn(text: string, from: number, { pattern, steady }: LinearPattern, window: number): Place[] {
  const places: Place[] = []
  let used = pattern
  for (let at = from; at < text.length; ) {
    const isLast = at + block + window >= text.length
    const seen = isLast ? text : text.slice(0, at + block + window)
    const limit = isLast ? text.length : at + block
    const began = performance.now()
    used.lastIndex = at
    for (let match = used.exec(seen); match && match.index < limit; match = used.exec(seen)) {
      if (match[0] === '') used.lastIndex++
      else places.push(whole(text, match.index, used.lastIndex))
    }
    if (performance.now() - began > slowMs) used = steady
    at = Math.max(limit, places.at(-1)?.end ?? 0)
  }
  return places
}

/** Characters that are two units are not cut. */
function whole(text: string, start: number, end: number): Place {
  return { start: splits(text, start) ? start - 1 : start, end: splits(text, end) ? end + 1 : end }
}

/** @returns whether a place is in the middle of a character (a surrogate pair) */
function splits(text: string, at: number): boolean {
  return (text.charCodeAt(at - 1) & 0xfc00) === 0xd800 && (text.charCodeAt(at) & 0xfc00) === 0xdc00
}
