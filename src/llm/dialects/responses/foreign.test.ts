import { expect, test } from 'vitest'
import type { JsonObject } from '../../conversation.ts'
import { writeAnswer } from './answer.ts'
import { withoutForeign } from './foreign.ts'
import { answerContext } from './testing.ts'

const message: JsonObject = { role: 'user', content: 'chaperone.anthropic.' }
const own: JsonObject = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAA' }

test('what another provider gave is taken out, whatever shape it has', () => {
  const { output } = writeAnswer(
    {
      id: 'x',
      model: 'm',
      choices: [
        {
          parts: [
            { type: 'reasoning', text: 'Hm.', signature: { origin: 'anthropic', value: 'Sig' } },
            { type: 'reasoning', text: 'unproven' },
            { type: 'reasoning', text: '', redacted: { origin: 'openai', value: 'gBBB' } },
            { type: 'tool_call', id: 'c', name: 'f', arguments: '{}', signature: { origin: 'gemini', value: 'Sig' } },
          ],
          finish: 'tool_calls',
        },
      ],
    },
    answerContext(),
  )
  expect(withoutForeign({ model: 'm', input: [message, own, ...(output as JsonObject[])] })).toEqual({
    model: 'm',
    input: [
      message,
      own,
      { type: 'reasoning', summary: [], encrypted_content: 'gBBB' },
      expect.objectContaining({ type: 'function_call', call_id: 'c' }),
    ],
  })
})

test.each<[JsonObject]>([
  [{ input: 'chaperone.anthropic.x' }],
  [{ input: [message, own, null, 5, { type: 'reasoning', id: 5 }] }],
  [{}],
])('%j stays as it is', (body) => {
  expect(withoutForeign(body)).toBeUndefined()
})
