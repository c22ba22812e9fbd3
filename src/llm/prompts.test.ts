import { expect, test } from 'vitest'
import { prompts as schema } from '../config/prompts.ts'
import { ExpressionCompiler } from '../policy/expression.ts'
import { factsOf } from '../policy/facts-of.ts'
import type { JsonObject } from './conversation.ts'
import type { ClientFormat } from './dialects/index.ts'
import { ApiError } from './errors.ts'
import { Prompts } from './prompts.ts'

const apply = (rule: Parameters<typeof schema.parse>[0], format: ClientFormat, body: JsonObject, facts = factsOf()) =>
  new Prompts(schema.parse(rule), new ExpressionCompiler()).apply(format, body, facts)

const house = { house: { prepend: 'Before.', append: 'After.' } }
const user = { role: 'user', content: 'Hi' }

test.each<[ClientFormat, JsonObject, JsonObject]>([
  [
    'chat',
    { messages: [{ role: 'system', content: 'Own.' }, user] },
    {
      messages: [
        { role: 'system', content: 'Before.' },
        { role: 'system', content: 'Own.' },
        { role: 'system', content: 'After.' },
        user,
      ],
    },
  ],
  [
    'chat',
    { messages: [user] },
    { messages: [{ role: 'system', content: 'Before.' }, { role: 'system', content: 'After.' }, user] },
  ],
  [
    'chat',
    { messages: [{ role: 'developer', content: 'Own.' }] },
    {
      messages: [
        { role: 'developer', content: 'Before.' },
        { role: 'developer', content: 'Own.' },
        { role: 'developer', content: 'After.' },
      ],
    },
  ],
  ['responses', { input: 'Hi' }, { input: 'Hi', instructions: 'Before.\n\nAfter.' }],
  ['responses', { instructions: 'Own.' }, { instructions: 'Before.\n\nOwn.\n\nAfter.' }],
  ['messages', { system: 'Own.' }, { system: 'Before.\n\nOwn.\n\nAfter.' }],
  [
    'messages',
    { system: [{ type: 'text', text: 'Own.', cache_control: { type: 'ephemeral' } }] },
    {
      system: [
        { type: 'text', text: 'Before.' },
        { type: 'text', text: 'Own.', cache_control: { type: 'ephemeral' } },
        { type: 'text', text: 'After.' },
      ],
    },
  ],
  [
    'gemini',
    { system_instruction: { parts: [{ text: 'Own.' }] }, contents: [] },
    { contents: [], systemInstruction: { parts: [{ text: 'Before.' }, { text: 'Own.' }, { text: 'After.' }] } },
  ],
  ['completions', { prompt: 'Hi' }, { prompt: 'Hi' }],
  ['openai-embeddings', { input: 'Hi' }, { input: 'Hi' }],
])('%s: the system prompt stands where the API has it', (format, body, expected) => {
  const before = structuredClone(body)
  expect(apply(house, format, body)).toEqual(expected)
  expect(body).toEqual(before)
})

test('defaults are set where the client sent none, overrides always, under the API’s own names', () => {
  const rule = { p: { defaults: { temperature: 0.2, max_tokens: 100 }, overrides: { stop: ['END'], user: 'x' } } }
  expect(apply(rule, 'chat', { temperature: 1, stop: ['MINE'] })).toEqual({
    temperature: 1,
    max_completion_tokens: 100,
    stop: ['END'],
    user: 'x',
  })
  expect(apply(rule, 'chat', { max_tokens: 5 })).toMatchObject({ max_tokens: 5 })
  expect(apply(rule, 'messages', {})).toMatchObject({ temperature: 0.2, max_tokens: 100, stop_sequences: ['END'] })
  expect(apply(rule, 'responses', {})).toMatchObject({ max_output_tokens: 100 })
  expect(apply(rule, 'gemini', { generation_config: { temperature: 0.9 } })).toEqual({
    generationConfig: { temperature: 0.9, maxOutputTokens: 100, stopSequences: ['END'] },
    user: 'x',
  })
})

test('an override of the bound takes the older name away, which would exclude it', () => {
  expect(apply({ p: { overrides: { max_tokens: 10 } } }, 'chat', { max_tokens: 5000 })).toEqual({
    max_completion_tokens: 10,
  })
})

test('only the parameters that are allowed may be sent', () => {
  const rule = { strict: { allowParameters: ['temperature', 'max_tokens'] } }
  expect(apply(rule, 'chat', { model: 'm', messages: [], temperature: 1, max_completion_tokens: 5 })).toBeDefined()
  expect(() => apply(rule, 'chat', { model: 'm', messages: [], logit_bias: {} })).toThrow(ApiError)
  expect(() => apply(rule, 'gemini', { contents: [], generationConfig: { topK: 4 } })).toThrow(/prompts\.strict.*topK/)
  expect(apply(rule, 'gemini', { contents: [], generationConfig: { maxOutputTokens: 4 } })).toBeDefined()
})

test('a rule is for the requests it names, and the same object comes back where none applies', () => {
  const body = { messages: [user] }
  const rule = { research: { when: 'identity.team == "research"', prepend: 'Cite.' } }
  expect(apply(rule, 'chat', body)).toBe(body)
  expect(apply(rule, 'chat', body, factsOf({ identity: { team: 'research' } })).messages).toHaveLength(2)
})

test('rules apply in the order of the file', () => {
  const rule = { first: { append: 'one' }, second: { append: 'two' } }
  expect(apply(rule, 'responses', {})).toEqual({ instructions: 'one\n\ntwo' })
})
