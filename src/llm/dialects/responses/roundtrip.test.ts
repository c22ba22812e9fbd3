import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Answer, AnswerEvent, Choice, JsonObject, Opaque, Part } from '../../conversation.ts'
import { readAnswer, writeAnswer } from './answer.ts'
import { readRequest } from './request.ts'
import { readStream, writeStream } from './stream.ts'
import { answerContext, encode, eventsOf, joined } from './testing.ts'

type ChoicePart = Choice['parts'][number]

const opaque = (...origins: Opaque['origin'][]): fc.Arbitrary<Opaque> =>
  fc.record({ origin: fc.constantFrom(...origins), value: fc.string({ minLength: 1 }) })
const proof = fc.oneof(
  fc.constant({}),
  fc.record({ signature: opaque('anthropic', 'gemini', 'bedrock') }),
  fc.record({ redacted: opaque('openai', 'anthropic', 'bedrock') }),
)
const said = fc.string({ minLength: 1, unit: 'binary' })
const part: fc.Arbitrary<ChoicePart> = fc.oneof(
  fc.record({ type: fc.constant('text'), text: said }),
  fc.record({ type: fc.constant('refusal'), text: said }),
  fc
    .tuple(fc.record({ text: said }), fc.boolean(), proof)
    .map(
      ([{ text }, summary, given]): ChoicePart => ({ type: 'reasoning', text, ...(summary && { summary }), ...given }),
    ),
  proof.map((given): ChoicePart => ({ type: 'reasoning', text: '', ...given })),
  fc.record(
    { type: fc.constant('tool_call'), id: said, name: said, arguments: said, signature: opaque('gemini') },
    { requiredKeys: ['type', 'id', 'name', 'arguments'] },
  ),
)
const parts = fc.uniqueArray(part, {
  maxLength: 8,
  comparator: (a, b) => a.type === 'tool_call' && b.type === 'tool_call' && a.id === b.id,
})
const answerOf = (all: ChoicePart[]): Answer => ({ id: 'x', model: 'm', choices: [{ parts: all, finish: 'stop' }] })

/** The events of a whole answer, each part in two deltas. */
function streamed(all: ChoicePart[]): AnswerEvent[] {
  const events = all.flatMap((one, index): AnswerEvent[] => {
    const at = { choice: 0, part: index }
    const text = one.type === 'tool_call' ? one.arguments : one.text
    const half = Math.floor(text.length / 2)
    const texts = [text.slice(0, half), text.slice(half)].filter((piece) => piece !== '')
    return [
      opening(one, index),
      ...texts.map((piece): AnswerEvent => ({ type: 'delta', ...at, text: piece })),
      ...(one.type === 'reasoning' && (one.signature || one.redacted)
        ? [
            {
              type: 'opaque' as const,
              ...at,
              ...(one.signature && { signature: one.signature }),
              ...(one.redacted && { redacted: one.redacted }),
            },
          ]
        : []),
      { type: 'part_end', ...at },
    ]
  })
  return [
    { type: 'start', id: 'x', model: 'm', created: 5 },
    ...events,
    { type: 'finish', choice: 0, reason: 'length' },
    { type: 'usage', usage: { input: 1, output: 2, cachedInput: 0, cacheWriteInput: 0, reasoning: 1 } },
    { type: 'end' },
  ]
}

function opening(one: ChoicePart, index: number): AnswerEvent {
  const at = { type: 'part', choice: 0, part: index } as const
  switch (one.type) {
    case 'tool_call':
      return {
        ...at,
        kind: 'tool_call',
        id: one.id,
        name: one.name,
        ...(one.signature && { signature: one.signature }),
      }
    case 'reasoning':
      return { ...at, kind: 'reasoning', ...(one.summary && { summary: true }) }
    default:
      return { ...at, kind: one.type }
  }
}

/** A client's next request: it sends the output back as it got it. */
const sentBack = (output: unknown) => readRequest({ model: 'smart', input: output }).turns.flatMap((turn) => turn.parts)

test('what a client got and sends back is what the provider said: whole answers', () => {
  fc.assert(
    fc.property(parts, (all) => {
      expect(sentBack(writeAnswer(answerOf(all), answerContext()).output)).toEqual(all satisfies Part[])
    }),
  )
})

test('what a client got and sends back is what the provider said: streams', () => {
  fc.assert(
    fc.property(parts, (all) => {
      const events = eventsOf(writeStream(answerContext()).write(streamed(all)))
      expect(sentBack((events.at(-1)!.response as JsonObject).output)).toEqual(all)
      const items = events.filter(({ type }) => type === 'response.output_item.done').map(({ item }) => item)
      expect(sentBack(items)).toEqual(all)
    }),
  )
})

test('a whole answer and the end of a stream are the same response', () => {
  fc.assert(
    fc.property(parts, (all) => {
      const whole = { ...answerOf(all), created: 5, usage: { input: 1, output: 2, reasoning: 1 } }
      whole.choices[0]!.finish = 'length'
      const events = eventsOf(writeStream(answerContext()).write(streamed(all)))
      expect(events.at(-1)!.response).toEqual(writeAnswer(whole, answerContext()))
    }),
  )
})

/** What OpenAI itself would say: reasoning with its own proof, calls without signatures. */
const own = parts.map((all) =>
  all.map((one): ChoicePart => {
    if (one.type === 'tool_call') return { type: 'tool_call', id: one.id, name: one.name, arguments: one.arguments }
    if (one.type !== 'reasoning') return one
    const { signature: _, redacted, ...rest } = one
    return redacted?.origin === 'openai' ? { ...rest, redacted } : rest
  }),
)
/** Without the ids that the writer gave. */
const anonymous = (one: ChoicePart): ChoicePart => {
  if (one.type !== 'reasoning') return one
  const { id: _, ...rest } = one
  return rest
}

test('readAnswer(writeAnswer(x)) is x', () => {
  fc.assert(
    fc.property(own, (all) => {
      const { choices } = readAnswer(writeAnswer(answerOf(all), answerContext()))
      expect(choices[0]!.parts.map(anonymous)).toEqual(all)
    }),
  )
})

test('readStream(writeStream(x)) is x, wherever the bytes are split', () => {
  fc.assert(
    fc.property(own, fc.integer({ min: 1, max: 50 }), (all, size) => {
      const bytes = encode(writeStream(answerContext()).write(streamed(all)))
      const reader = readStream()
      const events: AnswerEvent[] = []
      for (let from = 0; from < bytes.length; from += size)
        events.push(...reader.push(bytes.subarray(from, from + size)))
      events.push(...reader.end())
      const named = events.map((event): AnswerEvent => {
        if (event.type === 'start') return { ...event, id: 'x', model: 'm' }
        if (event.type !== 'part' || event.kind !== 'reasoning') return event
        const { id: _, ...rest } = event
        return rest
      })
      expect(joined(named)).toEqual(joined(streamed(all)))
    }),
  )
})
