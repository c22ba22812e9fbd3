import type { JsonObject } from '../../conversation.ts'
import { isObject } from '../../fields.ts'
import { unwrapOpaque } from '../../opaque.ts'
import { madeItemId } from './ids.ts'

/**
 * Takes the reasoning that other providers gave out of a request that goes to OpenAI as the client wrote it: after a
 * switch of provider in mid-conversation it would be refused (`invalid_encrypted_content`), and it is not OpenAI's to
 * see. Items that hold OpenAI's own reasoning but were named here lose the name, which the content is not bound to.
 * @returns the body to send, or undefined where it may stay as it is
 */
export function withoutForeign(body: JsonObject): JsonObject | undefined {
  const { input } = body
  if (!Array.isArray(input)) return undefined
  let changed = false
  const kept = input.flatMap((item: unknown) => {
    if (!isObject(item) || item.type !== 'reasoning') return [item]
    const encrypted = typeof item.encrypted_content === 'string' ? item.encrypted_content : undefined
    const named = typeof item.id === 'string' && madeItemId.test(item.id)
    const foreign = encrypted !== undefined && unwrapOpaque(encrypted, 'openai').origin !== 'openai'
    if (!foreign && !named) return [item]
    changed = true
    if (foreign || encrypted === undefined) return []
    const { id: _, ...rest } = item
    return [rest]
  })
  return changed ? { ...body, input: kept } : undefined
}
