import OpenAI from 'openai'
import type { AnswerEvent, Conversation, JsonObject } from '../../conversation.ts'
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
export function requestContext(model = 'gpt-4.1', developerRole = true): RequestContext & { dropped: string[] } {
  const dropped: string[] = []
  return {
    model,
    quirks: { maxTokensField: 'max_completion_tokens', developerRole, streamUsage: true, jsonSchema: true },
    dropped,
    drop: (field) => void dropped.push(field),
    refuse: (field, why) => {
      throw invalid(field, why)
    },
  }
}

export function answerContext(request: JsonObject = {}): AnswerContext {
  return { model: 'smart', created: 1_700_000_000, id: 'abc', includeUsage: true, request }
}

/** The real SDK, answered with this body. */
export function client(body: string, contentType = 'text/event-stream'): OpenAI {
  return new OpenAI({
    apiKey: 'none',
    maxRetries: 0,
    fetch: async () => new Response(body, { headers: { 'content-type': contentType } }),
  })
}

/** The events of a stream's text. */
export function eventsOf(text: string): JsonObject[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => JSON.parse(block.slice(block.indexOf('data: ') + 6)))
}

/** Joins the deltas of each part, and puts the parts in order, so that streams cut differently compare equal. */
export function joined(events: readonly AnswerEvent[]): AnswerEvent[] {
  const out: AnswerEvent[] = []
  const deltas = new Map<number, AnswerEvent & { type: 'delta' }>()
  for (const event of events) {
    const known = event.type === 'delta' ? deltas.get(event.part) : undefined
    if (known && event.type === 'delta') {
      known.text += event.text
      if (event.logprobs) known.logprobs = [...(known.logprobs ?? []), ...event.logprobs]
      continue
    }
    const copy = { ...event }
    if (copy.type === 'delta') deltas.set(copy.part, copy)
    out.push(copy)
  }
  const order = (event: AnswerEvent) => ('part' in event ? event.part : event.type === 'start' ? -1 : Infinity)
  return out.toSorted((a, b) => order(a) - order(b) || 0)
}

export const encode = (text: string) => new TextEncoder().encode(text)
