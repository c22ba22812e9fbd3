import type { Detector, Place } from './detector.ts'

/** Lengths by country (ISO 13616 registry). */
const lengths: Readonly<Record<string, number>> = {
  ...{ AD: 24, AE: 23, AL: 28, AT: 20, AZ: 28, BA: 20, BE: 16, BG: 22, BH: 22, BR: 29, BY: 28, CH: 21, CR: 22, CY: 28 },
  ...{ CZ: 24, DE: 22, DK: 18, DO: 28, EE: 20, EG: 29, ES: 24, FI: 18, FO: 18, FR: 27, GB: 22, GE: 22, GI: 23, GL: 18 },
  ...{ GR: 27, GT: 28, HR: 21, HU: 28, IE: 22, IL: 23, IQ: 23, IS: 26, IT: 27, JO: 30, KW: 30, KZ: 20, LB: 28, LC: 32 },
  ...{ LI: 21, LT: 20, LU: 20, LV: 21, LY: 25, MC: 27, MD: 24, ME: 22, MK: 19, MR: 27, MT: 31, MU: 30, NL: 18, NO: 15 },
  ...{ PK: 24, PL: 28, PS: 29, PT: 25, QA: 29, RO: 24, RS: 22, SA: 24, SC: 31, SE: 24, SI: 19, SK: 24, SM: 27, ST: 25 },
  ...{ SV: 28, TL: 23, TN: 24, TR: 26, UA: 29, VA: 22, VG: 24, XK: 20 },
}

/** Bank account numbers (IBAN, ISO 13616): the country's length and a right check sum, with blanks or without. */
export const iban: Detector = {
  label: 'IBAN',
  plural: 'bank account numbers',
  window: 96,
  find(text) {
    const places: Place[] = []
    for (const match of text.matchAll(/[A-Za-z]{2}\d{2}/g)) {
      const start = match.index
      if (start < (places.at(-1)?.end ?? 0) || /[\p{L}\d]/u.test(text[start - 1] ?? '')) continue
      const length = lengths[match[0].slice(0, 2).toUpperCase()]
      const end = length === undefined ? undefined : endOf(text, start, length)
      if (end !== undefined) places.push({ start, end })
    }
    return places
  },
}

/** @returns where an IBAN of this length ends that begins here, if there is one */
function endOf(text: string, start: number, length: number): number | undefined {
  let compact = ''
  let end = start
  while (compact.length < length) {
    const sign = text[end]
    if (sign === ' ' && compact.length > 0 && text[end - 1] !== ' ') end++
    else if (sign !== undefined && /[A-Za-z0-9]/.test(sign)) {
      compact += sign
      end++
    } else return undefined
  }
  return /[\p{L}\d]/u.test(text[end] ?? '') || !mod97(compact) ? undefined : end
}

function mod97(compact: string): boolean {
  let rest = 0
  for (const sign of (compact.slice(4) + compact.slice(0, 4)).toUpperCase()) {
    const value = Number.parseInt(sign, 36)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest === 1
}
