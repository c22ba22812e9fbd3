import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AnswerEvent, JsonObject } from '../../conversation.ts'
import { readStream } from './stream.ts'
import { encode, joined } from './testing.ts'

const response = (fields: JsonObject = {}): JsonObject => ({
  id: 'resp_1',
  object: 'response',
  created_at: 1741290958,
  status: 'in_progress',
  error: null,
  incomplete_details: null,
  model: 'gpt-5.2',
  output: [],
  usage: null,
  ...fields,
})
const usage = {
  input_tokens: 37,
  input_tokens_details: { cached_tokens: 8 },
  output_tokens: 11,
  output_tokens_details: { reasoning_tokens: 4 },
  total_tokens: 48,
}

/** SSE text of these events, numbered. */
const stream = (...events: JsonObject[]) =>
  events
    .map((event, index) => `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number: index })}\n\n`)
    .join('')

function read(text: string): AnswerEvent[] {
  const reader = readStream()
  return [...reader.push(encode(text)), ...reader.end()]
}

const created = { type: 'response.created', response: response() }
const inProgress = { type: 'response.in_progress', response: response() }
const start: AnswerEvent = { type: 'start', id: 'resp_1', model: 'gpt-5.2', created: 1741290958 }
const completed = (output: JsonObject[], fields: JsonObject = {}) => ({
  type: 'response.completed',
  response: response({ status: 'completed', output, usage, ...fields }),
})
const end: AnswerEvent[] = [
  { type: 'usage', usage: { input: 37, output: 11, cachedInput: 8, reasoning: 4 } },
  { type: 'end' },
]

const reasoningItem = {
  id: 'rs_1',
  type: 'reasoning',
  summary: [
    { type: 'summary_text', text: '**Looking** ö' },
    { type: 'summary_text', text: '**Deciding**' },
  ],
  encrypted_content: 'gAAAdone',
}
const messageItem = {
  id: 'msg_1',
  type: 'message',
  status: 'completed',
  role: 'assistant',
  content: [{ type: 'output_text', annotations: [], logprobs: [], text: 'Hi there 👋' }],
}
const callItem = (id: string, city: string) => ({
  id: `fc_${id}`,
  type: 'function_call',
  status: 'completed',
  call_id: id,
  name: 'weather',
  arguments: `{"city":"${city}"}`,
})

/** As the API's guides show a reasoning model that speaks, then calls two functions at once. */
const recorded = stream(
  created,
  inProgress,
  {
    type: 'response.output_item.added',
    output_index: 0,
    item: { id: 'rs_1', type: 'reasoning', summary: [], encrypted_content: 'gAAAadded' },
  },
  {
    type: 'response.reasoning_summary_part.added',
    item_id: 'rs_1',
    output_index: 0,
    summary_index: 0,
    part: { type: 'summary_text', text: '' },
  },
  {
    type: 'response.reasoning_summary_text.delta',
    item_id: 'rs_1',
    output_index: 0,
    summary_index: 0,
    delta: '**Look',
    obfuscation: 'KqBdn',
  },
  {
    type: 'response.reasoning_summary_text.delta',
    item_id: 'rs_1',
    output_index: 0,
    summary_index: 0,
    delta: 'ing** ö',
  },
  {
    type: 'response.reasoning_summary_text.done',
    item_id: 'rs_1',
    output_index: 0,
    summary_index: 0,
    text: '**Looking** ö',
  },
  {
    type: 'response.reasoning_summary_part.done',
    item_id: 'rs_1',
    output_index: 0,
    summary_index: 0,
    part: reasoningItem.summary[0],
  },
  {
    type: 'response.reasoning_summary_text.delta',
    item_id: 'rs_1',
    output_index: 0,
    summary_index: 1,
    delta: '**Deciding**',
  },
  { type: 'response.output_item.done', output_index: 0, item: reasoningItem },
  { type: 'response.output_item.added', output_index: 1, item: { ...messageItem, status: 'in_progress', content: [] } },
  {
    type: 'response.content_part.added',
    item_id: 'msg_1',
    output_index: 1,
    content_index: 0,
    part: { type: 'output_text', annotations: [], logprobs: [], text: '' },
  },
  {
    type: 'response.output_text.delta',
    item_id: 'msg_1',
    output_index: 1,
    content_index: 0,
    delta: 'Hi',
    logprobs: [],
  },
  {
    type: 'response.output_text.delta',
    item_id: 'msg_1',
    output_index: 1,
    content_index: 0,
    delta: ' there 👋',
    logprobs: [],
  },
  {
    type: 'response.output_text.done',
    item_id: 'msg_1',
    output_index: 1,
    content_index: 0,
    text: 'Hi there 👋',
    logprobs: [],
  },
  {
    type: 'response.content_part.done',
    item_id: 'msg_1',
    output_index: 1,
    content_index: 0,
    part: messageItem.content[0]!,
  },
  { type: 'response.output_item.done', output_index: 1, item: messageItem },
  { type: 'response.output_item.added', output_index: 2, item: { ...callItem('a', ''), arguments: '' } },
  { type: 'response.output_item.added', output_index: 3, item: { ...callItem('b', ''), arguments: '' } },
  { type: 'response.function_call_arguments.delta', item_id: 'fc_a', output_index: 2, delta: '{"city":' },
  { type: 'response.function_call_arguments.delta', item_id: 'fc_b', output_index: 3, delta: '{"city":"Rome"}' },
  { type: 'response.function_call_arguments.delta', item_id: 'fc_a', output_index: 2, delta: '"Oslo"}' },
  { type: 'response.function_call_arguments.done', item_id: 'fc_a', output_index: 2, arguments: '{"city":"Oslo"}' },
  { type: 'response.output_item.done', output_index: 2, item: callItem('a', 'Oslo') },
  { type: 'response.output_item.done', output_index: 3, item: callItem('b', 'Rome') },
  completed([reasoningItem, messageItem, callItem('a', 'Oslo'), callItem('b', 'Rome')]),
)
const told: AnswerEvent[] = [
  start,
  { type: 'part', choice: 0, part: 0, kind: 'reasoning', summary: true, id: 'rs_1' },
  { type: 'delta', choice: 0, part: 0, text: '**Look' },
  { type: 'delta', choice: 0, part: 0, text: 'ing** ö' },
  { type: 'delta', choice: 0, part: 0, text: '\n\n**Deciding**' },
  { type: 'opaque', choice: 0, part: 0, redacted: { origin: 'openai', value: 'gAAAdone' } },
  { type: 'part_end', choice: 0, part: 0 },
  { type: 'part', choice: 0, part: 1, kind: 'text' },
  { type: 'delta', choice: 0, part: 1, text: 'Hi' },
  { type: 'delta', choice: 0, part: 1, text: ' there 👋' },
  { type: 'part_end', choice: 0, part: 1 },
  { type: 'part', choice: 0, part: 2, kind: 'tool_call', id: 'a', name: 'weather' },
  { type: 'part', choice: 0, part: 3, kind: 'tool_call', id: 'b', name: 'weather' },
  { type: 'delta', choice: 0, part: 2, text: '{"city":' },
  { type: 'delta', choice: 0, part: 3, text: '{"city":"Rome"}' },
  { type: 'delta', choice: 0, part: 2, text: '"Oslo"}' },
  { type: 'part_end', choice: 0, part: 2 },
  { type: 'part_end', choice: 0, part: 3 },
  { type: 'finish', choice: 0, reason: 'tool_calls' },
  ...end,
]

describe('a recorded stream', () => {
  test('is read event by event', () => {
    expect(read(recorded)).toEqual(told)
  })

  test('is the same wherever its bytes are split', () => {
    const bytes = encode(recorded)
    fc.assert(
      fc.property(fc.array(fc.nat({ max: bytes.length }), { maxLength: 20 }), (positions) => {
        const reader = readStream()
        const events: AnswerEvent[] = []
        let from = 0
        for (const to of [...positions.toSorted((a, b) => a - b), bytes.length]) {
          events.push(...reader.push(bytes.subarray(from, to)))
          from = to
        }
        expect([...events, ...reader.end()]).toEqual(told)
      }),
    )
  })

  test('that stops anywhere before its end is an error', () => {
    const blocks = recorded.split('\n\n').slice(0, -1)
    for (let length = 0; length < blocks.length; length++) {
      const events = read(
        blocks
          .slice(0, length)
          .map((block) => `${block}\n\n`)
          .join(''),
      )
      expect(events.slice(-2)).toMatchObject([
        { type: 'error', error: { code: 'stream_interrupted' } },
        { type: 'end' },
      ])
      expect(events.filter(({ type }) => type === 'end')).toHaveLength(1)
    }
  })

  // Servers that speak this API leave out what they please: the rest still says it all.
  test.each<[string, RegExp]>([
    ['deltas', /\.delta$/],
    ['parts', /content_part|summary_part/],
    ['whole texts', /_text\.done|arguments\.done/],
    ['all but the items', /delta|content_part|summary_part|_text\.done|arguments\.done/],
    ['items', /output_item\.done/],
    ['all but the last event', /output_|content_|reasoning_|function_/],
    ['the beginning', /created|in_progress/],
  ])('without %s', (_, left) => {
    const blocks = recorded.split('\n\n').filter((block) => !left.test(block.slice(0, block.indexOf('\n'))))
    const events = joined(read(blocks.map((block) => `${block}\n\n`).join('')))
    const expected = joined(told)
    if (left.test('response.created')) expected[0] = { type: 'start', id: '', model: '' }
    expect(events).toEqual(expected)
  })
})

describe('how a stream ends', () => {
  test.each<[string, JsonObject, AnswerEvent]>([
    [
      'at the limit',
      { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } },
      { type: 'finish', choice: 0, reason: 'length' },
    ],
    [
      'by a filter',
      { status: 'incomplete', incomplete_details: { reason: 'content_filter' } },
      { type: 'finish', choice: 0, reason: 'content_filter' },
    ],
  ])('%s', (_, fields, finish) => {
    const last = { type: 'response.incomplete', response: response({ ...fields, usage }) }
    expect(read(stream(created, last))).toEqual([start, finish, ...end])
  })

  test.each<[string, JsonObject, object]>([
    [
      'a failed response',
      {
        type: 'response.failed',
        response: response({ status: 'failed', error: { code: 'server_error', message: 'Sorry.' } }),
      },
      { status: 502, code: 'server_error', message: 'Sorry.' },
    ],
    [
      'an error as documented',
      { type: 'error', code: 'rate_limit_exceeded', message: 'Slow.', param: null },
      { status: 429, code: 'rate_limit_exceeded', message: 'Slow.' },
    ],
    [
      'an error as it is sent',
      { type: 'error', error: { type: 'insufficient_quota', code: 'insufficient_quota', message: 'No.', param: null } },
      { status: 429, code: 'insufficient_quota', message: 'No.' },
    ],
  ])('%s', (_, event, error) => {
    expect(read(stream(created, event, completed([])))).toEqual([start, { type: 'error', error }, { type: 'end' }])
  })

  test('a refusal, and what was open is closed', () => {
    const events = read(
      stream(
        created,
        { type: 'response.refusal.delta', item_id: 'm', output_index: 0, content_index: 0, delta: 'I ' },
        { type: 'response.refusal.done', item_id: 'm', output_index: 0, content_index: 0, refusal: 'I cannot.' },
        {
          type: 'response.content_part.done',
          item_id: 'm',
          output_index: 0,
          content_index: 0,
          part: { type: 'refusal', refusal: 'I cannot.' },
        },
        completed([]),
      ),
    )
    expect(joined(events)).toEqual([
      start,
      { type: 'part', choice: 0, part: 0, kind: 'refusal' },
      { type: 'delta', choice: 0, part: 0, text: 'I cannot.' },
      { type: 'part_end', choice: 0, part: 0 },
      { type: 'finish', choice: 0, reason: 'refusal' },
      ...end,
    ])
  })

  test('[DONE], unknown events and comments change nothing', () => {
    expect(
      read(`: hi\n\n${stream(created, { type: 'response.new.thing' })}data: [DONE]\n\n${stream(completed([]))}`),
    ).toEqual([start, { type: 'finish', choice: 0, reason: 'stop' }, ...end])
  })
})

test('thinking shown as it was, then its summary: two parts, the id with the first, the proof with the last', () => {
  const item = {
    id: 'rs_1',
    type: 'reasoning',
    summary: [{ type: 'summary_text', text: 'Sum' }],
    content: [{ type: 'reasoning_text', text: 'Hm.' }],
    encrypted_content: 'E',
  }
  const events = read(
    stream(
      created,
      { type: 'response.reasoning_text.delta', item_id: 'rs_1', output_index: 0, content_index: 0, delta: 'Hm.' },
      { type: 'response.output_item.done', output_index: 0, item },
      completed([item]),
    ),
  )
  expect(joined(events).slice(1, -3)).toEqual([
    { type: 'part', choice: 0, part: 0, kind: 'reasoning', id: 'rs_1' },
    { type: 'delta', choice: 0, part: 0, text: 'Hm.' },
    { type: 'opaque', choice: 0, part: 0, redacted: { origin: 'openai', value: 'E' } },
    { type: 'part_end', choice: 0, part: 0 },
    { type: 'part', choice: 0, part: 1, kind: 'reasoning', summary: true },
    { type: 'delta', choice: 0, part: 1, text: 'Sum' },
    { type: 'part_end', choice: 0, part: 1 },
  ])
})

test('log probabilities come with their delta, or with the whole text where there was none', () => {
  const logprobs = [{ token: 'Hi', logprob: -0.1, bytes: [72, 105], top_logprobs: [] }]
  const at = { item_id: 'm', output_index: 0, content_index: 0 }
  const delta = { type: 'response.output_text.delta', ...at, delta: 'Hi', logprobs }
  const done = { type: 'response.content_part.done', ...at, part: { type: 'output_text', text: 'Hi', logprobs } }
  for (const events of [[delta, done], [done]])
    expect(read(stream(created, ...events, completed([])))).toContainEqual({
      type: 'delta',
      choice: 0,
      part: 0,
      text: 'Hi',
      logprobs,
    })
})

describe('garbage', () => {
  test.each(['data: {\n\n', 'data: 5\n\n', 'data: null\n\n', '<html>no</html>\n\ndata: no\n\n'])(
    '%j is an error',
    (text) => {
      expect(read(text)).toMatchObject([
        { type: 'error', error: { status: 502, code: 'bad_provider_answer' } },
        { type: 'end' },
      ])
    },
  )

  const wildEvent = fc.record(
    {
      type: fc.constantFrom(
        ...[...recorded.matchAll(/event: (.*)/g)].map(([, type]) => type!),
        'response.refusal.delta',
        'response.reasoning_text.delta',
      ),
      output_index: fc.oneof(fc.nat(2), fc.jsonValue()),
      content_index: fc.oneof(fc.nat(2), fc.jsonValue()),
      delta: fc.oneof(fc.string(), fc.jsonValue()),
      item: fc.oneof(fc.constantFrom<JsonObject>(reasoningItem, messageItem, callItem('a', 'x')), fc.jsonValue()),
      part: fc.oneof(
        fc.constantFrom<JsonObject>({ type: 'output_text', text: 'x' }, { type: 'refusal', refusal: 'x' }),
        fc.jsonValue(),
      ),
      response: fc.oneof(fc.constant(response({ output: [reasoningItem, messageItem] })), fc.jsonValue()),
    },
    { requiredKeys: ['type'] },
  )

  test('in any events the rules of AnswerEvent hold', () => {
    fc.assert(
      fc.property(fc.array(wildEvent, { maxLength: 30 }), (events) => {
        const open = new Set<number>()
        const known = new Set<number>()
        const proven = new Set<number>()
        const read = readStream()
        const all = [...read.push(encode(stream(...events))), ...read.end()]
        all.forEach((event, index) => {
          if (index > 0) expect(all[index - 1]!.type).not.toBe('end')
          if (event.type === 'part') {
            expect(event.part).toBe(known.size)
            known.add(event.part)
            open.add(event.part)
          }
          if (event.type === 'delta' || event.type === 'opaque') expect(open.has(event.part)).toBe(true)
          if (event.type === 'opaque') {
            expect(proven.has(event.part)).toBe(false)
            proven.add(event.part)
          }
          if (event.type === 'part_end') expect(open.delete(event.part)).toBe(true)
          if (event.type === 'finish') expect(open.size).toBe(0)
        })
        expect(all.at(-1)).toEqual({ type: 'end' })
        expect(all.filter(({ type }) => type === 'start').length).toBeLessThanOrEqual(1)
        if (known.size > 0) expect(all[0]!.type).toBe('start')
      }),
      { numRuns: 500 },
    )
  })
})
