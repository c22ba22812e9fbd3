import { describe, expect, test } from 'vitest'
import type { JsonObject, ReasoningPart, ToolCallPart } from '../../conversation.ts'
import { withoutForeign } from './foreign.ts'
import { answer, answerContext } from './testing.ts'
import { writeAnswer } from './write-answer.ts'

const own = { type: 'thinking', thinking: 'Hm.', signature: 'EqQB' }
const foreign = { type: 'thinking', thinking: 'Hm.', signature: 'chaperone.gemini.abc' }
const redacted = { type: 'redacted_thinking', data: 'chaperone.openai.gAAA' }
const text = { type: 'text', text: 'chaperone.gemini.abc is not a signature here' }
const call = { type: 'tool_use', id: 'toolu_1', name: 'f', input: {} }
const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'ok' }] }
const hello = { role: 'user', content: 'Hello' }
const assistant = (...content: JsonObject[]) => ({ role: 'assistant', content })
const request = (messages: unknown, fields: JsonObject = {}) => ({
  model: 'smart',
  max_tokens: 10,
  messages,
  ...fields,
})

/** What is left of the messages. */
const left = (...messages: unknown[]) => withoutForeign(request(messages))?.messages

describe('stays as it is', () => {
  test.each<[string, unknown]>([
    ["Claude's own thinking", [hello, assistant(own, { type: 'redacted_thinking', data: 'EmwK' }, text)]],
    ['what is no list of messages', 'Hello'],
    ['what is no message', [null, 7, { role: 'assistant', content: [null, 'x', { type: 'thinking' }] }]],
  ])('%s', (_, messages) => {
    expect(withoutForeign(request(messages))).toBeUndefined()
  })
})

describe('loses', () => {
  test("other providers' thinking, and nothing else", () => {
    const body = request([hello, assistant(own, foreign, redacted, text, call), result], { temperature: 0.5 })
    expect(withoutForeign(body)).toEqual({ ...body, messages: [hello, assistant(own, text, call), result] })
  })

  test('a message of nothing else', () => {
    expect(left(hello, assistant(foreign), hello)).toEqual([hello, hello])
  })

  test('what writeAnswer marks, of every origin and none', () => {
    const thoughts = (['openai', 'gemini', 'bedrock'] as const).flatMap((origin): (ReasoningPart | ToolCallPart)[] => [
      { type: 'reasoning', text: 'Hm.', signature: { origin, value: 'abc' } },
      { type: 'reasoning', text: '', redacted: { origin, value: 'abc' } },
      { type: 'tool_call', id: `call_${origin}`, name: 'f', arguments: '{}', signature: { origin, value: 'abc' } },
    ])
    const parts = [...thoughts, { type: 'reasoning' as const, text: 'Unsigned.' }]
    const { content } = writeAnswer(answer(parts, { finish: 'tool_calls' }), answerContext())
    const [message] = left({ role: 'assistant', content }) as [{ content: JsonObject[] }]
    expect(message.content.map(({ type }) => type)).toEqual(['tool_use', 'tool_use', 'tool_use'])
  })
})

describe('thinking by a budget', () => {
  const thinking = { type: 'enabled', budget_tokens: 2048 }
  const cleaned = (messages: unknown[], fields: JsonObject = {}) =>
    withoutForeign(request(messages, { thinking, ...fields }))

  test('is off while calls are answered that lost their thinking', () => {
    expect(cleaned([hello, assistant(foreign, call), result])).toEqual(request([hello, assistant(call), result]))
  })

  test('is off after calls told in two messages', () => {
    const messages = [hello, assistant(foreign), { role: 'assistant', content: 'So:' }, assistant(own, call), result]
    expect(cleaned(messages)).not.toHaveProperty('thinking')
  })

  test.each<[string, unknown[]]>([
    ['at a new question', [hello, assistant(foreign, text), hello]],
    ['where the calls keep their thinking', [hello, assistant(own, foreign, call), result]],
    [
      'where the foreign thinking is of an earlier answer',
      [hello, assistant(foreign, text), hello, assistant(own, call), result],
    ],
    ['without an answer', [assistant(foreign), result]],
  ])('is on %s', (_, messages) => {
    expect(cleaned(messages)).toHaveProperty('thinking', thinking)
  })

  test('takes the clearing of old thinking with it', () => {
    const clearing = { type: 'clear_thinking_20251015', keep: 'all' }
    const tools = { type: 'clear_tool_uses_20250919' }
    const messages = [hello, assistant(foreign, call), result]
    expect(cleaned(messages, { context_management: { edits: [clearing] } })).not.toHaveProperty('context_management')
    expect(cleaned(messages, { context_management: { edits: [clearing, tools] } })).toHaveProperty(
      'context_management',
      { edits: [tools] },
    )
  })

  test('adaptive thinking stays', () => {
    const adaptive = { type: 'adaptive' }
    const messages = [hello, assistant(foreign, call), result]
    expect(withoutForeign(request(messages, { thinking: adaptive }))).toHaveProperty('thinking', adaptive)
  })
})
