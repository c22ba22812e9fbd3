import type { JsonObject, Usage } from '../../conversation.ts'

/**
 * A message's `usage` (the SDK's `Usage`): cached tokens stand beside `input_tokens`, not among them. Where nothing is
 * known, as at the start of a stream, the counts are 0.
 */
export function writeUsage(usage: Usage = { input: 0, output: 0 }): JsonObject {
  const { cacheWriteInput, cacheWrite1hInput = 0 } = usage
  return {
    ...counts(usage),
    cache_creation:
      cacheWriteInput === undefined
        ? null
        : {
            ephemeral_5m_input_tokens: Math.max(0, cacheWriteInput - cacheWrite1hInput),
            ephemeral_1h_input_tokens: cacheWrite1hInput,
          },
    inference_geo: null,
    service_tier: null,
    speed: null,
  }
}

/** The `usage` of a `message_delta` event (the SDK's `MessageDeltaUsage`): totals, not what was added. */
export function writeDeltaUsage(usage: Usage = { input: 0, output: 0 }): JsonObject {
  return counts(usage)
}

function counts({ input, output, cachedInput = 0, cacheWriteInput = 0, reasoning }: Usage): JsonObject {
  return {
    input_tokens: Math.max(0, input - cachedInput - cacheWriteInput),
    cache_creation_input_tokens: cacheWriteInput,
    cache_read_input_tokens: cachedInput,
    output_tokens: output,
    output_tokens_details: reasoning === undefined ? null : { thinking_tokens: reasoning },
    server_tool_use: null,
  }
}
