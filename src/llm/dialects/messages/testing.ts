import Anthropic from '@anthropic-ai/sdk'
import type { Answer, AnswerEvent, Choice, JsonObject, Opaque } from '../../conversation.ts'
import type { AnswerContext, RequestContext } from '../../dialect.ts'
import { ApiError } from '../../errors.ts'

/** A context that remembers its drops and throws refusals as errors whose `param` is the field. */
export function requestContext(model = 'claude-sonnet-4-5'): RequestContext & { dropped: string[] } {
  const dropped: string[] = []
  return {
    model,
    quirks: { maxTokensField: 'max_tokens', developerRole: false, streamUsage: true, jsonSchema: true },
    dropped,
    drop: (field) => void dropped.push(field),
    refuse: (field, why) => {
      throw new ApiError(400, 'invalid_request_error', why, { code: 'unsupported_field', param: field })
    },
  }
}

export function answerContext(): AnswerContext {
  return { model: 'smart', created: 1_700_000_000, id: 'abc', includeUsage: true, request: {} }
}

/** The real SDK, answered with this body. */
export function client(body: string, contentType = 'text/event-stream'): Anthropic {
  return new Anthropic({
    apiKey: 'none',
    maxRetries: 0,
    fetch: async () => new Response(body, { headers: { 'content-type': contentType } }),
  })
}

const request = { model: 'smart', max_tokens: 100, messages: [{ role: 'user' as const, content: 'Hello' }] }

/** The message that the real SDK makes of a stream. */
export function messageOf(stream: string): Promise<Anthropic.Message> {
  return client(stream).messages.stream(request).finalMessage()
}

/** The JSON of a stream's events. @throws {Error} where an event's name is not its type */
export function eventsOf(text: string): JsonObject[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => {
      const [, name, data] = /^event: (.+)\ndata: (.+)$/.exec(block) ?? []
      const json: JsonObject = JSON.parse(data ?? 'null')
      if (json.type !== name) throw new Error(`${name} is the name of ${data}`)
      return json
    })
}

type AnswerPart = Choice['parts'][number]

/** The events of one part, its text in two pieces. */
export function partEvents(part: AnswerPart, index: number, choice = 0): AnswerEvent[] {
  const place = { choice, part: index }
  const text = part.type === 'tool_call' ? part.arguments : part.text
  const middle = Math.ceil(text.length / 2)
  return [
    beginning(part, place),
    ...[text.slice(0, middle), text.slice(middle)].map((piece) => ({ type: 'delta' as const, ...place, text: piece })),
    ...(part.type === 'reasoning' ? proof(part, place) : []),
    { type: 'part_end', ...place },
  ]
}

type Place = { choice: number; part: number }

function beginning(part: AnswerPart, place: Place): AnswerEvent {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return { type: 'part', ...place, kind: part.type }
    case 'reasoning':
      return { type: 'part', ...place, kind: 'reasoning' }
    case 'tool_call': {
      const { id, name, signature } = part
      return { type: 'part', ...place, kind: 'tool_call', id, name, ...(signature && { signature }) }
    }
  }
}

function proof(proven: { signature?: Opaque; redacted?: Opaque }, place: Place): AnswerEvent[] {
  const { signature, redacted } = proven
  if (!signature && !redacted) return []
  return [{ type: 'opaque', ...place, ...(signature && { signature }), ...(redacted && { redacted }) }]
}

/** The events that tell an answer, part after part. */
export function eventsTelling({ id, model, choices, usage }: Answer): AnswerEvent[] {
  return [
    { type: 'start', id, model },
    ...choices.flatMap(({ parts }, choice) => parts.flatMap((part, index) => partEvents(part, index, choice))),
    ...choices.map(
      ({ finish, stopSequence }, choice): AnswerEvent => ({
        type: 'finish',
        choice,
        reason: finish,
        ...(stopSequence !== undefined && { stopSequence }),
      }),
    ),
    ...(usage ? [{ type: 'usage' as const, usage }] : []),
    { type: 'end' },
  ]
}

/** An answer of these parts. */
export function answer(parts: AnswerPart[], fields: Partial<Choice & Pick<Answer, 'id' | 'usage'>> = {}): Answer {
  const { id = 'gen-1', usage, ...choice } = fields
  return {
    id,
    model: 'other-model',
    choices: [{ parts, finish: 'stop', ...choice }],
    ...(usage && { usage }),
  }
}
