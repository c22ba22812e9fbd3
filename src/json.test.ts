import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { deepest, isObject, parseObject } from './json.ts'

const parse = (text: string) => parseObject(Buffer.from(text))

describe('parseObject', () => {
  test('gives what JSON.parse gives where that is an object, and nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        let value: unknown
        try {
          value = JSON.parse(text)
        } catch {
          value = undefined
        }
        expect(parse(text)).toEqual(isObject(value) ? value : undefined)
      }),
    )
  })

  test.each(['', ' ', 'null', '[]', '"{}"', '{}x', '{"a":}', '\uFEFF{}', '{"a":1'])('%j is none', (text) => {
    expect(parse(text)).toBeUndefined()
  })

  test('reads its own part of a larger buffer only', () => {
    expect(parseObject(Buffer.from('{"x":1}{"a":2}{"y":3}').subarray(7, 14))).toEqual({ a: 2 })
  })

  test('a key like __proto__ is a key like any other, and changes no prototype', () => {
    const object = parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}')!
    expect(Object.keys(object)).toEqual(['__proto__', 'constructor'])
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype)
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
  })

  /** An object of so many levels, of arrays or objects. */
  const nested = (levels: number, open: string, close: string) =>
    `{"a":${open.repeat(levels - 1)}1${close.repeat(levels - 1)}}`

  test.each([
    ['arrays', '[', ']'],
    ['objects', '{"a":', '}'],
    ['objects under __proto__', '{"__proto__":', '}'],
    ['arrays after other items', '[1,null,"[",', ']'],
  ])('nested %s: up to the limit, and not one level deeper', (_, open, close) => {
    expect(parse(nested(deepest, open, close))).toBeDefined()
    expect(parse(nested(deepest + 1, open, close))).toBeUndefined()
    expect(parse(nested(1_000_000, open, close))).toBeUndefined()
  })

  test('brackets in texts are no levels', () => {
    const text = '['.repeat(10_000)
    expect(parse(JSON.stringify({ text }))).toEqual({ text })
  })
})
