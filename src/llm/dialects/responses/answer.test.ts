import type { Response } from 'openai/resources/responses/responses'
import { describe, expect, test } from 'vitest'
import type { Answer, Choice, JsonObject, TokenLogprob } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { readAnswer, writeAnswer } from './answer.ts'
import { readRequest } from './request.ts'
import { answerContext, client } from './testing.ts'

const token = (text: string): TokenLogprob => ({
  token: text,
  logprob: -0.5,
  bytes: [...Buffer.from(text)],
  top_logprobs: [{ token: 'x', logprob: -2, bytes: [120] }],
})

/** As the API's reference shows it. */
const recorded: Omit<Response, 'output_text'> = {
  id: 'resp_67ccd2bed1ec8190b14f964abc054267',
  object: 'response',
  created_at: 1741476542,
  status: 'completed',
  error: null,
  incomplete_details: null,
  instructions: null,
  max_output_tokens: null,
  model: 'gpt-5.2-2025-12-11',
  output: [
    {
      type: 'reasoning',
      id: 'rs_1',
      summary: [
        { type: 'summary_text', text: '**Looking**' },
        { type: 'summary_text', text: '**Deciding**' },
      ],
      encrypted_content: 'gAAAAA==',
    },
    {
      type: 'message',
      id: 'msg_67ccd2bf17f0819081ff3bb2cf6508e6',
      status: 'completed',
      role: 'assistant',
      content: [{ type: 'output_text', text: 'In a peaceful grove', annotations: [], logprobs: [] }],
    },
    { type: 'web_search_call', id: 'ws_1', status: 'completed', action: { type: 'search', query: 'x' } },
    {
      type: 'function_call',
      id: 'fc_1',
      call_id: 'call_1',
      name: 'weather',
      arguments: '{"city":"Oslo"}',
      status: 'completed',
    },
  ],
  parallel_tool_calls: true,
  previous_response_id: null,
  reasoning: { effort: 'medium', summary: 'auto' },
  store: false,
  temperature: 1,
  text: { format: { type: 'text' } },
  tool_choice: 'auto',
  tools: [],
  top_p: 1,
  truncation: 'disabled',
  usage: {
    input_tokens: 36,
    input_tokens_details: { cached_tokens: 10, cache_write_tokens: 4 },
    output_tokens: 87,
    output_tokens_details: { reasoning_tokens: 64 },
    total_tokens: 123,
  },
  metadata: {},
} as Omit<Response, 'output_text'>
const body = (fields: JsonObject = {}): JsonObject => ({ ...structuredClone(recorded), ...fields })
const message = (...content: JsonObject[]) => ({ type: 'message', role: 'assistant', content })

describe('readAnswer', () => {
  test('reads a whole response', () => {
    expect(readAnswer(body())).toEqual({
      id: 'resp_67ccd2bed1ec8190b14f964abc054267',
      model: 'gpt-5.2-2025-12-11',
      created: 1741476542,
      choices: [
        {
          parts: [
            {
              type: 'reasoning',
              text: '**Looking**\n\n**Deciding**',
              summary: true,
              id: 'rs_1',
              redacted: { origin: 'openai', value: 'gAAAAA==' },
            },
            { type: 'text', text: 'In a peaceful grove' },
            { type: 'tool_call', id: 'call_1', name: 'weather', arguments: '{"city":"Oslo"}' },
          ],
          finish: 'tool_calls',
        },
      ],
      usage: { input: 36, output: 87, cachedInput: 10, cacheWriteInput: 4, reasoning: 64 },
    })
  })

  test.each<[string, JsonObject, Partial<Choice>]>([
    [
      'text',
      { output: [message({ type: 'output_text', text: 'Hi' })] },
      { finish: 'stop', parts: [{ type: 'text', text: 'Hi' }] },
    ],
    [
      'a refusal',
      { output: [message({ type: 'refusal', refusal: 'No.' })] },
      { finish: 'refusal', parts: [{ type: 'refusal', text: 'No.' }] },
    ],
    [
      'the limit',
      { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' }, output: [] },
      { finish: 'length' },
    ],
    [
      'a filter',
      { status: 'incomplete', incomplete_details: { reason: 'content_filter' }, output: [] },
      { finish: 'content_filter' },
    ],
    [
      'thinking shown as it was',
      { output: [{ type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'Hm.' }] }] },
      { parts: [{ type: 'reasoning', text: 'Hm.' }] },
    ],
    [
      'log probabilities',
      {
        output: [
          message(
            { type: 'output_text', text: 'a', logprobs: [token('a')] },
            { type: 'output_text', text: 'b', logprobs: [token('b')] },
          ),
        ],
      },
      { logprobs: [token('a'), token('b')] },
    ],
    [
      'garbage among the output',
      { output: [null, 5, {}, { type: 'message', content: 'x' }] },
      { parts: [], finish: 'stop' },
    ],
  ])('%s', (_, fields, choice) => {
    expect(readAnswer(body(fields)).choices[0]).toMatchObject(choice)
  })

  test.each<[string, JsonObject, Partial<ApiError>]>([
    [
      'a failed one',
      { status: 'failed', error: { code: 'rate_limit_exceeded', message: 'Slow down.' } },
      { status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded', message: 'Slow down.' },
    ],
    ['one that is not done', { status: 'queued' }, { status: 502, code: 'bad_provider_answer' }],
    ['one without output', { output: 'x' }, { status: 502, code: 'bad_provider_answer' }],
  ])('throws on %s', (_, fields, error) => {
    try {
      readAnswer(body(fields))
      expect.unreachable()
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(ApiError)
      expect(thrown).toMatchObject(error)
    }
  })
})

const answer = (choice: Partial<Choice>, fields: Partial<Answer> = {}): Answer => ({
  id: 'x1',
  model: 'claude',
  choices: [{ parts: [], finish: 'stop', ...choice }],
  ...fields,
})

describe('writeAnswer', () => {
  test('repeats the request and fills every field of the SDK type', () => {
    const request = {
      model: 'smart',
      input: 'Hello',
      instructions: 'Be brief.',
      tools: [{ type: 'function', name: 'f', parameters: null, strict: false }],
      tool_choice: { type: 'function', name: 'f' },
      temperature: 0.5,
      max_output_tokens: 100,
      metadata: { a: 'b' },
      reasoning: { effort: 'low' },
      text: { verbosity: 'low' },
      parallel_tool_calls: false,
      user: 'u',
    }
    expect(() => readRequest(request)).not.toThrow()
    const written = writeAnswer(
      answer(
        { parts: [{ type: 'text', text: 'Hi' }] },
        { created: 1_700_000_001, usage: { input: 5, output: 2, cachedInput: 1, reasoning: 1 } },
      ),
      answerContext(request),
    )
    const expected = {
      id: 'resp_x1',
      object: 'response',
      created_at: 1_700_000_001,
      status: 'completed',
      background: false,
      error: null,
      incomplete_details: null,
      instructions: 'Be brief.',
      max_output_tokens: 100,
      max_tool_calls: null,
      metadata: { a: 'b' },
      model: 'smart',
      output: [
        {
          type: 'message',
          id: 'msg_chaperone_abc_0',
          status: 'completed',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'Hi', annotations: [], logprobs: [] }],
        },
      ],
      parallel_tool_calls: false,
      previous_response_id: null,
      prompt_cache_key: null,
      reasoning: { effort: 'low', summary: null },
      safety_identifier: null,
      service_tier: null,
      store: false,
      temperature: 0.5,
      text: { format: { type: 'text' }, verbosity: 'low' },
      tool_choice: { type: 'function', name: 'f' },
      tools: request.tools,
      top_logprobs: 0,
      top_p: null,
      truncation: 'disabled',
      usage: {
        input_tokens: 5,
        input_tokens_details: { cached_tokens: 1, cache_write_tokens: 0 },
        output_tokens: 2,
        output_tokens_details: { reasoning_tokens: 1 },
        total_tokens: 7,
      },
      user: 'u',
    } satisfies JsonObject & Partial<Record<keyof Response, unknown>>
    expect(written).toEqual(expected)
  })

  test('the order of parts is the order of items; neighbouring texts are one message', () => {
    const { output } = writeAnswer(
      answer({
        parts: [
          { type: 'reasoning', text: 'Sum', summary: true, id: 'rs_1', redacted: { origin: 'openai', value: 'E' } },
          { type: 'reasoning', text: 'Hm.', signature: { origin: 'anthropic', value: 'Sig' } },
          { type: 'reasoning', text: '', redacted: { origin: 'anthropic', value: 'Red' } },
          { type: 'text', text: 'ab' },
          { type: 'text', text: 'c' },
          { type: 'refusal', text: 'No.' },
          { type: 'tool_call', id: 'c1', name: 'f', arguments: '{}' },
          { type: 'tool_call', id: 'c2', name: 'g', arguments: '{}', signature: { origin: 'gemini', value: 'Sig' } },
        ],
        finish: 'tool_calls',
        logprobs: [token('a'), token('b'), token('c')],
      }),
      answerContext(),
    )
    expect(output).toEqual([
      { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Sum' }], encrypted_content: 'E' },
      {
        type: 'reasoning',
        id: 'rs_chaperone_abc_1',
        summary: [],
        content: [{ type: 'reasoning_text', text: 'Hm.' }],
        encrypted_content: 'chaperone.anthropic.signature:Sig',
      },
      {
        type: 'reasoning',
        id: 'rs_chaperone_abc_2',
        summary: [],
        encrypted_content: 'chaperone.anthropic.redacted:Red',
      },
      {
        type: 'message',
        id: 'msg_chaperone_abc_3',
        status: 'completed',
        role: 'assistant',
        content: [
          { type: 'output_text', text: 'ab', annotations: [], logprobs: [token('a'), token('b')] },
          { type: 'output_text', text: 'c', annotations: [], logprobs: [token('c')] },
          { type: 'refusal', refusal: 'No.' },
        ],
      },
      {
        type: 'function_call',
        id: 'fc_chaperone_abc_4',
        call_id: 'c1',
        name: 'f',
        arguments: '{}',
        status: 'completed',
      },
      {
        type: 'reasoning',
        id: 'rs_chaperone_abc_5',
        summary: [],
        encrypted_content: 'chaperone.gemini.call:c2:Sig',
      },
      {
        type: 'function_call',
        id: 'fc_chaperone_abc_6',
        call_id: 'c2',
        name: 'g',
        arguments: '{}',
        status: 'completed',
      },
    ])
  })

  test.each<[Choice['finish'], Choice['parts'], JsonObject]>([
    ['stop', [], { status: 'completed', incomplete_details: null, error: null }],
    ['length', [], { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } }],
    ['content_filter', [], { status: 'incomplete', incomplete_details: { reason: 'content_filter' } }],
    ['refusal', [{ type: 'refusal', text: 'No.' }], { status: 'completed' }],
    ['refusal', [], { status: 'incomplete', incomplete_details: { reason: 'content_filter' } }],
    ['pause', [], { status: 'incomplete', incomplete_details: null }],
    ['error', [], { status: 'failed', error: { code: 'server_error' } }],
  ])('finish %s with %j', (finish, parts, expected) => {
    expect(writeAnswer(answer({ finish, parts }), answerContext())).toMatchObject(expected)
  })

  test('the item that was cut short says so', () => {
    const parts: Choice['parts'] = [
      { type: 'tool_call', id: 'c1', name: 'f', arguments: '{}' },
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ]
    expect(writeAnswer(answer({ finish: 'length', parts }), answerContext()).output).toMatchObject([
      { status: 'completed' },
      { status: 'incomplete' },
    ])
  })

  test.each([
    ['', 'resp_abc'],
    ['msg_01', 'resp_msg_01'],
    ['resp_9', 'resp_9'],
  ])('the id %j becomes %s', (id, written) => {
    expect(writeAnswer(answer({}, { id }), answerContext()).id).toBe(written)
  })
})

test('the real SDK reads it', async () => {
  const written = writeAnswer(
    answer({
      parts: [
        { type: 'text', text: '{"a":1}' },
        { type: 'tool_call', id: 'c1', name: 'f', arguments: '{"b":2}' },
      ],
    }),
    answerContext(),
  )
  const response = await client(JSON.stringify(written), 'application/json').responses.create({
    model: 'smart',
    input: 'x',
  })
  expect(response.output_text).toBe('{"a":1}')
  expect(response.output.map(({ type }) => type)).toEqual(['message', 'function_call'])
})

test('an answer of this API is the same once written and read again', () => {
  const first = readAnswer(body())
  expect(readAnswer(writeAnswer(first, answerContext()))).toEqual({ ...first, model: 'smart' })
})
