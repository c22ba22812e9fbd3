import type { JsonObject, Usage } from '../../conversation.ts'
import { countOf, definedOnly, isObject, objectOf } from '../../fields.ts'

/**
 * Reads `usage` (CompletionUsage). Besides OpenAI's fields: DeepSeek's `prompt_cache_hit_tokens`, LiteLLM's
 * `cache_creation_input_tokens`.
 * @returns undefined where there is none, as in every chunk but the last
 */
export function readUsage(usage: unknown): Usage | undefined {
  if (!isObject(usage)) return undefined
  const prompt = objectOf(usage.prompt_tokens_details)
  const completion = objectOf(usage.completion_tokens_details)
  const input = countOf(usage.prompt_tokens) ?? 0
  const output = countOf(usage.completion_tokens) ?? 0
  const reasoning = countOf(completion.reasoning_tokens)
  return definedOnly<Usage>({
    input,
    output: output + reasoningApart(usage, input, output, reasoning),
    cachedInput: countOf(prompt.cached_tokens) ?? countOf(usage.prompt_cache_hit_tokens),
    cacheWriteInput:
      countOf(prompt.cache_write_tokens) ??
      countOf(prompt.cache_creation_tokens) ??
      countOf(usage.cache_creation_input_tokens),
    reasoning,
    audioInput: countOf(prompt.audio_tokens),
    audioOutput: countOf(completion.audio_tokens),
  })
}

/** xAI counts reasoning tokens beside the completion's, which only the total tells. */
function reasoningApart(usage: JsonObject, input: number, output: number, reasoning = 0): number {
  return reasoning > 0 && usage.total_tokens === input + output + reasoning ? reasoning : 0
}

/** Writes `usage`; details are there where they are known. */
export function writeUsage(usage: Usage): JsonObject {
  const prompt = definedOnly<JsonObject>({
    cached_tokens: usage.cachedInput,
    cache_write_tokens: usage.cacheWriteInput,
    audio_tokens: usage.audioInput,
  })
  const completion = definedOnly<JsonObject>({ reasoning_tokens: usage.reasoning, audio_tokens: usage.audioOutput })
  return {
    prompt_tokens: usage.input,
    completion_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    ...(Object.keys(prompt).length > 0 && { prompt_tokens_details: prompt }),
    ...(Object.keys(completion).length > 0 && { completion_tokens_details: completion }),
  }
}
