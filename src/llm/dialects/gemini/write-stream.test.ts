import type { GenerateContentResponse, Part } from '@google/genai'
import { describe, expect, test } from 'vitest'
import type { Answer, AnswerEvent, Choice, JsonObject } from '../../conversation.ts'
import { writeProof } from './proof.ts'
import { readRequest } from './read-request.ts'
import { readStream } from './stream.ts'
import { answerContext, answerEvents, client, eventsOf, partEvents } from './testing.ts'
import { writeStream } from './write-stream.ts'

const answer = (parts: Choice['parts'], fields: Partial<Choice> = {}): Answer => ({
  id: 'gen-1',
  model: 'other-model',
  choices: [{ parts, finish: 'stop', ...fields }],
  usage: { input: 10, output: 5 },
})
const textOf = (events: readonly AnswerEvent[]) => writeStream(answerContext()).write(events)
const write = (...of: Parameters<typeof answer>) => eventsOf(textOf(answerEvents(answer(...of))))
const candidateOf = (event: JsonObject) =>
  (event.candidates as { content: { parts: Part[] }; finishReason?: string }[])[0]!
const partsOf = (events: JsonObject[]) => events.flatMap((event) => candidateOf(event).content.parts)
const call = (id: string, text: string): Choice['parts'][number] => ({
  type: 'tool_call',
  id,
  name: 'f',
  arguments: text,
})

const claude = { origin: 'anthropic', value: 'sig' } as const
const claudeProof = writeProof({ kind: 'signature', opaque: claude })

describe('writeStream', () => {
  test('a text', () => {
    const about = { modelVersion: 'smart', responseId: 'gen-1' }
    expect(write([{ type: 'text', text: 'Hello' }])).toEqual([
      { candidates: [{ content: { role: 'model', parts: [{ text: 'Hel' }] }, index: 0 }], ...about },
      { candidates: [{ content: { role: 'model', parts: [{ text: 'lo' }] }, index: 0 }], ...about },
      {
        candidates: [{ content: { role: 'model', parts: [{ text: '' }] }, finishReason: 'STOP', index: 0 }],
        usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 },
        ...about,
      },
    ])
  })

  test('a thought in pieces, its proof after it', () => {
    expect(partsOf(write([{ type: 'reasoning', text: 'Hm', signature: claude }]))).toEqual([
      { text: 'H', thought: true },
      { text: 'm', thought: true },
      { text: '', thought: true, thoughtSignature: claudeProof },
      { text: '' },
    ])
  })

  test('calls come whole, in the order in which they are complete, a late signature with them', () => {
    const [first, second] = [partEvents(call('1', '{"a":1}'), 0), partEvents(call('2', '{"a":2}'), 1)]
    const late: AnswerEvent = { type: 'opaque', choice: 0, part: 1, signature: { origin: 'gemini', value: 'c2ln' } }
    const events = [first[0]!, second[0]!, first[1]!, second[1]!, second[2]!, late, second[3]!, first[2]!, first[3]!]
    expect(partsOf(eventsOf(textOf(events)))).toEqual([
      { functionCall: { id: '2', name: 'f', args: { a: 2 } }, thoughtSignature: 'c2ln' },
      {
        functionCall: { id: '1', name: 'f', args: { a: 1 } },
        thoughtSignature: writeProof({ kind: 'signature', opaque: { origin: 'openai', value: '' } }),
      },
    ])
  })

  test('a refusal in words is no ordinary end', () => {
    expect(candidateOf(write([{ type: 'refusal', text: 'No.' }]).at(-1)!).finishReason).toBe('SAFETY')
  })

  test('log probabilities go with their text', () => {
    const logprobs = [{ token: 'a', logprob: -1, bytes: null, top_logprobs: [] }]
    const [event] = eventsOf(
      textOf([
        { type: 'part', choice: 0, part: 0, kind: 'text' },
        { type: 'delta', choice: 0, part: 0, text: 'a', logprobs },
      ]),
    )
    expect(candidateOf(event!)).toMatchObject({
      logprobsResult: { chosenCandidates: [{ token: 'a', logProbability: -1 }], topCandidates: [{ candidates: [] }] },
    })
  })

  test('several candidates', () => {
    const two: Answer = {
      ...answer([{ type: 'text', text: 'a' }]),
      choices: [
        { parts: [{ type: 'text', text: 'a' }], finish: 'stop' },
        { parts: [{ type: 'text', text: 'b' }], finish: 'length' },
      ],
    }
    expect(eventsOf(textOf(answerEvents(two))).map(({ candidates }) => candidates)).toEqual([
      [{ content: { role: 'model', parts: [{ text: 'a' }] }, index: 0 }],
      [{ content: { role: 'model', parts: [{ text: 'b' }] }, index: 1 }],
      [
        { content: { role: 'model', parts: [{ text: '' }] }, finishReason: 'STOP', index: 0 },
        { content: { role: 'model', parts: [{ text: '' }] }, finishReason: 'MAX_TOKENS', index: 1 },
      ],
    ])
  })

  const failures: [name: string, events: AnswerEvent[], status: number, code: string][] = [
    [
      'an error of the provider’s',
      [{ type: 'error', error: { status: 503, code: 'overloaded', message: 'Too busy.' } }, { type: 'end' }],
      503,
      'OVERLOADED',
    ],
    ['an answer that failed', answerEvents(answer([], { finish: 'error' })), 502, 'PROVIDER_FAILED'],
    ['an answer without an end', [{ type: 'end' }], 502, 'PROVIDER_FAILED'],
    ['broken arguments', answerEvents(answer([call('1', '{"a')], { finish: 'tool_calls' })), 502, 'BAD_TOOL_ARGUMENTS'],
  ]
  test.each(failures)(
    '%s ends the stream with an error, at which the real SDK throws',
    async (_, events, status, reason) => {
      const text = textOf([...partEvents({ type: 'text', text: 'Hello' }, 9), ...events])
      expect(eventsOf(text).at(-1)).toMatchObject({
        error: { code: status, details: [{ reason, domain: 'chaperone' }] },
      })
      const pieces: GenerateContentResponse[] = []
      const reading = async () => {
        for await (const piece of await client(text).models.generateContentStream({ model: 'm', contents: 'x' }))
          pieces.push(piece)
      }
      await expect(reading()).rejects.toMatchObject({ name: 'ApiError', status })
    },
  )

  test('nothing follows an error', () => {
    const writer = writeStream(answerContext())
    writer.write([{ type: 'error', error: { status: 500, code: 'x', message: 'y' } }])
    expect(writer.write([...partEvents({ type: 'text', text: 'Hello' }, 0), { type: 'end' }])).toBe('')
  })

  test('a call that the end cut short is left out', () => {
    const events = write([call('1', '{"a')], { finish: 'length' })
    expect(partsOf(events)).toEqual([{ text: '' }])
    expect(candidateOf(events[0]!).finishReason).toBe('MAX_TOKENS')
  })

  test('what is written is read again', () => {
    const events = answerEvents({
      ...answer([]),
      choices: [
        {
          parts: [
            { type: 'text', text: 'Hello' },
            {
              type: 'tool_call',
              id: '1',
              name: 'f',
              arguments: '{"a":1}',
              signature: { origin: 'gemini', value: 'c2ln' },
            },
          ],
          finish: 'tool_calls',
        },
      ],
    })
    const reader = readStream()
    const read = [...reader.push(Buffer.from(textOf(events))), ...reader.end()]
    const joined = (list: readonly AnswerEvent[]) => {
      const text = new Map<number, string>()
      for (const event of list)
        if (event.type === 'delta') text.set(event.part, (text.get(event.part) ?? '') + event.text)
      return [...text.values()]
    }
    expect(joined(read)).toEqual(['Hello', '{"a":1}'])
    expect(read.filter(({ type }) => type !== 'delta')).toEqual(
      events
        .filter(({ type }) => type !== 'delta')
        .map((event) => (event.type === 'start' ? { ...event, model: 'smart' } : event)),
    )
  })

  test('a chat of the real SDK keeps the turn and sends it back as it was', async () => {
    const parts: Choice['parts'] = [
      { type: 'reasoning', text: 'Hm, weather', signature: claude },
      { type: 'text', text: 'I shall look.' },
      call('call_1', '{"city":"Paris"}'),
    ]
    const chat = client(textOf(answerEvents(answer(parts, { finish: 'tool_calls' })))).chats.create({ model: 'smart' })
    for await (const piece of await chat.sendMessageStream({ message: 'Weather?' }))
      expect(piece.responseId).toBe('gen-1')
    const contents = JSON.parse(JSON.stringify(chat.getHistory(true))) as JsonObject[]
    const results = [{ functionResponse: { id: 'call_1', name: 'f', response: { output: 'sunny' } } }]
    const { turns } = readRequest({ contents: [...contents, { role: 'user', parts: results }] })
    expect(turns).toEqual([
      { role: 'user', parts: [{ type: 'text', text: 'Weather?' }] },
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', text: 'Hm, weather', signature: claude },
          { type: 'text', text: 'I shall look.' },
          call('call_1', '{"city":"Paris"}'),
        ],
      },
      {
        role: 'user',
        parts: [{ type: 'tool_result', id: 'call_1', name: 'f', content: [{ type: 'text', text: 'sunny' }] }],
      },
    ])
  })
})
