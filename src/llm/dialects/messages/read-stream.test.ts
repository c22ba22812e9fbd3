import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sse } from '../../../sse.ts'
import type { AnswerEvent } from '../../conversation.ts'
import { cut, encode, wholeOf } from '../chat/testing.ts'
import { readStream } from './read-stream.ts'

const recorded = ['text-and-tool', 'thinking-and-text', 'parallel-calls'] as const

function recording(name: (typeof recorded)[number]): Uint8Array {
  return readFileSync(new URL(`testdata/${name}.sse`, import.meta.url))
}

function read(...pieces: Uint8Array[]): AnswerEvent[] {
  const reader = readStream()
  return [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()]
}

/** The stream of these events, each named by its type. */
function streamOf(...events: { type: string; [field: string]: unknown }[]): Uint8Array {
  return encode(events.map((event) => sse(JSON.stringify(event), event.type)).join(''))
}

const begin = { type: 'message_start', message: { id: 'msg_1', model: 'claude', usage: { input_tokens: 5 } } }
const ended = (reason: string | null, delta = {}) => ({
  type: 'message_delta',
  delta: { stop_reason: reason, ...delta },
  usage: { output_tokens: 7 },
})
const stop = { type: 'message_stop' }
const block = (index: number, content_block: object) => ({ type: 'content_block_start', index, content_block })
const delta = (index: number, delta: object) => ({ type: 'content_block_delta', index, delta })
const blockStop = (index: number) => ({ type: 'content_block_stop', index })

describe('recorded streams', () => {
  test('text and a call', () => {
    expect(wholeOf(read(recording('text-and-tool')))).toEqual({
      id: 'msg_014p7gG3wDgGV9EUtLvnow3U',
      model: 'claude-opus-4-7',
      choices: [
        {
          parts: [
            { type: 'text', text: "Okay, let's check the weather for San Francisco, CA:" },
            {
              type: 'tool_call',
              id: 'toolu_01T1x1fJ34qAmk2tNTrN7Up6',
              name: 'get_weather',
              arguments: '{"location": "San Francisco, CA", "unit": "fahrenheit"}',
            },
          ],
          finish: 'tool_calls',
        },
      ],
      usage: { input: 472, output: 89 },
    })
  })

  test('thinking with its proof, redacted thinking, and figures of the start and the end laid together', () => {
    const answer = wholeOf(read(recording('thinking-and-text')))
    expect(answer.choices[0]!.parts).toEqual([
      {
        type: 'reasoning',
        text: expect.stringMatching(/^I need to find the GCD .* 2 × 462 .* = 21\.$/s),
        signature: { origin: 'anthropic', value: 'EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds...' },
      },
      {
        type: 'reasoning',
        text: '',
        redacted: {
          origin: 'anthropic',
          value: 'EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIwxtE3rAFBa8cr3qpP...',
        },
      },
      { type: 'text', text: 'The greatest common divisor of 1071 and 462 is **21** 🎉.' },
    ])
    expect(answer.usage).toEqual({
      input: 37 + 2048 + 1024,
      output: 215,
      cachedInput: 1024,
      cacheWriteInput: 2048,
      cacheWrite1hInput: 1024,
      reasoning: 170,
    })
  })

  test("calls whose arguments come whole or not at all, and nothing of the provider's own tools", () => {
    const answer = wholeOf(read(recording('parallel-calls')))
    expect(answer.choices[0]!.parts).toEqual([
      { type: 'text', text: 'Looking.' },
      { type: 'tool_call', id: 'toolu_1', name: 'get_time', arguments: '{}' },
      { type: 'tool_call', id: 'toolu_2', name: 'get_weather', arguments: '{"city":"Rome"}' },
    ])
    expect(answer.usage).toEqual({ input: 10682, output: 510 })
  })

  test.each(recorded)('%s: the same events however its bytes are split', (name) => {
    const bytes = recording(name)
    const whole = read(bytes)
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 40 }), (positions) => {
        expect(read(...cut(bytes, positions))).toEqual(whole)
      }),
    )
    expect(read(...cut(bytes, [...bytes.keys()]))).toEqual(whole)
  })

  test.each(recorded)('%s: broken off anywhere, it ends with one error', (name) => {
    const bytes = recording(name)
    // An event is whole with its data, even where the blank line behind it is missing.
    const lastEvent = bytes.length - 'data: {"type": "message_stop"}\n\n'.length
    fc.assert(
      fc.property(fc.nat(lastEvent), (length) => {
        const events = read(bytes.subarray(0, length))
        expect(events.slice(-2)).toEqual([
          {
            type: 'error',
            error: {
              status: 502,
              code: expect.stringMatching(/^(?:stream_interrupted|bad_provider_answer)$/),
              message: expect.any(String),
            },
          },
          { type: 'end' },
        ])
        expect(events.filter(({ type }) => type === 'end' || type === 'error' || type === 'finish')).toHaveLength(2)
      }),
    )
  })
})

describe('how a message ends', () => {
  test.each([
    ['end_turn', 'stop'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['pause_turn', 'pause'],
    ['refusal', 'refusal'],
    ['something_new', 'error'],
    [null, 'stop'],
  ])('%s is %s', (reason, finish) => {
    expect(read(streamOf(begin, ended(reason), stop))).toEqual([
      { type: 'start', id: 'msg_1', model: 'claude', usage: { input: 5, output: 0 } },
      { type: 'finish', choice: 0, reason: finish },
      { type: 'usage', usage: { input: 5, output: 7 } },
      { type: 'end' },
    ])
  })

  test('the stop sequence is told', () => {
    const events = read(streamOf(begin, ended('stop_sequence', { stop_sequence: 'END' }), stop))
    expect(events).toContainEqual({ type: 'finish', choice: 0, reason: 'stop', stopSequence: 'END' })
  })

  test('why it was refused is told as a refusal', () => {
    const details = { stop_details: { type: 'refusal', category: 'bio', explanation: 'Not this.' } }
    const answer = wholeOf(read(streamOf(begin, ended('refusal', details), stop)))
    expect(answer.choices).toEqual([{ parts: [{ type: 'refusal', text: 'Not this.' }], finish: 'refusal' }])
  })

  test('a later message_delta adds to an earlier one and takes nothing back', () => {
    const later = {
      type: 'message_delta',
      delta: { stop_reason: null },
      usage: { output_tokens: 9, input_tokens: null },
    }
    const events = read(streamOf(begin, ended('max_tokens'), later, stop))
    expect(events).toContainEqual({ type: 'finish', choice: 0, reason: 'length' })
    expect(events).toContainEqual({ type: 'usage', usage: { input: 5, output: 9 } })
  })

  test('nothing counts after the end', () => {
    const events = read(streamOf(begin, ended('end_turn'), stop, block(0, { type: 'text', text: 'more' }), stop))
    expect(events.filter(({ type }) => type === 'part')).toEqual([])
    expect(events.filter(({ type }) => type === 'end')).toHaveLength(1)
  })
})

describe('errors', () => {
  test.each([
    ['overloaded_error', 529, 'overloaded'],
    ['rate_limit_error', 429, 'rate_limit_exceeded'],
    ['api_error', 500, 'api_error'],
    ['timeout_error', 504, 'timeout_error'],
    ['new_error', 502, 'api_error'],
  ])('%s inside the stream', (type, status, code) => {
    const error = { type: 'error', error: { type, message: 'Sorry' } }
    const text = block(0, { type: 'text', text: 'Hal' })
    expect(read(streamOf(begin, text, error, stop)).slice(-3)).toEqual([
      { type: 'delta', choice: 0, part: 0, text: 'Hal' },
      { type: 'error', error: { status, code, message: 'Sorry' } },
      { type: 'end' },
    ])
  })

  test.each(['data: {"type":\n\n', 'data: [1]\n\n', 'data: "text"\n\n', 'data: <html>\n\n'])(
    '%j is no message',
    (text) => {
      expect(read(encode(text))).toEqual([
        { type: 'error', error: expect.objectContaining({ status: 502, code: 'bad_provider_answer' }) },
        { type: 'end' },
      ])
    },
  )

  test('whatever comes, it ends once and nothing is thrown', () => {
    const value = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.object({ maxDepth: 2 }))
    const event = fc.record(
      {
        type: fc.constantFrom(
          'message_start',
          'content_block_start',
          'content_block_delta',
          'content_block_stop',
          'message_delta',
          'ping',
        ),
        index: fc.oneof(fc.nat(2), value),
        content_block: fc.oneof(
          fc.record({
            type: fc.constantFrom('text', 'thinking', 'redacted_thinking', 'tool_use', 'other'),
            text: value,
            input: value,
            data: value,
          }),
          value,
        ),
        delta: fc.oneof(
          fc.record({
            type: fc.constantFrom('text_delta', 'thinking_delta', 'signature_delta', 'input_json_delta'),
            text: value,
            thinking: fc.string(),
            partial_json: fc.string(),
          }),
          value,
        ),
        usage: value,
        message: value,
      },
      { requiredKeys: ['type'] },
    )
    fc.assert(
      fc.property(fc.array(event), (events) => {
        // wholeOf throws where the events break a rule.
        wholeOf(read(streamOf(...events, stop)))
      }),
    )
  })

  test('bytes that are no text at all', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (pieces) => {
        expect(read(...pieces).at(-1)).toEqual({ type: 'end' })
      }),
    )
  })
})

test('servers that forget to announce or to close a block', () => {
  const answer = wholeOf(
    read(
      streamOf(
        begin,
        delta(0, { type: 'thinking_delta', thinking: 'Hm.' }),
        delta(0, { type: 'text_delta', text: 'Hi' }),
        block(1, { type: 'tool_use', id: 't', name: 'f', input: {} }),
        delta(1, { type: 'input_json_delta', partial_json: '{"a":1}' }),
        ended('end_turn'),
        stop,
      ),
    ),
  )
  expect(answer.choices).toEqual([
    {
      parts: [
        { type: 'reasoning', text: 'Hm.' },
        { type: 'text', text: 'Hi' },
        { type: 'tool_call', id: 't', name: 'f', arguments: '{"a":1}' },
      ],
      finish: 'tool_calls',
    },
  ])
})

test('a call told twice, at its start and in deltas, counts once', () => {
  const answer = wholeOf(
    read(
      streamOf(
        begin,
        block(0, { type: 'tool_use', id: 't', name: 'f', input: { a: 1 } }),
        delta(0, { type: 'input_json_delta', partial_json: '{"a":1}' }),
        blockStop(0),
        ended('tool_use'),
        stop,
      ),
    ),
  )
  expect(answer.choices[0]!.parts).toEqual([{ type: 'tool_call', id: 't', name: 'f', arguments: '{"a":1}' }])
})
