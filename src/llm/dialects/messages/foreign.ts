import type { JsonObject } from '../../conversation.ts'
import { isObject, textOf } from '../../fields.ts'
import { unwrapOpaque } from '../../opaque.ts'

/**
 * Takes the thinking that other providers gave out of a request that goes to Anthropic as the client wrote it: after a
 * switch of provider in mid-conversation it would be refused (`Invalid signature in thinking block`), and it is not
 * Anthropic's to see. A message that held nothing else goes with it.
 * @see ClientDialect.withoutForeign
 */
export function withoutForeign(body: JsonObject): JsonObject | undefined {
  if (!Array.isArray(body.messages)) return undefined
  const messages: unknown[] = body.messages
  const kept = messages.flatMap(withoutForeignBlocks)
  const changed = kept.length < messages.length || kept.some((message, index) => message !== messages[index])
  return changed ? { ...body, messages: kept } : undefined
}

/** @returns the message itself where it may stay as it is, nothing where it held foreign thinking only */
function withoutForeignBlocks(message: unknown): unknown[] {
  if (!isObject(message) || !Array.isArray(message.content)) return [message]
  const blocks: unknown[] = message.content
  const own = blocks.filter((block) => !isForeign(block))
  if (own.length === blocks.length) return [message]
  return own.length === 0 ? [] : [{ ...message, content: own }]
}

function isForeign(block: unknown): boolean {
  if (!isObject(block)) return false
  if (block.type === 'thinking') return isMarked(block.signature)
  return block.type === 'redacted_thinking' && isMarked(block.data)
}

function isMarked(value: unknown): boolean {
  return unwrapOpaque(textOf(value), 'anthropic').origin !== 'anthropic'
}
