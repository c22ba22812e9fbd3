import { blanks, type Detector, dashes, matches, openBy, wordStart } from './detector.ts'

const blank = `[${blanks}]`
const dash = `[${dashes}]`
const gap = `[${blanks}${dashes}./]`
/** Between the digits of an international number: separators and brackets, like the three of 30 / 90. */
const inner = `[${blanks}${dashes}./()]`

const forms = [
  // +1 and ten digits; elsewhere (E.164) up to fifteen digits with the country's. Amounts (+1.500.000) are none.
  `\\+1(?:${inner}{0,3}\\d){10}`,
  `\\+(?!\\d{1,3}(?:\\.\\d{3})+(?!\\d))(?:7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[2-9]\\d{2})(?:${inner}{0,3}\\d){5,12}`,
  // North America: (555) 123-4567, 1-800-555-0199, 555.123.4567
  `(?:1${gap})?\\(\\d{3}\\)${blank}?\\d{3}${gap}\\d{4}`,
  `(?:1${dash})?\\d{3}${dash}\\d{3}${dash}\\d{4}`,
  `(?:1\\.)?\\d{3}\\.\\d{3}\\.\\d{4}`,
  // Germany and neighbours, Great Britain: 030/9018-20123, (030) 901820, 020 7183 8750
  `0\\d{2,4}(?:${blank}/${blank}|${gap})\\d{3,4}[${blanks}${dashes}]?\\d{3,5}`,
  `\\(0\\d{1,4}\\)${blank}?\\d{3,4}[${blanks}${dashes}]?\\d{3,5}`,
  // France: 06 12 34 56 78
  `0[1-9](?:[${blanks}.]\\d{2}){4}`,
]
const pattern = new RegExp(`(?<![\\d+]|\\d[.,/-])${wordStart}(?:${forms.join('|')})(?!\\d|[-./]\\d)`, 'gu')

/**
 * Telephone numbers: international ones with a plus, and national ones as they are written with separators. Digits without any are too
 * many other things, and so are parts of longer numbers, dates and amounts.
 */
export const phone: Detector = {
  label: 'PHONE',
  plural: 'telephone numbers',
  find: (text, from = 0) => matches(pattern, text, from),
  open: openBy(new RegExp(`[+(\\d](?:\\d|${inner}){0,62}$`, 'gu'), 64),
}
