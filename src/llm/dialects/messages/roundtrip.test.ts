import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Answer, AnswerEvent, Choice, Usage } from '../../conversation.ts'
import { cut, encode, wholeOf } from '../chat/testing.ts'
import { messages } from './index.ts'
import { answerContext, eventsTelling } from './testing.ts'

/** What is written for a client and read as a provider's answer keeps its meaning, whole and streamed. */

const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 8 })
const opaque = fc.record({ origin: fc.constant('anthropic' as const), value: fc.base64String({ minLength: 4 }) })
const part: fc.Arbitrary<Choice['parts'][number]> = fc.oneof(
  fc.record({ type: fc.constant('text'), text }),
  fc.record({ type: fc.constant('reasoning'), text, signature: opaque }),
  fc.record({ type: fc.constant('reasoning'), text: fc.constant(''), redacted: opaque }),
)
const calls: fc.Arbitrary<Choice['parts']> = fc.uniqueArray(
  fc.record({
    type: fc.constant('tool_call'),
    id: fc.stringMatching(/^toolu_[a-zA-Z0-9]{1,8}$/),
    name: fc.constantFrom('f', 'g'),
    arguments: fc
      .dictionary(fc.constantFrom('a', 'b'), text, { noNullPrototype: true })
      .map((input) => JSON.stringify(input)),
  }),
  { selector: ({ id }) => id, maxLength: 2 },
)
const usage: fc.Arbitrary<Usage> = fc.record({
  input: fc.integer({ min: 100, max: 200 }),
  output: fc.nat(100),
  cachedInput: fc.integer({ min: 1, max: 40 }),
  cacheWriteInput: fc.integer({ min: 1, max: 40 }),
  reasoning: fc.nat(100),
})

const anyAnswer: fc.Arbitrary<Answer> = fc
  .record({
    id: fc.constantFrom('msg_1', 'msg_2'),
    parts: fc.array(part, { maxLength: 4 }),
    calls,
    finish: fc.constantFrom('stop' as const, 'length' as const, 'refusal' as const, 'pause' as const),
    stopSequence: fc.option(fc.constant('END'), { nil: undefined }),
    usage,
  })
  .map(({ id, parts, calls, finish, stopSequence, usage }) => {
    const called = calls.length > 0
    return {
      id,
      model: 'smart',
      choices: [
        {
          parts: [...parts, ...calls],
          finish: called ? 'tool_calls' : finish,
          ...(!called && finish === 'stop' && stopSequence !== undefined && { stopSequence }),
        },
      ],
      usage,
    }
  })

test('whole', () => {
  fc.assert(
    fc.property(anyAnswer, (told) => {
      expect(messages.readAnswer(messages.writeAnswer(told, answerContext()))).toEqual(told)
    }),
  )
})

test('streamed, cut anywhere', () => {
  fc.assert(
    fc.property(anyAnswer, fc.array(fc.nat(), { maxLength: 6 }), (told, positions) => {
      const text = messages.writeStream(answerContext()).write(eventsTelling(told))
      expect(wholeOf(read(cut(encode(text), positions)))).toEqual(told)
    }),
  )
})

function read(pieces: readonly Uint8Array[]): AnswerEvent[] {
  const reader = messages.readStream()
  return [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()]
}
