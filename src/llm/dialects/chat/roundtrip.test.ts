import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Answer, AnswerEvent, Choice, JsonObject, Opaque, Usage } from '../../conversation.ts'
import { readAnswer, writeAnswer } from './answer.ts'
import { readRequest } from './request.ts'
import { writeStream } from './stream.ts'
import { answerContext, cut, encode, eventsOf, read, wholeOf } from './testing.ts'

type ChoicePart = Choice['parts'][number]

const said = fc.string({ minLength: 1, maxLength: 20, unit: 'binary' })
const opaque = (...origins: Opaque['origin'][]): fc.Arbitrary<Opaque> =>
  fc.record({ origin: fc.constantFrom(...origins), value: fc.string({ minLength: 1 }) })
const signature = opaque('openai', 'anthropic', 'gemini', 'bedrock')
const redacted = opaque('openai', 'anthropic', 'bedrock')

/** Thinking that says or proves something. Encrypted thinking beside its summary has an id, as at OpenAI. */
const reasoning: fc.Arbitrary<(id: string) => ChoicePart> = fc.oneof(
  said.map((text) => () => ({ type: 'reasoning' as const, text })),
  fc.tuple(said, signature).map(([text, proof]) => () => ({ type: 'reasoning' as const, text, signature: proof })),
  signature.map((proof) => () => ({ type: 'reasoning' as const, text: '', signature: proof })),
  redacted.map((proof) => () => ({ type: 'reasoning' as const, text: '', redacted: proof })),
  fc.tuple(said, redacted).map(([text, proof]) => (id: string) => ({
    type: 'reasoning' as const,
    text,
    summary: true,
    id,
    redacted: proof,
  })),
)
const call = fc.record(
  { type: fc.constant('tool_call' as const), name: said, arguments: fc.json(), signature },
  { requiredKeys: ['type', 'name', 'arguments'] },
)
const text = said.map((value) => ({ type: 'text' as const, text: value }))
const refusal = said.map((value) => ({ type: 'refusal' as const, text: value }))

/** The parts of an answer in the order in which a message has room for them. */
const parts: fc.Arbitrary<ChoicePart[]> = fc
  .tuple(
    fc.array(reasoning, { maxLength: 4 }),
    fc.array(text, { maxLength: 1 }),
    fc.array(refusal, { maxLength: 1 }),
    fc.array(call, { maxLength: 4 }),
  )
  .map(([thoughts, texts, refusals, calls]) => [
    ...thoughts.map((made, index) => made(`rs_${index}`)),
    ...texts,
    ...refusals,
    ...calls.map((made, index) => ({ ...made, id: `call_${index}` })),
  ])
const usage: fc.Arbitrary<Usage> = fc.record(
  {
    input: fc.nat(),
    output: fc.nat(),
    cachedInput: fc.nat(),
    cacheWriteInput: fc.nat(),
    audioInput: fc.nat(),
    audioOutput: fc.nat(),
  },
  { requiredKeys: ['input', 'output'] },
)
const finishOf = (all: readonly ChoicePart[], plain: 'stop' | 'length'): Choice['finish'] => {
  if (plain === 'length') return plain
  if (all.some(({ type }) => type === 'tool_call')) return 'tool_calls'
  return all.some(({ type }) => type === 'refusal') ? 'refusal' : plain
}
const choice: fc.Arbitrary<Choice> = fc
  .tuple(parts, fc.constantFrom('stop' as const, 'length' as const))
  .map(([all, plain]) => ({ parts: all, finish: finishOf(all, plain) }))
const answer: fc.Arbitrary<Answer> = fc
  .tuple(fc.array(choice, { minLength: 1, maxLength: 3 }), usage, fc.integer({ min: 1, max: 2 ** 31 }))
  .map(([choices, figures, created]) => ({ id: 'chatcmpl-x', model: 'smart', created, choices, usage: figures }))

/** The events of one choice, each text in pieces and its calls' arguments mixed with one another by `seed`. */
function eventsOfChoice({ parts: all, finish }: Choice, index: number, seed: number): [AnswerEvent[], AnswerEvent] {
  const open: AnswerEvent[][] = []
  const serial: AnswerEvent[] = []
  for (const [place, part] of all.entries()) {
    const at = { choice: index, part: place }
    const pieces = piecesOf(part.type === 'tool_call' ? part.arguments : part.text, seed)
    const events: AnswerEvent[] = [
      opening(part, at),
      ...pieces.map((piece) => ({ type: 'delta' as const, ...at, text: piece })),
    ]
    if (part.type === 'reasoning' && (part.signature ?? part.redacted))
      events.push({
        type: 'opaque',
        ...at,
        ...(part.signature && { signature: part.signature }),
        ...(part.redacted && { redacted: part.redacted }),
      })
    events.push({ type: 'part_end', ...at })
    if (part.type === 'tool_call') open.push(events)
    else serial.push(...events)
  }
  return [[...serial, ...mixed(open, seed)], { type: 'finish', choice: index, reason: finish }]
}

function opening(part: ChoicePart, at: { choice: number; part: number }): AnswerEvent {
  switch (part.type) {
    case 'tool_call': {
      const { id, name, signature: proof } = part
      return { type: 'part', ...at, kind: 'tool_call', id, name, ...(proof && { signature: proof }) }
    }
    case 'reasoning': {
      const { id, summary } = part
      return { type: 'part', ...at, kind: 'reasoning', ...(summary && { summary }), ...(id !== undefined && { id }) }
    }
    default:
      return { type: 'part', ...at, kind: part.type }
  }
}

function piecesOf(whole: string, seed: number): string[] {
  const characters = [...whole]
  const size = 1 + (seed % 5)
  const pieces: string[] = []
  for (let at = 0; at < characters.length; at += size) pieces.push(characters.slice(at, at + size).join(''))
  return pieces
}

/** Calls begin in their order; after that any of them may go on. */
function mixed(lists: readonly AnswerEvent[][], seed: number): AnswerEvent[] {
  const queues = lists.filter((list) => list.length > 0).map((list) => [...list])
  const out: AnswerEvent[] = []
  let begun = 0
  for (let turn = seed; queues.some((queue) => queue.length > 0); turn = (turn * 31 + 7) % 1009) {
    const waiting = queues.filter((queue, index) => queue.length > 0 && index <= begun)
    const queue = waiting[turn % waiting.length]!
    if (queue === queues[begun]) begun++
    out.push(queue.shift()!)
  }
  return out
}

function eventsOfAnswer({ id, model, created, choices, usage: figures }: Answer, seed: number): AnswerEvent[] {
  const each = choices.map((one, index) => eventsOfChoice(one, index, seed))
  return [
    { type: 'start', id, model, ...(created !== undefined && { created }) },
    ...mixed(
      each.map(([events]) => events),
      seed,
    ),
    ...each.map(([, finish]) => finish),
    ...(figures ? [{ type: 'usage' as const, usage: figures }] : []),
    { type: 'end' },
  ]
}

/** What a client sends next that returns the message as it got it. */
const sentBack = (message: unknown) =>
  readRequest({ model: 'm', messages: [message] }).turns.flatMap((turn) => turn.parts)

test('a whole answer', () => {
  fc.assert(
    fc.property(answer, (given) => {
      const written: JsonObject = JSON.parse(JSON.stringify(writeAnswer(given, answerContext())))
      expect(readAnswer(written)).toEqual(given)
    }),
  )
})

test('a stream, cut anywhere', () => {
  fc.assert(
    fc.property(answer, fc.nat(1000), fc.array(fc.nat(), { maxLength: 10 }), (given, seed, places) => {
      const bytes = encode(writeStream(answerContext()).write(eventsOfAnswer(given, seed)))
      expect(wholeOf(read(...cut(bytes, places)))).toEqual(given)
    }),
  )
})

describe('what a client sends back is what the provider said', () => {
  test('from a whole answer', () => {
    fc.assert(
      fc.property(choice, (one) => {
        const { choices } = writeAnswer({ id: 'x', model: 'm', choices: [one] }, answerContext())
        const [{ message }] = choices as [JsonObject]
        expect(sentBack(message)).toEqual(one.parts)
      }),
    )
  })

  test.each<[string, (details: JsonObject[]) => JsonObject[]]>([
    ['a list of all entries', (details) => details],
    ['one entry for each index', byIndex],
  ])('from a stream, collected as %s', (_, collect) => {
    fc.assert(
      fc.property(choice, fc.nat(1000), (one, seed) => {
        const text = writeStream(answerContext()).write(eventsOfAnswer({ id: 'x', model: 'm', choices: [one] }, seed))
        expect(sentBack(collected(text, collect))).toEqual(one.parts)
      }),
    )
  })
})

/** The message that a client makes of a stream's deltas. */
function collected(stream: string, collect: (details: JsonObject[]) => JsonObject[]): JsonObject {
  const message = { role: 'assistant', content: '', refusal: '', reasoning_content: '' }
  const details: JsonObject[] = []
  const calls: JsonObject[] = []
  for (const event of eventsOf(stream)) {
    if (event === '[DONE]') break
    for (const { delta } of (event as { choices: { delta: JsonObject }[] }).choices) {
      for (const field of ['content', 'refusal', 'reasoning_content'] as const) message[field] += delta[field] ?? ''
      details.push(...((delta.reasoning_details as JsonObject[] | undefined) ?? []))
      for (const { index, ...piece } of (delta.tool_calls as { index: number; [key: string]: unknown }[] | undefined) ??
        [])
        calls[index] = added(calls[index] ?? {}, piece)
    }
  }
  return { ...message, tool_calls: calls, reasoning_details: collect(details) }
}

function byIndex(details: JsonObject[]): JsonObject[] {
  const entries: JsonObject[] = []
  for (const detail of details) entries[Number(detail.index)] = added(entries[Number(detail.index)] ?? {}, detail)
  return entries
}

/** Adds a delta to what is there: texts are joined, but for the words that say what it is. */
function added(whole: JsonObject, piece: JsonObject): JsonObject {
  const sum = { ...whole }
  for (const [key, value] of Object.entries(piece)) {
    const before = sum[key]
    if (typeof before === 'string' && typeof value === 'string' && key !== 'type') sum[key] = before + value
    else if (typeof before === 'object' && before !== null)
      sum[key] = added({ ...before }, { ...(value as JsonObject) })
    else sum[key] = value
  }
  return sum
}
