import type { Detector, Place } from './detector.ts'

const shortest = 13
const longest = 19
/** First digits of the networks: Amex, Diners, JCB (3), Visa (4), Mastercard (5, 2), Discover, UnionPay, Maestro (6). */
const networks = /^(?:3[0-9]|4|5[0-9]|2[2-7]|6)/

/** Card numbers (ISO/IEC 7812): 13 to 19 digits, alone or in groups, whose check digit (Luhn) is right. */
export const card: Detector = {
  label: 'CARD',
  plural: 'card numbers',
  window: 64,
  find(text) {
    const places: Place[] = []
    for (const run of text.matchAll(/\d[\d -]{11,}/g)) {
      const before = text[run.index - 1]
      findIn(run[0], run.index, before !== undefined && /[\p{L}\d_]/u.test(before), places)
    }
    return places
  },
}

/** A run of digits, blanks and dashes: a number begins and ends with a group of it. */
function findIn(run: string, offset: number, glued: boolean, places: Place[]): void {
  const groups = [...run.matchAll(/\d+/g)].map((group) => ({ start: group.index, digits: group[0] }))
  for (let first = glued ? 1 : 0; first < groups.length; first++) {
    let digits = ''
    for (let last = first; last < groups.length && digits.length < longest; last++) {
      const previous = groups[last - 1]
      // Groups are one blank or dash apart.
      if (last > first && groups[last]!.start - (previous!.start + previous!.digits.length) > 1) break
      digits += groups[last]!.digits
      if (digits.length < shortest || digits.length > longest) continue
      const end = groups[last]!.start + groups[last]!.digits.length
      if (!networks.test(digits) || !luhn(digits) || /^(\d)\1+$/.test(digits)) continue
      places.push({ start: offset + groups[first]!.start, end: offset + end })
      first = last
      break
    }
  }
}

function luhn(digits: string): boolean {
  let sum = 0
  for (let index = 0; index < digits.length; index++) {
    const digit = digits.charCodeAt(digits.length - 1 - index) - 48
    const doubled = index % 2 === 1 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}
