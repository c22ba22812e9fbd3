import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { budgetToEffort, effortToBudget } from './reasoning.ts'

describe('effort and budget', () => {
  test.each([
    ['none', 0],
    ['minimal', 1024],
    ['low', 2048],
    ['medium', 8192],
    ['high', 16384],
    ['xhigh', 24576],
    ['max', 32768],
  ] as const)('%s is %i tokens, both ways', (effort, budget) => {
    expect(effortToBudget(effort)).toBe(budget)
    expect(budgetToEffort(budget)).toBe(effort)
  })

  test.each([
    [1, 'minimal'],
    [1025, 'low'],
    [5000, 'medium'],
    [10_000, 'high'],
    [100_000, 'max'],
  ] as const)('%i tokens need %s', (tokens, effort) => {
    expect(budgetToEffort(tokens)).toBe(effort)
  })

  test('an effort never allows less than was asked, up to the largest step', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 32768 }), (tokens) => effortToBudget(budgetToEffort(tokens)) >= tokens),
    )
  })
})
