import OpenAI from 'openai'
import type { Answer, AnswerEvent, Choice, Conversation, JsonObject } from '../../conversation.ts'
import type { AnswerContext, Quirks, RequestContext } from '../../dialect.ts'
import { ApiError } from '../../errors.ts'
import { readStream } from './stream.ts'

/** A conversation of one user message, for tests to vary. */
export function conversation(fields: Partial<Conversation> = {}): Conversation {
  return {
    turns: [{ role: 'user', parts: [{ type: 'text', text: 'Hello' }] }],
    tools: [],
    stream: false,
    extra: {},
    ...fields,
  }
}

/** A context that remembers its drops and throws refusals as errors whose `param` is the field. */
export function requestContext(
  quirks: Partial<Quirks> = {},
  model = 'gpt-4.1',
): RequestContext & { dropped: string[] } {
  const dropped: string[] = []
  return {
    model,
    quirks: {
      maxTokensField: 'max_completion_tokens',
      developerRole: true,
      streamUsage: true,
      jsonSchema: true,
      ...quirks,
    },
    dropped,
    drop: (field) => void dropped.push(field),
    refuse: (field, why) => {
      throw new ApiError(400, 'invalid_request_error', why, { code: 'unsupported_field', param: field })
    },
  }
}

export function answerContext(request: JsonObject = {}, includeUsage = true): AnswerContext {
  return { model: 'smart', created: 1_700_000_000, id: 'abc', includeUsage, request }
}

/** The real SDK, answered with this body. */
export function client(body: string, contentType = 'text/event-stream'): OpenAI {
  return new OpenAI({
    apiKey: 'none',
    maxRetries: 0,
    fetch: async () => new Response(body, { headers: { 'content-type': contentType } }),
  })
}

/** The JSON of a stream's events; `[DONE]` as that text. */
export function eventsOf(text: string): unknown[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => block.slice('data: '.length))
    .map((data) => (data === '[DONE]' ? data : JSON.parse(data)))
}

/** The text of a stream of these chunks, ended by `[DONE]`. */
export function streamOf(...chunks: unknown[]): string {
  return [...chunks.map((chunk) => JSON.stringify(chunk)), '[DONE]'].map((data) => `data: ${data}\n\n`).join('')
}

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Reads pieces of one stream. */
export function read(...pieces: Uint8Array[]): AnswerEvent[] {
  const reader = readStream()
  return [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()]
}

/** Cuts bytes at these positions. */
export function cut(bytes: Uint8Array, positions: readonly number[]): Uint8Array[] {
  const places = [0, ...positions.map((position) => position % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return places.slice(1).map((end, at) => bytes.subarray(places[at], end))
}

/** @throws {Error} where the events break a rule of AnswerEvent's; @returns the whole answer they tell */
export function wholeOf(events: readonly AnswerEvent[]): Answer {
  const answer: Answer = { id: '', model: '', choices: [] }
  const open = new Map<string, Choice['parts'][number]>()
  const finished = new Set<number>()
  const rule = (kept: boolean, what: string) => {
    if (!kept) throw new Error(what)
  }
  const choiceOf = (index: number) => {
    answer.choices[index] ??= { parts: [], finish: 'error' }
    return answer.choices[index]
  }
  const openPart = ({ choice, part }: { choice: number; part: number }) => {
    const found = open.get(`${choice}/${part}`)
    if (!found) throw new Error(`part ${choice}/${part} is not open`)
    return found
  }
  for (const [at, event] of events.entries()) {
    switch (event.type) {
      case 'start': {
        rule(at === 0, 'start is first')
        const { type: _, usage: __, ...head } = event
        Object.assign(answer, head)
        break
      }
      case 'part': {
        const { type: _, choice, part, kind, ...fields } = event
        rule(!finished.has(choice), 'a part before its finish')
        rule(part === choiceOf(choice).parts.length, 'parts count up')
        const empty = kind === 'tool_call' ? { arguments: '' } : { text: '' }
        const made = { type: kind, ...empty, ...fields } as Choice['parts'][number]
        choiceOf(choice).parts.push(made)
        open.set(`${choice}/${part}`, made)
        break
      }
      case 'delta': {
        const part = openPart(event)
        if (part.type === 'tool_call') part.arguments += event.text
        else part.text += event.text
        const choice = choiceOf(event.choice)
        if (event.logprobs) choice.logprobs = [...(choice.logprobs ?? []), ...event.logprobs]
        break
      }
      case 'opaque': {
        const { type: _, choice: __, part: ___, ...proof } = event
        Object.assign(openPart(event), proof)
        break
      }
      case 'part_end':
        openPart(event)
        open.delete(`${event.choice}/${event.part}`)
        break
      case 'finish': {
        const { choice, reason, stopSequence } = event
        rule(![...open.keys()].some((key) => key.startsWith(`${choice}/`)), 'parts end before the finish')
        finished.add(choice)
        Object.assign(choiceOf(choice), { finish: reason, ...(stopSequence !== undefined && { stopSequence }) })
        break
      }
      case 'usage':
        rule(finished.size === answer.choices.length, 'usage after every finish')
        answer.usage = event.usage
        break
      case 'error':
        throw new Error(event.error.message)
      case 'end':
        rule(at === events.length - 1, 'end is last')
    }
  }
  rule(events.at(-1)?.type === 'end' && open.size === 0, 'all ends')
  return answer
}
