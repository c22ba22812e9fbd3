import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { JsonObject } from '../../conversation.ts'
import type { Observed } from '../../dialect.ts'
import { observe, observedKeys } from './observe.ts'

function seenIn(...events: JsonObject[]): Observed {
  const seen: Observed = { finishReasons: [] }
  for (const event of events) observe(event, seen)
  return seen
}

const chunk = (fields: JsonObject): JsonObject => ({ id: 'chatcmpl-1', model: 'gpt-4.1-2025', ...fields })
const choice = (fields: JsonObject, index = 0): JsonObject => ({ choices: [{ index, delta: {}, ...fields }] })

const table: [string, JsonObject[], Observed][] = [
  [
    'a whole answer',
    [
      chunk({
        choices: [{ index: 0, message: { content: 'Hi' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 5, completion_tokens: 2 },
      }),
    ],
    { id: 'chatcmpl-1', model: 'gpt-4.1-2025', usage: { input: 5, output: 2 }, finishReasons: ['stop'] },
  ],
  [
    'a stream',
    [
      chunk(choice({ finish_reason: 'length' })),
      chunk({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 2 } }),
    ],
    { id: 'chatcmpl-1', model: 'gpt-4.1-2025', usage: { input: 5, output: 2 }, finishReasons: ['length'] },
  ],
  [
    'several choices, one repeated',
    [choice({ finish_reason: 'stop' }), choice({ finish_reason: 'length' }, 1), choice({ finish_reason: 'length' }, 1)],
    { finishReasons: ['stop', 'length'] },
  ],
  [
    'a forced call and a refusal, which both end with stop',
    [
      {
        choices: [
          { index: 0, message: { tool_calls: [{ id: 'a' }] }, finish_reason: 'stop' },
          { index: 1, message: { refusal: 'No.', function_call: null }, finish_reason: 'stop' },
        ],
      },
    ],
    { finishReasons: ['tool_calls', 'refusal'] },
  ],
  [
    'usage that grows, as vLLM tells it',
    [
      choice({}),
      { usage: { prompt_tokens: 5, completion_tokens: 1 } },
      { usage: { prompt_tokens: 5, completion_tokens: 2 } },
      { usage: null },
    ],
    { usage: { input: 5, output: 2 }, finishReasons: [] },
  ],
  [
    'Groq’s usage',
    [{ x_groq: { usage: { prompt_tokens: 5, completion_tokens: 1 } } }],
    { usage: { input: 5, output: 1 }, finishReasons: [] },
  ],
  [
    'Moonshot’s usage',
    [choice({ finish_reason: 'stop', usage: { prompt_tokens: 5, completion_tokens: 1 } })],
    { usage: { input: 5, output: 1 }, finishReasons: ['stop'] },
  ],
  [
    'an error inside the stream',
    [{ error: { code: 'server_error', message: 'x' } }],
    { error: 'server_error', finishReasons: [] },
  ],
  [
    'a legacy completion',
    [{ id: 'cmpl-1', model: 'm', choices: [{ text: 'Hi', index: 0, finish_reason: 'length' }] }],
    { id: 'cmpl-1', model: 'm', finishReasons: ['length'] },
  ],
]

test.each(table)('%s', (_, events, expected) => {
  expect(seenIn(...events)).toEqual(expected)
})

test.each(table)('%s: the keys mark all that is to be seen', (_, events, { usage, error, finishReasons }) => {
  const marked = events.filter((event) => observedKeys.some((key) => JSON.stringify(event).includes(`"${key}":`)))
  expect(seenIn(...marked)).toMatchObject({ ...(usage && { usage }), ...(error && { error }), finishReasons })
})

const wild = fc.dictionary(
  fc.constantFrom('id', 'model', 'usage', 'error', 'choices', 'x_groq', 'object'),
  fc.oneof(
    fc.jsonValue(),
    fc.array(fc.dictionary(fc.constantFrom('index', 'finish_reason', 'message', 'delta', 'usage'), fc.jsonValue())),
    fc.dictionary(fc.constantFrom('prompt_tokens', 'code', 'type', 'message', 'error', 'usage'), fc.jsonValue()),
  ),
)

test('nothing makes it throw, or grow', () => {
  fc.assert(
    fc.property(fc.array(wild), (events) => {
      const seen = seenIn(...(events as JsonObject[]))
      const choices = events.flatMap((event) => (Array.isArray(event.choices) ? event.choices : []))
      expect(seen.finishReasons.length).toBeLessThanOrEqual(choices.length)
      expect(Object.keys(seen.finishReasons)).toHaveLength(seen.finishReasons.length)
    }),
  )
})
