import { createHash } from 'node:crypto'

/** The answer's id: the provider's where it is one of this API, else one made of what there is. */
export function answerId(prefix: 'chatcmpl-' | 'cmpl-', id: string, fallback: string): string {
  const known = id === '' ? fallback : id
  return known.startsWith(prefix) ? known : prefix + known
}

/**
 * An id for a tool call that came without one, as some OpenAI-compatible servers send them. Made from where the call
 * stands, so that the same answer, streamed or whole, gives the same ids.
 */
export function madeCallId(responseId: string, choice: number, ordinal: number, name: string): string {
  return `call_${digest([responseId, choice, ordinal, name].join('\n'))}`
}

const longestCallId = 40

/** OpenAI takes ids of tool calls up to 40 characters; a longer one, of another provider's making, goes as its hash. */
export function writeCallId(id: string): string {
  return id.length <= longestCallId ? id : `call_${digest(id)}`
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 24)
}
