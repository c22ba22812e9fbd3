import { expect, test } from 'vitest'
import { readTimeout, writeTimeout } from './timeout.ts'

test.each<[string, number]>([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['30S', 30_000],
  ['99999999m', 99_999_999],
  ['500u', 0.5],
  ['0n', 0],
])('%s', (text, ms) => {
  expect(readTimeout(text)).toBeCloseTo(ms)
})

test.each(['', '5', 'S', '-1S', '1.5S', '123456789S', '1s'])('%s is none', (text) => {
  expect(() => readTimeout(text)).toThrow(expect.objectContaining({ kind: 'invalidRequest' }))
})

test('who says nothing waits', () => {
  expect(readTimeout(undefined)).toBeUndefined()
})

test.each([-5, 0.2, 1, 1500.3, 99_999_999, 1e9, 1e13])('%d ms are understood as written', (ms) => {
  const read = readTimeout(writeTimeout(ms))!
  expect(read).toBeGreaterThanOrEqual(1)
  if (ms >= 1 && ms < 1e11) expect(Math.abs(read - ms)).toBeLessThan(1000)
})
