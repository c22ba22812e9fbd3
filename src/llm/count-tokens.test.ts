import { describe, expect, test } from 'vitest'
import type { JsonObject } from './conversation.ts'
import { countClients, tokenCounters } from './count-tokens.ts'
import { context, conversation } from './dialects/gemini/testing.ts'
import { providerDialects } from './dialects/index.ts'

const answers: [name: keyof typeof tokenCounters, field: string][] = [
  ['gemini', 'totalTokens'],
  ['messages', 'input_tokens'],
  ['converse', 'inputTokens'],
  ['responses', 'input_tokens'],
]

describe.each(answers)('a count in %s', (name, field) => {
  const counter = tokenCounters[name]!

  test('asks with the words of the conversation', () => {
    expect(JSON.stringify(counter.writeCountRequest(conversation(), context('m')))).toContain('Hello')
  })

  test('is the number that the answer holds', () => {
    expect(counter.readCountAnswer({ [field]: 0 })).toBe(0)
    expect(counter.readCountAnswer({ [field]: 12, other: 1 })).toBe(12)
  })

  test.each<JsonObject>([{}, { [field]: '12' }, { [field]: null }, { [field]: Number.NaN }, { [field]: [12] }])(
    'is an error of the provider where it holds none: %j',
    (body) => {
      expect(() => counter.readCountAnswer(body)).toThrow(
        expect.objectContaining({ name: 'ApiError', status: 502, code: 'bad_provider_answer' }),
      )
    },
  )
})

test('OpenAI’s count takes a request of /v1/responses', () => {
  const asked = tokenCounters.responses!.writeCountRequest(conversation(), context('m'))
  expect(asked).toEqual(providerDialects.responses.writeRequest(conversation(), context('m')))
})

test('every provider’s API but chat can count', () => {
  const others = Object.keys(providerDialects).filter((name) => name !== 'chat')
  expect(Object.keys(tokenCounters).sort()).toEqual(others.sort())
})

test.each<[name: keyof typeof countClients, asked: JsonObject, answer: JsonObject]>([
  ['messages', { model: 'm', messages: [{ role: 'user', content: 'Hello' }] }, { input_tokens: 5 }],
  ['gemini', { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] }, { totalTokens: 5 }],
])('a client of %s asks and is answered in its own form', (name, asked, answer) => {
  const client = countClients[name]!
  expect(client.readCountRequest(asked).turns).toMatchObject([
    { role: 'user', parts: [{ type: 'text', text: 'Hello' }] },
  ])
  expect(client.writeCountAnswer(5)).toEqual(answer)
})
