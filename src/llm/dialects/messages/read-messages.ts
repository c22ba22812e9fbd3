import type { JsonObject, Part, ToolCallPart, ToolResultPart, Turn } from '../../conversation.ts'
import { invalid } from '../../errors.ts'
import { at, booleanField, definedOnly, objectField, objectList, requiredText, wordField } from '../../fields.ts'
import { readToolId } from './ids.ts'
import {
  foreignBlock,
  readCache,
  readContent,
  readDocument,
  readImage,
  readSystemBlock,
  readText,
} from './read-content.ts'
import { readRedacted, readThinking, signCalls } from './thinking-blocks.ts'

/** Reads `system` and `messages` as turns. */
export function readTurns(body: JsonObject): Turn[] {
  const messages = objectList(body, 'messages')
  if (messages.length === 0) throw invalid('messages', 'messages must hold at least one message.')
  return [...readSystem(body), ...messages.map(([message, path]) => readMessage(message, path))]
}

function readSystem(body: JsonObject): Turn[] {
  if ((body.system ?? undefined) === undefined || body.system === '') return []
  const parts = readContent(body, 'system', '', readSystemBlock)
  return parts.length === 0 ? [] : [{ role: 'system', parts }]
}

function readMessage(message: JsonObject, path: string): Turn {
  const role = wordField(message, 'role', ['user', 'assistant', 'system'], path)
  switch (role) {
    case 'user':
      return { role, parts: readContent(message, 'content', path, readUserBlock) }
    case 'assistant':
      return { role, parts: signCalls(readContent(message, 'content', path, readAssistantBlock)) }
    case 'system':
      return { role, parts: readContent(message, 'content', path, readSystemBlock) }
    default:
      throw invalid(at(path, 'role'), `${at(path, 'role')} is required.`)
  }
}

function readUserBlock(block: JsonObject, path: string): Part {
  const type = requiredText(block, 'type', path)
  switch (type) {
    case 'text':
      return readText(block, path)
    case 'image':
      return readImage(block, path)
    case 'document':
      return readDocument(block, path)
    case 'tool_result':
      return readToolResult(block, path)
    default:
      throw foreignBlock(path, type, 'text, image, document and tool_result')
  }
}

function readAssistantBlock(block: JsonObject, path: string): Part {
  const type = requiredText(block, 'type', path)
  switch (type) {
    case 'text':
      return readText(block, path)
    case 'tool_use':
      return readToolUse(block, path)
    case 'thinking':
      return readThinking(block, path)
    case 'redacted_thinking':
      return readRedacted(block, path)
    default:
      throw foreignBlock(path, type, 'text, tool_use, thinking and redacted_thinking')
  }
}

function readToolUse(block: JsonObject, path: string): ToolCallPart {
  const input = objectField(block, 'input', path)
  if (input === undefined) throw invalid(at(path, 'input'), `${at(path, 'input')} is required.`)
  return definedOnly<ToolCallPart>({
    type: 'tool_call',
    id: readToolId(requiredText(block, 'id', path)),
    name: requiredText(block, 'name', path),
    arguments: JSON.stringify(input),
    cache: readCache(block, path),
  })
}

function readToolResult(block: JsonObject, path: string): ToolResultPart {
  return definedOnly<ToolResultPart>({
    type: 'tool_result',
    id: readToolId(requiredText(block, 'tool_use_id', path)),
    content: (block.content ?? undefined) === undefined ? [] : readContent(block, 'content', path, readResultBlock),
    isError: booleanField(block, 'is_error', path),
    cache: readCache(block, path),
  })
}

function readResultBlock(block: JsonObject, path: string): ToolResultPart['content'][number] {
  const type = requiredText(block, 'type', path)
  switch (type) {
    case 'text':
      return readText(block, path)
    case 'image':
      return readImage(block, path)
    case 'document':
      return readDocument(block, path)
    default:
      throw foreignBlock(path, type, 'text, image and document')
  }
}
