import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { readAnswer } from './read-answer.ts'

function message(fields: JsonObject = {}): JsonObject {
  return {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude-opus-4-7',
    content: [{ type: 'text', text: 'Hi', citations: null }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    stop_details: null,
    usage: { input_tokens: 3, output_tokens: 5, cache_creation_input_tokens: null, cache_read_input_tokens: null },
    ...fields,
  }
}

test('a message', () => {
  expect(readAnswer(message())).toEqual({
    id: 'msg_1',
    model: 'claude-opus-4-7',
    choices: [{ parts: [{ type: 'text', text: 'Hi' }], finish: 'stop' }],
    usage: { input: 3, output: 5 },
  })
})

test('content of every kind; what tools at Anthropic left in it is passed over', () => {
  const content = [
    { type: 'thinking', thinking: 'Hm.', signature: 'sig' },
    { type: 'thinking', thinking: '', signature: 'hidden' },
    { type: 'redacted_thinking', data: 'data' },
    { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'x' } },
    { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] },
    { type: 'text', text: '' },
    { type: 'text', text: 'So: ' },
    { type: 'tool_use', id: 'toolu_1', name: 'look', input: { x: 1 } },
    { type: 'tool_use', id: 'toolu_2', name: 'list' },
    'garbage',
    null,
  ]
  expect(readAnswer(message({ content, stop_reason: 'tool_use' })).choices).toEqual([
    {
      parts: [
        { type: 'reasoning', text: 'Hm.', signature: { origin: 'anthropic', value: 'sig' } },
        { type: 'reasoning', text: '', signature: { origin: 'anthropic', value: 'hidden' } },
        { type: 'reasoning', text: '', redacted: { origin: 'anthropic', value: 'data' } },
        { type: 'text', text: 'So: ' },
        { type: 'tool_call', id: 'toolu_1', name: 'look', arguments: '{"x":1}' },
        { type: 'tool_call', id: 'toolu_2', name: 'list', arguments: '{}' },
      ],
      finish: 'tool_calls',
    },
  ])
})

describe('how it ended', () => {
  test.each([
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['tool_use', 'tool_calls'],
    ['pause_turn', 'pause'],
    ['compaction', 'pause'],
    ['refusal', 'refusal'],
    ['toString', 'error'],
    [null, 'stop'],
  ])('%s is %s', (stop_reason, finish) => {
    expect(readAnswer(message({ stop_reason })).choices[0]!.finish).toBe(finish)
  })

  test('with which stop sequence', () => {
    const { choices } = readAnswer(message({ stop_reason: 'stop_sequence', stop_sequence: 'END' }))
    expect(choices).toMatchObject([{ finish: 'stop', stopSequence: 'END' }])
  })

  test('refused, for a reason in words', () => {
    const stop_details = { type: 'refusal', category: 'cyber', explanation: 'Not this.' }
    expect(readAnswer(message({ content: [], stop_reason: 'refusal', stop_details })).choices).toEqual([
      { parts: [{ type: 'refusal', text: 'Not this.' }], finish: 'refusal' },
    ])
  })
})

describe('figures', () => {
  test('input is all there was, cached or not', () => {
    const usage = {
      input_tokens: 10,
      cache_read_input_tokens: 200,
      cache_creation_input_tokens: 3000,
      cache_creation: { ephemeral_5m_input_tokens: 1000, ephemeral_1h_input_tokens: 2000 },
      output_tokens: 40,
      output_tokens_details: { thinking_tokens: 30 },
    }
    expect(readAnswer(message({ usage })).usage).toEqual({
      input: 3210,
      output: 40,
      cachedInput: 200,
      cacheWriteInput: 3000,
      cacheWrite1hInput: 2000,
      reasoning: 30,
    })
  })

  test.each([undefined, null, 'many'])('none where there are none: %j', (usage) => {
    expect(readAnswer(message({ usage }))).not.toHaveProperty('usage')
  })

  test('garbage counts as nothing', () => {
    expect(readAnswer(message({ usage: { input_tokens: '5', output_tokens: -1, cache_creation: [] } })).usage).toEqual({
      input: 0,
      output: 0,
    })
  })
})

test.each([{}, { content: 'Hi' }, { choices: [] }, { type: 'error', error: {} }])('%j is no message', (body) => {
  expect(() => readAnswer(body)).toThrow(ApiError)
  expect(() => readAnswer(body)).toThrow(expect.objectContaining({ status: 502, code: 'bad_provider_answer' }))
})
