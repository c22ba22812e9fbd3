import type { Usage } from '../../conversation.ts'
import { countOf, isObject, objectOf } from '../../fields.ts'

/**
 * `usage` of an answer, or of a stream's `message_start` and `message_delta` laid together. Anthropic counts cached
 * tokens beside `input_tokens`: all the input is the sum of the three. Thinking is part of `output_tokens`.
 */
export function readUsage(usage: unknown): Usage | undefined {
  if (!isObject(usage)) return undefined
  const cachedInput = countOf(usage.cache_read_input_tokens) ?? 0
  const cacheWriteInput = countOf(usage.cache_creation_input_tokens) ?? 0
  const cacheWrite1hInput = countOf(objectOf(usage.cache_creation).ephemeral_1h_input_tokens) ?? 0
  const reasoning = countOf(objectOf(usage.output_tokens_details).thinking_tokens)
  return {
    input: (countOf(usage.input_tokens) ?? 0) + cachedInput + cacheWriteInput,
    output: countOf(usage.output_tokens) ?? 0,
    ...(cachedInput > 0 && { cachedInput }),
    ...(cacheWriteInput > 0 && { cacheWriteInput }),
    ...(cacheWrite1hInput > 0 && { cacheWrite1hInput }),
    ...(reasoning !== undefined && { reasoning }),
  }
}
