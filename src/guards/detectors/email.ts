import { type Detector, openBy, type Place } from './detector.ts'

/** RFC 5321, 4.5.3.1: so long is a local part at most. */
const longestLocal = 64
/** Domains may have 255; those of people's addresses have fewer. */
const longestDomain = 180

const local = "\\p{L}\\p{N}._%+'&\\-"
const localEnd = new RegExp(`[\\p{L}\\p{N}_][${local}]*$`, 'u')
const localSign = new RegExp(`[${local}]`, 'u')
const domainRun = new RegExp(`[\\p{L}\\p{N}.\\-]{1,${longestDomain}}`, 'uy')
/** Labels, and a last one that is letters or an encoded one (RFC 5890). */
const domain = /^(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,62})\.){1,12}(?:xn--[A-Za-z0-9-]{2,59}|\p{L}{2,24})(?![\p{L}\p{N}])/u

/**
 * Addresses of e-mail as they are written in texts (RFC 5321 and 6531, without quoted local parts): the domain has at least two labels.
 * Of a local part that is too long, the end is taken. git@host:path is how repositories are named.
 */
export const email: Detector = {
  label: 'EMAIL',
  plural: 'e-mail addresses',
  find(text, from = 0) {
    const places: Place[] = []
    let floor = from
    for (let at = text.indexOf('@', from); at >= 0; at = text.indexOf('@', at + 1)) {
      const start = startOf(text, Math.max(floor, at - longestLocal), at)
      if (start !== undefined) {
        const end = endOf(text, at + 1)
        if (end !== undefined && !isRepository(text, start, at, end)) {
          places.push({ start, end })
          floor = end
        }
      }
      floor = Math.max(floor, at + 1)
    }
    return places
  },
  open: openBy(new RegExp(`[${local}]{1,${longestLocal}}(?:@[\\p{L}\\p{N}.\\-]{0,${longestDomain}})?$`, 'gu'), 256),
}

function startOf(text: string, floor: number, at: number): number | undefined {
  if (at === floor || !localSign.test(text[at - 1]!)) return undefined
  const found = localEnd.exec(text.slice(floor, at))
  if (!found) return undefined
  const start = floor + found.index
  // In JSON as it is written, the n of an escaped line end is no part of the address.
  const escapedSign = text[start - 1] === '\\' ? /^(?:u[0-9A-Fa-f]{4}|[bfnrt])(?!$)/.exec(found[0]) : undefined
  return start + (escapedSign?.[0].length ?? 0)
}

function endOf(text: string, start: number): number | undefined {
  domainRun.lastIndex = start
  const run = domainRun.exec(text)
  const found = run && domain.exec(run[0])
  return found ? start + found[0].length : undefined
}

function isRepository(text: string, start: number, at: number, end: number): boolean {
  return text[end] === ':' && text.slice(start, at) === 'git'
}
