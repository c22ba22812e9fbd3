import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { errorOf } from './errors.ts'
import { chat } from './index.ts'

describe('error responses, as servers alike send them', () => {
  test.each<[string, number, JsonObject | undefined, Partial<ApiError>]>([
    [
      'OpenAI’s',
      404,
      { error: { message: 'No such model', type: 'invalid_request_error', param: null, code: 'model_not_found' } },
      { type: 'not_found_error', code: 'model_not_found', message: 'No such model' },
    ],
    [
      'OpenAI’s, naming a field the client never wrote',
      400,
      { error: { message: 'Bad', type: 'invalid_request_error', param: 'messages[0].content', code: null } },
      { type: 'invalid_request_error', param: undefined },
    ],
    [
      'Azure’s filter',
      400,
      { error: { message: 'Filtered', type: null, param: 'prompt', code: 'content_filter', status: 400 } },
      { type: 'invalid_request_error', code: 'content_filter' },
    ],
    [
      'vLLM’s',
      400,
      {
        object: 'error',
        message: "This model's maximum context length is 4096 tokens.",
        type: 'BadRequestError',
        code: 400,
      },
      { type: 'invalid_request_error', code: 'context_length_exceeded' },
    ],
    ['Ollama’s', 404, { error: 'model "x" not found' }, { message: 'model "x" not found', type: 'not_found_error' }],
    [
      'FastAPI’s',
      422,
      { detail: [{ loc: ['body', 'n'], msg: 'Input should be a number', type: 'int' }, 5, { msg: 'Too big' }] },
      { message: 'Input should be a number Too big', type: 'invalid_request_error' },
    ],
    [
      'OpenRouter’s',
      502,
      { error: { code: 502, message: 'Provider returned error', metadata: { provider_name: 'x' } } },
      { type: 'api_error', message: 'Provider returned error' },
    ],
    ['an empty one', 500, {}, { message: 'The provider answered with status 500 and no error message.' }],
    ['no JSON', 503, undefined, { type: 'overloaded_error' }],
    [
      'garbage',
      400,
      { error: { message: 5, type: [], code: { toString: null } } },
      { type: 'invalid_request_error', code: undefined },
    ],
  ])('%s', (_, status, body, expected) => {
    const error = chat.readError(status, body)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status, ...expected })
  })
})

test('what is written is read as the same', () => {
  const error = new ApiError(429, 'rate_limit_error', 'Slow down', { code: 'rate_limit_exceeded' })
  expect(chat.readError(429, chat.writeError(error))).toMatchObject({
    status: 429,
    type: error.type,
    message: error.message,
    code: error.code,
  })
})

describe('errors in place of an answer', () => {
  test.each<[JsonObject, object | undefined]>([
    [{ choices: [] }, undefined],
    [{ error: null }, undefined],
    [{ error: 'Out of memory' }, { status: 502, code: 'server_error', message: 'Out of memory' }],
    [{ error: { message: 'Busy', code: 429 } }, { status: 429, code: 'server_error', message: 'Busy' }],
    [
      { error: { message: 'Busy', type: 'overloaded_error' } },
      { status: 503, code: 'overloaded_error', message: 'Busy' },
    ],
    [
      { error: { message: 'No', code: 'no_such_word', type: 'not_found_error' } },
      { status: 404, code: 'no_such_word', message: 'No' },
    ],
    [{ x_groq: { error: 'Full' } }, { status: 502, code: 'server_error', message: 'Full' }],
    [
      { object: 'error', message: 'Bad', type: 'BadRequestError', code: 400 },
      { status: 400, code: 'BadRequestError', message: 'Bad' },
    ],
    [
      { error: [] },
      { status: 502, code: 'server_error', message: "The provider's answer failed (server_error). Try again." },
    ],
    [
      { error: { code: { valueOf: 1 }, status: [400] } },
      { status: 502, code: 'server_error', message: "The provider's answer failed (server_error). Try again." },
    ],
  ])('%j', (json, error) => {
    expect(errorOf(json)).toEqual(error)
  })
})
