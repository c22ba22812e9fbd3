import { describe, expect, test } from 'vitest'
import type { Answer, Choice, FinishReason, JsonObject, TokenLogprob, Usage } from '../../conversation.ts'
import type { ApiError } from '../../errors.ts'
import { readAnswer, writeAnswer } from './answer.ts'
import { answerContext, client } from './testing.ts'

type Parts = Choice['parts']

const read = (message: JsonObject, choice: JsonObject = {}): Choice =>
  readAnswer({ id: 'r', choices: [{ index: 0, message: { role: 'assistant', ...message }, ...choice }] }).choices[0]!
const call = (id: string, name: string, args: unknown, rest: JsonObject = {}) => ({
  id,
  type: 'function',
  function: { name, arguments: args },
  ...rest,
})
const token = (text: string, logprob: number): TokenLogprob => ({
  token: text,
  logprob,
  bytes: [...Buffer.from(text)],
  top_logprobs: [],
})
const text = (value: string) => ({ type: 'text' as const, text: value })

describe('reading', () => {
  test('a whole answer', () => {
    expect(
      readAnswer({
        id: 'chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT',
        object: 'chat.completion',
        created: 1741569952,
        model: 'gpt-4.1-2025-04-14',
        choices: [
          {
            index: 0,
            message: { role: 'assistant', content: 'Hello!', refusal: null, annotations: [] },
            logprobs: null,
            finish_reason: 'stop',
          },
        ],
        usage: { prompt_tokens: 19, completion_tokens: 10, total_tokens: 29 },
        service_tier: 'default',
        system_fingerprint: 'fp',
      }),
    ).toEqual({
      id: 'chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT',
      model: 'gpt-4.1-2025-04-14',
      created: 1741569952,
      choices: [{ parts: [text('Hello!')], finish: 'stop' }],
      usage: { input: 19, output: 10 },
    })
  })

  test.each<[string, JsonObject, Parts]>([
    ['nothing', { content: null }, []],
    ['an empty text', { content: '' }, []],
    ['a refusal', { content: null, refusal: 'No.' }, [{ type: 'refusal', text: 'No.' }]],
    [
      'calls beside text',
      { content: 'Wait.', tool_calls: [call('a', 'f', '{"x":1}'), call('b', 'g', '')] },
      [
        text('Wait.'),
        { type: 'tool_call', id: 'a', name: 'f', arguments: '{"x":1}' },
        { type: 'tool_call', id: 'b', name: 'g', arguments: '' },
      ],
    ],
    [
      'arguments as an object',
      { tool_calls: [call('a', 'f', { x: 1 })] },
      [{ type: 'tool_call', id: 'a', name: 'f', arguments: '{"x":1}' }],
    ],
    [
      'a call without id',
      { function_call: { name: 'f', arguments: '{}' } },
      [{ type: 'tool_call', id: expect.stringMatching(/^call_[\w-]{24}$/), name: 'f', arguments: '{}' }],
    ],
    [
      'Google’s signature on a call',
      { tool_calls: [call('a', 'f', '{}', { extra_content: { google: { thought_signature: 'Sig' } } })] },
      [{ type: 'tool_call', id: 'a', name: 'f', arguments: '{}', signature: { origin: 'gemini', value: 'Sig' } }],
    ],
    [
      'DeepSeek’s thinking',
      { reasoning_content: 'Hm.', content: 'Yes.' },
      [{ type: 'reasoning', text: 'Hm.' }, text('Yes.')],
    ],
    ['OpenRouter’s plain thinking', { reasoning: 'Hm.' }, [{ type: 'reasoning', text: 'Hm.' }]],
    [
      'OpenRouter’s details, of Claude',
      {
        reasoning: 'Hm.',
        reasoning_details: [
          { type: 'reasoning.text', text: 'Hm.', signature: 'Sig', format: 'anthropic-claude-v1', index: 0 },
          { type: 'reasoning.encrypted', data: 'Red', format: 'anthropic-claude-v1', index: 1 },
        ],
      },
      [
        { type: 'reasoning', text: 'Hm.', signature: { origin: 'anthropic', value: 'Sig' } },
        { type: 'reasoning', text: '', redacted: { origin: 'anthropic', value: 'Red' } },
      ],
    ],
    [
      'OpenRouter’s details, of OpenAI',
      {
        reasoning_details: [
          { type: 'reasoning.summary', summary: 'Look.', id: 'rs_1', format: 'openai-responses-v1', index: 0 },
          { type: 'reasoning.encrypted', data: 'gAAA', id: 'rs_1', format: 'openai-responses-v1', index: 0 },
        ],
      },
      [
        {
          type: 'reasoning',
          text: 'Look.',
          summary: true,
          id: 'rs_1',
          redacted: { origin: 'openai', value: 'gAAA' },
        },
      ],
    ],
    [
      'OpenRouter’s signature of a call of Gemini’s',
      {
        tool_calls: [call('a', 'f', '{}')],
        reasoning_details: [{ type: 'reasoning.encrypted', data: 'Sig', id: 'a', format: 'google-gemini-v1' }],
      },
      [{ type: 'tool_call', id: 'a', name: 'f', arguments: '{}', signature: { origin: 'gemini', value: 'Sig' } }],
    ],
    [
      'proof of a maker that is not known',
      { reasoning_details: [{ type: 'reasoning.text', text: 'Hm.', signature: 'Sig', format: 'xai-v9' }] },
      [{ type: 'reasoning', text: 'Hm.' }],
    ],
    [
      'LiteLLM’s blocks',
      {
        reasoning_content: 'Hm.',
        thinking_blocks: [
          { type: 'thinking', thinking: 'Hm.', signature: 'Sig' },
          { type: 'redacted_thinking', data: 'Red' },
        ],
      },
      [
        { type: 'reasoning', text: 'Hm.', signature: { origin: 'anthropic', value: 'Sig' } },
        { type: 'reasoning', text: '', redacted: { origin: 'anthropic', value: 'Red' } },
      ],
    ],
    [
      'Mistral’s content',
      {
        content: [
          { type: 'thinking', thinking: [{ type: 'text', text: 'Hm.' }] },
          { type: 'text', text: 'Yes.' },
        ],
      },
      [{ type: 'reasoning', text: 'Hm.' }, text('Yes.')],
    ],
    ['garbage', { content: 5, tool_calls: 'x', reasoning_details: {}, refusal: [], thinking_blocks: [null, 1] }, []],
  ])('%s', (_, message, parts) => {
    expect(read(message).parts).toEqual(parts)
  })

  test.each<[unknown, JsonObject, FinishReason]>([
    ['stop', {}, 'stop'],
    ['length', {}, 'length'],
    ['model_length', {}, 'length'],
    ['tool_calls', {}, 'tool_calls'],
    ['function_call', {}, 'tool_calls'],
    ['content_filter', {}, 'content_filter'],
    ['insufficient_system_resource', {}, 'error'],
    ['eos', {}, 'stop'],
    ['toString', {}, 'stop'],
    [null, {}, 'stop'],
    ['stop', { refusal: 'No.' }, 'refusal'],
    ['stop', { tool_calls: [call('a', 'f', '{}')] }, 'tool_calls'],
    ['length', { tool_calls: [call('a', 'f', '{')] }, 'length'],
  ])('finish %j with %j', (finish_reason, message, finish) => {
    expect(read(message, { finish_reason }).finish).toBe(finish)
  })

  test('the stop sequence, where the server tells it', () => {
    expect(read({}, { finish_reason: 'stop', stop_reason: 'END' }).stopSequence).toBe('END')
    expect(read({}, { finish_reason: 'stop', stop_reason: 128009 })).not.toHaveProperty('stopSequence')
  })

  test('log probabilities, of text and of a refusal', () => {
    expect(
      read({ content: 'Hi' }, { logprobs: { content: [{ token: 'Hi', logprob: -0.5, bytes: null }], refusal: null } })
        .logprobs,
    ).toEqual([{ token: 'Hi', logprob: -0.5, bytes: null, top_logprobs: [] }])
    expect(read({}, { logprobs: { content: null, refusal: [token('No', -1)] } }).logprobs).toEqual([token('No', -1)])
    expect(read({}, { logprobs: null })).not.toHaveProperty('logprobs')
  })

  test('several choices, in the order of their numbers', () => {
    const choice = (index: number) => ({ index, message: { content: `${index}` }, finish_reason: 'stop' })
    const { choices } = readAnswer({ choices: [choice(2), choice(0), choice(1)] })
    expect(choices.map(({ parts }) => parts)).toEqual([[text('0')], [text('1')], [text('2')]])
  })

  test.each<[string, JsonObject, Usage]>([
    [
      'OpenAI’s',
      {
        prompt_tokens: 100,
        completion_tokens: 50,
        total_tokens: 150,
        prompt_tokens_details: { cached_tokens: 64, cache_write_tokens: 10, audio_tokens: 1 },
        completion_tokens_details: { reasoning_tokens: 20, audio_tokens: 2, accepted_prediction_tokens: 0 },
      },
      { input: 100, output: 50, cachedInput: 64, cacheWriteInput: 10, reasoning: 20, audioInput: 1, audioOutput: 2 },
    ],
    [
      'DeepSeek’s',
      { prompt_tokens: 100, completion_tokens: 5, prompt_cache_hit_tokens: 64, prompt_cache_miss_tokens: 36 },
      { input: 100, output: 5, cachedInput: 64 },
    ],
    [
      'LiteLLM’s',
      { prompt_tokens: 100, completion_tokens: 5, cache_creation_input_tokens: 30, cache_read_input_tokens: 0 },
      { input: 100, output: 5, cacheWriteInput: 30 },
    ],
    [
      'xAI’s, with thinking counted apart',
      {
        prompt_tokens: 10,
        completion_tokens: 5,
        total_tokens: 35,
        completion_tokens_details: { reasoning_tokens: 20 },
      },
      { input: 10, output: 25, reasoning: 20 },
    ],
    [
      'garbage',
      { prompt_tokens: '5', completion_tokens: -1, total_tokens: null, prompt_tokens_details: 7 },
      { input: 0, output: 0 },
    ],
  ])('usage: %s', (_, usage, expected) => {
    expect(readAnswer({ choices: [{ message: {} }], usage }).usage).toEqual(expected)
  })

  test.each<[string, JsonObject, Partial<ApiError>]>([
    ['nothing', {}, { status: 502, code: 'bad_provider_answer' }],
    ['no choices', { choices: [] }, { status: 502, code: 'bad_provider_answer' }],
    ['choices that are none', { choices: [null, 'x'] }, { status: 502, code: 'bad_provider_answer' }],
    [
      'an error that came with status 200',
      { error: { message: 'Busy', code: 429, type: 'rate_limit_error' } },
      { status: 429, type: 'rate_limit_error', message: 'Busy' },
    ],
  ])('%s is no answer', (_, body, error) => {
    expect(() => readAnswer(body)).toThrow(expect.objectContaining(error))
  })
})

describe('writing', () => {
  const everything: Answer = {
    id: 'msg_01',
    model: 'claude-sonnet-4-5',
    choices: [
      {
        parts: [
          { type: 'reasoning', text: 'Hm.', signature: { origin: 'anthropic', value: 'Sig' } },
          { type: 'reasoning', text: '', redacted: { origin: 'bedrock', value: 'Red' } },
          { type: 'reasoning', text: 'So.', summary: true, id: 'rs_1', redacted: { origin: 'openai', value: 'gA' } },
          text('Let me '),
          text('look.'),
          { type: 'tool_call', id: 'a', name: 'f', arguments: '{"x":1}' },
          {
            type: 'tool_call',
            id: 'b',
            name: 'g',
            arguments: '',
            signature: { origin: 'gemini', value: 'CallSig' },
          },
        ],
        finish: 'tool_calls',
      },
    ],
    usage: { input: 100, output: 50, cachedInput: 64, cacheWriteInput: 10, reasoning: 20 },
  }

  test('every kind of part', () => {
    expect(writeAnswer(everything, answerContext())).toEqual({
      id: 'chatcmpl-msg_01',
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'smart',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'Let me look.',
            refusal: null,
            reasoning_content: 'Hm.\n\nSo.',
            reasoning_details: [
              { type: 'reasoning.text', text: 'Hm.', signature: 'chaperone.anthropic.Sig', index: 0 },
              { type: 'reasoning.encrypted', data: 'chaperone.bedrock.Red', index: 1 },
              { type: 'reasoning.summary', summary: 'So.', id: 'rs_1', index: 2 },
              { type: 'reasoning.encrypted', data: 'gA', id: 'rs_1', index: 3 },
            ],
            tool_calls: [
              { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
              {
                id: 'b',
                type: 'function',
                function: { name: 'g', arguments: '{}' },
                extra_content: { google: { thought_signature: 'CallSig' } },
              },
            ],
          },
          logprobs: null,
          finish_reason: 'tool_calls',
        },
      ],
      usage: {
        prompt_tokens: 100,
        completion_tokens: 50,
        total_tokens: 150,
        prompt_tokens_details: { cached_tokens: 64, cache_write_tokens: 10 },
        completion_tokens_details: { reasoning_tokens: 20 },
      },
    })
  })

  test('the SDK reads it', async () => {
    const body = JSON.stringify(writeAnswer(everything, answerContext()))
    const completion = await client(body, 'application/json').chat.completions.create({
      model: 'smart',
      messages: [{ role: 'user', content: 'x' }],
    })
    expect(completion.choices[0]!.message.content).toBe('Let me look.')
    expect(completion.choices[0]!.message.tool_calls).toHaveLength(2)
    expect(completion.usage?.total_tokens).toBe(150)
  })

  const one = (parts: Parts, finish: FinishReason, request: JsonObject = {}) =>
    (
      writeAnswer({ id: '', model: '', choices: [{ parts, finish }] }, answerContext(request)).choices as JsonObject[]
    )[0]!

  test('an answer that says nothing has null content', () => {
    expect(one([], 'stop').message).toEqual({ role: 'assistant', content: null, refusal: null })
  })

  test.each<[FinishReason, Parts, string]>([
    ['stop', [], 'stop'],
    ['length', [], 'length'],
    ['pause', [], 'length'],
    ['content_filter', [], 'content_filter'],
    ['tool_calls', [], 'tool_calls'],
    ['refusal', [{ type: 'refusal', text: 'No.' }], 'stop'],
    ['refusal', [], 'content_filter'],
  ])('finish %s with %j', (finish, parts, word) => {
    const choice = one(parts, finish)
    expect(choice.finish_reason).toBe(word)
    if (parts.length > 0) expect(choice.message).toMatchObject({ content: null, refusal: 'No.' })
  })

  test('a client that asked in the deprecated form gets a function_call', () => {
    const choice = one([{ type: 'tool_call', id: 'a', name: 'f', arguments: '' }], 'tool_calls', {
      functions: [{ name: 'f' }],
    })
    expect(choice).toMatchObject({
      message: { content: null, function_call: { name: 'f', arguments: '{}' } },
      finish_reason: 'function_call',
    })
    expect(choice.message).not.toHaveProperty('tool_calls')
  })

  test('log probabilities and several choices', () => {
    const choice = (word: string): Choice => ({ parts: [text(word)], finish: 'stop', logprobs: [token(word, -1)] })
    const written = writeAnswer({ id: 'chatcmpl-1', model: '', choices: [choice('a'), choice('b')] }, answerContext())
    expect(written.id).toBe('chatcmpl-1')
    expect(written.choices).toMatchObject([
      { index: 0, message: { content: 'a' }, logprobs: { content: [token('a', -1)], refusal: null } },
      { index: 1, message: { content: 'b' }, logprobs: { content: [token('b', -1)], refusal: null } },
    ])
    expect(written).not.toHaveProperty('usage')
  })

  test('an answer of which nothing came is an error; one choice of several is only marked', () => {
    const failed: Choice = { parts: [], finish: 'error' }
    const good: Choice = { parts: [text('Hi')], finish: 'stop' }
    expect(() => writeAnswer({ id: '', model: '', choices: [failed] }, answerContext())).toThrow(
      expect.objectContaining({ status: 502, code: 'provider_failed' }),
    )
    expect(writeAnswer({ id: '', model: '', choices: [good, failed] }, answerContext()).choices).toMatchObject([
      { finish_reason: 'stop' },
      { finish_reason: 'error' },
    ])
  })
})
