import type { FinishReason, JsonObject } from '../../conversation.ts'

/** How an answer ended, and what it held that says more. */
export interface Ending {
  finish: FinishReason
  stopSequence?: string | undefined
  /** Whether the model refused in words. */
  refused: boolean
}

/**
 * The fields of a message, or of a `message_delta`, that say why it ended. What a filter cut off is a refusal: the API
 * has no other word for it. An answer that failed (`error`) has no ending; writers tell the error instead.
 */
export function writeEnding({ finish, stopSequence, refused }: Ending): JsonObject {
  const reason = stopReason(finish, stopSequence, refused)
  return {
    stop_reason: reason,
    stop_sequence: reason === 'stop_sequence' ? stopSequence : null,
    stop_details: reason === 'refusal' ? { type: 'refusal', category: null, explanation: null } : null,
  }
}

function stopReason(finish: FinishReason, stopSequence: string | undefined, refused: boolean): string | null {
  switch (finish) {
    case 'stop':
      if (refused) return 'refusal'
      return stopSequence === undefined ? 'end_turn' : 'stop_sequence'
    case 'length':
      return 'max_tokens'
    case 'tool_calls':
      return 'tool_use'
    case 'refusal':
    case 'content_filter':
      return 'refusal'
    case 'pause':
      return 'pause_turn'
    case 'error':
      return null
  }
}

/** The error of an answer that ended with `error`. */
export const failedAnswer = {
  status: 502,
  code: 'provider_failed',
  message: 'The provider ended the answer with an error. Try again.',
} as const
