import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Answer, Choice, JsonObject } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { readAnswer } from './answer.ts'
import { errorOf } from './testing.ts'

const answered = (content: unknown, fields: JsonObject = {}): JsonObject => ({
  output: { message: { role: 'assistant', content } },
  stopReason: 'end_turn',
  ...fields,
})
const partsOf = (...content: unknown[]) => readAnswer(answered(content)).choices[0]!.parts
const choiceOf = (content: unknown[], fields: JsonObject): Choice => readAnswer(answered(content, fields)).choices[0]!

test('a whole answer', () => {
  expect(
    readAnswer({
      metrics: { latencyMs: 1275 },
      output: {
        message: {
          content: [
            { reasoningContent: { reasoningText: { text: 'Rain?', signature: 'EqoBCkgIARABGAIiQL4d' } } },
            { text: "I'll look." },
            { toolUse: { toolUseId: 'tooluse_k', name: 'weather', input: { city: 'Århus' } } },
          ],
          role: 'assistant',
        },
      },
      stopReason: 'tool_use',
      usage: {
        inputTokens: 12,
        outputTokens: 57,
        totalTokens: 1093,
        cacheReadInputTokens: 1000,
        cacheWriteInputTokens: 24,
        cacheDetails: [
          { ttl: '1h', inputTokens: 20 },
          { ttl: '5m', inputTokens: 4 },
        ],
      },
    }),
  ).toEqual({
    id: '',
    model: '',
    choices: [
      {
        parts: [
          { type: 'reasoning', text: 'Rain?', signature: { origin: 'bedrock', value: 'EqoBCkgIARABGAIiQL4d' } },
          { type: 'text', text: "I'll look." },
          { type: 'tool_call', id: 'tooluse_k', name: 'weather', arguments: '{"city":"Århus"}' },
        ],
        finish: 'tool_calls',
      },
    ],
    usage: { input: 1036, output: 57, cachedInput: 1000, cacheWriteInput: 24, cacheWrite1hInput: 20 },
  } satisfies Answer)
})

describe('a block of', () => {
  test.each<[string, JsonObject, Choice['parts']]>([
    ['no text', { text: '' }, []],
    [
      'text with its sources',
      { citationsContent: { content: [{ text: 'It ' }, 7, { text: 'rains.' }], citations: [{ title: 'News' }] } },
      [{ type: 'text', text: 'It rains.' }],
    ],
    [
      'a call without arguments',
      { toolUse: { toolUseId: 'a', name: 'now' } },
      [{ type: 'tool_call', id: 'a', name: 'now', arguments: '{}' }],
    ],
    [
      'a call without anything',
      { toolUse: { toolUseId: 7, name: null, input: null } },
      [{ type: 'tool_call', id: '', name: '', arguments: '{}' }],
    ],
    [
      'unproven thinking',
      { reasoningContent: { reasoningText: { text: 'Hm.', signature: '' } } },
      [{ type: 'reasoning', text: 'Hm.' }],
    ],
    [
      'thinking that is not shown',
      { reasoningContent: { reasoningText: { signature: 's' } } },
      [{ type: 'reasoning', text: '', signature: { origin: 'bedrock', value: 's' } }],
    ],
    [
      'redacted thinking',
      { reasoningContent: { redactedContent: 'cmVk' } },
      [{ type: 'reasoning', text: '', redacted: { origin: 'bedrock', value: 'cmVk' } }],
    ],
    ['thinking that says nothing', { reasoningContent: { reasoningText: { text: '' } } }, []],
    ['thinking of another form', { reasoningContent: { reasoningText: 'Hm.' } }, []],
    ['what nobody knows', { somethingNew: {} }, []],
  ])('%s', (_, block, parts) => {
    expect(partsOf(block)).toEqual(parts)
  })

  test.each(['image', 'audio', 'video', 'document', 'toolResult'])('%s cannot be carried', (kind) => {
    const error = errorOf(() => partsOf({ text: 'Look:' }, { [kind]: {} }))
    expect(error).toMatchObject({ status: 502, type: 'api_error', code: 'unsupported_answer' })
    expect(error.message).toContain(kind)
  })
})

test('the model that a prompt router chose', () => {
  const invokedModelId = 'arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0'
  expect(readAnswer(answered([], { trace: { promptRouter: { invokedModelId } } })).model).toBe(invokedModelId)
})

test('the stop sequence, where the model names it', () => {
  const additionalModelResponseFields = { stop_sequence: 'END' }
  expect(choiceOf([], { stopReason: 'stop_sequence', additionalModelResponseFields })).toEqual({
    parts: [],
    finish: 'stop',
    stopSequence: 'END',
  })
  expect(choiceOf([], { stopReason: 'stop_sequence' })).toEqual({ parts: [], finish: 'stop' })
  expect(choiceOf([], { stopReason: 'end_turn', additionalModelResponseFields })).not.toHaveProperty('stopSequence')
})

test('an answer that does not say how it ended has ended well', () => {
  expect(choiceOf([{ text: 'a' }], { stopReason: undefined }).finish).toBe('stop')
  expect(choiceOf([{ toolUse: {} }], { stopReason: null }).finish).toBe('tool_calls')
})

describe('no answer', () => {
  test.each<JsonObject>([
    {},
    { output: null },
    { output: 'Hello' },
    { output: { message: 'Hello' } },
    { output: { message: { role: 'assistant' } } },
    answered('Hello'),
    answered({ text: 'Hello' }),
  ])('%j', (body) => {
    expect(errorOf(() => readAnswer(body))).toMatchObject({
      status: 502,
      type: 'api_error',
      code: 'bad_provider_answer',
    })
  })

  test('but an exception, whatever status it came with', () => {
    const unknown = { Output: { __type: 'com.amazon.coral.service#UnknownOperationException' }, Version: '1.0' }
    expect(errorOf(() => readAnswer(unknown))).toMatchObject({
      status: 404,
      type: 'not_found_error',
      message: 'The provider answered with UnknownOperationException.',
    })
    expect(errorOf(() => readAnswer({ __type: 'ThrottlingException', message: 'Slow.' }))).toMatchObject({
      status: 429,
      type: 'rate_limit_error',
      message: 'Slow.',
    })
    expect(errorOf(() => readAnswer({ __type: 'NewException' }))).toMatchObject({ status: 502, type: 'api_error' })
  })
})

test('whatever JSON comes is read, or an error of the provider', () => {
  const anything = fc.jsonValue()
  const block = fc.oneof(
    anything,
    fc
      .tuple(fc.constantFrom('text', 'toolUse', 'reasoningContent', 'citationsContent', 'image'), anything)
      .map(([kind, value]) => ({ [kind]: value })),
    fc.record({ reasoningContent: fc.record({ reasoningText: anything, redactedContent: anything }) }),
    fc.record({ toolUse: fc.record({ toolUseId: anything, name: anything, input: anything }) }),
  )
  const body = fc.oneof(
    fc.dictionary(fc.string(), anything, { noNullPrototype: true }),
    fc
      .record({
        output: fc.oneof(anything, fc.record({ message: fc.record({ content: fc.array(block) }) })),
        stopReason: anything,
        usage: anything,
        trace: anything,
        additionalModelResponseFields: anything,
        __type: anything,
      })
      .map((fields): JsonObject => fields),
  )
  fc.assert(
    fc.property(body, (given) => {
      try {
        const { choices } = readAnswer(given)
        for (const part of choices[0]!.parts)
          if (part.type === 'tool_call') expect(() => JSON.parse(part.arguments)).not.toThrow()
      } catch (error) {
        expect(error).toBeInstanceOf(ApiError)
        expect((error as ApiError).status).toBeGreaterThanOrEqual(400)
      }
    }),
  )
})
