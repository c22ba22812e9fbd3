import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Answer, AnswerEvent, Choice, JsonObject } from '../../conversation.ts'
import { readAnswer } from './answer.ts'
import { readStream } from './stream.ts'

const recorded = (name: string) => readFileSync(new URL(`testdata/${name}.sse`, import.meta.url))
const bytes = (...events: unknown[]) =>
  Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''))

function read(...chunks: Uint8Array[]): AnswerEvent[] {
  const reader = readStream()
  return [...chunks.flatMap((chunk) => reader.push(chunk)), ...reader.end()]
}

/** Cuts the bytes at these positions. */
function cut(data: Uint8Array, positions: readonly number[]): Uint8Array[] {
  const places = [0, ...positions.map((position) => position % (data.length + 1)), data.length].sort((a, b) => a - b)
  return places.slice(1).map((end, at) => data.subarray(places[at], end))
}

/** The same events with neighbouring deltas joined: how much one delta holds is no part of the meaning. */
function joined(events: readonly AnswerEvent[]): AnswerEvent[] {
  const out: AnswerEvent[] = []
  for (const event of events) {
    const last = out.at(-1)
    if (event.type === 'delta' && last?.type === 'delta' && last.part === event.part && last.choice === event.choice)
      last.text += event.text
    else out.push({ ...event })
  }
  return out
}

/** The whole answer that the events tell, and a check that they keep AnswerEvent's rules. */
function whole(events: readonly AnswerEvent[]): Answer {
  const answer: Answer = { id: '', model: '', choices: [] }
  const open = new Map<string, Choice['parts'][number]>()
  const finished = new Set<number>()
  const choiceOf = (index: number) => {
    answer.choices[index] ??= { parts: [], finish: 'error' }
    return answer.choices[index]
  }
  for (const [at, event] of events.entries()) {
    if (event.type === 'start') {
      expect(at).toBe(0)
      const { type: _, usage: __, ...head } = event
      Object.assign(answer, head)
    } else if (event.type === 'part') {
      const { type: _, choice, part, kind, ...fields } = event
      expect(finished).not.toContain(choice)
      expect(part).toBe(choiceOf(choice).parts.length)
      const made = {
        type: kind,
        ...(kind === 'tool_call' ? { arguments: '' } : { text: '' }),
        ...fields,
      } as Choice['parts'][number]
      choiceOf(choice).parts.push(made)
      open.set(`${choice}/${part}`, made)
    } else if (event.type === 'delta') {
      const part = open.get(`${event.choice}/${event.part}`)!
      if (part.type === 'tool_call') part.arguments += event.text
      else part.text += event.text
      if (event.logprobs) {
        const choice = choiceOf(event.choice)
        choice.logprobs = [...(choice.logprobs ?? []), ...event.logprobs]
      }
    } else if (event.type === 'opaque') {
      Object.assign(open.get(`${event.choice}/${event.part}`)!, { signature: event.signature })
    } else if (event.type === 'part_end') {
      expect(open.delete(`${event.choice}/${event.part}`)).toBe(true)
    } else if (event.type === 'finish') {
      expect([...open.keys()].filter((key) => key.startsWith(`${event.choice}/`))).toEqual([])
      choiceOf(event.choice).finish = event.reason
      finished.add(event.choice)
    } else if (event.type === 'usage') {
      answer.usage = event.usage
    } else {
      expect(event).toEqual({ type: 'end' })
      expect(at).toBe(events.length - 1)
    }
  }
  expect(open.size).toBe(0)
  return answer
}

const usage = { input: 9, output: 36, reasoning: 27 }

describe('a stream', () => {
  test('of thoughts, text and a late signature', () => {
    expect(joined(read(recorded('thoughts-and-text')))).toEqual([
      {
        type: 'start',
        id: 'mAitaLmkHPPlz7IPvtfUqQ4',
        model: 'gemini-3-flash-preview',
        usage: { input: 9, output: 22, reasoning: 22 },
      },
      { type: 'part', choice: 0, part: 0, kind: 'reasoning', summary: true },
      { type: 'delta', choice: 0, part: 0, text: '**Counting**\n\nThe word is short. Three of them.' },
      { type: 'part_end', choice: 0, part: 0 },
      { type: 'part', choice: 0, part: 1, kind: 'text' },
      { type: 'delta', choice: 0, part: 1, text: "Jordbær 🍓 has two r's." },
      { type: 'part_end', choice: 0, part: 1 },
      { type: 'part', choice: 0, part: 2, kind: 'reasoning', summary: true },
      { type: 'opaque', choice: 0, part: 2, signature: { origin: 'gemini', value: 'EpwCCpkCAXLI2nwNqc8=' } },
      { type: 'part_end', choice: 0, part: 2 },
      { type: 'finish', choice: 0, reason: 'stop' },
      { type: 'usage', usage },
      { type: 'end' },
    ])
  })

  test('of parallel calls', () => {
    const events = read(recorded('parallel-calls'))
    const ids = events.flatMap((event) => (event.type === 'part' && event.kind === 'tool_call' ? event.id : []))
    expect(new Set(ids).size).toBe(2)
    expect(whole(events)).toEqual({
      id: 'rA9KaZ2eHLzX7M8Pk4',
      model: 'gemini-2.5-flash',
      created: 1770091506,
      choices: [
        {
          parts: [
            { type: 'text', text: "I'll look." },
            {
              type: 'tool_call',
              id: ids[0],
              name: 'get_current_temperature',
              arguments: '{"location":"Paris"}',
              signature: { origin: 'gemini', value: 'EjQKMgG+Pvb7u2I=' },
            },
            { type: 'tool_call', id: ids[1], name: 'get_current_temperature', arguments: '{"location":"London"}' },
          ],
          finish: 'tool_calls',
        },
      ],
      usage: { input: 120, output: 90, reasoning: 50, cachedInput: 64 },
    })
  })

  test.each(['thoughts-and-text', 'parallel-calls'])('%s, cut anywhere, tells the same', (name) => {
    const data = recorded(name)
    const expected = read(data)
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 12 }), (positions) => {
        expect(read(...cut(data, positions))).toEqual(expected)
      }),
    )
  })

  describe('says what the whole answer says', () => {
    const candidate = (parts: JsonObject[], index = 0) => ({ content: { parts }, index })
    const head = { responseId: 'r', modelVersion: 'm', usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 2 } }
    const word = fc.constantFrom('a', 'né 🍓', '\n')
    const thoughtSignature = fc.option(fc.constantFrom('S1', 'S2'), { nil: undefined })
    const part = fc.oneof(
      fc.record({ text: word, thoughtSignature }),
      fc.record({ text: fc.constant(''), thoughtSignature: fc.constant('S3') }),
      fc.record({ text: word, thought: fc.constant(true), thoughtSignature }),
      fc.record({
        functionCall: fc.record({ name: fc.constant('f'), args: fc.record({ a: fc.integer() }) }),
        thoughtSignature,
      }),
    )
    /** A stream's parts run on while they are of one kind: neighbours here differ, or are held apart by a signature. */
    const runsOn = (before: JsonObject, after: JsonObject) =>
      'text' in before &&
      'text' in after &&
      before.thought === after.thought &&
      before.thoughtSignature === undefined &&
      (after.thought === true || after.thoughtSignature === undefined)
    const parts = fc
      .array(part, { maxLength: 8 })
      .map((all) => all.filter((part, at) => at === 0 || !runsOn(all[at - 1]!, part)))
      .filter((all) => all.every((part, at) => at === 0 || !runsOn(all[at - 1]!, part)))

    test('in one event, for several candidates', () => {
      fc.assert(
        fc.property(fc.array(parts, { minLength: 1, maxLength: 3 }), (all) => {
          const candidates = all.map((parts, index) => ({ ...candidate(parts, index), finishReason: 'STOP' }))
          const body = { ...head, candidates }
          expect(whole(read(bytes(body)))).toEqual(readAnswer(body))
        }),
      )
    })

    test('in one event a part', () => {
      fc.assert(
        fc.property(parts, (parts) => {
          const events = parts.map((part) => ({ ...head, candidates: [candidate([part])] }))
          const last = { ...head, candidates: [{ index: 0, finishReason: 'STOP' }] }
          const body = { ...head, candidates: [{ ...candidate(parts), finishReason: 'STOP' }] }
          expect(whole(read(bytes(...events, last)))).toEqual(readAnswer(body))
        }),
      )
    })
  })

  test('of two candidates, interleaved', () => {
    const event = (index: number, text: string, finishReason?: string) => ({
      candidates: [{ index, content: { parts: [{ text }] }, finishReason }],
    })
    const answer = whole(read(bytes(event(0, 'a'), event(1, 'x'), event(0, 'b', 'STOP'), event(1, 'y', 'MAX_TOKENS'))))
    expect(answer.choices).toEqual([
      { parts: [{ type: 'text', text: 'ab' }], finish: 'stop' },
      { parts: [{ type: 'text', text: 'xy' }], finish: 'length' },
    ])
  })

  test('with a finish reason on every event ends once', () => {
    const event = (text: string) => ({ candidates: [{ content: { parts: [{ text }] }, finishReason: 'STOP' }] })
    expect(whole(read(bytes(event('a'), event('b')))).choices).toEqual([
      { parts: [{ type: 'text', text: 'ab' }], finish: 'stop' },
    ])
  })

  test('with log probabilities carries them on the text they come with', () => {
    const chosen = (token: string) => ({ chosenCandidates: [{ token, logProbability: -1 }] })
    const event = (text: string) => ({
      candidates: [{ content: { parts: [{ text }] }, logprobsResult: chosen(text), finishReason: 'STOP' }],
    })
    const logprobs = whole(read(bytes(event('a'), event('b')))).choices[0]!.logprobs
    expect(logprobs?.map(({ token }) => token)).toEqual(['a', 'b'])
  })

  test('of a blocked prompt ends with content_filter', () => {
    const body = { promptFeedback: { blockReason: 'SAFETY' }, responseId: 'r', usageMetadata: { promptTokenCount: 4 } }
    expect(read(bytes(body))).toEqual([
      { type: 'start', id: 'r', model: '', usage: { input: 4, output: 0 } },
      { type: 'finish', choice: 0, reason: 'content_filter' },
      { type: 'usage', usage: { input: 4, output: 0 } },
      { type: 'end' },
    ])
  })
})

describe('a stream gone wrong', () => {
  const tail = (events: AnswerEvent[]) => events.slice(-2)
  const failed = (code: string, status = 502) => [
    { type: 'error', error: { status, code, message: expect.stringMatching(/\.$/) } },
    { type: 'end' },
  ]

  test.each<[string, Uint8Array, unknown]>([
    ['nothing at all', Buffer.alloc(0), failed('stream_interrupted')],
    ['broken off', recorded('thoughts-and-text').subarray(0, 900), failed('stream_interrupted')],
    [
      'broken off in one candidate',
      bytes({ candidates: [{ finishReason: 'STOP' }, { index: 1 }] }),
      failed('stream_interrupted'),
    ],
    ['not JSON', Buffer.from('data: <html>\n\n'), failed('bad_provider_answer')],
    ['no objects', Buffer.from('data: 7\n\n'), failed('bad_provider_answer')],
    ['a picture', bytes({ candidates: [{ content: { parts: [{ inlineData: {} }] } }] }), failed('unsupported_answer')],
    [
      'an error of the provider',
      bytes({ error: { code: 503, status: 'UNAVAILABLE', message: 'The model is overloaded.' } }),
      failed('unavailable', 503),
    ],
  ])('%s', (_, data, expected) => {
    expect(tail(read(data))).toEqual(expected)
  })

  test('nothing follows an error', () => {
    const reader = readStream()
    reader.push(bytes({ error: { code: 500, message: 'Oh.' } }, { candidates: [{ finishReason: 'STOP' }] }))
    expect(reader.push(bytes({ candidates: [] }))).toEqual([])
    expect(reader.end()).toEqual([])
  })

  test('garbage never throws and always ends once', () => {
    const line = fc.oneof(
      fc.string(),
      fc.json().map((json) => `data: ${json}\n\n`),
      fc
        .record({ candidates: fc.jsonValue(), usageMetadata: fc.jsonValue(), promptFeedback: fc.jsonValue() })
        .map((event) => `data: ${JSON.stringify(event)}\n\n`),
      fc
        .record({
          content: fc.record({ parts: fc.jsonValue() }),
          index: fc.jsonValue(),
          logprobsResult: fc.jsonValue(),
        })
        .map((candidate) => `data: ${JSON.stringify({ candidates: [candidate] })}\n\n`),
    )
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat()), (lines, positions) => {
        const events = read(...cut(Buffer.from(lines.join('')), positions))
        expect(events.filter(({ type }) => type === 'end')).toHaveLength(1)
        expect(events.at(-1)).toEqual({ type: 'end' })
      }),
    )
  })
})
