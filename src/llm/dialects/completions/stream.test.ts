import { APIError } from 'openai'
import type { Completion } from 'openai/resources/completions'
import { describe, expect, test } from 'vitest'
import type { AnswerEvent, FinishReason, JsonObject } from '../../conversation.ts'
import { readStream, writeStream } from './stream.ts'
import { answerContext, client, cut, encode, eventsOf, read, streamOf } from './testing.ts'

const start: AnswerEvent = { type: 'start', id: 'x1', model: 'claude' }
const begin = (part: number, kind: 'text' | 'refusal' | 'reasoning', choice = 0): AnswerEvent => ({
  type: 'part',
  choice,
  part,
  kind,
})
const delta = (part: number, text: string, choice = 0): AnswerEvent => ({ type: 'delta', choice, part, text })
const close = (part: number, choice = 0): AnswerEvent => ({ type: 'part_end', choice, part })
const finish = (reason: FinishReason = 'stop', choice = 0): AnswerEvent => ({ type: 'finish', choice, reason })
const usage: AnswerEvent = { type: 'usage', usage: { input: 5, output: 7, cachedInput: 2, reasoning: 3 } }
const end: AnswerEvent = { type: 'end' }

const withUsage = { stream_options: { include_usage: true } }
const write = (events: readonly AnswerEvent[], request: JsonObject = {}) =>
  writeStream(answerContext(request)).write(events)
const chunksOf = (text: string) => eventsOf(text).filter((event) => event !== '[DONE]') as Completion[]
const choicesOf = (text: string) => chunksOf(text).flatMap((chunk) => chunk.choices)
const sdk = (text: string) => client(text).completions.create({ model: 'smart', prompt: 'x', stream: true })

const hello = [start, begin(0, 'text'), delta(0, 'Hej '), delta(0, 'verden 🌍'), close(0), finish(), usage, end]

describe('text', () => {
  test('the chunks, byte for byte', () => {
    const head = 'data: {"id":"cmpl-x1","object":"text_completion","created":1700000000,"model":"smart","choices":['
    expect(write(hello)).toBe(
      [
        `${head}{"index":0,"text":"Hej ","logprobs":null,"finish_reason":null}]}`,
        `${head}{"index":0,"text":"verden 🌍","logprobs":null,"finish_reason":null}]}`,
        `${head}{"index":0,"text":"","logprobs":null,"finish_reason":"stop"}]}`,
        'data: [DONE]',
        '',
      ].join('\n\n'),
    )
  })

  test('written as it comes', () => {
    const writer = writeStream(answerContext())
    expect(hello.map((event) => writer.write([event])).join('')).toBe(write(hello))
    expect(writer.write([])).toBe('')
  })

  test("OpenAI's SDK reads it", async () => {
    const texts: string[] = []
    for await (const { choices } of await sdk(write(hello))) texts.push(...choices.map(({ text }) => text))
    expect(texts).toEqual(['Hej ', 'verden 🌍', ''])
  })

  test("the provider's own id and date", () => {
    const [chunk] = chunksOf(
      write([{ type: 'start', id: 'cmpl-7', model: 'm', created: 5 }, begin(0, 'text'), delta(0, 'a')]),
    )
    expect(chunk).toMatchObject({ id: 'cmpl-7', created: 5 })
  })

  test('refusals are text; thinking and calls are not shown, nor what is empty', () => {
    const events: AnswerEvent[] = [
      start,
      begin(0, 'reasoning'),
      delta(0, 'Hm.'),
      close(0),
      begin(1, 'text'),
      delta(1, ''),
      delta(1, 'Well. '),
      close(1),
      { type: 'part', choice: 0, part: 2, kind: 'tool_call', id: 'a', name: 'f' },
      delta(2, '{}'),
      close(2),
      begin(3, 'refusal'),
      delta(3, 'No.'),
      close(3),
      finish('refusal'),
      end,
    ]
    expect(choicesOf(write(events))).toEqual([
      { index: 0, text: 'Well. ', logprobs: null, finish_reason: null },
      { index: 0, text: 'No.', logprobs: null, finish_reason: null },
      // A refusal in words is an ordinary end.
      { index: 0, text: '', logprobs: null, finish_reason: 'stop' },
    ])
  })

  test('several answers interleave', () => {
    const events = [
      start,
      begin(0, 'text', 0),
      begin(0, 'text', 1),
      delta(0, 'a', 0),
      delta(0, 'b', 1),
      close(0, 0),
      close(0, 1),
      finish('stop', 0),
      finish('length', 1),
      end,
    ]
    expect(choicesOf(write(events)).map((choice) => [choice.index, choice.text, choice.finish_reason])).toEqual([
      [0, 'a', null],
      [1, 'b', null],
      [0, '', 'stop'],
      [1, '', 'length'],
    ])
  })
})

describe('figures', () => {
  test('come in a last chunk where they were asked for', () => {
    const chunks = chunksOf(write(hello, withUsage))
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 },
    })
    expect(chunks.slice(0, -1).map((chunk) => chunk.usage)).toEqual([null, null, null])
  })

  test.each([{}, { stream_options: null }, { stream_options: {} }, { stream_options: { include_usage: false } }])(
    'do not come to a client that sent %j',
    (request) => {
      for (const chunk of chunksOf(write(hello, request))) expect(chunk).not.toHaveProperty('usage')
    },
  )

  test('that the provider did not tell are not there', () => {
    const text = write(
      hello.filter((event) => event !== usage),
      withUsage,
    )
    expect(chunksOf(text).at(-1)).toMatchObject({ choices: [{ finish_reason: 'stop' }], usage: null })
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  })
})

describe('errors', () => {
  const error: AnswerEvent = { type: 'error', error: { status: 429, code: 'rate_limit_exceeded', message: 'Slow.' } }
  const told = {
    error: { message: 'Slow.', type: 'rate_limit_error', param: null, code: 'rate_limit_exceeded' },
  }

  test('end the stream without [DONE]', () => {
    expect(eventsOf(write([start, begin(0, 'text'), delta(0, 'a'), error, end])).slice(1)).toEqual([told])
  })

  test('leave nothing to come after them', () => {
    expect(eventsOf(write([error, ...hello]))).toEqual([told])
  })

  test("throw in OpenAI's SDK", async () => {
    const reading = async () => {
      for await (const _ of await sdk(write([start, begin(0, 'text'), delta(0, 'a'), error, end])));
    }
    await expect(reading()).rejects.toThrow(APIError)
  })

  test.each([
    ['every choice failed', [start, finish('error'), end]],
    ['there was no choice', [start, end]],
  ])('are told where %s', (_, events) => {
    expect(eventsOf(write(events)).at(-1)).toMatchObject({ error: { type: 'api_error', code: 'provider_failed' } })
  })

  test('of one choice are its reason beside another that ended well', () => {
    const text = write([start, finish('error', 0), finish('stop', 1), end])
    expect(choicesOf(text).map((choice) => choice.finish_reason)).toEqual(['error', 'stop'])
    expect(eventsOf(text).at(-1)).toBe('[DONE]')
  })
})

test("a provider's chat, split at any byte, is the same completion", () => {
  const chunk = (fields: JsonObject) => ({ id: 'chatcmpl-1', created: 7, model: 'gpt', ...fields })
  const bytes = encode(
    streamOf(
      chunk({ choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] }),
      chunk({ choices: [{ index: 0, delta: { content: 'Rødgrød ' }, finish_reason: null }] }),
      chunk({ choices: [{ index: 0, delta: { content: '🍓\n\ndata: ' }, finish_reason: null }] }),
      chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'length' }] }),
      chunk({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 } }),
    ),
  )
  const whole = write(read(bytes), withUsage)
  expect(chunksOf(whole).map(({ choices, usage }) => [choices[0]?.text, choices[0]?.finish_reason, usage])).toEqual([
    ['Rødgrød ', null, null],
    ['🍓\n\ndata: ', null, null],
    ['', 'length', null],
    [undefined, undefined, { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 }],
  ])
  for (let at = 0; at <= bytes.length; at++) expect(write(read(...cut(bytes, [at])), withUsage)).toBe(whole)
  const single = cut(
    bytes,
    Array.from(bytes, (_, at) => at),
  )
  expect(write(read(...single), withUsage)).toBe(whole)
})

describe('chunks of a provider', () => {
  const chunk = (text: string, finish_reason: string | null = null, index = 0) => ({
    ...{ id: 'cmpl-7', object: 'text_completion', created: 5, model: 'old' },
    choices: [{ index, text, logprobs: { tokens: [text] }, finish_reason }],
  })
  const usage = { ...chunk(''), choices: [], usage: { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 } }
  const sent = (...chunks: object[]) =>
    encode(`${chunks.map((each) => `data: ${JSON.stringify(each)}\n\n`).join('')}data: [DONE]\n\n`)
  const readAll = (bytes: Uint8Array) => {
    const reader = readStream()
    return [...reader.push(bytes), ...reader.end()]
  }

  test('are read as they were written, without what repeats the text', () => {
    const events = readAll(sent(chunk('Hej '), chunk('verden'), chunk('', 'length'), usage))
    expect(JSON.stringify(events)).not.toContain('tokens')
    expect(write(events, withUsage)).toBe(
      write(
        [
          { type: 'start', id: 'cmpl-7', model: 'old', created: 5 },
          ...[begin(0, 'text'), delta(0, 'Hej '), delta(0, 'verden'), close(0), finish('length')],
          ...[{ type: 'usage' as const, usage: { input: 3, output: 5 } }, end],
        ],
        withUsage,
      ),
    )
  })

  test('of several choices stay apart', () => {
    const events = readAll(sent(chunk('a'), chunk('x', null, 1), chunk('b', 'stop'), chunk('y', 'stop', 1)))
    const said = (choice: number) =>
      events.map((event) => (event.type === 'delta' && event.choice === choice ? event.text : '')).join('')
    expect([said(0), said(1)]).toEqual(['ab', 'xy'])
  })

  test.each([
    ['that break off', encode(`data: ${JSON.stringify(chunk('a'))}\n\n`)],
    ['that are none', encode('data: [1]\n\n')],
    ['that say an error', sent({ error: { message: 'no', type: 'server_error', code: 'x' } })],
  ])('%s end in an error', (_, bytes) => {
    expect(readAll(bytes).slice(-2)).toMatchObject([{ type: 'error' }, { type: 'end' }])
  })
})
