import type { FinishReason, JsonObject } from '../../conversation.ts'
import { objectOf } from '../../fields.ts'
import { wordsOf } from './wire.ts'

/** Every `stopReason` of `@aws-sdk/client-bedrock-runtime`, and Claude's own that Converse has no word for yet. */
const reasons: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  tool_use: 'tool_calls',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',

  guardrail_intervened: 'content_filter',
  content_filtered: 'content_filter',

  // The model failed: a call or an answer that Bedrock could not read.
  malformed_tool_use: 'error',
  malformed_model_output: 'error',

  refusal: 'refusal',
  pause_turn: 'pause',
}

/**
 * @param reason the wire's `stopReason`. An answer that ended without one, as servers in the API's likeness may leave it,
 *   counts as an ordinary end; a word that is not known does not, for it is none
 * @param called whether the answer calls a tool: some models say `end_turn` all the same
 */
export function readFinish(reason: unknown, called: boolean): FinishReason {
  const word = wordsOf(reason) ?? 'end_turn'
  const finish = Object.hasOwn(reasons, word) ? reasons[word]! : 'error'
  return finish === 'stop' && called ? 'tool_calls' : finish
}

/** The stop sequence that ended the answer, where the model says it in the field that writeRequest asks for. */
export function readStopSequence(body: JsonObject): { stopSequence?: string } {
  if (body.stopReason !== 'stop_sequence') return {}
  const stopSequence = wordsOf(objectOf(body.additionalModelResponseFields).stop_sequence)
  return stopSequence === undefined ? {} : { stopSequence }
}
