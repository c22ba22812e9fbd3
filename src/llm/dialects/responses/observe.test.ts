import { expect, test } from 'vitest'
import type { JsonObject } from '../../conversation.ts'
import type { Observed } from '../../dialect.ts'
import { observe, observedKeys } from './observe.ts'

const response = (fields: JsonObject): JsonObject => ({
  object: 'response',
  id: 'resp_1',
  model: 'gpt-5.2',
  status: 'completed',
  output: [],
  usage: { input_tokens: 3, output_tokens: 2, input_tokens_details: { cached_tokens: 1 } },
  ...fields,
})
const seen = (...events: JsonObject[]): Observed => {
  const observed: Observed = { finishReasons: [] }
  for (const event of events) observe(event, observed)
  return observed
}

test('a whole response', () => {
  expect(seen(response({ output: [{ type: 'function_call' }] }))).toEqual({
    id: 'resp_1',
    model: 'gpt-5.2',
    usage: { input: 3, output: 2, cachedInput: 1 },
    finishReasons: ['tool_calls'],
  })
})

test('the events of a stream that carry the response', () => {
  const created = { type: 'response.created', response: response({ status: 'in_progress', usage: null }) }
  const done = { type: 'response.incomplete', response: response({ status: 'incomplete' }) }
  expect(seen(created)).toEqual({ id: 'resp_1', model: 'gpt-5.2', usage: undefined, finishReasons: [] })
  expect(seen(created, done)).toMatchObject({ usage: { input: 3, output: 2 }, finishReasons: ['length'] })
  for (const event of [created, done])
    expect(observedKeys.some((key) => JSON.stringify(event).includes(`"${key}"`))).toBe(true)
})

test.each<[string, JsonObject, string]>([
  ['documented', { type: 'error', code: 'server_error', message: 'x' }, 'server_error'],
  ['as it is sent', { type: 'error', error: { type: 'insufficient_quota', code: null } }, 'insufficient_quota'],
  [
    'of the response',
    { type: 'response.failed', response: response({ status: 'failed', error: { code: 'rate_limit_exceeded' } }) },
    'rate_limit_exceeded',
  ],
])('an error, %s', (_, event, error) => {
  expect(seen(event).error).toBe(error)
})

test.each<[JsonObject]>([[{}], [{ response: 5 }], [{ object: 'response', usage: [] }], [{ type: 'error' }]])(
  '%j does no harm',
  (event) => {
    expect(() => seen(event)).not.toThrow()
  },
)
