import type { JsonObject, Usage } from '../../conversation.ts'
import { countOf, definedOnly, isObject, objectOf } from '../../fields.ts'

/** Reads `usage`. @returns undefined where there is none, as in every event but the last. */
export function readUsage(usage: unknown): Usage | undefined {
  if (!isObject(usage)) return undefined
  const input = objectOf(usage.input_tokens_details)
  return definedOnly<Usage>({
    input: countOf(usage.input_tokens) ?? 0,
    output: countOf(usage.output_tokens) ?? 0,
    cachedInput: countOf(input.cached_tokens),
    cacheWriteInput: countOf(input.cache_write_tokens),
    reasoning: countOf(objectOf(usage.output_tokens_details).reasoning_tokens),
  })
}

export function writeUsage(usage: Usage | undefined): JsonObject | null {
  if (usage === undefined) return null
  return {
    input_tokens: usage.input,
    input_tokens_details: { cached_tokens: usage.cachedInput ?? 0, cache_write_tokens: usage.cacheWriteInput ?? 0 },
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: usage.reasoning ?? 0 },
    total_tokens: usage.input + usage.output,
  }
}
