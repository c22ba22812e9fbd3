import { GoogleGenAI } from '@google/genai'
import type { Answer, AnswerEvent, Choice, Conversation, JsonObject } from '../../conversation.ts'
import type { AnswerContext, RequestContext } from '../../dialect.ts'
import { invalid } from '../../errors.ts'

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
export function context(model = 'gemini-2.5-flash'): RequestContext & { dropped: string[] } {
  const dropped: string[] = []
  return {
    model,
    quirks: { maxTokensField: 'max_tokens', developerRole: false, streamUsage: true, jsonSchema: true },
    dropped,
    drop: (field) => void dropped.push(field),
    refuse: (field, why) => {
      throw invalid(field, why)
    },
  }
}

export function answerContext(): AnswerContext {
  return { model: 'smart', created: 1_700_000_000, id: 'abc', includeUsage: true, request: {} }
}

/** The real SDK, answered with this body. */
export function client(body: string, status = 200, contentType = 'text/event-stream'): GoogleGenAI {
  return new GoogleGenAI({
    apiKey: 'none',
    httpOptions: {
      baseUrl: 'http://gateway.example',
      fetch: async () => new Response(body, { status, headers: { 'content-type': contentType } }),
    },
  })
}

/** The JSON of a stream's events. */
export function eventsOf(text: string): JsonObject[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => JSON.parse(block.replace(/^data: /, '')) as JsonObject)
}

type AnswerPart = Choice['parts'][number]

/** The events of one part, its text in two pieces. */
export function partEvents(part: AnswerPart, index: number, choice = 0): AnswerEvent[] {
  const place = { choice, part: index }
  const text = part.type === 'tool_call' ? part.arguments : part.text
  const middle = Math.ceil(text.length / 2)
  return [
    part.type === 'tool_call'
      ? {
          type: 'part',
          ...place,
          kind: 'tool_call',
          id: part.id,
          name: part.name,
          ...(part.signature && { signature: part.signature }),
        }
      : { type: 'part', ...place, kind: part.type },
    ...[text.slice(0, middle), text.slice(middle)]
      .filter((piece) => piece !== '')
      .map((piece): AnswerEvent => ({ type: 'delta', ...place, text: piece })),
    ...(part.type === 'reasoning' && (part.signature ?? part.redacted)
      ? [
          {
            type: 'opaque' as const,
            ...place,
            ...(part.signature && { signature: part.signature }),
            ...(part.redacted && { redacted: part.redacted }),
          },
        ]
      : []),
    { type: 'part_end', ...place },
  ]
}

/** A whole answer as the events of a stream. */
export function answerEvents({ id, choices, usage }: Answer): AnswerEvent[] {
  return [
    { type: 'start', id, model: 'm' },
    ...choices.flatMap(({ parts }, choice) => parts.flatMap((part, index) => partEvents(part, index, choice))),
    ...choices.map(({ finish }, choice): AnswerEvent => ({ type: 'finish', choice, reason: finish })),
    ...(usage ? [{ type: 'usage' as const, usage }] : []),
    { type: 'end' },
  ]
}
