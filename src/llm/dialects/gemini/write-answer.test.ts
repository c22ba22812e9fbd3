import { describe, expect, test } from 'vitest'
import type { Answer, Choice, FinishReason, JsonObject } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { readAnswer } from './answer.ts'
import { writeProof } from './proof.ts'
import { answerContext, client } from './testing.ts'
import { writeAnswer } from './write-answer.ts'

const answer = (parts: Choice['parts'], fields: Partial<Choice> = {}): Answer => ({
  id: 'gen-1',
  model: 'other-model',
  choices: [{ parts, finish: 'stop', ...fields }],
})
const write = (...of: Parameters<typeof answer>) => writeAnswer(answer(...of), answerContext())
const partsOf = (parts: Choice['parts'], fields: Partial<Choice> = {}) =>
  (write(parts, fields).candidates as { content: { parts: JsonObject[] } }[])[0]!.content.parts

describe('writeAnswer', () => {
  test('a text', () => {
    expect(write([{ type: 'text', text: 'Hello' }])).toEqual({
      candidates: [{ content: { role: 'model', parts: [{ text: 'Hello' }] }, finishReason: 'STOP', index: 0 }],
      modelVersion: 'smart',
      responseId: 'gen-1',
    })
  })

  test('an answer without an id gets one', () => {
    expect(writeAnswer({ ...answer([]), id: '' }, answerContext())).toMatchObject({ responseId: 'abc' })
  })

  const claude = { origin: 'anthropic', value: 'sig' } as const
  const openai = { origin: 'openai', value: 'enc' } as const
  const gemini = { origin: 'gemini', value: 'c2ln' } as const
  const unsigned = writeProof({ kind: 'signature', opaque: { origin: 'openai', value: '' } })
  const cases: [name: string, part: Choice['parts'][number], written: JsonObject[]][] = [
    ['an empty text', { type: 'text', text: '' }, []],
    ['a refusal', { type: 'refusal', text: 'No.' }, [{ text: 'No.' }]],
    ['a thought', { type: 'reasoning', text: 'Hm' }, [{ text: 'Hm', thought: true }]],
    ['a thought that says nothing', { type: 'reasoning', text: '' }, []],
    [
      'a thought of Claude’s',
      { type: 'reasoning', text: 'Hm', signature: claude },
      [{ text: 'Hm', thought: true, thoughtSignature: writeProof({ kind: 'signature', opaque: claude }) }],
    ],
    [
      'encrypted thinking',
      { type: 'reasoning', text: '', redacted: openai },
      [{ text: '', thought: true, thoughtSignature: writeProof({ kind: 'redacted', opaque: openai }) }],
    ],
    [
      'a call of Gemini’s',
      { type: 'tool_call', id: '1', name: 'f', arguments: '{"a":1}', signature: gemini },
      [{ functionCall: { id: '1', name: 'f', args: { a: 1 } }, thoughtSignature: 'c2ln' }],
    ],
    [
      'a call of another model’s',
      { type: 'tool_call', id: '1', name: 'f', arguments: ' ' },
      [{ functionCall: { id: '1', name: 'f', args: {} }, thoughtSignature: unsigned }],
    ],
  ]
  test.each(cases)('%s', (_, part, written) => {
    expect(partsOf([part])).toEqual(written)
  })

  test.each<[FinishReason, string]>([
    ['stop', 'STOP'],
    ['tool_calls', 'STOP'],
    ['length', 'MAX_TOKENS'],
    ['pause', 'MAX_TOKENS'],
    ['content_filter', 'SAFETY'],
    ['refusal', 'SAFETY'],
  ])('%s ends with %s', (finish, finishReason) => {
    expect(write([], { finish })).toMatchObject({ candidates: [{ finishReason }] })
  })

  test('a refusal in words is no ordinary end', () => {
    expect(write([{ type: 'refusal', text: 'No.' }])).toMatchObject({ candidates: [{ finishReason: 'SAFETY' }] })
  })

  const broken: Choice['parts'] = [{ type: 'tool_call', id: '1', name: 'f', arguments: '{"a":' }]
  test('broken arguments are an error, unless the end cut them short', () => {
    expect(() => write(broken, { finish: 'tool_calls' })).toThrow(
      expect.objectContaining({ status: 502, code: 'bad_tool_arguments' }),
    )
    expect(partsOf(broken, { finish: 'length' })).toEqual([])
  })

  test('an answer that failed is an error; one candidate of several may', () => {
    expect(() => write([], { finish: 'error' })).toThrow(ApiError)
    expect(() => writeAnswer({ ...answer([]), choices: [] }, answerContext())).toThrow(ApiError)
    const both = {
      ...answer([]),
      choices: [
        { parts: [], finish: 'error' as const },
        { parts: [], finish: 'stop' as const },
      ],
    }
    expect(writeAnswer(both, answerContext())).toMatchObject({
      candidates: [{ finishReason: 'OTHER' }, { finishReason: 'STOP' }],
    })
  })

  test('usage: thoughts beside the candidates, what is cached within the prompt', () => {
    const usage = { input: 100, output: 50, reasoning: 30, cachedInput: 40, audioInput: 5, audioOutput: 6 }
    expect(writeAnswer({ ...answer([]), usage }, answerContext()).usageMetadata).toEqual({
      promptTokenCount: 100,
      candidatesTokenCount: 20,
      thoughtsTokenCount: 30,
      totalTokenCount: 150,
      cachedContentTokenCount: 40,
      promptTokensDetails: [{ modality: 'AUDIO', tokenCount: 5 }],
      candidatesTokensDetails: [{ modality: 'AUDIO', tokenCount: 6 }],
    })
  })

  test('what is written is read again', () => {
    const whole: Answer = {
      id: 'gen-1',
      model: 'smart',
      choices: [
        {
          parts: [
            { type: 'text', text: 'Hello' },
            { type: 'tool_call', id: '1', name: 'f', arguments: '{"a":1}', signature: gemini },
          ],
          finish: 'tool_calls',
          logprobs: [
            { token: 'Hello', logprob: -0.1, bytes: null, top_logprobs: [{ token: 'Hi', logprob: -2, bytes: null }] },
          ],
        },
        { parts: [{ type: 'text', text: 'Hi' }], finish: 'length' },
      ],
      usage: { input: 10, output: 5, reasoning: 2, cachedInput: 3, audioInput: 1, audioOutput: 1 },
    }
    expect(readAnswer(writeAnswer(whole, answerContext()))).toEqual(whole)
  })

  test('the real SDK understands it', async () => {
    const body = write(
      [
        { type: 'reasoning', text: 'Hm', signature: claude },
        { type: 'text', text: 'Hello' },
        { type: 'tool_call', id: '1', name: 'f', arguments: '{"a":1}' },
      ],
      { finish: 'tool_calls' },
    )
    const response = await client(JSON.stringify(body), 200, 'application/json').models.generateContent({
      model: 'smart',
      contents: 'x',
    })
    expect(response.candidates?.[0]?.content?.parts?.map(({ text }) => text)).toEqual(['Hm', 'Hello', undefined])
    expect(response.functionCalls).toEqual([{ id: '1', name: 'f', args: { a: 1 } }])
    expect(response.responseId).toBe('gen-1')
  })
})
