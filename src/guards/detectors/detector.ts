/** A place in a text. */
export interface Place {
  readonly start: number
  /** After its last character. */
  readonly end: number
}

/** Finds one kind of thing in texts. Both functions take time in proportion to the text's length. */
export interface Detector {
  /** What a masked one is called: [CARD_1]. */
  readonly label: string
  /** How it is called in messages: `card numbers`. */
  readonly plural: string
  /**
   * @param from where the first one may begin; what is before it is looked at only to see where words begin
   * @returns the places in order, none overlapping
   */
  find(text: string, from?: number): Place[]
  /**
   * Where a stream must wait for more.
   * @returns the first place from `from` on where something may begin that only more text completes; the text's end: nowhere.
   *   Places that end among the last two characters may grow, and need not be told.
   */
  open(text: string, from: number): number
}

/** As much of the text before a place as decides whether a word begins there. */
export const longestContext = 8

/** For character classes: blanks and dashes between groups of digits, as people type them and as models write them. */
export const blanks = ' \\u00a0\\u2007\\u2009\\u202f'
export const dashes = '\\-\\u2010-\\u2015'

/** The beginning of a word. In JSON that is shown as it is written, the n of an escaped line end (\n) belongs to no word. */
export const wordStart = '(?:(?<![\\p{L}\\p{N}_])|(?<=\\\\[bfnrt]))'

/**
 * The matches of a global pattern that a check confirms.
 * @param check whether it is one; by default all are
 */
export function matches(pattern: RegExp, text: string, from: number, check?: (match: string) => boolean): Place[] {
  const places: Place[] = []
  pattern.lastIndex = from
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const { index } = match
    if (match[0] === '') pattern.lastIndex++
    else if (!check || check(match[0])) places.push({ start: index, end: index + match[0].length })
  }
  return places
}

/**
 * @param pattern global; matches, up to the text's end, what may be the beginning of something
 * @param window no beginning that is not yet something is longer
 * @returns what Detector.open does
 */
export function openBy(pattern: RegExp, window: number): Detector['open'] {
  return (text, from) => {
    pattern.lastIndex = Math.max(from, text.length - window)
    return pattern.exec(text)?.index ?? text.length
  }
}
