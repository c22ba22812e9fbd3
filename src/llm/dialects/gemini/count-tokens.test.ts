import { expect, test } from 'vitest'
import { readCountAnswer, writeCountRequest } from './count-tokens.ts'
import { context, conversation } from './testing.ts'

test('what is counted is what would be sent', () => {
  const asked = conversation({
    turns: [{ role: 'system', parts: [{ type: 'text', text: 'Be brief.' }] }, ...conversation().turns],
    tools: [{ name: 'f' }],
  })
  expect(writeCountRequest(asked, context())).toEqual({
    systemInstruction: { parts: [{ text: 'Be brief.' }] },
    contents: [{ role: 'user', parts: [{ text: 'Hello' }] }],
    tools: [{ functionDeclarations: [{ name: 'f' }] }],
  })
})

test('the count', () => {
  expect(readCountAnswer({ totalTokens: 31, promptTokensDetails: [] })).toBe(31)
  expect(() => readCountAnswer({})).toThrow(expect.objectContaining({ name: 'ApiError', status: 502 }))
})
