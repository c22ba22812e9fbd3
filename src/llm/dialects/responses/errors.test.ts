import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { readError, readFailure, writeError } from '../openai/errors.ts'

describe('readError', () => {
  test.each<[number, JsonObject | undefined, Partial<ApiError>]>([
    [
      400,
      {
        error: { message: 'Too long.', type: 'invalid_request_error', param: 'input', code: 'context_length_exceeded' },
      },
      { type: 'invalid_request_error', code: 'context_length_exceeded', message: 'Too long.', param: undefined },
    ],
    [
      401,
      { error: { message: 'Bad key.', type: 'invalid_request_error', param: null, code: 'invalid_api_key' } },
      { type: 'authentication_error', code: 'invalid_api_key' },
    ],
    [
      429,
      { error: { message: 'No money.', type: 'insufficient_quota', param: null, code: 'insufficient_quota' } },
      { type: 'rate_limit_error', code: 'insufficient_quota' },
    ],
    [429, { error: { code: '429', message: 'Azure is busy.' } }, { type: 'rate_limit_error', code: '429' }],
    [
      400,
      { object: 'error', message: 'vLLM says no.', type: 'BadRequestError', code: 400 },
      { message: 'vLLM says no.', code: '400' },
    ],
    [500, { error: 'Plain.' }, { type: 'api_error', message: 'Plain.', code: undefined }],
    [422, { detail: 'Detailed.' }, { type: 'invalid_request_error', message: 'Detailed.' }],
    [
      503,
      undefined,
      { type: 'overloaded_error', message: 'The provider answered with status 503 and no error message.' },
    ],
    [404, { error: { type: 'not_found_error' } }, { type: 'not_found_error', code: 'not_found_error' }],
  ])('%i %j', (status, body, expected) => {
    expect(readError(status, body)).toMatchObject({ status, ...expected })
  })
})

test.each<[unknown, ReturnType<typeof readFailure>]>([
  [
    { code: 'server_error', message: 'Sorry.' },
    { status: 502, code: 'server_error', message: 'Sorry.' },
  ],
  [
    { code: 'invalid_image_url', message: 'Where?' },
    { status: 400, code: 'invalid_image_url', message: 'Where?' },
  ],
  [
    { type: 'insufficient_quota', message: 'No.' },
    { status: 429, code: 'insufficient_quota', message: 'No.' },
  ],
  [null, { status: 502, code: 'server_error', message: "The provider's answer failed (server_error). Try again." }],
  [
    { code: 'toString' },
    { status: 502, code: 'toString', message: "The provider's answer failed (toString). Try again." },
  ],
])('readFailure %j', (error, expected) => {
  expect(readFailure(error)).toEqual(expected)
})

test('writeError is OpenAI’s error object, and reads back as the same', () => {
  const error = new ApiError(400, 'invalid_request_error', 'No.', { code: 'invalid_value', param: 'input' })
  const body = writeError(error)
  expect(body).toEqual({
    error: { message: 'No.', type: 'invalid_request_error', param: 'input', code: 'invalid_value' },
  })
  expect(writeError(new ApiError(500, 'api_error', 'No.'))).toEqual({
    error: { message: 'No.', type: 'api_error', param: null, code: null },
  })
  expect(readError(400, body)).toMatchObject({ type: error.type, message: error.message, code: error.code })
})
