import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { readError, readException } from './errors.ts'

describe('an exception named in the body', () => {
  // Statuses as `@aws-sdk/client-bedrock-runtime` has them, and AWS's common errors.
  test.each([
    [400, 'ValidationException', { status: 400, type: 'invalid_request_error', code: undefined }],
    [400, 'ConflictException', { status: 400, type: 'invalid_request_error' }],
    [400, 'ServiceQuotaExceededException', { status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded' }],
    [403, 'AccessDeniedException', { status: 403, type: 'permission_error' }],
    [404, 'ResourceNotFoundException', { status: 404, type: 'not_found_error', code: 'model_not_found' }],
    [408, 'ModelTimeoutException', { status: 504, type: 'timeout_error', code: 'model_timeout' }],
    [424, 'ModelErrorException', { status: 502, type: 'api_error', code: 'model_error' }],
    [424, 'ModelStreamErrorException', { status: 502, type: 'api_error', code: 'model_stream_error' }],
    [429, 'ModelNotReadyException', { status: 429, type: 'overloaded_error', code: 'model_not_ready' }],
    [429, 'ThrottlingException', { status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded' }],
    [500, 'InternalServerException', { status: 500, type: 'api_error', code: 'internal_server_error' }],
    [503, 'ServiceUnavailableException', { status: 503, type: 'overloaded_error', code: 'service_unavailable' }],
    [403, 'UnrecognizedClientException', { status: 403, type: 'authentication_error' }],
    [403, 'ExpiredTokenException', { status: 403, type: 'authentication_error' }],
    [403, 'InvalidSignatureException', { status: 403, type: 'authentication_error' }],
    [403, 'MissingAuthenticationTokenException', { status: 403, type: 'authentication_error' }],
    [404, 'UnknownOperationException', { status: 404, type: 'not_found_error' }],
    // Not known: what the status says.
    [418, 'TeapotException', { status: 418, type: 'invalid_request_error', code: undefined }],
    [500, 'TeapotException', { status: 500, type: 'api_error', code: 'internal_server_error' }],
    [400, 'constructor', { status: 400, type: 'invalid_request_error', code: undefined }],
  ])('%i %s', (status, name, expected) => {
    const spellings = [name, `com.amazon.coral.service#${name}`, `${name}:http://internal.amazon.com/coral/`]
    for (const __type of spellings) {
      expect(readError(status, { __type, message: 'No.' })).toMatchObject({ ...expected, message: 'No.' })
      expect(readError(status, { __type }).message).toBe(`The provider answered with ${name}.`)
    }
  })

  test('of an operation that AWS does not know stands deeper', () => {
    const body = { Output: { __type: 'com.amazon.coral.service#UnknownOperationException' }, Version: '1.0' }
    expect(readError(404, body)).toMatchObject({
      type: 'not_found_error',
      code: undefined,
      message: 'The provider answered with UnknownOperationException.',
    })
  })
})

describe('an error without a name, which Bedrock puts into a header, is what its status says', () => {
  test.each([
    [400, { status: 400, type: 'invalid_request_error', code: undefined }],
    [401, { status: 401, type: 'authentication_error', code: undefined }],
    [403, { status: 403, type: 'permission_error', code: undefined }],
    [404, { status: 404, type: 'not_found_error', code: 'model_not_found' }],
    [408, { status: 504, type: 'timeout_error', code: 'model_timeout' }],
    [413, { status: 413, type: 'request_too_large', code: undefined }],
    [424, { status: 502, type: 'api_error', code: 'model_error' }],
    [429, { status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded' }],
    [500, { status: 500, type: 'api_error', code: 'internal_server_error' }],
    [502, { status: 502, type: 'api_error', code: undefined }],
    [503, { status: 503, type: 'overloaded_error', code: 'service_unavailable' }],
  ])('%i', (status, expected) => {
    expect(readError(status, { message: 'No.' })).toMatchObject({ ...expected, message: 'No.' })
    expect(readError(status, undefined)).toMatchObject({
      ...expected,
      message: `The provider answered with status ${status} and no error message.`,
    })
  })
})

test.each<[JsonObject, string]>([
  [{ Message: 'User is not authorized.' }, 'User is not authorized.'],
  [{ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }, 'Overloaded'],
  [{ message: '', Message: 'No.' }, 'No.'],
  [{ message: 7, __type: ':' }, 'The provider answered with status 403 and no error message.'],
])('the words of %j', (body, message) => {
  expect(readError(403, body).message).toBe(message)
})

describe('what only the words tell', () => {
  test.each([
    ['Input is too long for requested model.', 'context_length_exceeded'],
    ['The model returned the following errors: prompt is too long: 200001 tokens > 200000', 'context_length_exceeded'],
    ['input length and `max_tokens` exceed context limit: 199000 + 4096 > 200000', 'context_length_exceeded'],
    ["This model's maximum context length is 128000 tokens.", 'context_length_exceeded'],
    ['The provided model identifier is invalid.', 'model_not_found'],
    ['temperature: range: 0..1', undefined],
  ])('%s', (message, code) => {
    expect(readError(400, { message })).toMatchObject({ status: 400, type: 'invalid_request_error', code })
    expect(readException('validationException', { message }).code).toBe(code ?? 'invalid_request_error')
  })

  test('is looked for in refusals of the request only', () => {
    expect(readError(429, { message: 'Too many tokens in the context window per minute.' }).code).toBe(
      'rate_limit_exceeded',
    )
  })
})

test('an exception of a stream that nobody named', () => {
  expect(readException('', undefined)).toEqual({
    status: 502,
    code: 'api_error',
    message: "The provider's answer broke off with an unknown error. Try again.",
  })
})

test('whatever JSON comes, it is an error to tell a client', () => {
  const body = fc.oneof(
    fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }),
    fc.record({ __type: fc.jsonValue(), Output: fc.jsonValue(), message: fc.jsonValue(), error: fc.jsonValue() }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 300, max: 599 }), body, fc.string(), (status, body, name) => {
      const error = readError(status, body as JsonObject)
      expect(error).toBeInstanceOf(ApiError)
      expect(error.message).not.toBe('')
      const told = readException(name, body as JsonObject)
      expect(told.status).toBeGreaterThanOrEqual(400)
      expect(told.message).not.toBe('')
    }),
  )
})
