import type { FinishReason } from '../../conversation.ts'

/** OpenAI's words, and those of servers alike: Mistral's `model_length`, DeepSeek's and vLLM's failures. */
const reasons: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  length: 'length',
  model_length: 'length',
  tool_calls: 'tool_calls',
  function_call: 'tool_calls',
  content_filter: 'content_filter',
  error: 'error',
  abort: 'error',
  insufficient_system_resource: 'error',
}

/**
 * How an answer ended. A forced call (`tool_choice` names it) ends with `stop` at OpenAI, and so does a refusal: what
 * the answer holds says more. A word that is not known counts as an ordinary end.
 * @param reason the wire's word; empty where there is none
 */
export function readFinish(reason: string, holds: { calls: boolean; refusal: boolean }): FinishReason {
  const finish = Object.hasOwn(reasons, reason) ? reasons[reason]! : 'stop'
  if (finish !== 'stop') return finish
  if (holds.calls) return 'tool_calls'
  return holds.refusal ? 'refusal' : 'stop'
}

/**
 * The API's word. A refusal told in words ends with `stop`, a silent one was a filter's doing. A paused answer
 * (Anthropic `pause_turn`) was cut short like one that met its bound. `error` is OpenRouter's word for what OpenAI has
 * none: it is only seen beside other choices that ended well.
 */
export function writeFinish(
  finish: FinishReason,
  holds: { refusal: boolean; legacyCall: boolean },
): 'stop' | 'length' | 'tool_calls' | 'function_call' | 'content_filter' | 'error' {
  switch (finish) {
    case 'tool_calls':
      return holds.legacyCall ? 'function_call' : 'tool_calls'
    case 'refusal':
      return holds.refusal ? 'stop' : 'content_filter'
    case 'pause':
      return 'length'
    default:
      return finish
  }
}

/** The error for an answer that ended with `error`, for which the API has no reason. */
export const failedAnswer = {
  status: 502,
  code: 'provider_failed',
  message: 'The provider ended the answer with an error. Try again.',
} as const
