import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AnswerEvent, Choice } from '../../conversation.ts'
import { readRequest } from './read-request.ts'
import { answer, answerContext, client, eventsOf, eventsTelling, messageOf, partEvents } from './testing.ts'
import { writeAnswer } from './write-answer.ts'
import { writeStream } from './write-stream.ts'

type Part = Choice['parts'][number]

const write = (events: readonly AnswerEvent[]) => writeStream(answerContext()).write(events)
const types = (text: string) => eventsOf(text).map(({ type }) => type)
const start: AnswerEvent = { type: 'start', id: 'gen-1', model: 'other-model' }
const stop: AnswerEvent[] = [{ type: 'finish', choice: 0, reason: 'stop' }, { type: 'end' }]
const called: AnswerEvent[] = [{ type: 'finish', choice: 0, reason: 'tool_calls' }, { type: 'end' }]
const call = (fields: Partial<Extract<Part, { type: 'tool_call' }>> = {}): Part => ({
  type: 'tool_call',
  id: 'call_1',
  name: 'get_weather',
  arguments: '{"city":"Paris"}',
  ...fields,
})

test('an answer of all kinds of parts, event by event', () => {
  const told = answer(
    [
      { type: 'reasoning', text: 'Hm.', signature: { origin: 'anthropic', value: 'sig' } },
      { type: 'text', text: 'Hi' },
      call(),
    ],
    { finish: 'tool_calls', usage: { input: 30, output: 9, cachedInput: 10, reasoning: 2 } },
  )
  expect(eventsOf(write(eventsTelling(told)))).toEqual([
    {
      type: 'message_start',
      message: {
        ...writeAnswer(answer([]), answerContext()),
        stop_reason: null,
      },
    },
    { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'Hm' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: '.' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'sig' } },
    { type: 'content_block_stop', index: 0 },
    { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '', citations: null } },
    { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'H' } },
    { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'i' } },
    { type: 'content_block_stop', index: 1 },
    {
      type: 'content_block_start',
      index: 2,
      content_block: {
        type: 'tool_use',
        id: 'call_1',
        name: 'get_weather',
        input: {},
        caller: { type: 'direct' },
      },
    },
    { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '{"city":' } },
    { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '"Paris"}' } },
    { type: 'content_block_stop', index: 2 },
    {
      type: 'message_delta',
      delta: { stop_reason: 'tool_use', stop_sequence: null, stop_details: null, container: null },
      usage: {
        input_tokens: 20,
        cache_read_input_tokens: 10,
        cache_creation_input_tokens: 0,
        output_tokens: 9,
        output_tokens_details: { thinking_tokens: 2 },
        server_tool_use: null,
      },
    },
    { type: 'message_stop' },
  ])
})

test('what can be said at once is', () => {
  const writer = writeStream(answerContext())
  expect(types(writer.write([start]))).toEqual(['message_start'])
  expect(writer.write([{ type: 'part', choice: 0, part: 0, kind: 'text' }])).toBe('')
  expect(types(writer.write([{ type: 'delta', choice: 0, part: 0, text: 'Hi' }]))).toEqual([
    'content_block_start',
    'content_block_delta',
  ])
  expect(types(writer.write([{ type: 'part_end', choice: 0, part: 0 }]))).toEqual(['content_block_stop'])
  expect(writer.write(stop.slice(0, 1))).toBe('')
  expect(types(writer.write(stop.slice(1)))).toEqual(['message_delta', 'message_stop'])
})

test('the usage that is known at the start is told there, and holds where no other follows', () => {
  const usage = { input: 50, output: 1, cacheWriteInput: 40 }
  const [first, last] = eventsOf(write([{ ...start, usage }, ...stop]))
  const counts = { input_tokens: 10, cache_creation_input_tokens: 40, output_tokens: 1 }
  expect(first).toMatchObject({ message: { usage: counts } })
  expect(last).toMatchObject({ usage: counts })
})

test('parts that interleave become blocks one after the other', () => {
  const [a, b] = [partEvents(call(), 0), partEvents(call({ id: 'call_2', arguments: '{"city":"Rome"}' }), 1)]
  // Both begin, then their deltas take turns, then the second ends before the first.
  const events = [a[0]!, b[0]!, a[1]!, b[1]!, b[2]!, b[3]!, a[2]!, a[3]!]
  const blocks = eventsOf(write([start, ...events, ...called])).filter(({ index }) => index !== undefined)
  expect(blocks.map(({ index }) => index)).toEqual([0, 0, 0, 0, 1, 1, 1, 1])
})

test('further choices have no place', () => {
  const second = partEvents({ type: 'text', text: 'two' }, 0, 1)
  const text = write([start, ...second, { type: 'finish', choice: 1, reason: 'length' }, ...stop])
  expect(types(text)).toEqual(['message_start', 'message_delta', 'message_stop'])
  expect(eventsOf(text)[1]).toMatchObject({ delta: { stop_reason: 'end_turn' } })
})

test('a signature that comes after its call has begun finds back to it', async () => {
  const late: AnswerEvent = { type: 'opaque', choice: 0, part: 0, signature: { origin: 'gemini', value: 'si:g' } }
  const [first, second] = [partEvents(call({ id: 'a:b' }), 0), partEvents(call({ id: 'call_2' }), 1)]
  first.splice(2, 0, late)
  const { content } = await messageOf(write([start, ...first, ...second, ...called]))
  expect(content.map(({ type }) => type)).toEqual(['tool_use', 'thinking', 'tool_use'])
  const body = { model: 'smart', max_tokens: 10, messages: [{ role: 'assistant', content }] }
  expect(readRequest(body).turns[0]!.parts).toEqual([
    call({ id: 'a:b', signature: { origin: 'gemini', value: 'si:g' } }),
    call({ id: 'call_2' }),
  ])
})

describe('an error', () => {
  const overloaded: AnswerEvent[] = [
    { type: 'error', error: { status: 529, code: 'overloaded', message: 'Too busy.' } },
    { type: 'end' },
  ]

  test('ends the stream', () => {
    const text = write([start, ...partEvents({ type: 'text', text: 'Hi' }, 0), ...overloaded])
    expect(eventsOf(text).at(-1)).toEqual({
      type: 'error',
      error: { type: 'overloaded_error', message: 'Too busy.' },
    })
  })

  test('is thrown by the SDK', async () => {
    const stream = client(write([start, ...overloaded])).messages.stream({
      model: 'smart',
      max_tokens: 10,
      messages: [{ role: 'user', content: 'Hello' }],
    })
    await expect(stream.finalMessage()).rejects.toThrow('Too busy.')
  })

  test('is what an answer ends with that failed', () => {
    const text = write([start, { type: 'finish', choice: 0, reason: 'error' }, { type: 'end' }])
    expect(eventsOf(text).at(-1)).toMatchObject({ type: 'error', error: { type: 'api_error' } })
  })

  test('is what an answer ends with whose call cannot be made', () => {
    const text = write([start, ...partEvents(call({ arguments: '{"city":' }), 0), ...called])
    expect(types(text).slice(-2)).toEqual(['content_block_stop', 'error'])
  })

  test('is not made of a call that was cut short', () => {
    const cut: AnswerEvent[] = [{ type: 'finish', choice: 0, reason: 'length' }, { type: 'end' }]
    const text = write([start, ...partEvents(call({ arguments: '{"city":' }), 0), ...cut])
    expect(eventsOf(text).at(-2)).toMatchObject({ delta: { stop_reason: 'max_tokens' } })
  })
})

describe('any answer', () => {
  const text = fc.string({ unit: 'binary', maxLength: 8 })
  const opaque = fc.record({
    origin: fc.constantFrom('openai', 'anthropic', 'gemini', 'bedrock'),
    value: fc.base64String({ minLength: 4, maxLength: 8 }),
  })
  const part: fc.Arbitrary<Part> = fc.oneof(
    fc.record({ type: fc.constantFrom('text', 'refusal'), text }),
    fc.record(
      { type: fc.constant('reasoning'), text, signature: opaque, redacted: opaque },
      { requiredKeys: ['type', 'text'] },
    ),
    fc.record(
      {
        type: fc.constant('tool_call'),
        id: text,
        name: fc.constant('f'),
        arguments: fc
          .dictionary(fc.constantFrom('a', 'b'), text, { noNullPrototype: true })
          .map((object) => JSON.stringify(object)),
        signature: opaque,
      },
      { requiredKeys: ['type', 'id', 'name', 'arguments'] },
    ),
  )

  test('streamed is the same message as whole, to the SDK', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 5 }),
        fc.constantFrom('stop' as const, 'length' as const, 'tool_calls' as const, 'pause' as const),
        fc.infiniteStream(fc.nat()),
        async (parts, finish, draws) => {
          const told = answer(parts, { finish, usage: { input: 20, output: 4, cachedInput: 5 } })
          const streamed = await messageOf(write(shuffled(told, () => draws.next().value)))
          const { parsed_output: _, ...message } = JSON.parse(JSON.stringify(streamed))
          expect(message).toEqual(writeAnswer(told, answerContext()))
        },
      ),
      { numRuns: 200 },
    )
  })

  /** The answer's events in a random order that keeps each part's own, and in which the parts begin in theirs. */
  function shuffled(told: ReturnType<typeof answer>, draw: () => number): AnswerEvent[] {
    const events = eventsTelling(told)
    const inParts = events.filter((event) => 'part' in event)
    const others = events.filter((event) => !('part' in event))
    const queues = told.choices[0]!.parts.map((_, part) => inParts.filter((event) => event.part === part))
    const mixed: AnswerEvent[] = []
    let begun = 0
    for (let left = inParts.length; left > 0; left--) {
      const ready = queues.filter((queue, index) => queue.length > 0 && index <= begun)
      const queue = ready[draw() % ready.length]!
      const event = queue.shift()!
      if (event.type === 'part') begun++
      mixed.push(event)
    }
    return [others[0]!, ...mixed, ...others.slice(1)]
  }
})
