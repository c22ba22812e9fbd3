import { describe, expect, test } from 'vitest'
import type { Choice, FinishReason, JsonObject, Opaque } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { readRequest } from './read-request.ts'
import { answer, answerContext, client } from './testing.ts'
import { writeAnswer } from './write-answer.ts'

type Parts = Choice['parts']

const write = (parts: Parts, fields: Parameters<typeof answer>[1] = {}) =>
  writeAnswer(answer(parts, fields), answerContext())
const text = (text: string): Parts[number] => ({ type: 'text', text })
const call = (fields: Partial<Extract<Parts[number], { type: 'tool_call' }>> = {}): Parts[number] => ({
  type: 'tool_call',
  id: 'call_1',
  name: 'get_weather',
  arguments: '{"city":"Paris"}',
  ...fields,
})
const opaque = (origin: Opaque['origin'], value: string): Opaque => ({ origin, value })

/** What the next request's reader makes of the answer's content, sent back as it came. */
function sentBack(parts: Parts) {
  const { content } = write(parts)
  const body = { model: 'smart', max_tokens: 10, messages: [{ role: 'assistant', content }] }
  return readRequest(JSON.parse(JSON.stringify(body))).turns[0]!.parts
}

describe('a message', () => {
  test('has all that the API promises', () => {
    expect(write([text('Hi')], { usage: { input: 12, output: 3 } })).toEqual({
      id: 'msg_gen-1',
      type: 'message',
      role: 'assistant',
      model: 'smart',
      content: [{ type: 'text', text: 'Hi', citations: null }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      stop_details: null,
      container: null,
      diagnostics: null,
      usage: {
        input_tokens: 12,
        output_tokens: 3,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 0,
        cache_creation: null,
        output_tokens_details: null,
        server_tool_use: null,
        inference_geo: null,
        service_tier: null,
        speed: null,
      },
    })
  })

  test('is one for the SDK', async () => {
    const body = JSON.stringify(write([text('Hi'), call()], { finish: 'tool_calls' }))
    const message = await client(body, 'application/json').messages.create({
      model: 'smart',
      max_tokens: 10,
      messages: [{ role: 'user', content: 'Hello' }],
    })
    expect(message.content[1]).toMatchObject({ type: 'tool_use', name: 'get_weather', input: { city: 'Paris' } })
  })

  test.each([
    ['msg_01', 'msg_01'],
    ['', 'msg_abc'],
    ['chatcmpl-7', 'msg_chatcmpl-7'],
  ])('of the id %j is %s', (id, expected) => {
    expect(write([], { id }).id).toBe(expected)
  })

  test('holds the first choice only', () => {
    const choices: Choice[] = [
      { parts: [{ type: 'text', text: 'one' }], finish: 'stop' },
      { parts: [{ type: 'text', text: 'two' }], finish: 'length' },
    ]
    const message = writeAnswer({ id: 'a', model: 'b', choices }, answerContext())
    expect(message).toMatchObject({ content: [{ text: 'one' }], stop_reason: 'end_turn' })
  })

  test('holds no empty texts', () => {
    expect(write([text(''), text('Hi'), text('')]).content).toHaveLength(1)
  })
})

describe('why it ended', () => {
  test.each<[FinishReason, string]>([
    ['stop', 'end_turn'],
    ['length', 'max_tokens'],
    ['tool_calls', 'tool_use'],
    ['content_filter', 'refusal'],
    ['refusal', 'refusal'],
    ['pause', 'pause_turn'],
  ])('%s is %s', (finish, reason) => {
    expect(write([text('Hi')], { finish }).stop_reason).toBe(reason)
  })

  test('a stop sequence is told', () => {
    const message = write([text('Hi')], { stopSequence: 'END' })
    expect(message).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: 'END' })
  })

  test('a refusal in words is a text', () => {
    expect(write([{ type: 'refusal', text: 'No.' }])).toMatchObject({
      content: [{ type: 'text', text: 'No.' }],
      stop_reason: 'refusal',
      stop_details: { type: 'refusal', category: null, explanation: null },
    })
  })

  test('a refusal cut short is cut short', () => {
    expect(write([{ type: 'refusal', text: 'No, bec' }], { finish: 'length' }).stop_reason).toBe('max_tokens')
  })

  test('a failure is an error', () => {
    expect(() => write([text('Hi')], { finish: 'error' })).toThrow(
      expect.objectContaining({ status: 502, type: 'api_error' }),
    )
    expect(() => writeAnswer({ id: '', model: '', choices: [] }, answerContext())).toThrow(ApiError)
  })
})

describe('usage', () => {
  const usage = (parts: object) => write([], { usage: { input: 100, output: 20, ...parts } }).usage

  test('counts cached tokens apart', () => {
    expect(usage({ cachedInput: 60, cacheWriteInput: 30, cacheWrite1hInput: 10, reasoning: 5 })).toMatchObject({
      input_tokens: 10,
      cache_read_input_tokens: 60,
      cache_creation_input_tokens: 30,
      cache_creation: { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 10 },
      output_tokens: 20,
      output_tokens_details: { thinking_tokens: 5 },
    })
  })

  test('is never below nothing', () => {
    expect(usage({ cachedInput: 90, cacheWriteInput: 20, cacheWrite1hInput: 25 })).toMatchObject({
      input_tokens: 0,
      cache_creation: { ephemeral_5m_input_tokens: 0 },
    })
  })

  test('is nothing where the provider tells none', () => {
    expect(write([]).usage).toMatchObject({ input_tokens: 0, output_tokens: 0 })
  })
})

describe('tool calls', () => {
  test('have an object as input', () => {
    expect(write([call()]).content).toEqual([
      {
        type: 'tool_use',
        id: 'call_1',
        name: 'get_weather',
        input: { city: 'Paris' },
        caller: { type: 'direct' },
      },
    ])
  })

  test.each(['', ' \n'])('without arguments (%j) have an empty one', (text) => {
    expect(write([call({ arguments: text })]).content).toMatchObject([{ input: {} }])
  })

  test.each(['{"city":', '[1]', '"Paris"', 'null'])('of arguments like %s are an error', (text) => {
    expect(() => write([call({ arguments: text })], { finish: 'tool_calls' })).toThrow(
      expect.objectContaining({ status: 502, type: 'api_error', code: 'bad_tool_arguments' }),
    )
  })

  test('that were cut short are left out', () => {
    const message = write([text('Let me see.'), call({ arguments: '{"ci' })], { finish: 'length' })
    expect(message).toMatchObject({ content: [{ type: 'text' }], stop_reason: 'max_tokens' })
  })

  test.each(['functions.search:0', 'ключ', '', 'toolu_chaperone_x', 'call 1'])('the id %j travels encoded', (id) => {
    const [block] = write([call({ id })]).content as JsonObject[]
    expect(block!.id).toMatch(/^[a-zA-Z0-9_-]+$/)
    expect(sentBack([call({ id })])).toMatchObject([{ id }])
  })
})

describe('thinking', () => {
  const thought = (fields: object): Parts[number] => ({ type: 'reasoning', text: 'Hm.', ...fields })

  test.each<[string, Parts[number], JsonObject[]]>([
    [
      "Claude's own",
      thought({ signature: opaque('anthropic', 'sig') }),
      [{ type: 'thinking', thinking: 'Hm.', signature: 'sig' }],
    ],
    [
      "Bedrock's",
      thought({ signature: opaque('bedrock', 'sig') }),
      [{ type: 'thinking', thinking: 'Hm.', signature: 'chaperone.bedrock.sig' }],
    ],
    ['unsigned', thought({}), [{ type: 'thinking', thinking: 'Hm.', signature: 'chaperone.openai.' }]],
    ['hidden', thought({ text: '', redacted: opaque('anthropic', 'x') }), [{ type: 'redacted_thinking', data: 'x' }]],
    [
      'hidden at OpenAI',
      thought({ text: '', redacted: opaque('openai', 'x') }),
      [{ type: 'redacted_thinking', data: 'chaperone.openai.x' }],
    ],
    [
      'hidden at OpenAI, with a summary',
      thought({ redacted: opaque('openai', 'x') }),
      [{ type: 'thinking', thinking: 'Hm.', signature: 'chaperone.openai.x' }],
    ],
    [
      'shown and hidden',
      thought({ signature: opaque('anthropic', 'sig'), redacted: opaque('anthropic', 'x') }),
      [
        { type: 'thinking', thinking: 'Hm.', signature: 'sig' },
        { type: 'redacted_thinking', data: 'x' },
      ],
    ],
    ['of nothing', thought({ text: '' }), []],
  ])('%s', (_, part, blocks) => {
    expect(write([part]).content).toEqual(blocks)
  })

  test.each<[string, Parts]>([
    ["Claude's own", [thought({ signature: opaque('anthropic', 'sig') })]],
    ["Bedrock's", [thought({ signature: opaque('bedrock', 'sig') })]],
    ['unsigned', [thought({})]],
    ['hidden', [thought({ text: '', redacted: opaque('bedrock', 'x') })]],
    ['hidden at OpenAI, with a summary', [thought({ redacted: opaque('openai', 'x') })]],
    [
      "Gemini's, on a text and on calls",
      [
        thought({ text: '', signature: opaque('gemini', 'of the text') }),
        text('Hi'),
        call({ signature: opaque('gemini', 'of the call') }),
        call({ id: 'call_2' }),
      ],
    ],
  ])('%s comes back as it was', (_, parts) => {
    expect(sentBack(parts)).toEqual(parts)
  })

  test("a call's signature stands in front of it", () => {
    expect(write([call({ signature: opaque('gemini', 'sig') })]).content).toMatchObject([
      { type: 'thinking', thinking: '', signature: 'chaperone.gemini.sig' },
      { type: 'tool_use' },
    ])
  })
})
