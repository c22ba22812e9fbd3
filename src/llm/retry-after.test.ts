import { afterEach, expect, test, vi } from 'vitest'
import { retryAfterMs } from './retry-after.ts'

const now = Date.UTC(1994, 10, 6, 8, 49, 0)
const wait = (headers: Record<string, string>) => retryAfterMs(new Map(Object.entries(headers)), now)

afterEach(() => vi.restoreAllMocks())

test.each([
  ['0', 0],
  ['1', 1_000],
  ['1.5', 1_500],
  [' 30 ', 30_000],
  ['1234567', 1_234_567_000],
  ['Sun, 06 Nov 1994 08:49:37 GMT', 37_000],
  ['Sunday, 06-Nov-94 08:49:37 GMT', 37_000],
  ['Sun Nov  6 08:49:37 1994', 37_000],
  ['Sun, 06 Nov 1994 08:00:00 GMT', 0],
])('retry-after: %s', (text, ms) => {
  expect(wait({ 'retry-after': text })).toBe(ms)
})

test.each([
  '',
  ' ',
  '-5',
  '1e3',
  'Infinity',
  'NaN',
  '0x10',
  '5 s',
  'tomorrow',
  '12345-01',
  'Sun, 99 Nov 1994 08:49:37 GMT',
])('retry-after: "%s" says nothing', (text) => {
  expect(wait({ 'retry-after': text })).toBeUndefined()
})

test('a date that names no zone is not read in the zone of the machine', () => {
  const parse = vi.spyOn(Date, 'parse')
  wait({ 'retry-after': 'Sun Nov  6 08:49:37 1994' })
  expect(parse).toHaveBeenCalledWith(expect.stringMatching(/ GMT$/))
})

test('without either header nothing is known', () => {
  expect(wait({})).toBeUndefined()
})

test('milliseconds go before seconds, where they can be read', () => {
  expect(wait({ 'retry-after-ms': '250', 'retry-after': '9' })).toBe(250)
  expect(wait({ 'retry-after-ms': ' 0.5 ' })).toBe(0.5)
  expect(wait({ 'retry-after-ms': 'soon', 'retry-after': '9' })).toBe(9_000)
  expect(wait({ 'retry-after-ms': '-1' })).toBeUndefined()
})

test('no number is so long that it becomes infinite', () => {
  const digits = '9'.repeat(400)
  expect(wait({ 'retry-after': digits })).toBeUndefined()
  expect(wait({ 'retry-after-ms': digits })).toBeUndefined()
  expect(wait({ 'retry-after': '9'.repeat(12) })).toBe(999_999_999_999_000)
})
