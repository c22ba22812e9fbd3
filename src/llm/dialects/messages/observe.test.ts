import { describe, expect, test } from 'vitest'
import { sse } from '../../../sse.ts'
import type { JsonObject } from '../../conversation.ts'
import type { Observed } from '../../dialect.ts'
import { StreamWatcher } from '../../watch.ts'
import { messages } from './index.ts'
import { observe } from './observe.ts'

function seenOf(...events: JsonObject[]): Observed {
  const seen: Observed = { finishReasons: [] }
  for (const event of events) observe(event, seen)
  return seen
}

const usage = {
  input_tokens: 10,
  cache_read_input_tokens: 60,
  cache_creation_input_tokens: 30,
  cache_creation: { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 10 },
  output_tokens: 1,
}
const begin = {
  type: 'message_start',
  message: { type: 'message', id: 'msg_1', model: 'claude', usage, stop_reason: null },
}
const input = { input: 100, cachedInput: 60, cacheWriteInput: 30, cacheWrite1hInput: 10 }

test('a whole message', () => {
  const message = { ...begin.message, stop_reason: 'tool_use' }
  expect(seenOf(message)).toEqual({
    id: 'msg_1',
    model: 'claude',
    usage: { ...input, output: 1 },
    finishReasons: ['tool_calls'],
  })
})

describe('a stream', () => {
  const ended = (usage: JsonObject, reason: string | null = 'end_turn') => ({
    type: 'message_delta',
    delta: { stop_reason: reason },
    usage,
  })

  test('its output comes last', () => {
    expect(seenOf(begin, ended({ output_tokens: 50 }))).toEqual({
      id: 'msg_1',
      model: 'claude',
      usage: { ...input, output: 50 },
      finishReasons: ['stop'],
    })
  })

  test('later figures replace earlier ones, not add to them', () => {
    const last = { input_tokens: 15, cache_read_input_tokens: 60, cache_creation_input_tokens: null, output_tokens: 50 }
    const thinking = { output_tokens_details: { thinking_tokens: 8 } }
    expect(seenOf(begin, ended({ output_tokens: 3 }, null), ended({ ...last, ...thinking }))).toMatchObject({
      usage: { ...input, input: 105, output: 50, reasoning: 8 },
      finishReasons: ['stop'],
    })
  })

  test.each([
    ['max_tokens', 'length'],
    ['pause_turn', 'pause'],
    ['refusal', 'refusal'],
    ['a_new_reason', 'a_new_reason'],
  ])('ended by %s', (reason, expected) => {
    expect(seenOf(ended({}, reason)).finishReasons).toEqual([expected])
  })

  test('that failed', () => {
    const event = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }
    expect(seenOf(begin, event).error).toBe('overloaded_error')
  })

  test('is watched where its figures are', () => {
    const events = [
      begin,
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: '"usage":{"input_tokens":7}' } },
      { type: 'content_block_stop', index: 0 },
      ended({ output_tokens: 50 }),
      { type: 'message_stop' },
    ]
    const watcher = new StreamWatcher(messages, { finishReasons: [] }, false)
    watcher.push(Buffer.from(events.map((event) => sse(JSON.stringify(event), event.type)).join('')), true)
    expect(watcher.seen).toEqual(seenOf(begin, ended({ output_tokens: 50 })))
  })
})

test.each<JsonObject>([
  {},
  { type: 'message' },
  { type: 'message_start' },
  { type: 'message_start', message: 'none' },
  { type: 'message_delta', usage: [], delta: null },
  { type: 'message', id: 7, model: null, usage: { input_tokens: 'many', cache_creation: 3 }, stop_reason: {} },
  { type: 'ping', usage: { input_tokens: 3 } },
  { input_tokens: 12 },
])('%j tells nothing and breaks nothing', (event) => {
  const { usage, ...rest } = seenOf(event)
  expect(rest).toEqual({ finishReasons: [] })
  expect(usage?.input ?? 0).toBe(0)
})

test('an error without a type', () => {
  expect(seenOf({ type: 'error', error: null }).error).toBe('api_error')
})
