import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../conversation.ts'
import { writeAnswer } from './answer.ts'
import { withoutForeign } from './foreign.ts'
import { answerContext } from './testing.ts'

const user: JsonObject = { role: 'user', content: 'chaperone.anthropic.' }
const details = (...entries: JsonObject[]): JsonObject => ({
  role: 'assistant',
  content: 'Hi',
  reasoning_content: 'Hm.',
  reasoning_details: entries,
})
const own: JsonObject = { type: 'reasoning.text', text: 'Hm.', signature: 'Sig', format: 'anthropic-claude-v1' }
const foreign: JsonObject = { type: 'reasoning.text', text: 'Hm.', signature: 'chaperone.anthropic.Sig', index: 0 }
const call = (signature?: string): JsonObject => ({
  id: 'a',
  type: 'function',
  function: { name: 'f', arguments: '{}' },
  ...(signature !== undefined && { extra_content: { google: { thought_signature: signature } } }),
})

test('what this service gave a client of another provider’s is taken out', () => {
  const { choices } = writeAnswer(
    {
      id: 'x',
      model: 'm',
      choices: [
        {
          parts: [
            { type: 'reasoning', text: 'Hm.', signature: { origin: 'anthropic', value: 'Sig' } },
            { type: 'text', text: 'Hi' },
            { type: 'tool_call', id: 'a', name: 'f', arguments: '{}', signature: { origin: 'bedrock', value: 'S' } },
          ],
          finish: 'tool_calls',
        },
      ],
    },
    answerContext(),
  )
  const { message } = (choices as JsonObject[])[0]!
  expect(withoutForeign({ model: 'm', messages: [user, message] })).toEqual({
    model: 'm',
    messages: [user, { role: 'assistant', content: 'Hi', refusal: null, tool_calls: [call()] }],
  })
})

test('the server’s own proof stays beside it, without the text that both share', () => {
  expect(withoutForeign({ messages: [details(foreign, own)] })).toEqual({
    messages: [{ role: 'assistant', content: 'Hi', reasoning_details: [own] }],
  })
})

test('only the signature of a call goes; what else Google’s field holds goes with it', () => {
  const signed = { role: 'assistant', content: null, tool_calls: [call('chaperone.bedrock.S'), call('own')] }
  expect(withoutForeign({ messages: [signed] })).toEqual({
    messages: [{ role: 'assistant', content: null, tool_calls: [call(), call('own')] }],
  })
})

describe('what stays as it is', () => {
  test.each<[JsonObject]>([
    [{}],
    [{ messages: 'chaperone.anthropic.x' }],
    [{ messages: [user, null, 5, [], { role: 'assistant', reasoning_details: 'x', tool_calls: {} }] }],
    [{ messages: [{ role: 'assistant', reasoning_details: [null, 5, own], tool_calls: [null, call(), call('Sig')] }] }],
    [{ messages: [{ role: 'assistant', content: 'Hi', reasoning_content: 'Hm.' }] }],
  ])('%j', (body) => {
    expect(withoutForeign(body)).toBeUndefined()
  })
})
