import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ApiError } from '../../errors.ts'
import { readCountAnswer, writeCountRequest } from './count-tokens.ts'
import { writeRequest } from './request.ts'
import { context, conversation, errorOf } from './testing.ts'

test('what is counted is what would be sent', () => {
  const given = conversation({ maxTokens: 5, tools: [{ name: 'now' }], user: 'u' })
  const target = context()
  expect(writeCountRequest(given, target)).toEqual(writeRequest(given, context()))
  expect(target.dropped).toEqual(['user'])
  expect(errorOf(() => writeCountRequest(conversation({ n: 2 }), context())).param).toBe('n')
})

test('the count', () => {
  expect(readCountAnswer({ inputTokens: 42 })).toBe(42)
  expect(readCountAnswer({ inputTokens: 0 })).toBe(0)
})

test.each([{}, { inputTokens: null }, { inputTokens: '42' }, { inputTokens: -1 }, { inputTokens: 1e300 }])(
  '%j holds no count',
  (body) => {
    expect(errorOf(() => readCountAnswer(body))).toMatchObject({
      status: 502,
      type: 'api_error',
      code: 'bad_provider_answer',
    })
  },
)

test('whatever JSON comes, it is a count or an error of the provider', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (inputTokens) => {
      try {
        expect(readCountAnswer({ inputTokens })).toBeGreaterThanOrEqual(0)
      } catch (error) {
        expect(error).toBeInstanceOf(ApiError)
      }
    }),
  )
})
