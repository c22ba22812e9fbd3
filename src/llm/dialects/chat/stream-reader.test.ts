import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Answer, AnswerEvent, JsonObject } from '../../conversation.ts'
import { cut, encode, read, streamOf, wholeOf } from './testing.ts'

const recorded = (name: string) => readFileSync(new URL(`testdata/${name}.sse`, import.meta.url))

/** A stream of one choice's deltas, ended well. */
const deltas = (...list: JsonObject[]) =>
  encode(
    streamOf(...list.map((delta) => ({ id: 'r', model: 'm', choices: [{ index: 0, delta, finish_reason: null }] })), {
      id: 'r',
      model: 'm',
      choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
    }),
  )
const partsOf = (...list: JsonObject[]) => wholeOf(read(deltas(...list))).choices[0]!.parts
const call = (fields: JsonObject, name?: string, text?: string): JsonObject => ({
  tool_calls: [{ ...fields, function: { name, arguments: text } }],
})
const text = (value: string) => ({ type: 'text', text: value })

const answers: Record<string, Answer> = {
  'openai-parallel-calls': {
    id: 'chatcmpl-123',
    model: 'gpt-4.1-2025-04-14',
    created: 1694268190,
    choices: [
      {
        parts: [
          { type: 'tool_call', id: 'call_a', name: 'get_weather', arguments: '{"location": "Århus"}' },
          { type: 'tool_call', id: 'call_b', name: 'get_weather', arguments: '{"location": "Paris 🗼"}' },
        ],
        finish: 'tool_calls',
      },
    ],
    usage: { input: 82, output: 49, cachedInput: 64, reasoning: 12, audioInput: 0, audioOutput: 0 },
  },
  azure: {
    id: 'chatcmpl-az1',
    model: 'gpt-4o-2024-11-20',
    created: 1700000001,
    choices: [{ parts: [{ type: 'text', text: 'Hej verden' }], finish: 'stop' }],
    usage: { input: 5, output: 3 },
  },
  'deepseek-reasoning': {
    id: 'ds-1',
    model: 'deepseek-reasoner',
    created: 1718345013,
    choices: [
      {
        parts: [
          { type: 'reasoning', text: 'Two and two.' },
          { type: 'text', text: 'Four.' },
        ],
        finish: 'stop',
      },
    ],
    usage: { input: 17, output: 9, cachedInput: 16, reasoning: 4 },
  },
  groq: {
    id: 'chatcmpl-gr',
    model: 'llama-3.3-70b-versatile',
    created: 1757714116,
    choices: [{ parts: [{ type: 'text', text: 'Hello' }], finish: 'stop' }],
    usage: { input: 41, output: 2 },
  },
  'openrouter-claude': {
    id: 'gen-1',
    model: 'anthropic/claude-sonnet-4.5',
    created: 1760000000,
    choices: [
      {
        parts: [
          { type: 'reasoning', text: 'Let me think', signature: { origin: 'anthropic', value: 'EqQBCg==' } },
          { type: 'reasoning', text: '', redacted: { origin: 'anthropic', value: 'Erdc' } },
          { type: 'text', text: 'Done.' },
        ],
        finish: 'stop',
      },
    ],
    usage: { input: 20, output: 30, cachedInput: 4, cacheWriteInput: 6, reasoning: 22 },
  },
  'litellm-claude': {
    id: 'chatcmpl-ll',
    model: 'claude',
    created: 1760000001,
    choices: [
      {
        parts: [
          { type: 'reasoning', text: 'Step 1. Step 2.', signature: { origin: 'anthropic', value: 'c2ln' } },
          { type: 'text', text: 'Done.' },
        ],
        finish: 'stop',
      },
    ],
  },
  vllm: {
    id: 'chatcmpl-vl',
    model: 'qwen3',
    created: 1760000002,
    choices: [
      {
        parts: [
          { type: 'reasoning', text: 'Hm' },
          { type: 'text', text: 'One, two' },
        ],
        finish: 'stop',
        stopSequence: 'three',
      },
    ],
    usage: { input: 11, output: 6 },
  },
  'google-compat-calls': {
    id: 'gm-1',
    model: 'gemini-3-pro-preview',
    created: 1760000003,
    choices: [
      {
        parts: [
          {
            type: 'tool_call',
            id: 'function-call-1',
            name: 'check_flight',
            arguments: '{"flight":"AA100"}',
            signature: { origin: 'gemini', value: 'U2lnQQ==' },
          },
          { type: 'tool_call', id: 'function-call-2', name: 'book_taxi', arguments: '{"time":"10 AM"}' },
        ],
        finish: 'tool_calls',
      },
    ],
  },
}

describe('recorded streams', () => {
  test.each(Object.keys(answers))('%s', (name) => {
    expect(wholeOf(read(recorded(name)))).toEqual(answers[name])
  })

  test('cut anywhere, they tell the same events', () => {
    const streams = Object.keys(answers).map((name) => recorded(name))
    fc.assert(
      fc.property(fc.constantFrom(...streams), fc.array(fc.nat(), { maxLength: 30 }), (bytes, positions) => {
        expect(read(...cut(bytes, positions))).toEqual(read(bytes))
      }),
    )
  })

  test('broken off before a finish reason, they end with an error', () => {
    const bytes = recorded('openai-parallel-calls')
    const finish = bytes.indexOf('"finish_reason":"tool_calls"')
    fc.assert(
      fc.property(fc.nat({ max: finish }), (length) => {
        const events = read(bytes.subarray(0, length))
        expect(events.slice(-2)).toEqual([
          { type: 'error', error: expect.objectContaining({ status: 502, code: 'stream_interrupted' }) },
          { type: 'end' },
        ])
      }),
    )
  })

  test('a good end needs no [DONE] after the finish reasons', () => {
    const bytes = recorded('openai-parallel-calls')
    const whole = read(bytes.subarray(0, bytes.indexOf('data: [DONE]')))
    expect(wholeOf(whole)).toEqual(answers['openai-parallel-calls'])
  })
})

test('garbage of any kind ends with one error and one end', () => {
  const json = fc.json().map((value) => `data: ${value}\n\n`)
  const chunk = fc
    .record({
      index: fc.oneof(fc.integer(), fc.string()),
      delta: fc.oneof(fc.jsonValue(), fc.record({ tool_calls: fc.jsonValue(), content: fc.jsonValue() })),
    })
    .map((choice) => `data: ${JSON.stringify({ choices: [choice] })}\n\n`)
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), json, chunk)), (pieces) => {
      const events = read(...pieces.map(encode))
      expect(events.filter(({ type }) => type === 'end')).toHaveLength(1)
      expect(events.at(-1)).toEqual({ type: 'end' })
      expect(events.at(-2)?.type).toBe('error')
    }),
  )
})

describe('errors inside a stream', () => {
  test.each<[string, JsonObject, object]>([
    [
      'OpenAI’s',
      { error: { message: 'Slow down', type: 'rate_limit_error', param: null, code: 'rate_limit_exceeded' } },
      { status: 429, code: 'rate_limit_exceeded', message: 'Slow down' },
    ],
    [
      'vLLM’s',
      { error: { object: 'error', message: 'Too long', type: 'BadRequestError', param: null, code: 400 } },
      { status: 400, code: 'BadRequestError', message: 'Too long' },
    ],
    [
      'OpenRouter’s, with a choice',
      {
        id: 'x',
        error: { code: 'server_error', message: 'Provider disconnected' },
        choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error' }],
      },
      { status: 502, code: 'server_error', message: 'Provider disconnected' },
    ],
    ['a text', { error: 'out of memory' }, { status: 502, code: 'server_error', message: 'out of memory' }],
    ['Groq’s', { x_groq: { error: 'over capacity' }, choices: [] }, { status: 502, message: 'over capacity' }],
  ])('%s', (_, chunk, error) => {
    const begun = { id: 'r', model: 'm', choices: [{ index: 0, delta: { content: 'Hi' } }] }
    const events = read(encode(streamOf(begun, chunk)))
    expect(events.slice(-2)).toEqual([{ type: 'error', error: expect.objectContaining(error) }, { type: 'end' }])
  })

  test('an answer without choices is none', () => {
    expect(read(encode(streamOf({ id: 'x', choices: [], usage: null }))).map(({ type }) => type)).toEqual([
      'error',
      'end',
    ])
  })
})

describe('tool calls as servers alike send them', () => {
  const a = { type: 'tool_call', id: 'a', name: 'f', arguments: '{"x":1}' }
  const b = { type: 'tool_call', id: 'b', name: 'g', arguments: '{"y":2}' }

  test.each<[string, JsonObject[], object[]]>([
    [
      'interleaved by index',
      [
        call({ index: 0, id: 'a' }, 'f', '{"x"'),
        call({ index: 1, id: 'b' }, 'g', '{"y"'),
        call({ index: 0 }, undefined, ':1}'),
        call({ index: 1 }, undefined, ':2}'),
      ],
      [a, b],
    ],
    [
      'the same index for all (Ollama)',
      [call({ index: 0, id: 'a' }, 'f', '{"x":1}'), call({ index: 0, id: 'b' }, 'g', '{"y":2}')],
      [a, b],
    ],
    [
      'a new call under the old index, its arguments under a new one',
      [
        call({ index: 0, id: 'a' }, 'f', '{"x":1}'),
        call({ index: 0, id: 'b' }, 'g', ''),
        call({ index: 1 }, undefined, '{"y":2}'),
      ],
      [a, b],
    ],
    [
      'no index',
      [
        call({ id: 'a' }, 'f', ''),
        call({}, undefined, '{"x":1}'),
        call({ id: 'b' }, 'g', ''),
        call({}, undefined, '{"y":2}'),
      ],
      [a, b],
    ],
    ['an index that begins at 1', [call({ index: 1, id: 'a' }, 'f', '{"x":1}')], [a]],
    ['a late name', [call({ index: 0, id: 'a' }, undefined, '{"x"'), call({ index: 0 }, 'f', ':1}')], [a]],
    [
      'a repeated name and id',
      [call({ index: 0, id: 'a' }, 'f', '{"x"'), call({ index: 0, id: 'a' }, 'f', ':1}')],
      [a],
    ],
    ['arguments as an object', [{ tool_calls: [{ id: 'a', function: { name: 'f', arguments: { x: 1 } } }] }], [a]],
    [
      'no ids, each call whole',
      [call({ index: 0 }, 'f', '{"x":1}'), call({ index: 0 }, 'f', '{"x":1}')],
      [
        { ...a, id: expect.stringMatching(/^call_/) },
        { ...a, id: expect.stringMatching(/^call_/) },
      ],
    ],
    [
      'the deprecated function_call',
      [{ function_call: { name: 'f', arguments: '{"x"' } }, { function_call: { arguments: ':1}' } }],
      [{ ...a, id: expect.stringMatching(/^call_/) }],
    ],
    [
      'a late signature',
      [
        call({ index: 0, id: 'a' }, 'f', '{"x":1}'),
        { tool_calls: [{ index: 0, extra_content: { google: { thought_signature: 's' } } }] },
      ],
      [{ ...a, signature: { origin: 'gemini', value: 's' } }],
    ],
    [
      'a signature by the id of its call (OpenRouter)',
      [
        call({ index: 0, id: 'a' }, 'f', '{"x":1}'),
        { reasoning_details: [{ type: 'reasoning.encrypted', data: 's', id: 'a', format: 'google-gemini-v1' }] },
      ],
      [{ ...a, signature: { origin: 'gemini', value: 's' } }],
    ],
    [
      'text around them',
      [{ content: 'I ' }, { content: 'ask.' }, call({ index: 0, id: 'a' }, 'f', '{"x":1}'), { content: 'Well.' }],
      [text('I ask.'), a, text('Well.')],
    ],
  ])('%s', (_, list, parts) => {
    expect(partsOf(...list)).toEqual(parts)
  })

  test('made ids differ', () => {
    const ids = partsOf(call({ index: 0 }, 'f', '{}'), call({ index: 1 }, 'f', '{}')).map(
      (part) => 'id' in part && part.id,
    )
    expect(new Set(ids).size).toBe(2)
  })

  test('a call whose arguments are whole ends when the next begins', () => {
    const events = read(deltas(call({ index: 0, id: 'a' }, 'f', '{"x":1}'), call({ index: 1, id: 'b' }, 'g', '{}')))
    const at = (match: Partial<AnswerEvent>) =>
      events.findIndex((event) =>
        Object.entries(match).every(([key, value]) => Object.entries(event).some(([k, v]) => k === key && v === value)),
      )
    expect(at({ type: 'part_end', part: 0 })).toBeLessThan(at({ type: 'part', part: 1 }))
  })

  test.each<[string, JsonObject[]]>([
    ['arguments without a name', [call({ index: 0, id: 'a' }, undefined, '{"x":1}')]],
    [
      'more arguments for a call that was whole',
      [
        call({ index: 0, id: 'a' }, 'f', '{"x":1}'),
        call({ index: 1, id: 'b' }, 'g', '{"y":2}'),
        call({ index: 0 }, undefined, '{"x":1}'),
      ],
    ],
  ])('%s make no sense', (_, list) => {
    expect(read(deltas(...list)).at(-2)).toMatchObject({ type: 'error', error: { code: 'bad_provider_answer' } })
  })
})

describe('other content', () => {
  test('a refusal', () => {
    expect(
      wholeOf(read(deltas({ role: 'assistant', content: '', refusal: 'I ' }, { refusal: 'won’t.' }))),
    ).toMatchObject({
      choices: [{ parts: [{ type: 'refusal', text: 'I won’t.' }], finish: 'refusal' }],
    })
  })

  test('Mistral’s thinking parts', () => {
    const thinking = (value: string) => ({ type: 'thinking', thinking: [{ type: 'text', text: value }] })
    expect(partsOf({ content: [thinking('Hm, ')] }, { content: [thinking('so')] }, { content: 'Yes' })).toEqual([
      { type: 'reasoning', text: 'Hm, so' },
      text('Yes'),
    ])
  })

  test('LiteLLM’s blocks without the plain text', () => {
    const block = (thinking: string, signature = '') => ({
      thinking_blocks: [{ type: 'thinking', thinking, signature }],
    })
    expect(partsOf(block('A'), block('B'), block('AB', 's'), { content: 'x' })).toEqual([
      { type: 'reasoning', text: 'AB', signature: { origin: 'anthropic', value: 's' } },
      text('x'),
    ])
  })

  test('OpenAI’s summary and its encrypted thinking are one part', () => {
    const format = 'openai-responses-v1'
    expect(
      partsOf(
        { reasoning_details: [{ type: 'reasoning.summary', summary: 'S', id: 'rs_1', format, index: 0 }] },
        { reasoning_details: [{ type: 'reasoning.encrypted', data: 'e', id: 'rs_1', format, index: 0 }] },
      ),
    ).toEqual([{ type: 'reasoning', text: 'S', summary: true, id: 'rs_1', redacted: { origin: 'openai', value: 'e' } }])
  })

  test('log probabilities go with their text', () => {
    const token = (value: string) => ({ token: value, logprob: -0.5, bytes: null, top_logprobs: [] })
    const chunk = (delta: JsonObject, tokens: string[], finish_reason: string | null = null) => ({
      id: 'r',
      choices: [{ index: 0, delta, logprobs: { content: tokens.map(token), refusal: null }, finish_reason }],
    })
    const events = read(
      encode(streamOf(chunk({ content: 'Hi' }, ['H', 'i']), chunk({ content: '' }, ['<end>'], 'stop'))),
    )
    expect(wholeOf(events).choices[0]!.logprobs).toEqual(['H', 'i', '<end>'].map(token))
  })

  test('several choices', () => {
    const chunk = (index: number, delta: JsonObject, finish_reason: string | null = null) => ({
      id: 'r',
      model: 'm',
      choices: [{ index, delta, finish_reason }],
    })
    const stream = streamOf(
      chunk(0, { content: 'A' }),
      chunk(1, { content: 'B' }),
      chunk(0, {}, 'stop'),
      chunk(1, { content: 'C' }),
      chunk(1, {}, 'length'),
    )
    expect(wholeOf(read(encode(stream))).choices).toEqual([
      { parts: [text('A')], finish: 'stop' },
      { parts: [text('BC')], finish: 'length' },
    ])
  })
})
