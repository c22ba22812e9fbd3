import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AnswerEvent, JsonObject } from '../../conversation.ts'
import { readAnswer } from './answer.ts'
import { cut, eventFrame, exceptionFrame, frame, read, streamOf } from './testing.ts'

type Recorded = (readonly [string, JsonObject])[]
const recorded = (name: string): Recorded =>
  JSON.parse(readFileSync(new URL(`testdata/${name}.json`, import.meta.url), 'utf8'))

const started: AnswerEvent = { type: 'start', id: '', model: '' }
const interrupted = {
  type: 'error',
  error: {
    status: 502,
    code: 'stream_interrupted',
    message: "The provider's answer broke off before its end. Try again.",
  },
}
const garbled = {
  type: 'error',
  error: {
    status: 502,
    code: 'bad_provider_answer',
    message: "The provider's answer is not a stream of JSON events. Try again.",
  },
}
const end = { type: 'end' }

test('thinking, redacted thinking, text and cached tokens', () => {
  expect(read(streamOf(...recorded('thinking-and-text')))).toEqual([
    started,
    { type: 'part', choice: 0, part: 0, kind: 'reasoning' },
    { type: 'delta', choice: 0, part: 0, text: 'The user greets in Danish: ' },
    { type: 'delta', choice: 0, part: 0, text: '„hej“ 👋.' },
    { type: 'opaque', choice: 0, part: 0, signature: { origin: 'bedrock', value: 'EqoBCkgIARABGAIiQL4d3hZC0Vg=' } },
    { type: 'part_end', choice: 0, part: 0 },
    { type: 'part', choice: 0, part: 1, kind: 'reasoning' },
    { type: 'opaque', choice: 0, part: 1, redacted: { origin: 'bedrock', value: 'cmVkYWN0ZWQgdGhpbmtpbmc=' } },
    { type: 'part_end', choice: 0, part: 1 },
    { type: 'part', choice: 0, part: 2, kind: 'text' },
    { type: 'delta', choice: 0, part: 2, text: 'Hej! Rødgrød' },
    { type: 'delta', choice: 0, part: 2, text: ' med fløde 🍓' },
    { type: 'part_end', choice: 0, part: 2 },
    { type: 'finish', choice: 0, reason: 'stop' },
    {
      type: 'usage',
      usage: { input: 1036, output: 57, cachedInput: 1000, cacheWriteInput: 24, cacheWrite1hInput: 20 },
    },
    end,
  ])
})

test('parallel calls, one without arguments', () => {
  expect(read(streamOf(...recorded('parallel-tools')))).toEqual([
    started,
    { type: 'part', choice: 0, part: 0, kind: 'text' },
    { type: 'delta', choice: 0, part: 0, text: "I'll look both up." },
    { type: 'part_end', choice: 0, part: 0 },
    { type: 'part', choice: 0, part: 1, kind: 'tool_call', id: 'tooluse_kZJMlvQmRJ6eAyJE5GIl7Q', name: 'top_song' },
    { type: 'delta', choice: 0, part: 1, text: '{"sign":' },
    { type: 'delta', choice: 0, part: 1, text: ' "WZPZ"}' },
    { type: 'part_end', choice: 0, part: 1 },
    { type: 'part', choice: 0, part: 2, kind: 'tool_call', id: 'tooluse_7wIXbT0nRXuM7JRjz0v2Bg', name: 'now' },
    { type: 'delta', choice: 0, part: 2, text: '{}' },
    { type: 'part_end', choice: 0, part: 2 },
    { type: 'finish', choice: 0, reason: 'tool_calls' },
    { type: 'usage', usage: { input: 437, output: 105 } },
    end,
  ])
})

describe.each(['thinking-and-text', 'parallel-tools'])('%s', (name) => {
  const events = recorded(name)
  const bytes = streamOf(...events)

  test('split anywhere it tells the same', () => {
    const whole = read(bytes)
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 20 }), (positions) => {
        expect(read(...cut(bytes, positions))).toEqual(whole)
      }),
    )
  })

  test('split at every byte it tells the same', () => {
    const whole = read(bytes)
    for (let at = 0; at <= bytes.length; at++) expect(read(...cut(bytes, [at]))).toEqual(whole)
    const single = cut(
      bytes,
      Array.from(bytes, (_, at) => at),
    )
    expect(read(...single)).toEqual(whole)
  })

  test('broken off anywhere before its messageStop it ends in an error', () => {
    const complete = streamOf(...events.slice(0, -1)).length
    fc.assert(
      fc.property(fc.nat(complete - 1), (length) => {
        expect(read(bytes.subarray(0, length)).slice(-2)).toEqual([interrupted, end])
      }),
    )
  })

  test('whatever is done to its bytes, it keeps to the rules of events', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(), (at, byte, position) => {
        const spoilt = Buffer.from(bytes)
        spoilt[at] = byte
        keepsRules(read(...cut(spoilt, [position])))
      }),
    )
  })
})

/** Opened once, closed once, before the finish; one `end`, at the end. */
function keepsRules(events: readonly AnswerEvent[]): void {
  const open = new Set<number>()
  let parts = 0
  let finished = false
  for (const event of events) {
    if (event.type === 'part') {
      expect(event.part).toBe(parts++)
      expect(finished).toBe(false)
      open.add(event.part)
    } else if (event.type === 'delta' || event.type === 'opaque') expect(open).toContain(event.part)
    else if (event.type === 'part_end') expect(open.delete(event.part)).toBe(true)
    else if (event.type === 'finish') {
      expect(open.size).toBe(0)
      finished = true
    }
  }
  expect(events.filter(({ type }) => type === 'end')).toHaveLength(1)
  expect(events.at(-1)).toEqual(end)
}

test('any order of events keeps to the rules', () => {
  const index = fc.nat(2)
  const event = fc.oneof(
    fc.constant(['messageStart', { role: 'assistant' }] as const),
    index.map((i) => ['contentBlockStart', { contentBlockIndex: i, start: { toolUse: { toolUseId: 'a' } } }] as const),
    index.map((i) => ['contentBlockStart', { contentBlockIndex: i, start: {} }] as const),
    index.map((i) => ['contentBlockDelta', { contentBlockIndex: i, delta: { text: 'a' } }] as const),
    index.map((i) => ['contentBlockDelta', { contentBlockIndex: i, delta: { toolUse: { input: '{' } } }] as const),
    index.map(
      (i) => ['contentBlockDelta', { contentBlockIndex: i, delta: { reasoningContent: { text: 'b' } } }] as const,
    ),
    index.map(
      (i) => ['contentBlockDelta', { contentBlockIndex: i, delta: { reasoningContent: { signature: 's' } } }] as const,
    ),
    index.map((i) => ['contentBlockStop', { contentBlockIndex: i }] as const),
    fc.constant(['messageStop', { stopReason: 'end_turn' }] as const),
    fc.constant(['metadata', { usage: { inputTokens: 1, outputTokens: 2 } }] as const),
    fc.tuple(fc.string(), fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true })),
  )
  fc.assert(fc.property(fc.array(event), (events) => keepsRules(read(streamOf(...events)))))
})

test('whatever JSON the events hold, they keep to the rules', () => {
  const anything = fc.jsonValue()
  const start = fc.oneof(anything, fc.record({ toolUse: fc.oneof(anything, fc.record({ toolUseId: anything })) }))
  const thought = fc.record({ text: anything, signature: anything, redactedContent: anything })
  const delta = fc.oneof(
    anything,
    fc.record({ text: anything }),
    fc.record({ toolUse: fc.record({ input: anything }) }),
    fc.record({ reasoningContent: fc.oneof(anything, thought) }),
  )
  const contentBlockIndex = fc.oneof(fc.nat(2), anything)
  const event = fc.oneof(
    fc.tuple(fc.constant('contentBlockStart'), fc.record({ contentBlockIndex, start })),
    fc.tuple(fc.constant('contentBlockDelta'), fc.record({ contentBlockIndex, delta })),
    fc.tuple(fc.constant('contentBlockStop'), fc.record({ contentBlockIndex })),
    fc.tuple(fc.constant('messageStop'), fc.record({ stopReason: anything, additionalModelResponseFields: anything })),
    fc.tuple(fc.constant('metadata'), fc.record({ usage: anything })),
  )
  fc.assert(fc.property(fc.array(event), (events) => keepsRules(read(streamOf(...(events as Recorded))))))
})

test('bytes that are no frames', () => {
  expect(read(Buffer.from('<html>502 Bad Gateway</html>'))).toEqual([garbled, end])
  expect(read()).toEqual([interrupted, end])
})

test.each([
  ['no JSON', frame({ ':message-type': 'event', ':event-type': 'messageStart' }, '{'), garbled],
  ['JSON that is no object', frame({ ':message-type': 'event', ':event-type': 'messageStart' }, '[]'), garbled],
  ['a message of no type', frame({ ':event-type': 'messageStart' }, {}), garbled],
  ['figures before the end of the message', eventFrame('metadata', { usage: {} }), interrupted],
])('%s is an error', (_, bytes, error) => {
  expect(read(bytes, eventFrame('messageStop', { stopReason: 'end_turn' }))).toEqual([error, end])
})

describe('exceptions', () => {
  test.each([
    ['throttlingException', 429, 'rate_limit_exceeded'],
    ['modelStreamErrorException', 502, 'model_stream_error'],
    ['internalServerException', 500, 'internal_server_error'],
    ['serviceUnavailableException', 503, 'service_unavailable'],
    ['modelTimeoutException', 504, 'model_timeout'],
    ['validationException', 400, 'invalid_request_error'],
    ['somethingNewException', 502, 'api_error'],
  ])('%s', (type, status, code) => {
    const bytes = Buffer.concat([
      eventFrame('messageStart', { role: 'assistant' }),
      exceptionFrame(type, { message: 'Not now.' }),
      eventFrame('messageStop', { stopReason: 'end_turn' }),
    ])
    expect(read(bytes)).toEqual([started, { type: 'error', error: { status, code, message: 'Not now.' } }, end])
  })

  test('an error of the transport has its words in headers', () => {
    const headers = { ':message-type': 'error', ':error-code': 'InternalServerException', ':error-message': 'Oh.' }
    expect(read(frame(headers, ''))).toEqual([
      { type: 'error', error: { status: 500, code: 'internal_server_error', message: 'Oh.' } },
      end,
    ])
  })

  test('without words it says its name', () => {
    expect(read(frame({ ':message-type': 'exception', ':exception-type': 'throttlingException' }, 'x'))).toEqual([
      {
        type: 'error',
        error: {
          status: 429,
          code: 'rate_limit_exceeded',
          message: "The provider's answer broke off with throttlingException. Try again.",
        },
      },
      end,
    ])
  })
})

test('a prompt too long is told by its words', () => {
  expect(read(exceptionFrame('validationException', { message: 'Input is too long for requested model.' }))[0]).toEqual(
    {
      type: 'error',
      error: { status: 400, code: 'context_length_exceeded', message: 'Input is too long for requested model.' },
    },
  )
})

test('a stream without figures is complete after its messageStop', () => {
  const events = read(streamOf(['messageStart', {}], ['messageStop', { stopReason: 'max_tokens' }]))
  expect(events).toEqual([started, { type: 'finish', choice: 0, reason: 'length' }, end])
})

test('a message that does not say why it stopped has ended well, as a whole answer has', () => {
  expect(read(streamOf(['messageStop', {}]))).toEqual([started, { type: 'finish', choice: 0, reason: 'stop' }, end])
})

test('a stop sequence is named', () => {
  const stop = { stopReason: 'stop_sequence', additionalModelResponseFields: { stop_sequence: 'END' } }
  expect(read(streamOf(['messageStop', stop]))[1]).toEqual({
    type: 'finish',
    choice: 0,
    reason: 'stop',
    stopSequence: 'END',
  })
})

test('blocks are announced with nothing in them, and an index may change its kind', () => {
  const events = read(
    streamOf(
      ['messageStart', {}],
      ['contentBlockStart', { contentBlockIndex: 0, start: { reasoningContent: {} } }],
      ['contentBlockDelta', { contentBlockIndex: 0, delta: { reasoningContent: { text: 'a' } } }],
      ['contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'b' } }],
      ['messageStop', { stopReason: 'end_turn' }],
    ),
  )
  expect(events.slice(1, -2)).toEqual([
    { type: 'part', choice: 0, part: 0, kind: 'reasoning' },
    { type: 'delta', choice: 0, part: 0, text: 'a' },
    { type: 'part_end', choice: 0, part: 0 },
    { type: 'part', choice: 0, part: 1, kind: 'text' },
    { type: 'delta', choice: 0, part: 1, text: 'b' },
    { type: 'part_end', choice: 0, part: 1 },
  ])
})

test('redacted thinking in pieces is one', () => {
  const piece = (bytes: string): readonly [string, JsonObject] => [
    'contentBlockDelta',
    { contentBlockIndex: 0, delta: { reasoningContent: { redactedContent: Buffer.from(bytes).toString('base64') } } },
  ]
  const events = read(streamOf(piece('a'), piece('bc'), ['messageStop', { stopReason: 'end_turn' }]))
  expect(events).toContainEqual({
    type: 'opaque',
    choice: 0,
    part: 0,
    redacted: { origin: 'bedrock', value: Buffer.from('abc').toString('base64') },
  })
})

test.each([
  ['contentBlockStart', { start: { image: { format: 'png' } } }],
  ['contentBlockDelta', { delta: { image: { source: { bytes: 'AA==' } } } }],
])('a picture in a %s is an error', (type, event) => {
  expect(read(streamOf([type, event]))[1]).toMatchObject({ error: { status: 502, code: 'unsupported_answer' } })
})

test('streamed or whole, an answer means the same', () => {
  const events = read(streamOf(...recorded('parallel-tools')))
  const calls = readAnswer({
    output: {
      message: {
        role: 'assistant',
        content: [
          { text: "I'll look both up." },
          { toolUse: { name: 'top_song', toolUseId: 'tooluse_kZJMlvQmRJ6eAyJE5GIl7Q', input: { sign: 'WZPZ' } } },
          { toolUse: { name: 'now', toolUseId: 'tooluse_7wIXbT0nRXuM7JRjz0v2Bg', input: {} } },
        ],
      },
    },
    stopReason: 'tool_use',
    usage: { inputTokens: 437, outputTokens: 105, totalTokens: 542 },
  })
  const texts = new Map<number, string>()
  for (const event of events)
    if (event.type === 'delta') texts.set(event.part, (texts.get(event.part) ?? '') + event.text)
  expect(
    [...texts.values()].map((text, at) => (calls.choices[0]!.parts[at]!.type === 'text' ? text : JSON.parse(text))),
  ).toEqual(
    calls.choices[0]!.parts.map((part) =>
      part.type === 'tool_call' ? JSON.parse(part.arguments) : 'text' in part && part.text,
    ),
  )
  expect(events).toContainEqual({ type: 'finish', choice: 0, reason: calls.choices[0]!.finish })
  expect(events).toContainEqual({ type: 'usage', usage: calls.usage })
})
