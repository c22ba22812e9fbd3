import type { FinishReason, JsonObject } from '../../conversation.ts'
import { objectOf, objectsOf } from '../../fields.ts'

/** How an answer ended, in the API's words. */
export interface Ending {
  status: 'completed' | 'incomplete' | 'failed'
  incomplete_details: { reason: 'max_output_tokens' | 'content_filter' } | null
}

/** Reads how a response ended: from its status and from what it holds. */
export function readFinish(response: JsonObject): FinishReason {
  switch (response.status) {
    case 'failed':
    case 'cancelled':
      return 'error'
    case 'incomplete':
      return objectOf(response.incomplete_details).reason === 'content_filter' ? 'content_filter' : 'length'
  }
  const output = objectsOf(response.output)
  if (output.some((item) => item.type === 'function_call')) return 'tool_calls'
  return output.some((item) => objectsOf(item.content).some((part) => part.type === 'refusal')) ? 'refusal' : 'stop'
}

/**
 * A refusal shows as a part of the message. Where the provider stopped without saying so in words, the answer was cut
 * off by a filter. A paused answer (Anthropic `pause_turn`) is incomplete for a reason this API has no word for.
 */
export function writeFinish(finish: FinishReason, hasRefusal: boolean): Ending {
  switch (finish) {
    case 'length':
      return { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } }
    case 'content_filter':
      return { status: 'incomplete', incomplete_details: { reason: 'content_filter' } }
    case 'refusal':
      return hasRefusal ? writeFinish('stop', true) : writeFinish('content_filter', false)
    case 'pause':
      return { status: 'incomplete', incomplete_details: null }
    case 'error':
      return { status: 'failed', incomplete_details: null }
    default:
      return { status: 'completed', incomplete_details: null }
  }
}
