import { APIError } from 'openai'
import type { ChatCompletionChunk } from 'openai/resources/chat/completions'
import { describe, expect, test } from 'vitest'
import type { AnswerEvent, FinishReason, JsonObject } from '../../conversation.ts'
import { writeStream } from './stream.ts'
import { answerContext, client, eventsOf } from './testing.ts'

type Part = Extract<AnswerEvent, { type: 'part' }>
type Kind<P extends Part = Part> = P extends Part ? Omit<P, 'type' | 'choice' | 'part'> : never

const start: AnswerEvent = { type: 'start', id: 'x1', model: 'claude' }
const begin = (part: number, kind: Kind, choice = 0): AnswerEvent => ({ type: 'part', choice, part, ...kind })
const delta = (part: number, text: string, choice = 0): AnswerEvent => ({ type: 'delta', choice, part, text })
const close = (part: number, choice = 0): AnswerEvent => ({ type: 'part_end', choice, part })
const finish = (reason: FinishReason = 'stop', choice = 0): AnswerEvent => ({ type: 'finish', choice, reason })
const usage: AnswerEvent = { type: 'usage', usage: { input: 5, output: 7, cachedInput: 2, reasoning: 3 } }
const end: AnswerEvent = { type: 'end' }
const whole = (part: number, kind: Kind, ...texts: string[]): AnswerEvent[] => [
  begin(part, kind),
  ...texts.map((text) => delta(part, text)),
  close(part),
]

const write = (events: AnswerEvent[], request: JsonObject = {}, includeUsage = true) =>
  writeStream(answerContext(request, includeUsage)).write(events)
/** The deltas of the chunks, with the finish where there is one. */
const deltasOf = (text: string) =>
  eventsOf(text)
    .filter((event) => event !== '[DONE]')
    .flatMap((event) => (event as ChatCompletionChunk).choices)
    .map((choice) => choice.finish_reason ?? choice.delta)
const messages = [{ role: 'user' as const, content: 'x' }]
const sdk = (text: string) => client(text).chat.completions.stream({ model: 'smart', messages })

const role = (content: '' | null = null) => ({ role: 'assistant', content, refusal: null })

describe('text', () => {
  const events = [start, ...whole(0, { kind: 'text' }, 'Hej ', 'verden 🌍'), finish(), usage, end]

  test('the chunks, byte for byte', () => {
    const head =
      'data: {"id":"chatcmpl-x1","object":"chat.completion.chunk","created":1700000000,"model":"smart","choices":['
    expect(write(events)).toBe(
      [
        `${head}{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}`,
        `${head}{"index":0,"delta":{"content":"Hej "},"logprobs":null,"finish_reason":null}],"usage":null}`,
        `${head}{"index":0,"delta":{"content":"verden 🌍"},"logprobs":null,"finish_reason":null}],"usage":null}`,
        `${head}{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}`,
        `${head}],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":2},"completion_tokens_details":{"reasoning_tokens":3}}}`,
        'data: [DONE]',
        '',
      ].join('\n\n'),
    )
  })

  test('written as it comes', () => {
    const writer = writeStream(answerContext())
    expect(events.map((event) => writer.write([event])).join('')).toBe(write(events))
    expect(writer.write([])).toBe('')
  })

  test('the SDK reads it', async () => {
    const stream = sdk(write(events))
    const pieces: string[] = []
    stream.on('content', (piece) => void pieces.push(piece))
    const completion = await stream.finalChatCompletion()
    expect(pieces.filter(Boolean)).toEqual(['Hej ', 'verden 🌍'])
    expect(completion).toMatchObject({
      id: 'chatcmpl-x1',
      model: 'smart',
      choices: [{ message: { content: 'Hej verden 🌍', refusal: null }, finish_reason: 'stop' }],
      usage: { total_tokens: 12 },
    })
  })

  test('usage comes only where it was asked for', () => {
    const chunks = eventsOf(write(events, {}, false)).slice(0, -1) as JsonObject[]
    expect(chunks).toHaveLength(4)
    for (const chunk of chunks) expect(chunk).not.toHaveProperty('usage')
  })

  test('log probabilities stand beside their text', () => {
    const logprobs = [{ token: 'Hi', logprob: -1, bytes: [72, 105], top_logprobs: [] }]
    const [, chunk] = eventsOf(
      write([start, begin(0, { kind: 'text' }), { type: 'delta', choice: 0, part: 0, text: 'Hi', logprobs }]),
    ) as JsonObject[]
    expect(chunk!.choices).toMatchObject([{ delta: { content: 'Hi' }, logprobs: { content: logprobs, refusal: null } }])
  })

  test('the provider’s own id and date', () => {
    const [chunk] = eventsOf(
      write([{ type: 'start', id: 'chatcmpl-7', model: 'm', created: 5 }, begin(0, { kind: 'text' })]),
    )
    expect(chunk).toMatchObject({ id: 'chatcmpl-7', created: 5 })
  })
})

describe('tool calls', () => {
  const interleaved = [
    start,
    ...whole(0, { kind: 'text' }, 'Wait.'),
    begin(1, { kind: 'tool_call', id: 'a', name: 'f' }),
    delta(1, '{"city":'),
    begin(2, { kind: 'tool_call', id: 'b', name: 'g' }),
    delta(2, '{"n":'),
    delta(1, '"Århus"}'),
    delta(2, '1}'),
    begin(3, { kind: 'tool_call', id: 'c', name: 'now' }),
    close(3),
    close(1),
    close(2),
    finish('tool_calls'),
    end,
  ]

  test('each delta names its call', () => {
    const called = (index: number, text: string) => ({ tool_calls: [{ index, function: { arguments: text } }] })
    const announced = (index: number, id: string, name: string) => ({
      tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }],
    })
    expect(deltasOf(write(interleaved))).toEqual([
      role(''),
      { content: 'Wait.' },
      announced(0, 'a', 'f'),
      called(0, '{"city":'),
      announced(1, 'b', 'g'),
      called(1, '{"n":'),
      called(0, '"Århus"}'),
      called(1, '1}'),
      announced(2, 'c', 'now'),
      called(2, '{}'),
      'tool_calls',
    ])
  })

  test('the SDK reads calls in parallel', async () => {
    const message = await sdk(write(interleaved)).finalMessage()
    expect(message.content).toBe('Wait.')
    expect(message.tool_calls).toMatchObject([
      { id: 'a', type: 'function', function: { name: 'f', arguments: '{"city":"Århus"}' } },
      { id: 'b', type: 'function', function: { name: 'g', arguments: '{"n":1}' } },
      { id: 'c', type: 'function', function: { name: 'now', arguments: '{}' } },
    ])
  })

  test('signatures stand in Google’s field', () => {
    const signed = (value: string) => ({ extra_content: { google: { thought_signature: value } } })
    expect(
      deltasOf(
        write([
          start,
          begin(0, { kind: 'tool_call', id: 'a', name: 'f', signature: { origin: 'gemini', value: 'Sig' } }),
          begin(1, { kind: 'tool_call', id: 'b', name: 'g' }),
          { type: 'opaque', choice: 0, part: 1, signature: { origin: 'gemini', value: 'Late' } },
        ]),
      ).slice(1),
    ).toEqual([
      { tool_calls: [expect.objectContaining({ id: 'a', ...signed('Sig') })] },
      { tool_calls: [expect.objectContaining({ id: 'b' })] },
      { tool_calls: [{ index: 1, ...signed('Late') }] },
    ])
  })

  test('a client that asked in the deprecated form gets the first call', () => {
    const text = write(interleaved, { functions: [{ name: 'f' }] })
    expect(deltasOf(text)).toEqual([
      role(''),
      { content: 'Wait.' },
      { function_call: { name: 'f', arguments: '' } },
      { function_call: { arguments: '{"city":' } },
      { function_call: { arguments: '"Århus"}' } },
      'function_call',
    ])
  })
})

describe('thinking', () => {
  const thought = [
    start,
    begin(0, { kind: 'reasoning' }),
    delta(0, 'Hm, '),
    delta(0, 'so.'),
    { type: 'opaque', choice: 0, part: 0, signature: { origin: 'anthropic', value: 'Sig' } } as const,
    close(0),
    begin(1, { kind: 'reasoning' }),
    { type: 'opaque', choice: 0, part: 1, redacted: { origin: 'bedrock', value: 'Red' } } as const,
    close(1),
    begin(2, { kind: 'reasoning', summary: true, id: 'rs_1' }),
    delta(2, 'Look.'),
    { type: 'opaque', choice: 0, part: 2, redacted: { origin: 'openai', value: 'gA' } } as const,
    close(2),
    ...whole(3, { kind: 'text' }, 'Yes.'),
    finish(),
    end,
  ]

  test('as text and as details, with its proof', () => {
    expect(deltasOf(write(thought))).toEqual([
      role(),
      { reasoning_content: 'Hm, ', reasoning_details: [{ type: 'reasoning.text', text: 'Hm, ', index: 0 }] },
      { reasoning_content: 'so.', reasoning_details: [{ type: 'reasoning.text', text: 'so.', index: 0 }] },
      { reasoning_details: [{ type: 'reasoning.text', signature: 'chaperone.anthropic.Sig', index: 0 }] },
      { reasoning_details: [{ type: 'reasoning.encrypted', data: 'chaperone.bedrock.Red', index: 1 }] },
      {
        reasoning_content: '\n\nLook.',
        reasoning_details: [{ type: 'reasoning.summary', summary: 'Look.', index: 2, id: 'rs_1' }],
      },
      { reasoning_details: [{ type: 'reasoning.encrypted', data: 'gA', index: 3, id: 'rs_1' }] },
      { content: 'Yes.' },
      'stop',
    ])
  })

  test('the SDK reads past it', async () => {
    const completion = await sdk(write(thought)).finalChatCompletion()
    expect(completion.choices[0]!.message.content).toBe('Yes.')
  })
})

test('a refusal', async () => {
  const text = write([start, ...whole(0, { kind: 'refusal' }, 'I ', 'will not.'), finish('refusal'), end])
  expect(deltasOf(text)).toEqual([role(), { refusal: 'I ' }, { refusal: 'will not.' }, 'stop'])
  const message = await sdk(text).finalMessage()
  expect(message).toMatchObject({ content: null, refusal: 'I will not.' })
})

test('a silent refusal is a filter’s doing', () => {
  expect(deltasOf(write([start, finish('refusal'), end]))).toEqual([role(), 'content_filter'])
})

test('several choices, mixed', async () => {
  const text = write([
    start,
    begin(0, { kind: 'text' }),
    begin(0, { kind: 'text' }, 1),
    delta(0, 'b', 1),
    delta(0, 'a'),
    close(0, 1),
    close(0),
    finish('stop', 1),
    finish('length'),
    usage,
    end,
  ])
  const { choices } = await sdk(text).finalChatCompletion()
  expect(choices.map(({ index, message, finish_reason }) => [index, message.content, finish_reason])).toEqual([
    [0, 'a', 'length'],
    [1, 'b', 'stop'],
  ])
})

describe('errors', () => {
  const broken: AnswerEvent[] = [
    start,
    begin(0, { kind: 'text' }),
    delta(0, 'Hel'),
    { type: 'error', error: { status: 529, code: 'overloaded_error', message: 'Overloaded' } },
    end,
  ]

  test('one inside the stream ends it, without [DONE]', () => {
    expect(eventsOf(write(broken)).at(-1)).toEqual({
      error: { message: 'Overloaded', type: 'overloaded_error', param: null, code: 'overloaded_error' },
    })
  })

  test('the SDK throws it, after what came before', async () => {
    const stream = await client(write(broken)).chat.completions.create({ model: 'smart', messages, stream: true })
    const seen: (string | null | undefined)[] = []
    const reading = async () => {
      for await (const chunk of stream) seen.push(chunk.choices[0]?.delta.content)
    }
    const error = await reading().catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(APIError)
    expect(error).toMatchObject({ code: 'overloaded_error', type: 'overloaded_error' })
    expect(seen).toEqual(['', 'Hel'])
  })

  test.each<[string, AnswerEvent[]]>([
    ['an answer that ended with an error', [start, ...whole(0, { kind: 'text' }, 'Hel'), finish('error'), end]],
    ['a stream without any choice', [start, end]],
  ])('%s', (_, events) => {
    expect(eventsOf(write(events)).at(-1)).toMatchObject({ error: { code: 'provider_failed' } })
  })

  test('nothing follows an error', () => {
    const writer = writeStream(answerContext())
    writer.write(broken)
    expect(writer.write([delta(0, 'lo'), end])).toBe('')
  })

  test('deltas of parts that are not open say nothing', () => {
    expect(deltasOf(write([start, delta(7, 'x'), close(7), finish(), end]))).toEqual([role(), 'stop'])
  })
})
