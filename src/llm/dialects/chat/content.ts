import type { JsonObject } from '../../conversation.ts'
import { objectsOf, textOf } from '../../fields.ts'

/** A piece of an answer's content. */
export interface ContentPiece {
  kind: 'text' | 'reasoning'
  text: string
}

/**
 * Reads the `content` of an answer or a delta: a text, or, from Mistral's models that think, an array of `text` parts
 * and `thinking` parts (docs.mistral.ai, "Reasoning").
 */
export function readContent(content: unknown): ContentPiece[] {
  if (typeof content === 'string') return content === '' ? [] : [{ kind: 'text', text: content }]
  return objectsOf(content).flatMap((part: JsonObject): ContentPiece[] => {
    const thinks = part.type === 'thinking'
    const text = thinks ? thinkingText(part.thinking) : textOf(part.text)
    return text === '' ? [] : [{ kind: thinks ? 'reasoning' : 'text', text }]
  })
}

/** A `thinking` part's text: Mistral's array of text parts, or one text. */
export function thinkingText(thinking: unknown): string {
  if (typeof thinking === 'string') return thinking
  return objectsOf(thinking)
    .map((part) => textOf(part.text))
    .join('')
}
