import type { Usage } from '../../conversation.ts'
import { isObject } from '../../json.ts'
import { countOf, objectsOf } from './wire.ts'

/**
 * `usage` of an answer or of a stream's `metadata`. Bedrock counts cached tokens beside `inputTokens`: all the input is
 * the sum of the three (docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html). Thinking is part of
 * `outputTokens` and not told apart.
 */
export function readUsage(usage: unknown): Usage | undefined {
  if (!isObject(usage)) return undefined
  const cachedInput = countOf(usage.cacheReadInputTokens)
  const cacheWriteInput = countOf(usage.cacheWriteInputTokens)
  const cacheWrite1hInput = objectsOf(usage.cacheDetails)
    .filter(({ ttl }) => ttl === '1h')
    .reduce((sum, { inputTokens }) => sum + countOf(inputTokens), 0)
  return {
    input: countOf(usage.inputTokens) + cachedInput + cacheWriteInput,
    output: countOf(usage.outputTokens),
    ...(cachedInput > 0 && { cachedInput }),
    ...(cacheWriteInput > 0 && { cacheWriteInput }),
    ...(cacheWrite1hInput > 0 && { cacheWrite1hInput }),
  }
}
