import type { Usage } from '../../conversation.ts'
import { countOf, isObject, objectsOf } from '../../fields.ts'

/**
 * `usage` of an answer or of a stream's `metadata`. Bedrock counts cached tokens beside `inputTokens`: all the input is
 * the sum of the three (docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html). Thinking is part of
 * `outputTokens` and not told apart.
 */
export function readUsage(usage: unknown): Usage | undefined {
  if (!isObject(usage)) return undefined
  const cachedInput = tokens(usage.cacheReadInputTokens)
  const cacheWriteInput = tokens(usage.cacheWriteInputTokens)
  const cacheWrite1hInput = objectsOf(usage.cacheDetails)
    .filter(({ ttl }) => ttl === '1h')
    .reduce((sum, { inputTokens }) => sum + tokens(inputTokens), 0)
  return {
    input: tokens(usage.inputTokens) + cachedInput + cacheWriteInput,
    output: tokens(usage.outputTokens),
    ...(cachedInput > 0 && { cachedInput }),
    ...(cacheWriteInput > 0 && { cacheWriteInput }),
    ...(cacheWrite1hInput > 0 && { cacheWrite1hInput }),
  }
}

function tokens(value: unknown): number {
  return countOf(value) ?? 0
}
