import type { JsonObject } from '../../conversation.ts'
import { isObject, objectsOf, textOf } from '../../fields.ts'
import { unwrapOpaque } from '../../opaque.ts'

/**
 * Takes the thinking that other providers gave out of a request that goes to Anthropic as the client wrote it: after a
 * switch of provider in mid-conversation it would be refused (`Invalid signature in thinking block`), and it is not
 * Anthropic's to see. A message that held nothing else goes with it.
 *
 * Where the last calls of tools lose their thinking so, thinking by a budget is switched off until they are answered:
 * Claude before adaptive thinking cannot begin to think there (400, "Expected `thinking` …").
 * @see ClientDialect.withoutForeign
 */
export function withoutForeign(body: JsonObject): JsonObject | undefined {
  if (!Array.isArray(body.messages)) return undefined
  const before: unknown[] = body.messages
  const messages = before.flatMap(withoutForeignBlocks)
  if (messages.length === before.length && messages.every((message, index) => message === before[index]))
    return undefined
  const cleaned = { ...body, messages }
  return thinksByBudget(body) && continuesWithoutThinking(messages) ? withoutThinking(cleaned) : cleaned
}

/** @returns the message itself where it may stay as it is, nothing where it held foreign thinking only */
function withoutForeignBlocks(message: unknown): unknown[] {
  if (!isObject(message) || !Array.isArray(message.content)) return [message]
  const blocks: unknown[] = message.content
  const own = blocks.filter((block) => !isForeign(block))
  if (own.length === blocks.length) return [message]
  return own.length === 0 ? [] : [{ ...message, content: own }]
}

function isForeign(block: unknown): boolean {
  if (!isObject(block)) return false
  if (block.type === 'thinking') return isMarked(block.signature)
  return block.type === 'redacted_thinking' && isMarked(block.data)
}

function isMarked(value: unknown): boolean {
  return unwrapOpaque(textOf(value), 'anthropic').origin !== 'anthropic'
}

function thinksByBudget({ thinking }: JsonObject): boolean {
  return isObject(thinking) && thinking.type === 'enabled'
}

/** Whether the last messages are tool results, for an answer that does not begin with thinking. */
function continuesWithoutThinking(messages: readonly unknown[]): boolean {
  const turns = objectsOf(messages)
  const answered = turns.findLastIndex(({ role }) => role === 'assistant')
  const results = turns.slice(answered + 1).flatMap(blocksOf)
  if (answered === -1 || !results.some(({ type }) => type === 'tool_result')) return false
  // Neighbouring messages of one role are one turn to the API.
  const begun = turns.slice(0, answered).findLastIndex(({ role }) => role !== 'assistant') + 1
  const [first] = turns.slice(begun, answered + 1).flatMap(blocksOf)
  return first?.type !== 'thinking' && first?.type !== 'redacted_thinking'
}

function blocksOf({ content }: JsonObject): JsonObject[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : objectsOf(content)
}

/** Clearing old thinking from the prompt is refused where none is asked for. */
function withoutThinking({ thinking: _, context_management: management, ...rest }: JsonObject): JsonObject {
  if (!isObject(management)) return rest
  const edits = objectsOf(management.edits).filter(({ type }) => !textOf(type).startsWith('clear_thinking_'))
  return edits.length === 0 ? rest : { ...rest, context_management: { ...management, edits } }
}
