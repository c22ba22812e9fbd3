import { ApiError as SdkError } from '@google/genai'
import { describe, expect, test } from 'vitest'
import { ApiError, type ErrorType } from '../../errors.ts'
import { readError } from './errors.ts'
import { client } from './testing.ts'
import { withRequestInfo, writeError } from './write-error.ts'

describe('writeError', () => {
  test.each<[number, ErrorType, string]>([
    [400, 'invalid_request_error', 'INVALID_ARGUMENT'],
    [401, 'authentication_error', 'UNAUTHENTICATED'],
    [403, 'permission_error', 'PERMISSION_DENIED'],
    [404, 'not_found_error', 'NOT_FOUND'],
    [413, 'request_too_large', 'INVALID_ARGUMENT'],
    [429, 'rate_limit_error', 'RESOURCE_EXHAUSTED'],
    [502, 'api_error', 'INTERNAL'],
    [503, 'overloaded_error', 'UNAVAILABLE'],
    [504, 'timeout_error', 'DEADLINE_EXCEEDED'],
  ])('%i %s is %s', (status, type, name) => {
    expect(writeError(new ApiError(status, type, 'No.'))).toEqual({
      error: { code: status, message: 'No.', status: name },
    })
  })

  test('code, field, time to wait and the request’s id are details', () => {
    const error = new ApiError(429, 'rate_limit_error', 'Wait.', {
      code: 'rate-limit exceeded',
      param: 'model',
      retryAfter: 1.5,
    })
    expect(withRequestInfo(writeError(error), 'id-1')).toEqual({
      error: {
        code: 429,
        message: 'Wait.',
        status: 'RESOURCE_EXHAUSTED',
        details: [
          { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'RATE_LIMIT_EXCEEDED', domain: 'chaperone' },
          {
            '@type': 'type.googleapis.com/google.rpc.BadRequest',
            fieldViolations: [{ field: 'model', description: 'Wait.' }],
          },
          { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1.5s' },
          { '@type': 'type.googleapis.com/google.rpc.RequestInfo', requestId: 'id-1' },
        ],
      },
    })
  })

  test('what is written is read again', () => {
    const error = new ApiError(400, 'invalid_request_error', 'No.', { code: 'unsupported_field', retryAfter: 2 })
    expect(readError(400, writeError(error))).toMatchObject({
      status: 400,
      type: 'invalid_request_error',
      message: 'No.',
      code: 'unsupported_field',
      retryAfter: 2,
    })
  })

  test('the real SDK throws it', async () => {
    const body = JSON.stringify(writeError(new ApiError(404, 'not_found_error', 'No such model.')))
    const error = await client(body, 404, 'application/json')
      .models.generateContent({ model: 'm', contents: 'x' })
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(SdkError)
    expect(error).toMatchObject({ status: 404, message: expect.stringContaining('No such model.') })
  })
})
