import type { Conversation } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
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
