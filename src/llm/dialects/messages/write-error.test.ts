import Anthropic from '@anthropic-ai/sdk'
import { expect, test } from 'vitest'
import { ApiError, type ErrorType, errorTypeOf } from '../../errors.ts'
import { writeError } from './write-error.ts'

test('has the type and the message', () => {
  const error = new ApiError(404, 'not_found_error', 'There is no such model.', {
    code: 'model_not_found',
    param: 'model',
  })
  expect(writeError(error)).toEqual({
    type: 'error',
    error: { type: 'not_found_error', message: 'There is no such model.' },
  })
})

test.each<[number, ErrorType, new (...args: never[]) => Error]>([
  [400, 'invalid_request_error', Anthropic.BadRequestError],
  [401, 'authentication_error', Anthropic.AuthenticationError],
  [429, 'rate_limit_error', Anthropic.RateLimitError],
  [529, 'overloaded_error', Anthropic.InternalServerError],
])('of status %d is what the SDK knows', async (status, type, kind) => {
  const body = JSON.stringify(writeError(new ApiError(status, errorTypeOf(status), 'Words.')))
  const sdk = new Anthropic({
    apiKey: 'none',
    maxRetries: 0,
    fetch: async () => new Response(body, { status, headers: { 'content-type': 'application/json' } }),
  })
  const caught: unknown = await sdk.messages
    .create({ model: 'smart', max_tokens: 1, messages: [] })
    .catch((error: unknown) => error)
  expect(caught).toBeInstanceOf(kind)
  expect(caught).toMatchObject({ type, error: { error: { message: 'Words.' } } })
})
