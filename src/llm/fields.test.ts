import { describe, expect, test } from 'vitest'
import { ApiError } from './errors.ts'
import {
  at,
  booleanField,
  countField,
  countOf,
  definedOnly,
  isOneOf,
  listField,
  numberField,
  objectField,
  objectList,
  objectOf,
  objectsOf,
  requiredText,
  textField,
  textOf,
  unsupported,
  wordField,
} from './fields.ts'

/** The error a reader throws. */
function refusal(read: () => unknown): ApiError {
  try {
    read()
  } catch (error) {
    if (error instanceof ApiError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

const values = { text: 't', number: 1.5, true: true, object: { a: 1 }, list: [1], infinite: Number.POSITIVE_INFINITY }

describe('readers of a client’s request', () => {
  const readers: [string, (object: Record<string, unknown>, key: string, parent?: string) => unknown, string][] = [
    ['textField', textField, 'text'],
    ['numberField', numberField, 'number'],
    ['booleanField', booleanField, 'true'],
    ['objectField', objectField, 'object'],
    ['listField', listField, 'list'],
  ]
  describe.each(readers)('%s', (_, read, own) => {
    test('gives a value of its type, and undefined for what is absent or null', () => {
      expect(read(values, own)).toBe(values[own as keyof typeof values])
      expect(read({}, 'x')).toBeUndefined()
      expect(read({ x: null }, 'x')).toBeUndefined()
    })

    test.each(Object.keys(values).filter((type) => type !== own))('refuses %s, naming where it stands', (type) => {
      expect(refusal(() => read(values, type, 'input[2]'))).toMatchObject({
        status: 400,
        type: 'invalid_request_error',
        code: 'invalid_value',
        param: `input[2].${type}`,
        message: expect.stringContaining(`input[2].${type} must be`),
      })
    })
  })

  test('a required text must be there', () => {
    expect(requiredText({ x: '' }, 'x')).toBe('')
    expect(refusal(() => requiredText({ x: null }, 'x', 'a'))).toMatchObject({
      param: 'a.x',
      message: 'a.x is required.',
    })
    expect(refusal(() => requiredText({ x: 1 }, 'x'))).toMatchObject({ param: 'x', message: 'x must be a string.' })
  })

  test.each([0, 1, Number.MAX_SAFE_INTEGER])('%d is a count', (value) => {
    expect(countField({ n: value }, 'n', 0)).toBe(value)
  })

  test.each([-1, 0.5, 2 ** 53, 1e300, Number.NaN])('%d is none', (value) => {
    expect(refusal(() => countField({ n: value }, 'n', 0))).toMatchObject({ status: 400, param: 'n' })
  })

  test('a count is held to its least', () => {
    expect(countField({ n: 1 }, 'n', 1)).toBe(1)
    expect(refusal(() => countField({ n: 0 }, 'n', 1)).message).toBe('n must be a whole number of at least 1.')
  })

  test('a list of objects comes with the places they stand at', () => {
    expect(objectList({ x: [{ a: 1 }, {}] }, 'x', 'p')).toEqual([
      [{ a: 1 }, 'p.x[0]'],
      [{}, 'p.x[1]'],
    ])
    expect(objectList({}, 'x')).toEqual([])
    for (const wrong of [null, 'a', [], 1])
      expect(refusal(() => objectList({ x: [{}, wrong] }, 'x'))).toMatchObject({ param: 'x[1]' })
  })

  test('a word is one of the given, not a property that all arrays have', () => {
    expect(wordField({ w: 'b' }, 'w', ['a', 'b'])).toBe('b')
    expect(wordField({}, 'w', ['a'])).toBeUndefined()
    for (const word of ['c', '', 'length', '0', '__proto__'])
      expect(refusal(() => wordField({ w: word }, 'w', ['a', 'b'], 'p'))).toMatchObject({
        param: 'p.w',
        message: 'p.w must be one of a, b.',
      })
    expect(isOneOf('constructor', ['a'])).toBe(false)
  })
})

describe('readers of a provider’s answer', () => {
  const strange = [undefined, null, 0, 1, 'a', true, [], [1], {}, { a: 1 }]

  test('objectOf takes objects only', () => {
    expect(strange.map(objectOf)).toEqual([{}, {}, {}, {}, {}, {}, {}, {}, {}, { a: 1 }])
  })

  test('objectsOf leaves out what is no object', () => {
    expect(objectsOf(strange)).toEqual([{}, { a: 1 }])
    expect(strange.filter((value) => !Array.isArray(value)).flatMap(objectsOf)).toEqual([])
  })

  test('textOf takes texts only', () => {
    expect(strange.map(textOf)).toEqual(['', '', '', '', 'a', '', '', '', '', ''])
  })

  test('countOf takes what can be added up', () => {
    for (const count of [0, 1, 1.5, Number.MAX_SAFE_INTEGER]) expect(countOf(count)).toBe(count)
    for (const none of [-1, Number.NaN, Number.POSITIVE_INFINITY, 1e308, '1', null, undefined, [1]])
      expect(countOf(none)).toBeUndefined()
  })
})

test('at joins a place and a name', () => {
  expect(at('', 'x')).toBe('x')
  expect(at('a[0]', 'x')).toBe('a[0].x')
})

test('what a target lacks is a 400 that names the field', () => {
  expect(unsupported('n', 'No.')).toMatchObject({ status: 400, code: 'unsupported_field', param: 'n', message: 'No.' })
})

test('definedOnly drops what is undefined and nothing else, and keeps __proto__ a mere key', () => {
  const object = definedOnly<Record<string, unknown>>({ a: undefined, b: null, c: 0, d: '', ['__proto__']: { e: 1 } })
  expect(Object.entries(object)).toEqual([
    ['b', null],
    ['c', 0],
    ['d', ''],
    ['__proto__', { e: 1 }],
  ])
  expect(Object.getPrototypeOf(object)).toBe(Object.prototype)
})
