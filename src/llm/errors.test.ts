import { expect, test } from 'vitest'
import { ApiError, type ErrorType, errorTypeOf, invalid } from './errors.ts'

test.each<[number, ErrorType]>([
  [400, 'invalid_request_error'],
  [401, 'authentication_error'],
  [402, 'billing_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [405, 'invalid_request_error'],
  [408, 'timeout_error'],
  [409, 'invalid_request_error'],
  [413, 'request_too_large'],
  [415, 'invalid_request_error'],
  [418, 'invalid_request_error'],
  [422, 'invalid_request_error'],
  [429, 'rate_limit_error'],
  [499, 'invalid_request_error'],
  [500, 'api_error'],
  [502, 'api_error'],
  [503, 'overloaded_error'],
  [504, 'timeout_error'],
  [529, 'overloaded_error'],
  [599, 'api_error'],
  [0, 'api_error'],
  [302, 'api_error'],
])('the type of %d is %s', (status, type) => {
  expect(errorTypeOf(status)).toBe(type)
})

test('an error has what it was given, and nothing where it was given nothing', () => {
  const cause = new Error('why')
  expect(
    new ApiError(400, 'invalid_request_error', 'm', { code: 'c', param: 'p', retryAfter: 2, rule: 'r', cause }),
  ).toMatchObject({
    name: 'ApiError',
    status: 400,
    message: 'm',
    code: 'c',
    param: 'p',
    retryAfter: 2,
    rule: 'r',
    cause,
    headers: [],
  })
  const { code, param, retryAfter, rule } = new ApiError(500, 'api_error', 'm')
  expect([code, param, retryAfter, rule]).toEqual([undefined, undefined, undefined, undefined])
})

test('a field of the wrong form is a 400 that names it', () => {
  expect(invalid('n', 'No.')).toMatchObject({
    status: 400,
    type: 'invalid_request_error',
    code: 'invalid_value',
    param: 'n',
  })
})
