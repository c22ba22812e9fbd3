import { describe, expect, test } from 'vitest'
import { readCountAnswer, readCountRequest, writeCountAnswer, writeCountRequest } from './count-tokens.ts'
import { client, requestContext } from './testing.ts'

const tools = [{ name: 'f', input_schema: { type: 'object', properties: {} } }]
const body = { model: 'smart', system: 'Be brief.', messages: [{ role: 'user', content: 'Hello' }], tools }

describe('a request', () => {
  test('needs no bound', () => {
    expect(readCountRequest(body)).toEqual({
      turns: [
        { role: 'system', parts: [{ type: 'text', text: 'Be brief.' }] },
        { role: 'user', parts: [{ type: 'text', text: 'Hello' }] },
      ],
      tools: [{ name: 'f', parameters: tools[0]!.input_schema }],
      stream: false,
      extra: {},
    })
  })

  test('is held to its types', () => {
    expect(() => readCountRequest({ ...body, messages: 'Hello' })).toThrow(
      expect.objectContaining({ status: 400, param: 'messages' }),
    )
  })

  test('is written with what counts', () => {
    const conversation = {
      ...readCountRequest({
        ...body,
        tool_choice: { type: 'none' },
        thinking: { type: 'enabled', budget_tokens: 2048 },
      }),
      temperature: 0.5,
      stop: ['END'],
      user: 'u1',
      maxTokens: 100_000,
      stream: true,
    }
    const written = writeCountRequest(conversation, requestContext())
    expect(Object.keys(written).toSorted()).toEqual(['messages', 'model', 'system', 'thinking', 'tool_choice', 'tools'])
    expect(written).toMatchObject({ model: 'claude-sonnet-4-5', thinking: { type: 'enabled', budget_tokens: 2048 } })
  })
})

describe('an answer', () => {
  test('is one for the SDK', async () => {
    const answer = client(JSON.stringify(writeCountAnswer(12)), 'application/json')
    const counted = await answer.messages.countTokens({
      model: 'smart',
      messages: [{ role: 'user', content: 'Hello' }],
    })
    expect(counted.input_tokens).toBe(12)
  })

  test('is read', () => {
    expect(readCountAnswer({ input_tokens: 12 })).toBe(12)
  })

  test.each([{}, { input_tokens: '12' }, { input_tokens: -1 }])('like %j is none', (answer) => {
    expect(() => readCountAnswer(answer)).toThrow(expect.objectContaining({ status: 502 }))
  })
})
