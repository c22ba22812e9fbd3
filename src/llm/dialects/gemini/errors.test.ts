import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../conversation.ts'
import { readError } from './errors.ts'

const error = (fields: JsonObject): JsonObject => ({ error: fields })

describe('an error of the provider', () => {
  test.each<[number, JsonObject | undefined, JsonObject]>([
    [
      400,
      error({ code: 400, message: 'Bad field.', status: 'INVALID_ARGUMENT' }),
      { status: 400, type: 'invalid_request_error', code: 'invalid_argument', message: 'Bad field.' },
    ],
    [
      400,
      error({
        code: 400,
        message: 'API key not valid. Please pass a valid API key.',
        status: 'INVALID_ARGUMENT',
        details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' }],
      }),
      { status: 400, type: 'authentication_error', code: 'api_key_invalid' },
    ],
    [
      400,
      error({
        message: 'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
        status: 'INVALID_ARGUMENT',
      }),
      { status: 400, type: 'invalid_request_error', code: 'context_length_exceeded' },
    ],
    [
      429,
      error({
        code: 429,
        message: 'You exceeded your current quota.',
        status: 'RESOURCE_EXHAUSTED',
        details: [
          { '@type': 'type.googleapis.com/google.rpc.QuotaFailure', violations: [] },
          { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.074824224s' },
        ],
      }),
      { status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded', retryAfter: 34.074824224 },
    ],
    [404, error({ message: 'No.', status: 'NOT_FOUND' }), { type: 'not_found_error', code: 'model_not_found' }],
    [403, error({ message: 'No.', status: 'PERMISSION_DENIED' }), { type: 'permission_error' }],
    [503, error({ message: 'Busy.', status: 'UNAVAILABLE' }), { type: 'overloaded_error', code: 'unavailable' }],
    [504, error({ message: 'Late.', status: 'DEADLINE_EXCEEDED' }), { type: 'timeout_error' }],
    [500, error({ status: 'INTERNAL' }), { type: 'api_error', message: 'The provider answered with INTERNAL.' }],
    [418, error({ message: 'Teapot.', status: 'toString' }), { type: 'invalid_request_error' }],
    [
      429,
      error({ message: 'Slow.', details: [{ retryDelay: 'soon' }, null, { retryDelay: 5 }] }),
      { type: 'rate_limit_error', code: undefined, retryAfter: undefined },
    ],
    [502, undefined, { status: 502, type: 'api_error', code: undefined }],
    [401, { error: 'nope' }, { status: 401, type: 'authentication_error' }],
  ])('%i %j', (status, body, expected) => {
    expect(readError(status, body)).toMatchObject(expected)
  })

  test('of Vertex AI stands in an array where a stream was asked for', () => {
    const body = [error({ message: 'Busy.', status: 'UNAVAILABLE' })] as unknown as JsonObject
    expect(readError(503, body)).toMatchObject({ type: 'overloaded_error', message: 'Busy.' })
  })
})
