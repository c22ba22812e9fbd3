import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readUsage } from './usage.ts'

test.each<[unknown, unknown]>([
  [
    { inputTokens: 5, outputTokens: 7, totalTokens: 12 },
    { input: 5, output: 7 },
  ],
  [
    { inputTokens: 5, outputTokens: 7, cacheReadInputTokens: 100, cacheWriteInputTokens: 20 },
    { input: 125, output: 7, cachedInput: 100, cacheWriteInput: 20 },
  ],
  [
    { inputTokens: 5, outputTokens: 7, cacheReadInputTokens: 0, cacheWriteInputTokens: 0, cacheDetails: [] },
    { input: 5, output: 7 },
  ],
  [{}, { input: 0, output: 0 }],
  [
    { inputTokens: '5', outputTokens: -7, cacheDetails: 'none' },
    { input: 0, output: 0 },
  ],
  [undefined, undefined],
  [null, undefined],
  [[5, 7], undefined],
])('%j', (usage, read) => {
  expect(readUsage(usage)).toEqual(read)
})

test('whatever JSON comes, the figures are numbers that can be added up', () => {
  const wild = fc.record({
    inputTokens: fc.jsonValue(),
    outputTokens: fc.jsonValue(),
    cacheReadInputTokens: fc.double({ noNaN: true }),
    cacheWriteInputTokens: fc.jsonValue(),
    cacheDetails: fc.oneof(
      fc.jsonValue(),
      fc.array(fc.record({ ttl: fc.constant('1h'), inputTokens: fc.jsonValue() })),
    ),
  })
  fc.assert(
    fc.property(fc.oneof(wild, fc.jsonValue()), (usage) => {
      for (const figure of Object.values(readUsage(usage) ?? {})) {
        expect(Number.isFinite(figure)).toBe(true)
        expect(figure).toBeGreaterThanOrEqual(0)
      }
    }),
  )
})
