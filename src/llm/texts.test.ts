import { expect, test } from 'vitest'
import type { Answer, JsonObject } from './conversation.ts'
import type { ClientFormat } from './dialects/index.ts'
import { mapAnswerTexts, mapRequestTexts } from './texts.ts'

const image = { type: 'image_url', image_url: { url: 'https://x.example/a' } }

const requests: [ClientFormat, JsonObject][] = [
  [
    'chat',
    {
      model: 'm',
      user: 'u',
      messages: [
        { role: 'system', content: 'T' },
        { role: 'user', name: 'n', content: [{ type: 'text', text: 'T' }, image] },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: 'T' } }],
        },
        { role: 'tool', tool_call_id: 'c', content: 'T' },
      ],
    },
  ],
  ['completions', { model: 'm', prompt: ['T', 'T'], suffix: 'T' }],
  ['openai-embeddings', { model: 'm', input: 'T' }],
  [
    'responses',
    {
      model: 'm',
      instructions: 'T',
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'T' },
            { type: 'input_image', image_url: 'u' },
          ],
        },
        { type: 'function_call', call_id: 'c', name: 'f', arguments: 'T' },
        { type: 'function_call_output', call_id: 'c', output: 'T' },
        { type: 'reasoning', id: 'r', encrypted_content: 'e', summary: [] },
      ],
    },
  ],
  ['responses', { model: 'm', input: 'T' }],
  [
    'messages',
    {
      model: 'm',
      system: [{ type: 'text', text: 'T', cache_control: { type: 'ephemeral' } }],
      messages: [
        { role: 'user', content: 'T' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'signed', signature: 's' },
            { type: 'tool_use', id: 'i', name: 'f', input: { a: 'T', b: [{ c: 'T' }], n: 1 } },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'i', content: [{ type: 'text', text: 'T' }] },
            { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'T' } },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'bytes' } },
          ],
        },
      ],
    },
  ],
  [
    'gemini',
    {
      systemInstruction: { parts: [{ text: 'T' }] },
      contents: [
        { role: 'user', parts: [{ text: 'T' }, { inlineData: { mimeType: 'image/png', data: 'bytes' } }] },
        {
          role: 'model',
          parts: [{ text: 'signed', thought: true }, { functionCall: { name: 'f', args: { a: 'T' } } }],
        },
        { role: 'user', parts: [{ functionResponse: { name: 'f', response: { out: 'T' } } }] },
      ],
    },
  ],
]

test.each(requests)('%s: every text is changed, and nothing else', (format, body) => {
  const before = JSON.stringify(body)
  const changed = mapRequestTexts(format, body, (text) => (text === 'T' ? 'changed' : `${text}!`))
  expect(JSON.stringify(changed)).toBe(before.replaceAll('"T"', '"changed"'))
  expect(JSON.stringify(body)).toBe(before)
})

test.each(requests)('%s: what stays the same is not copied', (format, body) => {
  expect(mapRequestTexts(format, body, (text) => text)).toBe(body)
})

test.each(['chat', 'completions', 'openai-embeddings', 'responses', 'messages', 'gemini'] as const)(
  '%s: bodies of any form are walked',
  (format) => {
    for (const value of [null, 1, 'x', [], [null], {}, [[]], { content: {} }]) {
      const body = {
        messages: value,
        input: value,
        contents: value,
        system: value,
        prompt: value,
        systemInstruction: value,
      }
      expect(() => mapRequestTexts(format, body as JsonObject, (text) => `${text}!`)).not.toThrow()
    }
  },
)

test('an answer’s texts, refusals and arguments are changed; its thinking stays', () => {
  const answer: Answer = {
    id: 'i',
    model: 'm',
    choices: [
      {
        finish: 'stop',
        parts: [
          { type: 'reasoning', text: 'T' },
          { type: 'text', text: 'T' },
          { type: 'refusal', text: 'T' },
          { type: 'tool_call', id: 'c', name: 'f', arguments: 'T' },
        ],
      },
    ],
  }
  const { choices } = mapAnswerTexts(answer, () => 'changed')
  expect(choices[0]?.parts).toEqual([
    { type: 'reasoning', text: 'T' },
    { type: 'text', text: 'changed' },
    { type: 'refusal', text: 'changed' },
    { type: 'tool_call', id: 'c', name: 'f', arguments: 'changed' },
  ])
})
