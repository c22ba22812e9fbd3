/** A place in a text. */
export interface Place {
  readonly start: number
  /** After its last character. */
  readonly end: number
}

/** Finds one kind of thing in texts. */
export interface Detector {
  /** What a masked one is called: [CARD_1]. */
  readonly label: string
  /** How it is called in messages: `card numbers`. */
  readonly plural: string
  /** No finding, with the characters around it that matter, is longer: what a stream must hold back. */
  readonly window: number
  /** @returns the places in order, none overlapping. Takes time in proportion to the text's length. */
  find(text: string): Place[]
}

/** The matches of a global pattern that a check confirms. */
export function matches(
  pattern: RegExp,
  text: string,
  check: (match: string, start: number) => boolean = () => true,
): Place[] {
  const places: Place[] = []
  for (const match of text.matchAll(pattern)) {
    const { index } = match
    if (match[0] !== '' && check(match[0], index)) places.push({ start: index, end: index + match[0].length })
  }
  return places
}
