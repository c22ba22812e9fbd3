import { expect, test } from 'vitest'
import { rateLimitHeaders, resetText } from './headers.ts'
import { Meter } from './meter.ts'
import { spanAt } from './period.ts'
import { compileRules } from './testing.ts'

test.each([
  [0, '0ms'],
  [-5, '0ms'],
  [249.2, '250ms'],
  [1_000, '1s'],
  [59_001, '1m0s'],
  [360_000, '6m0s'],
  [82_805_000, '23h0m5s'],
])('%d ms is %s', (ms, text) => {
  expect(resetText(ms)).toBe(text)
})

test('of several limits the one with least left is told; budgets and slots are not', () => {
  const now = Date.parse('2026-11-23T12:00:58Z')
  const rules = compileRules({
    limits: {
      minute: { requests: 50 },
      day: { requests: 1_000, per: 'day' },
      rate: { tokens: 9_000, per: 'hour' },
      few: { concurrent: 3 },
    },
    budgets: { pot: { tokens: 5 } },
  })
  const meters = rules.map((rule) => new Meter(rule, '', rule.capacity(''), spanAt(rule.period, now), '', now))
  meters[1]!.spentByAll = 990
  expect(rateLimitHeaders(meters, now)).toEqual([
    ['x-ratelimit-limit-requests', '1000'],
    ['x-ratelimit-remaining-requests', '10'],
    ['x-ratelimit-reset-requests', '11h59m2s'],
    ['x-ratelimit-limit-tokens', '9000'],
    ['x-ratelimit-remaining-tokens', '9000'],
    ['x-ratelimit-reset-tokens', '59m2s'],
  ])
  expect(rateLimitHeaders([], now)).toEqual([])
})
