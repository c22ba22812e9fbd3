/**
 * Small changes to a JSON object's text without writing it anew: numbers, unknown fields and their order stay byte
 * for byte as the client wrote them, and a long body is copied once instead of parsed into text again.
 */

const quote = 0x22
const backslash = 0x5c
const colon = 0x3a

/**
 * Finds the value of the string member `key` at the top level. A body that names its key twice, or once more in
 * escaped letters, has none: what one reader takes for the value another may not, so such a body is written anew.
 * @param bytes the text of a valid JSON object
 * @returns the span of its value, quotes included; undefined where the key is not there, could stand there more
 *   than once, or its value is no string: the caller then writes the object anew
 */
export function stringMember(bytes: Uint8Array, key: string): { start: number; end: number } | undefined {
  const { length } = bytes
  let depth = 0
  let found: { start: number; end: number } | undefined
  for (let i = 0; i < length; i++) {
    const byte = bytes[i]
    if (byte === quote) {
      const end = stringEnd(bytes, i)
      if (depth === 1 && bytes[skipBlanks(bytes, end)] === colon) {
        if (end - i - 2 === key.length && matches(bytes, i + 1, key)) {
          const value = skipBlanks(bytes, skipBlanks(bytes, end) + 1)
          if (found || bytes[value] !== quote) return undefined
          const valueEnd = stringEnd(bytes, value)
          found = { start: value, end: valueEnd }
          i = valueEnd - 1
          continue
        }
        // An escaped key may be this key once more, in other letters. Only the key is searched: a search through
        // the rest of the body for every key would take time that grows with the square of its length.
        if (bytes.subarray(i, end).includes(backslash)) return undefined
      }
      i = end - 1
    } else if (byte === 0x7b || byte === 0x5b) depth++
    else if (byte === 0x7d || byte === 0x5d) depth--
  }
  return found
}

/** @returns the index after the closing quote of the string that opens at `start` */
function stringEnd(bytes: Uint8Array, start: number): number {
  let end = start
  for (;;) {
    end = bytes.indexOf(quote, end + 1)
    if (end === -1) return bytes.length
    let slashes = 0
    while (bytes[end - 1 - slashes] === backslash) slashes++
    if (slashes % 2 === 0) return end + 1
  }
}

function matches(bytes: Uint8Array, at: number, key: string): boolean {
  for (let i = 0; i < key.length; i++) if (bytes[at + i] !== key.charCodeAt(i)) return false
  return true
}

function skipBlanks(bytes: Uint8Array, from: number): number {
  let at = from
  while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) at++
  return at
}

/** Puts `text` in the place of a span. */
export function replaceSpan(bytes: Uint8Array, span: { start: number; end: number }, text: string): Uint8Array {
  const put = Buffer.from(text)
  const out = Buffer.allocUnsafe(bytes.length - (span.end - span.start) + put.length)
  out.set(bytes.subarray(0, span.start), 0)
  out.set(put, span.start)
  out.set(bytes.subarray(span.end), span.start + put.length)
  return out
}

/** Adds members (`"a":1,"b":2`) at the beginning of a JSON object that is not empty. */
export function prependMembers(bytes: Uint8Array, members: string): Uint8Array {
  const open = bytes.indexOf(0x7b)
  return replaceSpan(bytes, { start: open + 1, end: open + 1 }, `${members},`)
}
