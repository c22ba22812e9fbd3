import { type Detector, matches } from './detector.ts'

/** Longer matches of the rules' patterns are not held together in streams. */
const window = 1_000

/**
 * A pattern of the rules.
 * @throws {RangeError} where it is wrong, or could take long
 */
export function patternDetector(source: string, label: string): Detector {
  if (/\(\?(?:[=!]|<[=!])|\\[1-9]|\\k</.test(source))
    throw new RangeError('a pattern has no look-around and no back-references here')
  let pattern: RegExp
  try {
    pattern = new RegExp(source, 'gu')
  } catch (error) {
    throw new RangeError(`the pattern is wrong: ${(error as Error).message}`)
  }
  if (pattern.test('')) throw new RangeError('the pattern matches nothing at all, so it would match everywhere')
  return { label, plural: `matches of ${label}`, window, find: (text) => matches(pattern, text) }
}
