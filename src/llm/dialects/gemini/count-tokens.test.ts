import { expect, test } from 'vitest'
import { readCountAnswer, writeCountRequest } from './count-tokens.ts'
import { context, conversation } from './testing.ts'

const asked = conversation({
  turns: [{ role: 'system', parts: [{ type: 'text', text: 'Be brief.' }] }, ...conversation().turns],
  tools: [{ name: 'f' }],
  toolChoice: { type: 'required' },
})
const counted = {
  systemInstruction: { parts: [{ text: 'Be brief.' }] },
  contents: [{ role: 'user', parts: [{ text: 'Hello' }] }],
  tools: [{ functionDeclarations: [{ name: 'f' }] }],
}

test.each(['gemini-2.5-flash', 'models/gemini-2.5-flash'])('the Gemini API counts a whole request: %s', (model) => {
  expect(writeCountRequest(asked, context(model))).toEqual({
    generateContentRequest: {
      model: 'models/gemini-2.5-flash',
      ...counted,
      toolConfig: { functionCallingConfig: { mode: 'ANY' } },
    },
  })
})

test('Vertex AI counts the fields of one', () => {
  expect(writeCountRequest(asked, context(), 'vertex')).toEqual(counted)
})

test('the count', () => {
  expect(readCountAnswer({ totalTokens: 31, promptTokensDetails: [] })).toBe(31)
  expect(() => readCountAnswer({})).toThrow(expect.objectContaining({ name: 'ApiError', status: 502 }))
})
