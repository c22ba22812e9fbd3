/**
 * Text of strangers, for people: nothing in it moves a cursor, turns the direction of writing or is there without being
 * seen.
 */

/** Controls, surrogates without a partner, private and invisible characters, separators other than the blank. */
const unsafe =
  '[\\p{Cc}\\p{Cs}\\p{Co}\\p{Cn}\\p{Cf}\\p{Zl}\\p{Zp}\\p{Default_Ignorable_Code_Point}\\u{2800}]|(?! )\\p{Zs}'
const unsafeCharacter = new RegExp(unsafe, 'gu')
/** Backslashes that would make a text look like an escape, or an escape like a text. */
const backslashes = new RegExp(`\\\\+(?=u\\{|${unsafe})`, 'gu')

/**
 * Different texts stay different: backslashes are doubled where they stand before an escape, or before what looks like one.
 * @returns the text with every character that is not plainly visible as `\u{200B}`
 */
export function safeText(text: string): string {
  return text.replace(backslashes, '$&$&').replace(unsafeCharacter, escaped)
}

/** @returns JSON with every character that is not plainly visible as `\u200b`: the same value, safe on a terminal */
export function safeJson(value: unknown): string {
  // JSON.stringify has escaped the controls up to U+001F; the line ends it writes itself are its layout.
  return JSON.stringify(value, null, 2).replace(unsafeCharacter, (character) =>
    character === '\n'
      ? character
      : Array.from({ length: character.length }, (_, i) => unit(character.charCodeAt(i))).join(''),
  )
}

/** @returns the text with everything but printable ASCII as `\u{…}`: for names, where letters may pose as others */
export function asciiText(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, escaped)
}

/**
 * A short piece of a text around a place, in one line.
 * @param most characters of the text, before they are escaped
 */
export function excerptOf(text: string, index: number, length: number, most = 80): string {
  const room = Math.max(0, most - length)
  const from = Math.max(0, index - Math.floor(room / 2))
  const to = Math.min(text.length, from + most)
  const piece = text.slice(from, to).replace(/[\t\n\r ]+/g, ' ')
  return `${from > 0 ? '…' : ''}${safeText(piece)}${to < text.length ? '…' : ''}`
}

function escaped(character: string): string {
  return `\\u{${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}}`
}

function unit(code: number): string {
  return `\\u${code.toString(16).padStart(4, '0')}`
}
