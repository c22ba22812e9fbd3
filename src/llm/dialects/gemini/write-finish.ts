import type { FinishReason } from '../../conversation.ts'

/**
 * `Candidate.finishReason` of an answer. Calls end with STOP, as Gemini's own do. What a filter cut off or the model
 * refused is SAFETY, a refusal in words as well: the text is not what was asked for.
 */
export function writeFinish(finish: FinishReason, refused: boolean): string {
  switch (finish) {
    case 'stop':
      return refused ? 'SAFETY' : 'STOP'
    case 'tool_calls':
      return 'STOP'
    case 'length':
    // To be continued, which the client can do as after a bound on its tokens.
    case 'pause':
      return 'MAX_TOKENS'
    case 'content_filter':
    case 'refusal':
      return 'SAFETY'
    case 'error':
      return 'OTHER'
  }
}

/** The error of an answer whose every candidate ended with `error`. */
export const failedAnswer = {
  status: 502,
  code: 'provider_failed',
  message: 'The provider ended the answer with an error. Try again.',
} as const
