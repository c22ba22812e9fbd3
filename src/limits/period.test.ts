import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Period, spanAt } from './period.ts'

const at = (text: string) => Date.parse(text)

test.each<[Period, string, string, string, string]>([
  ['minute', '2026-11-23T19:05:59.999Z', '2026-11-23T19:05:00Z', '2026-11-23T19:06:00Z', '2026-11-23T19:05'],
  ['hour', '2026-11-23T19:00:00.000Z', '2026-11-23T19:00:00Z', '2026-11-23T20:00:00Z', '2026-11-23T19'],
  ['day', '2024-02-29T12:00:00Z', '2024-02-29T00:00:00Z', '2024-03-01T00:00:00Z', '2024-02-29'],
  ['week', '2026-11-22T23:59:59Z', '2026-11-16T00:00:00Z', '2026-11-23T00:00:00Z', '2026-11-16'],
  ['week', '2026-11-23T00:00:00Z', '2026-11-23T00:00:00Z', '2026-11-30T00:00:00Z', '2026-11-23'],
  ['month', '2026-12-31T23:59:59Z', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z', '2026-12'],
  ['month', '2028-02-15T00:00:00Z', '2028-02-01T00:00:00Z', '2028-03-01T00:00:00Z', '2028-02'],
])('%s at %s', (period, now, start, end, label) => {
  expect(spanAt(period, at(now))).toEqual({ startMs: at(start), endMs: at(end), label })
})

test('a total never ends', () => {
  expect(spanAt('total', 0).endMs).toBe(Number.POSITIVE_INFINITY)
})

test('spans meet without gap or overlap', () => {
  const periods = fc.constantFrom<Period>('minute', 'hour', 'day', 'week', 'month')
  fc.assert(
    fc.property(periods, fc.integer({ min: 0, max: at('2100-01-01T00:00:00Z') }), (period, now) => {
      const span = spanAt(period, now)
      expect(span.startMs).toBeLessThanOrEqual(now)
      expect(span.endMs).toBeGreaterThan(now)
      expect(spanAt(period, span.endMs).startMs).toBe(span.endMs)
      expect(spanAt(period, span.endMs - 1)).toEqual(span)
    }),
  )
})
