import { describe, expect, test } from 'vitest'
import type { Answer, Choice, FinishReason, JsonObject } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { writeAnswer } from './answer.ts'
import { completions } from './index.ts'
import { answerContext, client, errorOf } from './testing.ts'

const text = (value: string) => ({ type: 'text' as const, text: value })
const choice = (finish: FinishReason, ...parts: Choice['parts']): Choice => ({ parts, finish })
const answer = (...choices: Choice[]): Answer => ({ id: 'x1', model: 'claude', choices })
const write = (given: Answer): JsonObject => writeAnswer(given, answerContext())
const choicesOf = (given: Answer) => write(given).choices as JsonObject[]

test('a whole answer', () => {
  const usage = { input: 5, output: 7, cachedInput: 2, reasoning: 3 }
  expect(write({ ...answer(choice('stop', text(' in a land'))), usage })).toEqual({
    id: 'cmpl-x1',
    object: 'text_completion',
    created: 1_700_000_000,
    model: 'smart',
    choices: [{ index: 0, text: ' in a land', logprobs: null, finish_reason: 'stop' }],
    usage: {
      prompt_tokens: 5,
      completion_tokens: 7,
      total_tokens: 12,
      prompt_tokens_details: { cached_tokens: 2 },
      completion_tokens_details: { reasoning_tokens: 3 },
    },
  })
})

test("OpenAI's SDK reads it", async () => {
  const body = JSON.stringify(write(answer(choice('stop', text('Hej 🌍')))))
  const read = await client(body, 'application/json').completions.create({ model: 'smart', prompt: 'x' })
  expect(read.choices).toEqual([{ index: 0, text: 'Hej 🌍', logprobs: null, finish_reason: 'stop' }])
})

test("the provider's own id and date, where they are of this API", () => {
  expect(write({ ...answer(choice('stop')), id: 'cmpl-7', created: 5 })).toMatchObject({ id: 'cmpl-7', created: 5 })
  expect(write({ ...answer(choice('stop')), id: '' })).toMatchObject({ id: 'cmpl-abc' })
})

test('figures that nobody told are not there', () => {
  expect(write(answer(choice('stop')))).not.toHaveProperty('usage')
})

test('several answers are counted', () => {
  expect(choicesOf(answer(choice('stop', text('a')), choice('length', text('b'))))).toEqual([
    { index: 0, text: 'a', logprobs: null, finish_reason: 'stop' },
    { index: 1, text: 'b', logprobs: null, finish_reason: 'length' },
  ])
})

test('texts and refusals are one text; thinking and calls have no place in it', () => {
  const parts: Choice['parts'] = [
    { type: 'reasoning', text: 'Hm.' },
    text('One, '),
    { type: 'tool_call', id: 'a', name: 'f', arguments: '{}' },
    text('two. '),
    { type: 'refusal', text: 'No more.' },
  ]
  expect(choicesOf(answer(choice('stop', ...parts)))).toMatchObject([{ text: 'One, two. No more.' }])
})

describe('an end by', () => {
  test.each<[FinishReason, string]>([
    ['stop', 'stop'],
    ['length', 'length'],
    ['pause', 'length'],
    ['content_filter', 'content_filter'],
    ['refusal', 'content_filter'],
    // The request had no tools.
    ['tool_calls', 'stop'],
  ])('%s is %s', (finish, reason) => {
    expect(choicesOf(answer(choice(finish)))).toMatchObject([{ finish_reason: reason }])
  })

  test('refusal in words is an ordinary end', () => {
    expect(choicesOf(answer(choice('refusal', { type: 'refusal', text: 'No.' })))).toMatchObject([
      { text: 'No.', finish_reason: 'stop' },
    ])
  })

  test('error is told as an error, unless another choice ended well', () => {
    const failed = { status: 502, type: 'api_error', code: 'provider_failed' }
    expect(errorOf(() => write(answer(choice('error', text('a')), choice('error'))))).toMatchObject(failed)
    expect(errorOf(() => write(answer()))).toMatchObject(failed)
    expect(choicesOf(answer(choice('stop'), choice('error', text('b'))))).toMatchObject([
      { finish_reason: 'stop' },
      { text: 'b', finish_reason: 'error' },
    ])
  })
})

test("errors have OpenAI's form", () => {
  const error = new ApiError(400, 'invalid_request_error', 'n must be a number.', { code: 'invalid_value', param: 'n' })
  expect(completions.writeError(error)).toEqual({
    error: { message: 'n must be a number.', type: 'invalid_request_error', param: 'n', code: 'invalid_value' },
  })
})

test('an answer that passes through is read for its figures', () => {
  const seen = { finishReasons: [] }
  completions.observe(
    {
      id: 'cmpl-1',
      model: 'gpt-3.5-turbo-instruct',
      choices: [{ index: 0, text: 'a', finish_reason: 'length' }],
      usage: { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 },
    },
    seen,
  )
  expect(seen).toEqual({
    id: 'cmpl-1',
    model: 'gpt-3.5-turbo-instruct',
    finishReasons: ['length'],
    usage: { input: 5, output: 7 },
  })
})
