import { describe, expect, test } from 'vitest'
import type { ClientFormat } from './dialects/index.ts'
import { ApiError } from './errors.ts'
import { localError, localJson } from './local.ts'

const error = new ApiError(429, 'rate_limit_error', 'Slow down.', { code: 'c', param: 'p' })
const bodyOf = (format: ClientFormat, of = error) => JSON.parse(localError(format, of, 'id-1').body)

describe('localError', () => {
  test.each<ClientFormat>(['chat', 'completions', 'responses', 'openai-embeddings'])(
    'in OpenAI’s form for %s',
    (format) => {
      expect(bodyOf(format)).toMatchObject({
        error: { message: 'Slow down.', type: expect.any(String), code: 'c', param: 'p' },
        request_id: 'id-1',
      })
    },
  )

  test('in Anthropic’s form', () => {
    expect(bodyOf('messages')).toMatchObject({
      type: 'error',
      error: { type: 'rate_limit_error', message: expect.stringContaining('Slow down.') },
      request_id: 'id-1',
    })
  })

  test('in Google’s form, which has its own place for the id', () => {
    const body = bodyOf('gemini')
    expect(body).toMatchObject({ error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'Slow down.' } })
    expect(body).not.toHaveProperty('request_id')
    expect(JSON.stringify(body.error.details)).toContain('id-1')
  })

  test.each([
    [undefined, undefined],
    [0, '1'],
    [0.2, '1'],
    [1.2, '2'],
    [3_600, '3600'],
    [-5, '1'],
    [1e300, '31622400'],
    [Number.POSITIVE_INFINITY, '31622400'],
    [Number.NaN, undefined],
  ])('a wait of %s seconds is the header %s', (retryAfter, header) => {
    const waiting = new ApiError(429, 'rate_limit_error', 'm', retryAfter === undefined ? {} : { retryAfter })
    expect(new Map(localError('chat', waiting, 'i').headers).get('retry-after')).toBe(header)
  })

  test('further headers of the error come along, and the error keeps its own', () => {
    const headers: [string, string][] = [['www-authenticate', 'Bearer']]
    const unknown = new ApiError(401, 'authentication_error', 'm', { headers })
    const answer = localError('chat', unknown, 'i')
    expect(answer).toMatchObject({
      status: 401,
      headers: [
        ['content-type', 'application/json'],
        ['www-authenticate', 'Bearer'],
      ],
    })
    answer.headers.push(['x', 'y'])
    expect(headers).toHaveLength(1)
  })
})

test('localJson', () => {
  expect(localJson(200, { a: [1] })).toEqual({
    status: 200,
    headers: [['content-type', 'application/json']],
    body: '{"a":[1]}',
  })
})
