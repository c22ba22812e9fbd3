import { type Detector, openBy, type Place } from './detector.ts'

const header = /-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----/g
/** A longer one is none: 16,384 bits of RSA have 12,500 characters. */
const body = /(?:[A-Za-z0-9+/=\s\\:,.">|#_@<]|-(?!-)){0,16000}/y
const footer = /-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----/y
/** What a key looks like that was cut: words of base64 that no language has. */
const cut = /(?:[\s\\">|,#]*[A-Za-z0-9+/=]{16,16000})*/y
const beginning = openBy(/-{1,5}(?:[A-Z][A-Z ]{0,56}-{0,5})?$/g, 80)

/** Private keys (PEM, RFC 7468, and OpenPGP's), also in JSON and quoted: from the first line to the last, or as far as they go. */
export const privateKey: Detector = {
  label: 'SECRET',
  plural: 'credentials',
  find(text, from = 0) {
    const places: Place[] = []
    header.lastIndex = from
    for (let match = header.exec(text); match; match = header.exec(text)) {
      footer.lastIndex = bodyEnd(text, header.lastIndex)
      cut.lastIndex = header.lastIndex
      if (footer.test(text)) header.lastIndex = footer.lastIndex
      else if (cut.test(text)) header.lastIndex = cut.lastIndex
      places.push({ start: match.index, end: header.lastIndex })
    }
    return places
  },
  open(text, from) {
    header.lastIndex = from
    for (let match = header.exec(text); match; match = header.exec(text)) {
      const rest = text.slice(bodyEnd(text, header.lastIndex))
      if (rest.length < 64 && /^(?:-{1,5}(?:[A-Z][A-Z ]{0,50}-{0,5})?)?$/.test(rest)) return match.index
    }
    return beginning(text, from)
  },
}

function bodyEnd(text: string, start: number): number {
  body.lastIndex = start
  body.test(text)
  return body.lastIndex
}
