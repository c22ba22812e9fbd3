import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { linearPattern } from './linear.ts'
import { patternDetector } from './pattern.ts'

const find = (source: string, text: string) =>
  patternDetector(source, 'X')
    .find(text)
    .map(({ start, end }) => text.slice(start, end))

test('finds what it says', () => {
  const detector = patternDetector('PROJ-\\d+', 'PROJECT')
  expect(detector.find('see PROJ-12 and PROJ-345')).toEqual([
    { start: 4, end: 11 },
    { start: 16, end: 24 },
  ])
  expect(detector.label).toBe('PROJECT')
})

test.each([
  ['(?=a)', 'look-around'],
  ['(?<!a)b', 'look-around'],
  ['(a)\\1', 'back-references'],
  ['(?<n>a)\\k<n>', 'back-references'],
  ['\\p{L}+', 'write the characters'],
  ['[\\P{L}a]', 'write the characters'],
  ['[\\u{41}]', 'four digits'],
  ['😀', 'above U+FFFF'],
  ['(', 'the pattern is wrong'],
  ['a{3', 'the pattern is wrong'],
  ['a*', 'matches nothing at all'],
  ['(?:[a-z]{1,20}){1,20}[0-9]', 'repeats too much'],
  ['(?:a{1000}){1000}', 'repeats too much'],
  ['((((a{9}){9}){9}){9}){9}', 'repeats too much'],
])('%s is refused: %s', (source, message) => {
  expect(() => patternDetector(source, 'X')).toThrow(RangeError)
  expect(() => patternDetector(source, 'X')).toThrow(message)
})

test.each([
  '\\b[0-9]{16,19}\\b',
  'a{0}b',
  '(?:ab?){2,}c',
  '[A-Z]{2,5}?-\\d{1,3}',
  '(a|b{2}|)c{0,2}d',
  '^x{3}$',
  '(?<year>\\d{4})-(?:\\d{2}){1,2}',
  '[\\]\\\\a-c]{2}\\/\\x41?\\u0042{1,2}',
  '(?:a{2}){3}',
  'a{0,3}?b',
])('%s means what it means to JavaScript', (source) => {
  const meant = new RegExp(source, 'gu')
  const { pattern } = linearPattern(source)
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'abcdxAB01-]\\/ \n'), maxLength: 24 }), (text) => {
      expect([...text.matchAll(pattern)].map(([match]) => match)).toEqual(
        [...text.matchAll(meant)].map(([match]) => match),
      )
    }),
    { numRuns: 300 },
  )
})

test.each([
  ['PROJ-[0-9]{4,8}', 13],
  ['a|bcd|(?:ef){2}', 4],
  ['^ab?\\b$', 2],
  ['a+', Infinity],
  ['(?:a{2,})', Infinity],
  ['(?:\\b)*a', 1],
])('no match of %s is longer than %d', (source, longest) => {
  expect(linearPattern(source).longest).toBe(longest)
})

test('only what may still become a match is held', () => {
  expect(patternDetector('PROJ-[0-9]{4,8}', 'X').open('x'.repeat(100), 0)).toBe(86)
  expect(patternDetector('a.*b', 'X').open('x'.repeat(5_000), 0)).toBe(4_000)
})

test('texts are searched in blocks, and nothing is lost between them', () => {
  const text = 'PROJ-1234 '.repeat(3_000)
  expect(find('PROJ-[0-9]{4,8}', text)).toHaveLength(3_000)
  expect(find('PROJ-[0-9]{4,8}$', `${text}PROJ-12345`)).toEqual(['PROJ-12345'])
  expect(find('^PROJ-[0-9]{4}', text)).toEqual(['PROJ-1234'])
  expect(find('x+', 'x'.repeat(20_000)).join('')).toHaveLength(20_000)
})

test('characters that are two units are not cut', () => {
  expect(find('a.', 'a😀 😀a')).toEqual(['a😀'])
})

describe('hostile texts', () => {
  test.each([
    ['(a+)+$', 'a'],
    ['(a|a)*b', 'a'],
    ['([a-z]+ ?)+!', 'abc '],
    ['[a-z ]*x', 'a '],
    ['\\d{4}-\\d{4}', '1234-123'],
  ])('%s takes no long time for a MiB of %j', (source, unit) => {
    const detector = patternDetector(source, 'X')
    const text = `${unit.repeat(Math.ceil(1_048_576 / unit.length))}\n`
    const began = performance.now()
    detector.find(text)
    expect(performance.now() - began).toBeLessThan(5_000)
  })
})
