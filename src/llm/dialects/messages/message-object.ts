import type { JsonObject, Usage } from '../../conversation.ts'
import type { AnswerContext } from '../../dialect.ts'
import { messageId } from './ids.ts'
import { writeUsage } from './write-usage.ts'

/** What a message object says of one answer. */
export interface MessageState {
  id: string
  content: readonly JsonObject[]
  /** From writeEnding; absent while the answer is not done. */
  ending?: JsonObject
  usage: Usage | undefined
}

/** A message (the SDK's `Message`), with null where only Anthropic's own servers have something to say. */
export function messageObject({ id, content, ending, usage }: MessageState, context: AnswerContext): JsonObject {
  return {
    id: messageId(id, context.id),
    type: 'message',
    role: 'assistant',
    model: context.model,
    content,
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    ...ending,
    container: null,
    diagnostics: null,
    usage: writeUsage(usage),
  }
}

export function textBlock(text: string): JsonObject {
  return { type: 'text', text, citations: null }
}

export function thinkingBlock(thinking: string, signature: string): JsonObject {
  return { type: 'thinking', thinking, signature }
}

export function redactedBlock(data: string): JsonObject {
  return { type: 'redacted_thinking', data }
}

/** @param id as the client is to see it (writeToolId) */
export function toolUseBlock(id: string, name: string, input: JsonObject): JsonObject {
  return { type: 'tool_use', id, name, input, caller: { type: 'direct' } }
}
