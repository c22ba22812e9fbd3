import fc from 'fast-check'
import { expect, test } from 'vitest'
import { asciiText, excerptOf, safeJson, safeText } from './safe-text.ts'

test.each([
  ['\u001b[2J\u0007', '\\u{001B}[2J\\u{0007}'],
  ['a\nb\tc\r', 'a\\u{000A}b\\u{0009}c\\u{000D}'],
  ['\u009b31m', '\\u{009B}31m'],
  ['read\u200bfile', 'read\\u{200B}file'],
  ['\u202edetnirp', '\\u{202E}detnirp'],
  ['\u{e0041}\u{e007f}', '\\u{E0041}\\u{E007F}'],
  ['a\u00a0b\u3000c d', 'a\\u{00A0}b\\u{3000}c d'],
  ['\ud800x', '\\u{D800}x'],
  ['\ue000\u{f0000}\u2800\u3164\u2028', '\\u{E000}\\u{F0000}\\u{2800}\\u{3164}\\u{2028}'],
])('%j is shown as %s', (text, shown) => expect(safeText(text)).toBe(shown))

test('letters of all scripts and emoji are shown as they are', () => {
  const text = 'Größe, размер, μέγεθος, 大きさ, גודל, 🚀 — “quoted” €5'
  expect(safeText(text)).toBe(text)
  expect(asciiText('рath')).toBe('\\u{0440}ath')
})

test('nothing of any text commands a terminal', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what must not be there
      expect(safeText(text)).not.toMatch(/[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/)
      expect(asciiText(text)).toMatch(/^[\x20-\x7e]*$/)
    }),
  )
})

test('an excerpt is short, in one line, and says where it was cut', () => {
  expect(excerptOf('one\n\n  two', 0, 3)).toBe('one two')
  const text = `${'a'.repeat(100)}HERE${'b'.repeat(100)}`
  expect(excerptOf(text, 100, 4, 14)).toBe('…aaaaaHEREbbbbb…')
  expect(excerptOf(text, 0, 204, 10)).toBe('aaaaaaaaaa…')
})

test('different texts are shown differently, whatever they imitate', () => {
  expect(safeText('\\u{200B}')).toBe('\\\\u{200B}')
  expect(safeText('\\\u200b')).toBe('\\\\\\u{200B}')
  expect(safeText('C:\\users \\d+')).toBe('C:\\users \\d+')
  const piece = fc.constantFrom('\\', 'u{200B}', '\u200b', 'u{', 'x', '\\u{200B}')
  const text = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''))
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(safeText(a) === safeText(b)).toBe(a === b)
    }),
    { numRuns: 2000 },
  )
})

test('safe JSON is the same value', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const json = safeJson({ [text]: [text, '\u{e0041}'] })
      expect(JSON.parse(json)).toEqual({ [text]: [text, '\u{e0041}'] })
      expect(json.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Co}]/u)
    }),
  )
})
