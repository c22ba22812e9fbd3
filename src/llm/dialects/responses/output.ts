import type { JsonObject, Opaque, ReasoningPart, TokenLogprob, ToolCallPart } from '../../conversation.ts'
import { writeLogprobs } from '../openai/logprobs.ts'
import { encryptedOf, writeEncrypted } from './encrypted.ts'

/** The items of an answer's `output`, as whole answers and streams both show them. */

export type ItemStatus = 'in_progress' | 'completed' | 'incomplete'

export function messageItem(id: string, status: ItemStatus, content: readonly JsonObject[]): JsonObject {
  return { type: 'message', id, status, role: 'assistant', content }
}

export function outputText(text: string, logprobs?: readonly TokenLogprob[]): JsonObject {
  return { type: 'output_text', text, annotations: [], logprobs: writeLogprobs(logprobs) }
}

export function refusalContent(refusal: string): JsonObject {
  return { type: 'refusal', refusal }
}

export function callItem(
  id: string,
  status: ItemStatus,
  call: Pick<ToolCallPart, 'id' | 'name' | 'arguments'>,
): JsonObject {
  return { type: 'function_call', id, call_id: call.id, name: call.name, arguments: call.arguments, status }
}

/** A summary stands in `summary`, thinking shown as it was in `content`, and proof of either in `encrypted_content`. */
export function reasoningItem(
  id: string,
  part: Pick<ReasoningPart, 'text' | 'summary' | 'signature' | 'redacted'>,
): JsonObject {
  const encrypted = encryptedOf(part)
  return {
    type: 'reasoning',
    id,
    summary: part.summary && part.text !== '' ? [summaryText(part.text)] : [],
    ...(!part.summary && part.text !== '' && { content: [reasoningText(part.text)] }),
    ...(encrypted !== undefined && { encrypted_content: encrypted }),
  }
}

/** The signature of a call (Gemini's), which has no field on the call itself. */
export function callSignatureItem(id: string, callId: string, signature: Opaque): JsonObject {
  const encrypted = writeEncrypted({ kind: 'call', callId, opaque: signature })
  return { type: 'reasoning', id, summary: [], encrypted_content: encrypted }
}

export function summaryText(text: string): JsonObject {
  return { type: 'summary_text', text }
}

export function reasoningText(text: string): JsonObject {
  return { type: 'reasoning_text', text }
}
