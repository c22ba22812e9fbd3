import type { JsonObject } from '../../conversation.ts'
import { isObject, objectOf, textOf } from '../../fields.ts'
import { unwrapOpaque } from '../../opaque.ts'

/**
 * Takes the marked thinking of other providers out of a request that goes on as the client wrote it, together with the
 * text it proves: the server behind it can make nothing of either, and OpenAI refuses fields it does not know.
 * @see ClientDialect.withoutForeign
 */
export function withoutForeign(body: JsonObject): JsonObject | undefined {
  if (!Array.isArray(body.messages)) return undefined
  const messages: unknown[] = body.messages
  const kept = messages.map((message) => (isObject(message) ? cleaned(message) : message))
  return kept.some((message, index) => message !== messages[index]) ? { ...body, messages: kept } : undefined
}

/** @returns the message itself where nothing is to be taken out */
function cleaned(message: JsonObject): JsonObject {
  const { reasoning_details: details, reasoning_content: text, tool_calls: calls, ...rest } = message
  const ownDetails = Array.isArray(details) ? details.filter((detail) => !isForeignDetail(detail)) : details
  const ownCalls = Array.isArray(calls) ? calls.map(withoutSignature) : calls
  const thought = Array.isArray(details) && Array.isArray(ownDetails) && ownDetails.length < details.length
  const signed = Array.isArray(calls) && Array.isArray(ownCalls) && ownCalls.some((call, at) => call !== calls[at])
  if (!thought && !signed) return message
  return {
    ...rest,
    ...(!thought && text !== undefined && { reasoning_content: text }),
    ...(details !== undefined && !(thought && isEmpty(ownDetails)) && { reasoning_details: ownDetails }),
    ...(calls !== undefined && { tool_calls: ownCalls }),
  }
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}

function isForeignDetail(detail: unknown): boolean {
  const { signature, data } = objectOf(detail)
  return [signature, data].some((proof) => unwrapOpaque(textOf(proof), 'openai').origin !== 'openai')
}

function withoutSignature(call: unknown): unknown {
  if (!isObject(call)) return call
  const signature = textOf(objectOf(objectOf(call.extra_content).google).thought_signature)
  if (unwrapOpaque(signature, 'gemini').origin === 'gemini') return call
  const { extra_content: _, ...rest } = call
  return rest
}
