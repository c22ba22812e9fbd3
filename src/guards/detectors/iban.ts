import { blanks, type Detector, openBy, type Place, wordStart } from './detector.ts'

/** Lengths by country (ISO 13616 registry). */
const lengths: Readonly<Record<string, number>> = {
  ...{ AD: 24, AE: 23, AL: 28, AT: 20, AZ: 28, BA: 20, BE: 16, BG: 22, BH: 22, BI: 27, BR: 29, BY: 28, CH: 21, CR: 22 },
  ...{ CY: 28, CZ: 24, DE: 22, DJ: 27, DK: 18, DO: 28, EE: 20, EG: 29, ES: 24, FI: 18, FK: 18, FO: 18, FR: 27, GB: 22 },
  ...{ GE: 22, GI: 23, GL: 18, GR: 27, GT: 28, HN: 28, HR: 21, HU: 28, IE: 22, IL: 23, IQ: 23, IS: 26, IT: 27, JO: 30 },
  ...{ KW: 30, KZ: 20, LB: 28, LC: 32, LI: 21, LT: 20, LU: 20, LV: 21, LY: 25, MC: 27, MD: 24, ME: 22, MK: 19, MN: 20 },
  ...{ MR: 27, MT: 31, MU: 30, NI: 28, NL: 18, NO: 15, OM: 23, PK: 24, PL: 28, PS: 29, PT: 25, QA: 29, RO: 24, RS: 22 },
  ...{ RU: 33, SA: 24, SC: 31, SD: 18, SE: 24, SI: 19, SK: 24, SM: 27, SO: 23, ST: 25, SV: 28, TL: 23, TN: 24, TR: 26 },
  ...{ UA: 29, VA: 22, VG: 24, XK: 20, YE: 30 },
}

const beginning = new RegExp(`${wordStart}[A-Za-z]{2}\\d{2}`, 'gu')
/** What follows the country and the check digits of a number of each length. */
const rests = new Map(
  [...new Set(Object.values(lengths))].map((length) => [
    length,
    new RegExp(`(?:[${blanks}]?[A-Za-z0-9]){${length - 4}}(?![\\p{L}\\p{N}])`, 'uy'),
  ]),
)
const anyBlank = new RegExp(`[${blanks}]`, 'gu')

/** Bank account numbers (IBAN, ISO 13616): the country's length and a right check sum, with blanks or without. */
export const iban: Detector = {
  label: 'IBAN',
  plural: 'bank account numbers',
  find(text, from = 0) {
    const places: Place[] = []
    beginning.lastIndex = from
    for (let match = beginning.exec(text); match; match = beginning.exec(text)) {
      const start = match.index
      const rest = rests.get(lengths[match[0].slice(0, 2).toUpperCase()] ?? 0)
      if (!rest) continue
      rest.lastIndex = start + match[0].length
      const found = rest.exec(text)
      if (!found || !isIntact(match[0] + found[0].replace(anyBlank, ''))) continue
      beginning.lastIndex = rest.lastIndex
      places.push({ start, end: rest.lastIndex })
    }
    return places
  },
  open: openBy(
    new RegExp(`${wordStart}[A-Za-z](?:[A-Za-z](?:\\d(?:\\d(?:[${blanks}]?[A-Za-z0-9]){0,30}[${blanks}]?)?)?)?$`, 'gu'),
    72,
  ),
}

/** The check of ISO/IEC 7064, MOD 97-10. */
function isIntact(compact: string): boolean {
  let rest = 0
  for (const sign of compact.slice(4) + compact.slice(0, 4)) {
    const value = Number.parseInt(sign, 36)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest === 1
}
