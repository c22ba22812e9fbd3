import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../conversation.ts'
import { readError, readStreamError } from './read-error.ts'

const body = (type: string, message: string): JsonObject => ({
  type: 'error',
  error: { type, message },
  request_id: 'req_1',
})

function read(status: number, json: JsonObject | undefined) {
  const { status: kept, type, code, message } = readError(status, json)
  return { status: kept, type, code, message }
}

describe("the API's own errors", () => {
  test.each([
    [400, 'invalid_request_error', 'invalid_request_error', undefined],
    [401, 'authentication_error', 'authentication_error', undefined],
    [402, 'billing_error', 'billing_error', 'billing_error'],
    [403, 'permission_error', 'permission_error', undefined],
    [404, 'not_found_error', 'not_found_error', undefined],
    [409, 'conflict_error', 'invalid_request_error', 'conflict_error'],
    [413, 'request_too_large', 'request_too_large', undefined],
    [429, 'rate_limit_error', 'rate_limit_error', 'rate_limit_exceeded'],
    [500, 'api_error', 'api_error', undefined],
    [504, 'timeout_error', 'timeout_error', undefined],
    [529, 'overloaded_error', 'overloaded_error', 'overloaded'],
    [503, 'brand_new_error', 'overloaded_error', undefined],
    [400, 'toString', 'invalid_request_error', undefined],
  ])('%i %s', (status, wire, type, code) => {
    expect(read(status, body(wire, 'Sorry'))).toEqual({ status, type, code, message: 'Sorry' })
  })

  test('a prompt that is too long', () => {
    const json = body('invalid_request_error', 'prompt is too long: 210000 tokens > 200000 maximum')
    expect(read(400, json).code).toBe('context_length_exceeded')
  })

  test('a model that is not there', () => {
    expect(read(404, body('not_found_error', 'model: claude-9')).code).toBe('model_not_found')
    expect(read(404, body('not_found_error', 'Not found: file_1')).code).toBeUndefined()
  })
})

describe('errors of others on the way', () => {
  test.each([
    [429, { error: { code: 429, message: 'Quota', status: 'RESOURCE_EXHAUSTED' } }, 'rate_limit_error', 'Quota'],
    [403, { message: 'No access' }, 'permission_error', 'No access'],
    [502, { error: 'upstream' }, 'api_error', 'upstream'],
    [500, {}, 'api_error', 'The provider answered with status 500 and no error message.'],
    [503, undefined, 'overloaded_error', 'The provider answered with status 503 and no error message.'],
  ])('%i %j', (status, json, type, message) => {
    expect(read(status, json)).toEqual({ status, type, code: undefined, message })
  })
})

test('an error event without words', () => {
  expect(readStreamError(null)).toEqual({
    status: 502,
    code: 'api_error',
    message: "The provider's answer broke off with an unknown error. Try again.",
  })
  expect(readStreamError({ type: 'overloaded_error' })).toMatchObject({ status: 529, code: 'overloaded' })
})
