import { blanks, type Detector, dashes, openBy, type Place, wordStart } from './detector.ts'

const shortest = 13
const longest = 19

/** The numbers that networks give out (issuers of ISO/IEC 7812): their first digits and lengths. */
const networks: readonly (readonly [RegExp, readonly number[]])[] = [
  // Visa, Mastercard, American Express
  [/^4/, [13, 16, 19]],
  [/^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, [16]],
  [/^3[47]/, [15]],
  // Diners Club, JCB
  [/^3(?:0[0-59]|[689])/, [14, 15, 16, 17, 18, 19]],
  [/^35(?:2[89]|[3-8])/, [16, 17, 18, 19]],
  // Discover, UnionPay, RuPay, Maestro, Mir
  [/^(?:6|5[06-9]|8[12]|220[0-4])/, [16, 17, 18, 19]],
  [/^(?:5018|5020|5038|5893|6304|6759|676[1-3])/, [13, 14, 15]],
]

const separator = `[${blanks}${dashes}]`
/** The first group of a number. Fractions (0.4111…) are no cards, and neither are parts of longer runs. */
const first = new RegExp(`(?<!\\d|\\d[.,])${wordStart}\\d{4,19}(?!\\d)`, 'gu')
const next = new RegExp(`${separator}\\d{3,13}(?!\\d)`, 'uy')
const after = /[\p{L}_]|[.,]\d/uy

/** Card numbers: 13 to 19 digits of a network, alone or in groups one blank or dash apart, whose check digit (Luhn) is right. */
export const card: Detector = {
  label: 'CARD',
  plural: 'card numbers',
  find(text, from = 0) {
    const places: Place[] = []
    first.lastIndex = from
    for (let match = first.exec(text); match; match = first.exec(text)) {
      const end = endOf(text, match.index, match[0])
      if (end === undefined) continue
      places.push({ start: match.index, end })
      first.lastIndex = end
    }
    return places
  },
  open: openBy(
    new RegExp(`(?<!\\d)(?:\\d{1,19}|\\d{4,19}(?:${separator}\\d{3,13}){0,4}(?:${separator}\\d{0,13})?)[.,]?$`, 'gu'),
    32,
  ),
}

/** @returns where a number ends that begins with this group; undefined: there is none */
function endOf(text: string, start: number, group: string): number | undefined {
  let digits = group
  let end = start + group.length
  for (;;) {
    if (digits.length >= shortest && isCard(digits)) {
      after.lastIndex = end
      if (!after.test(text)) return end
    }
    next.lastIndex = end
    const more = digits.length < longest ? next.exec(text)?.[0] : undefined
    if (more === undefined) return undefined
    digits += more.slice(1)
    end += more.length
    if (digits.length > longest) return undefined
  }
}

function isCard(digits: string): boolean {
  const { length } = digits
  return (
    networks.some(([prefix, lengths]) => lengths.includes(length) && prefix.test(digits)) &&
    luhn(digits) &&
    !/^(\d)\1+$/.test(digits)
  )
}

/** The check digit of ISO/IEC 7812-1, annex B. */
function luhn(digits: string): boolean {
  let sum = 0
  for (let index = 0; index < digits.length; index++) {
    const digit = digits.charCodeAt(digits.length - 1 - index) - 48
    const doubled = index % 2 === 1 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}
