import { FinishReason as SdkFinishReason } from '@google/genai'
import { describe, expect, test } from 'vitest'
import type { FinishReason, JsonObject, Usage } from '../../conversation.ts'
import { readAnswer } from './answer.ts'
import { writeRequest } from './request.ts'
import { context, conversation } from './testing.ts'

const whole = (...parts: JsonObject[]): JsonObject => ({
  candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP', index: 0 }],
  responseId: 'r1',
  modelVersion: 'gemini-3-flash-preview',
})

describe('an answer', () => {
  test('text, with its signature before it, thoughts and calls', () => {
    const body = whole(
      { text: 'Hm.', thought: true },
      { text: 'Hm!', thought: true, thoughtSignature: 'T' },
      { text: 'Looking.', thoughtSignature: 'V' },
      { functionCall: { id: 'x1', name: 'weather', args: { city: 'Oslo' } }, thoughtSignature: 'C' },
      { functionCall: { id: 'x2', name: 'time' } },
    )
    expect(readAnswer({ ...body, createTime: '2026-02-03T04:05:06.789Z' })).toEqual({
      id: 'r1',
      model: 'gemini-3-flash-preview',
      created: Date.UTC(2026, 1, 3, 4, 5, 6) / 1000,
      choices: [
        {
          parts: [
            { type: 'reasoning', text: 'Hm.', summary: true },
            { type: 'reasoning', text: 'Hm!', summary: true, signature: { origin: 'gemini', value: 'T' } },
            { type: 'reasoning', text: '', summary: true, signature: { origin: 'gemini', value: 'V' } },
            { type: 'text', text: 'Looking.' },
            {
              type: 'tool_call',
              id: 'x1',
              name: 'weather',
              arguments: '{"city":"Oslo"}',
              signature: { origin: 'gemini', value: 'C' },
            },
            { type: 'tool_call', id: 'x2', name: 'time', arguments: '{}' },
          ],
          finish: 'tool_calls',
        },
      ],
    })
  })

  test('goes back to Gemini exactly as it came, unsigned thoughts apart', () => {
    const parts = [
      { text: 'Hm!', thought: true, thoughtSignature: 'T' },
      { text: 'Looking.', thoughtSignature: 'V' },
      { text: 'Still.' },
      { text: '', thoughtSignature: 'W' },
      { functionCall: { id: 'x1', name: 'weather', args: { city: 'Oslo' } }, thoughtSignature: 'C' },
      { functionCall: { id: 'x2', name: 'time', args: {} } },
    ]
    const { choices } = readAnswer(whole(...parts))
    const turns = [...conversation().turns, { role: 'assistant' as const, parts: choices[0]!.parts }]
    const { contents } = writeRequest(conversation({ turns }), context('gemini-3-flash-preview'))
    expect(contents).toEqual([expect.anything(), { role: 'model', parts }])
  })

  test('calls without ids get ones that are their own and do not change', () => {
    const call = { functionCall: { name: 'weather', args: { city: 'Oslo' } } }
    const ids = (body: JsonObject) =>
      readAnswer(body).choices.flatMap(({ parts }) => parts.map((part) => part.type === 'tool_call' && part.id))
    const [first, second] = ids(whole(call, call))
    expect(first).toMatch(/^call_[A-Za-z0-9_-]{24}$/)
    expect(second).not.toBe(first)
    expect(ids(whole(call, call))).toEqual([first, second])
    expect(ids({ ...whole(call), responseId: 'r2' })).not.toContain(first)
  })

  test('several candidates, in the order of their index', () => {
    const candidate = (text: string) => ({ content: { parts: [{ text }] }, finishReason: 'STOP' })
    const body = { candidates: [{ ...candidate('b'), index: 1 }, candidate('a')] }
    expect(readAnswer(body).choices.map(({ parts }) => parts)).toEqual([
      [{ type: 'text', text: 'a' }],
      [{ type: 'text', text: 'b' }],
    ])
  })

  test('log probabilities', () => {
    const body = {
      candidates: [
        {
          content: { parts: [{ text: 'Hi!' }] },
          logprobsResult: {
            chosenCandidates: [{ token: 'Hi', tokenId: 1, logProbability: -0.25 }, { token: '!' }],
            topCandidates: [
              {
                candidates: [
                  { token: 'Hi', logProbability: -0.25 },
                  { token: 'Yo', logProbability: -2 },
                ],
              },
            ],
          },
        },
      ],
    }
    expect(readAnswer(body).choices[0]).toEqual({
      parts: [{ type: 'text', text: 'Hi!' }],
      finish: 'stop',
      logprobs: [
        {
          token: 'Hi',
          logprob: -0.25,
          bytes: null,
          top_logprobs: [
            { token: 'Hi', logprob: -0.25, bytes: null },
            { token: 'Yo', logprob: -2, bytes: null },
          ],
        },
        { token: '!', logprob: 0, bytes: null, top_logprobs: [] },
      ],
    })
  })

  test.each<[JsonObject, Usage]>([
    [
      { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 },
      { input: 10, output: 5 },
    ],
    [
      {
        promptTokenCount: 100,
        toolUsePromptTokenCount: 7,
        candidatesTokenCount: 5,
        thoughtsTokenCount: 20,
        cachedContentTokenCount: 64,
        promptTokensDetails: [
          { modality: 'TEXT', tokenCount: 60 },
          { modality: 'AUDIO', tokenCount: 40 },
        ],
        candidatesTokensDetails: [{ modality: 'AUDIO', tokenCount: 2 }],
      },
      { input: 107, output: 25, reasoning: 20, cachedInput: 64, audioInput: 40, audioOutput: 2 },
    ],
    [
      { promptTokenCount: '10', candidatesTokenCount: -3 },
      { input: 0, output: 0 },
    ],
  ])('usage %j', (usageMetadata, usage) => {
    expect(readAnswer({ ...whole({ text: 'Hi' }), usageMetadata }).usage).toEqual(usage)
  })
})

describe('ends', () => {
  /** Every value the SDK knows: a new one does not compile until it stands here. */
  const ends: Record<SdkFinishReason, FinishReason> = {
    [SdkFinishReason.STOP]: 'stop',
    [SdkFinishReason.MAX_TOKENS]: 'length',
    [SdkFinishReason.CONTINUATION]: 'length',
    [SdkFinishReason.SAFETY]: 'content_filter',
    [SdkFinishReason.RECITATION]: 'content_filter',
    [SdkFinishReason.LANGUAGE]: 'content_filter',
    [SdkFinishReason.BLOCKLIST]: 'content_filter',
    [SdkFinishReason.PROHIBITED_CONTENT]: 'content_filter',
    [SdkFinishReason.SPII]: 'content_filter',
    [SdkFinishReason.IMAGE_SAFETY]: 'content_filter',
    [SdkFinishReason.IMAGE_PROHIBITED_CONTENT]: 'content_filter',
    [SdkFinishReason.IMAGE_RECITATION]: 'content_filter',
    [SdkFinishReason.MALFORMED_FUNCTION_CALL]: 'error',
    [SdkFinishReason.UNEXPECTED_TOOL_CALL]: 'error',
    [SdkFinishReason.TOO_MANY_TOOL_CALLS]: 'error',
    [SdkFinishReason.NO_IMAGE]: 'error',
    [SdkFinishReason.IMAGE_OTHER]: 'error',
    [SdkFinishReason.OTHER]: 'error',
    [SdkFinishReason.FINISH_REASON_UNSPECIFIED]: 'error',
  }

  test.each([...Object.entries(ends), ['SOMETHING_NEW', 'error'], ['constructor', 'error']])(
    '%s is %s',
    (finishReason, finish) => {
      const body = { candidates: [{ content: { parts: [{ text: 'Hi' }] }, finishReason }] }
      expect(readAnswer(body).choices[0]!.finish).toBe(finish)
    },
  )

  test.each(['STOP', 'FUNCTION_CALL', undefined])('%s after a call is tool_calls', (finishReason) => {
    const body = { candidates: [{ content: { parts: [{ functionCall: { name: 'f' } }] }, finishReason }] }
    expect(readAnswer(body).choices[0]!.finish).toBe('tool_calls')
  })

  test('a filter that cuts in after a call is still a filter', () => {
    const body = { candidates: [{ content: { parts: [{ functionCall: { name: 'f' } }] }, finishReason: 'SAFETY' }] }
    expect(readAnswer(body).choices[0]!.finish).toBe('content_filter')
  })

  test('a blocked prompt is an answer without content, and is paid for', () => {
    const body = { promptFeedback: { blockReason: 'PROHIBITED_CONTENT' }, usageMetadata: { promptTokenCount: 4 } }
    expect(readAnswer(body)).toEqual({
      id: '',
      model: '',
      choices: [{ parts: [], finish: 'content_filter' }],
      usage: { input: 4, output: 0 },
    })
  })

  test.each<[string, JsonObject]>([
    ['nothing', {}],
    ['no candidates', { candidates: [], usageMetadata: { promptTokenCount: 3 } }],
    ['candidates of another kind', { candidates: 'x' }],
    ['an unexplained feedback', { promptFeedback: {} }],
    ['a picture', whole({ inlineData: { mimeType: 'image/png', data: 'AAAA' } })],
  ])('%s is no answer', (_, body) => {
    expect(() => readAnswer(body)).toThrow(expect.objectContaining({ name: 'ApiError', status: 502 }))
  })
})
