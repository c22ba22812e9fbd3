import fc from 'fast-check'
import { expect, test } from 'vitest'
import { JsonEnd } from './json-end.ts'

function isWhole(...pieces: string[]): boolean {
  const end = new JsonEnd()
  for (const piece of pieces) end.push(piece)
  return end.whole
}

test.each<[string, boolean]>([
  ['', false],
  ['  ', false],
  ['{', false],
  ['{}', true],
  [' {} \r\n\t', true],
  ['{"a":"}"', false],
  ['{"a":"\\"}', false],
  ['{"a":"\\"}"}', true],
  ['{"a":"\\\\"}', true],
  ['{"a":[{"b":{}}]', false],
  ['{"a":[{"b":{}}]}', true],
  ['{}{"a":1}', false],
  ['{}{}', false],
  ['[]', false],
  ['"{}"', false],
  ['}{', false],
])('%j', (text, whole) => {
  expect(isWhole(text)).toBe(whole)
  expect(isWhole(...text)).toBe(whole)
})

test('of any object only the whole of it is', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), fc.nat(), (object, place) => {
      const text = JSON.stringify(object)
      const at = place % text.length
      expect(isWhole(text.slice(0, at))).toBe(false)
      expect(isWhole(text.slice(0, at), text.slice(at))).toBe(true)
    }),
  )
})
