import type { FinishReason } from '../../conversation.ts'

/** Every `stop_reason` of the API, with the beta's `compaction`: a turn to be continued. */
const reasons: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  tool_use: 'tool_calls',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  refusal: 'refusal',
  pause_turn: 'pause',
  compaction: 'pause',
}

/**
 * @param reason the wire's `stop_reason`. An answer that ended without one counts as an ordinary end; a word that is
 *   not known does not, for it is none
 * @param called whether the answer calls a tool: servers alike may say `end_turn` all the same
 */
export function readFinish(reason: unknown, called: boolean): FinishReason {
  const word = typeof reason === 'string' ? reason : 'end_turn'
  const finish = Object.hasOwn(reasons, word) ? reasons[word]! : 'error'
  return finish === 'stop' && called ? 'tool_calls' : finish
}

/** The stop sequence that ended the answer. */
export function readStopSequence(sequence: unknown): { stopSequence?: string } {
  return typeof sequence === 'string' && sequence !== '' ? { stopSequence: sequence } : {}
}
