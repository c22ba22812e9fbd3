import { APIError } from 'openai'
import type { ResponseStreamEvent } from 'openai/resources/responses/responses'
import { describe, expect, test } from 'vitest'
import type { AnswerEvent, FinishReason, JsonObject } from '../../conversation.ts'
import { writeStream } from './stream.ts'
import { answerContext, client, eventsOf } from './testing.ts'

type Part = Extract<AnswerEvent, { type: 'part' }>
type Kind<P extends Part = Part> = P extends Part ? Omit<P, 'type' | 'choice' | 'part'> : never

const start: AnswerEvent = { type: 'start', id: 'x1', model: 'claude' }
const begin = (part: number, kind: Kind): AnswerEvent => ({ type: 'part', choice: 0, part, ...kind })
const delta = (part: number, text: string): AnswerEvent => ({ type: 'delta', choice: 0, part, text })
const close = (part: number): AnswerEvent => ({ type: 'part_end', choice: 0, part })
const ending = (reason: FinishReason = 'stop'): AnswerEvent[] => [
  { type: 'finish', choice: 0, reason },
  { type: 'usage', usage: { input: 5, output: 7, cachedInput: 2, reasoning: 3 } },
  { type: 'end' },
]
const whole = (part: number, kind: Kind, ...texts: string[]): AnswerEvent[] => [
  begin(part, kind),
  ...texts.map((text) => delta(part, text)),
  close(part),
]
const write = (events: AnswerEvent[], request: JsonObject = {}) => writeStream(answerContext(request)).write(events)
const sdkStream = (events: AnswerEvent[]) => client(write(events)).responses.stream({ model: 'smart', input: 'x' })

const everything: AnswerEvent[] = [
  start,
  ...whole(0, { kind: 'reasoning', summary: true, id: 'rs_1' }, 'Look ', 'up.'),
  begin(1, { kind: 'reasoning' }),
  delta(1, 'Hm.'),
  { type: 'opaque', choice: 0, part: 1, signature: { origin: 'anthropic', value: 'Sig' } },
  close(1),
  begin(2, { kind: 'reasoning' }),
  { type: 'opaque', choice: 0, part: 2, redacted: { origin: 'anthropic', value: 'Red' } },
  close(2),
  ...whole(3, { kind: 'text' }, 'Hi ', 'there'),
  ...whole(4, { kind: 'refusal' }, 'No.'),
  ...whole(5, { kind: 'tool_call', id: 'c1', name: 'f' }, '{"a":', '1}'),
  ...whole(6, { kind: 'tool_call', id: 'c2', name: 'g', signature: { origin: 'gemini', value: 'Sig' } }, '{}'),
  ...ending('tool_calls'),
]

test('every kind of part, in the order the API has', () => {
  const events = eventsOf(write(everything, { instructions: 'Be brief.' }))
  expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, index) => index))
  expect(events.map((event) => [event.type, event.output_index, event.content_index ?? event.summary_index])).toEqual([
    ['response.created', undefined, undefined],
    ['response.in_progress', undefined, undefined],
    ['response.output_item.added', 0, undefined],
    ['response.reasoning_summary_part.added', 0, 0],
    ['response.reasoning_summary_text.delta', 0, 0],
    ['response.reasoning_summary_text.delta', 0, 0],
    ['response.reasoning_summary_text.done', 0, 0],
    ['response.reasoning_summary_part.done', 0, 0],
    ['response.output_item.done', 0, undefined],
    ['response.output_item.added', 1, undefined],
    ['response.content_part.added', 1, 0],
    ['response.reasoning_text.delta', 1, 0],
    ['response.reasoning_text.done', 1, 0],
    ['response.content_part.done', 1, 0],
    ['response.output_item.done', 1, undefined],
    ['response.output_item.added', 2, undefined],
    ['response.output_item.done', 2, undefined],
    ['response.output_item.added', 3, undefined],
    ['response.content_part.added', 3, 0],
    ['response.output_text.delta', 3, 0],
    ['response.output_text.delta', 3, 0],
    ['response.output_text.done', 3, 0],
    ['response.content_part.done', 3, 0],
    ['response.content_part.added', 3, 1],
    ['response.refusal.delta', 3, 1],
    ['response.refusal.done', 3, 1],
    ['response.content_part.done', 3, 1],
    ['response.output_item.done', 3, undefined],
    ['response.output_item.added', 4, undefined],
    ['response.function_call_arguments.delta', 4, undefined],
    ['response.function_call_arguments.delta', 4, undefined],
    ['response.function_call_arguments.done', 4, undefined],
    ['response.output_item.done', 4, undefined],
    ['response.output_item.added', 5, undefined],
    ['response.output_item.done', 5, undefined],
    ['response.output_item.added', 6, undefined],
    ['response.function_call_arguments.delta', 6, undefined],
    ['response.function_call_arguments.done', 6, undefined],
    ['response.output_item.done', 6, undefined],
    ['response.completed', undefined, undefined],
  ])
  expect(events[0]!.response).toMatchObject({
    id: 'resp_x1',
    status: 'in_progress',
    instructions: 'Be brief.',
    output: [],
    usage: null,
  })
  expect(events.at(-1)!.response).toMatchObject({ status: 'completed', usage: { input_tokens: 5, total_tokens: 12 } })
})

test('the SDK puts together from the events what the last one says', async () => {
  const text = write(everything)
  const last = eventsOf(text).at(-1)!.response as JsonObject
  const stream = client(text).responses.stream({ model: 'smart', input: 'x' })
  const seen: string[] = []
  stream.on('response.output_text.delta', ({ snapshot }) => seen.push(snapshot))
  stream.on('response.function_call_arguments.delta', ({ snapshot }) => seen.push(snapshot))
  const final = await stream.finalResponse()
  expect(seen).toEqual(['Hi ', 'Hi there', '{"a":', '{"a":1}', '{}'])
  expect(final.output_text).toBe('Hi there')
  expect(last.output).toEqual([
    { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Look up.' }] },
    {
      type: 'reasoning',
      id: 'rs_chaperone_abc_1',
      summary: [],
      content: [{ type: 'reasoning_text', text: 'Hm.' }],
      encrypted_content: 'chaperone.anthropic.signature:Sig',
    },
    {
      type: 'reasoning',
      id: 'rs_chaperone_abc_2',
      summary: [],
      encrypted_content: 'chaperone.anthropic.redacted:Red',
    },
    {
      type: 'message',
      id: 'msg_chaperone_abc_3',
      status: 'completed',
      role: 'assistant',
      content: [
        { type: 'output_text', text: 'Hi there', annotations: [], logprobs: [] },
        { type: 'refusal', refusal: 'No.' },
      ],
    },
    {
      type: 'function_call',
      id: 'fc_chaperone_abc_4',
      call_id: 'c1',
      name: 'f',
      arguments: '{"a":1}',
      status: 'completed',
    },
    { type: 'reasoning', id: 'rs_chaperone_abc_5', summary: [], encrypted_content: 'chaperone.gemini.call:c2:Sig' },
    { type: 'function_call', id: 'fc_chaperone_abc_6', call_id: 'c2', name: 'g', arguments: '{}', status: 'completed' },
  ])

  // Without the last event the SDK has only the others to go by.
  const cut = text.slice(0, text.lastIndexOf('event: '))
  const built = await client(cut).responses.stream({ model: 'smart', input: 'x' }).finalResponse()
  const parsed = built.output.map(({ ...item }) => item) as unknown as JsonObject[]
  expect(parsed).toMatchObject(last.output as JsonObject[])
})

test('parts that interleave keep apart', async () => {
  const final = await sdkStream([
    start,
    begin(0, { kind: 'text' }),
    delta(0, 'One '),
    begin(1, { kind: 'tool_call', id: 'c1', name: 'f' }),
    begin(2, { kind: 'tool_call', id: 'c2', name: 'g' }),
    delta(2, '{"b"'),
    delta(1, '{"a"'),
    delta(0, 'moment.'),
    delta(1, ':1}'),
    close(0),
    { type: 'opaque', choice: 0, part: 1, signature: { origin: 'gemini', value: 'Late' } },
    delta(2, ':2}'),
    close(2),
    close(1),
    ...ending('tool_calls'),
  ]).finalResponse()
  expect(final.output).toMatchObject([
    { type: 'message', status: 'completed', content: [{ text: 'One moment.' }] },
    { type: 'function_call', call_id: 'c1', arguments: '{"a":1}' },
    { type: 'function_call', call_id: 'c2', arguments: '{"b":2}' },
    { type: 'reasoning', encrypted_content: 'chaperone.gemini.call:c1:Late' },
  ])
})

test('text after a call is a message of its own', () => {
  const { output } = eventsOf(
    write([
      start,
      ...whole(0, { kind: 'text' }, 'a'),
      ...whole(1, { kind: 'tool_call', id: 'c', name: 'f' }, '{}'),
      ...whole(2, { kind: 'text' }, 'b'),
      ...ending(),
    ]),
  ).at(-1)!.response as JsonObject
  expect(output).toMatchObject([
    { id: 'msg_chaperone_abc_0', content: [{ text: 'a' }] },
    { type: 'function_call' },
    { id: 'msg_chaperone_abc_2', content: [{ text: 'b' }] },
  ])
})

test('log probabilities stand beside their delta and again beside the whole text', () => {
  const token = { token: 'é', logprob: -0.1, bytes: null, top_logprobs: [] }
  const written = { ...token, bytes: [195, 169] }
  const events = eventsOf(
    write([
      start,
      begin(0, { kind: 'text' }),
      { ...delta(0, 'é'), logprobs: [token] } as AnswerEvent,
      close(0),
      ...ending(),
    ]),
  )
  const of = (type: string) => events.find((event) => event.type === type)!
  expect(of('response.output_text.delta').logprobs).toEqual([written])
  expect(of('response.output_text.done').logprobs).toEqual([written])
  expect(of('response.content_part.done').part).toMatchObject({ logprobs: [written] })
})

describe('how it ends', () => {
  const hi = whole(0, { kind: 'text' }, 'Hi')
  test.each<[FinishReason, string, JsonObject, string]>([
    ['stop', 'response.completed', { status: 'completed', incomplete_details: null }, 'completed'],
    ['length', 'response.incomplete', { incomplete_details: { reason: 'max_output_tokens' } }, 'incomplete'],
    ['content_filter', 'response.incomplete', { incomplete_details: { reason: 'content_filter' } }, 'incomplete'],
    ['refusal', 'response.incomplete', { incomplete_details: { reason: 'content_filter' } }, 'incomplete'],
    ['pause', 'response.incomplete', { status: 'incomplete', incomplete_details: null }, 'incomplete'],
    ['error', 'response.failed', { status: 'failed', error: { code: 'server_error' } }, 'completed'],
  ])('%s', (reason, type, response, item) => {
    const last = eventsOf(write([start, ...hi, ...ending(reason)])).at(-1)!
    expect(last).toMatchObject({
      type,
      response: { ...response, output: reason === 'error' ? [{}] : [{ status: item }] },
    })
  })

  test('a call that was cut short says so in the end', () => {
    const call = whole(0, { kind: 'tool_call', id: 'c', name: 'f' }, '{"a')
    const last = eventsOf(write([start, ...call, ...ending('length')])).at(-1)!
    expect(last.response).toMatchObject({ output: [{ status: 'incomplete' }] })
  })

  const error = { status: 429, code: 'rate_limit_exceeded', message: 'Slow down.' }
  const failing: AnswerEvent[] = [start, ...hi, { type: 'error', error }, { type: 'end' }]

  test('an error is told as an event and as the end of the response', () => {
    const events = eventsOf(write(failing)).slice(-2)
    expect(events).toMatchObject([
      { type: 'error', code: 'rate_limit_exceeded', message: 'Slow down.', param: null },
      {
        type: 'response.failed',
        response: { status: 'failed', error: { code: 'rate_limit_exceeded', message: 'Slow down.' } },
      },
    ])
  })

  test('the SDK throws it', async () => {
    const stream = await client(write(failing)).responses.create({ model: 'smart', input: 'x', stream: true })
    const seen: ResponseStreamEvent[] = []
    const reading = (async () => {
      for await (const event of stream) seen.push(event)
    })()
    await expect(reading).rejects.toThrow(APIError)
    await expect(reading).rejects.toMatchObject({ code: 'rate_limit_exceeded', message: 'Slow down.' })
    expect(seen.at(-1)!.type).toBe('response.content_part.done')
  })

  test('an error before anything else still has a response to fail', () => {
    const types = eventsOf(write([{ type: 'error', error }, { type: 'end' }])).map(({ type }) => type)
    expect(types).toEqual(['response.created', 'response.in_progress', 'error', 'response.failed'])
  })
})

test('an answer without parts is a whole stream', async () => {
  const final = await sdkStream([start, ...ending()]).finalResponse()
  expect(final).toMatchObject({ status: 'completed', output: [], output_text: '' })
})

test('further choices have no place', () => {
  const other: AnswerEvent[] = [
    { type: 'part', choice: 1, part: 0, kind: 'text' },
    { type: 'delta', choice: 1, part: 0, text: 'no' },
    { type: 'part_end', choice: 1, part: 0 },
    { type: 'finish', choice: 1, reason: 'length' },
  ]
  expect(write([start, ...other, ...ending()])).toBe(write([start, ...ending()]))
})

test('what is written event by event is what is written at once', () => {
  const writer = writeStream(answerContext())
  expect(everything.map((event) => writer.write([event])).join('')).toBe(write(everything))
})
