import type { FinishReason, JsonObject } from '../../conversation.ts'
import { objectOf, textOf } from './wire.ts'

/** `Candidate.finishReason`, every value of `@google/genai`'s FinishReason and those Vertex AI sends besides. */
const reasons: Readonly<Record<string, FinishReason>> = {
  STOP: 'stop',
  // Google says STOP; servers in its likeness say this, with the call.
  FUNCTION_CALL: 'stop',
  MAX_TOKENS: 'length',
  // The answer may be continued: like a bound on its tokens, only the service's own.
  CONTINUATION: 'length',

  SAFETY: 'content_filter',
  RECITATION: 'content_filter',
  BLOCKLIST: 'content_filter',
  PROHIBITED_CONTENT: 'content_filter',
  SPII: 'content_filter',
  LANGUAGE: 'content_filter',
  MODEL_ARMOR: 'content_filter',
  IMAGE_SAFETY: 'content_filter',
  IMAGE_PROHIBITED_CONTENT: 'content_filter',
  IMAGE_RECITATION: 'content_filter',

  // The model failed: a call that is no valid JSON, of no declared tool, without end; or nobody says why.
  MALFORMED_FUNCTION_CALL: 'error',
  UNEXPECTED_TOOL_CALL: 'error',
  TOO_MANY_TOOL_CALLS: 'error',
  MISSING_THOUGHT_SIGNATURE: 'error',
  MALFORMED_RESPONSE: 'error',
  IMAGE_OTHER: 'error',
  NO_IMAGE: 'error',
  OTHER: 'error',
  FINISH_REASON_UNSPECIFIED: 'error',
}

/**
 * @param reason the wire's word; one that is not known counts as `error`, for it is no ordinary end
 * @param called whether the answer calls a tool: Gemini says STOP all the same
 */
export function readFinish(reason: string, called: boolean): FinishReason {
  const finish = Object.hasOwn(reasons, reason) ? reasons[reason]! : 'error'
  return finish === 'stop' && called ? 'tool_calls' : finish
}

/** @returns why the prompt was refused before any answer, in the wire's word, or undefined where it was not. */
export function blockReason(body: JsonObject): string | undefined {
  return textOf(objectOf(body.promptFeedback).blockReason)
}
