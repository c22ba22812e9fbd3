import type { JsonObject, Opaque, Part, ReasoningPart, ToolCallPart } from '../../conversation.ts'
import { requiredText } from '../../fields.ts'
import { unwrapOpaque, wrapOpaque } from '../../opaque.ts'
import { readToolId, writeToolId } from './ids.ts'

/**
 * Thinking as a client of this API holds it: `thinking` blocks with a `signature`, and `redacted_thinking` with `data`.
 * What other providers made is marked with its origin (opaque.ts), so that it finds its way back:
 *
 * - OpenAI proves nothing, it encrypts: its data stands in the signature of the summary beside it, or, without one, in
 *   a block of redacted thinking.
 * - Gemini signs tool calls: such a signature stands in a block without text in front of its call. One that came too
 *   late for that stands behind the call and names it.
 * - Thinking that nobody signed gets an empty mark, so that it is known as no thinking of Claude's: Anthropic refuses
 *   unsigned blocks.
 */

/** OpenAI's data is never empty, so this is nobody's. */
const unsigned: Opaque = { origin: 'openai', value: '' }

/** The signature of a thinking block. */
export function thinkingSignature(part: Pick<ReasoningPart, 'signature' | 'redacted'>): string {
  return wrapOpaque(part.signature ?? encryptedText(part) ?? unsigned, 'anthropic')
}

/** OpenAI's encrypted form of the text beside it. */
function encryptedText({ redacted }: Pick<ReasoningPart, 'redacted'>): Opaque | undefined {
  return redacted?.origin === 'openai' ? redacted : undefined
}

/** @returns the data that a thinking block before it (`shown`) does not hold already */
export function redactedData(part: Pick<ReasoningPart, 'signature' | 'redacted'>, shown: boolean): string | undefined {
  const { redacted } = part
  if (redacted === undefined || (shown && part.signature === undefined && encryptedText(part))) return undefined
  return wrapOpaque(redacted, 'anthropic')
}

/** Whether a reasoning part needs a thinking block: it has text, or proof that is no redacted thinking. */
export function isShown(part: Pick<ReasoningPart, 'text' | 'signature'>): boolean {
  return part.text !== '' || part.signature !== undefined
}

/** Writes a reasoning part of an answer; nothing where it says nothing. */
export function writeThinking(part: ReasoningPart): JsonObject[] {
  const shown = isShown(part)
  const data = redactedData(part, shown)
  return [
    ...(shown ? [{ type: 'thinking', thinking: part.text, signature: thinkingSignature(part) }] : []),
    ...(data === undefined ? [] : [{ type: 'redacted_thinking', data }]),
  ]
}

/** The signature of a thinking block that stands in front of the call it proves. */
export function callSignature(signature: Opaque): string {
  return wrapOpaque(signature, 'anthropic')
}

/** The signature of a thinking block that stands anywhere behind the call it proves. */
export function lateCallSignature(callId: string, { origin, value }: Opaque): string {
  return wrapOpaque({ origin, value: `call:${writeToolId(callId)}:${value}` }, 'anthropic')
}

const late = /^call:([a-zA-Z0-9_-]+):(.*)$/s

/** @throws {ApiError} 400 where a field has the wrong type */
export function readThinking(block: JsonObject, path: string): ReasoningPart {
  const text = requiredText(block, 'thinking', path)
  const proof = unwrapOpaque(requiredText(block, 'signature', path), 'anthropic')
  if (proof.value === '') return { type: 'reasoning', text }
  return { type: 'reasoning', text, [proof.origin === 'openai' ? 'redacted' : 'signature']: proof }
}

/** @throws {ApiError} 400 where a field has the wrong type */
export function readRedacted(block: JsonObject, path: string): ReasoningPart {
  return { type: 'reasoning', text: '', redacted: unwrapOpaque(requiredText(block, 'data', path), 'anthropic') }
}

/**
 * Gives the signatures of tool calls back to their calls.
 * @param parts the parts of one assistant turn, in order
 */
export function signCalls(parts: readonly Part[]): Part[] {
  const calls = new Map<string, Opaque>()
  const kept = parts.filter((part, index) => {
    const signature = loneSignature(part)
    if (signature === undefined) return true
    const [, id, value] = late.exec(signature.value) ?? []
    if (id !== undefined && value !== undefined) {
      calls.set(readToolId(id), { origin: signature.origin, value })
      return false
    }
    const next = parts[index + 1]
    if (signature.origin !== 'gemini' || next?.type !== 'tool_call') return true
    calls.set(next.id, signature)
    return false
  })
  return kept.map((part) => (part.type === 'tool_call' ? signed(part, calls.get(part.id)) : part))
}

/** A foreign signature without a text that it would prove. */
function loneSignature(part: Part): Opaque | undefined {
  if (part.type !== 'reasoning' || part.text !== '' || part.signature?.origin === 'anthropic') return undefined
  return part.signature
}

function signed(call: ToolCallPart, signature: Opaque | undefined): ToolCallPart {
  return signature ? { ...call, signature } : call
}
