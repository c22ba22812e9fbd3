import { createHash } from 'node:crypto'
import { parseObject } from '../../../json.ts'
import {
  type Conversation,
  type JsonObject,
  mergeTurns,
  type Part,
  type ReasoningPart,
  type ToolResultPart,
  type Turn,
} from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { ownOpaque } from '../../opaque.ts'
import { cachePoint } from './cache.ts'
import { DocumentNames, writeAudio, writeDocument, writeImage } from './media.ts'
import { bedrockModel } from './model.ts'
import type { Block, Message, SystemBlock } from './wire.ts'

/**
 * Writes the turns. System and developer turns, wherever they stand, become `system` blocks in their order: only the
 * newest Claude models take them among the messages, and not everywhere. The others alternate; blank texts, which
 * Bedrock refuses, are left out, and with them messages that hold nothing else.
 */
export function writeMessages(
  conversation: Conversation,
  context: RequestContext,
): { system?: SystemBlock[]; messages: Message[] } {
  const names = new DocumentNames()
  const system = behindContent(conversation.turns.filter(isSystem).flatMap((turn) => systemBlocks(turn, context)))
  const messages: Message[] = []
  for (const turn of spoken(conversation)) {
    const role = turn.role === 'assistant' ? 'assistant' : 'user'
    const content = behindContent(
      turn.parts.flatMap((part) =>
        role === 'assistant' ? assistantBlocks(part, context) : userBlocks(part, names, context),
      ),
    )
    if (content.length === 0) continue
    const last = messages.at(-1)
    if (last?.role === role) last.content.push(...content)
    else messages.push({ role, content })
  }
  if (messages.length === 0)
    context.refuse('messages', 'Bedrock needs at least one message from the user. Add one with some content.')
  return system.length > 0 ? { system, messages } : { messages }
}

/** Without the cache points that close nothing, as those of a blank text at the beginning do. */
function behindContent<B extends object>(blocks: B[]): B[] {
  const first = blocks.findIndex((block) => !('cachePoint' in block))
  return first === -1 ? [] : blocks.slice(first)
}

/** The turns that become messages, neighbours of one role joined. */
export function spoken(conversation: Conversation): Turn[] {
  return mergeTurns(conversation.turns.filter((turn) => !isSystem(turn)))
}

function isSystem({ role }: Turn): boolean {
  return role === 'system' || role === 'developer'
}

function systemBlocks(turn: Turn, context: RequestContext): SystemBlock[] {
  return turn.parts.flatMap((part): SystemBlock[] => {
    if (part.type !== 'text')
      context.refuse(
        'system',
        `Bedrock's system prompt holds text only, not a part of type ${part.type}. Move that to a user message.`,
      )
    return [...textBlock(part.text), ...cachePoint(part.cache, 'system', context)]
  })
}

function userBlocks(part: Part, names: DocumentNames, context: RequestContext): Block[] {
  switch (part.type) {
    case 'text':
      return [...textBlock(part.text), ...cachePoint(part.cache, 'messages', context)]
    case 'image':
      return [writeImage(part, context), ...cachePoint(part.cache, 'messages', context)]
    case 'document':
      return [writeDocument(part, names, context), ...cachePoint(part.cache, 'messages', context)]
    case 'audio':
      return [writeAudio(part, context)]
    case 'tool_result':
      return toolResult(part, names, context)
    default:
      return context.refuse('messages', `a user message cannot hold a part of type ${part.type}.`)
  }
}

function assistantBlocks(part: Part, context: RequestContext): Block[] {
  switch (part.type) {
    case 'text':
      return [...textBlock(part.text), ...cachePoint(part.cache, 'messages', context)]
    case 'refusal':
      return textBlock(part.text)
    case 'reasoning':
      return provenReasoning(part)
    case 'tool_call':
      return [
        {
          toolUse: {
            toolUseId: toolUseId(part.id),
            name: part.name,
            input: callArguments(part.id, part.arguments, context),
          },
        },
        ...cachePoint(part.cache, 'messages', context),
      ]
    default:
      return context.refuse('messages', `Bedrock's assistant messages cannot hold a part of type ${part.type}.`)
  }
}

/** Thinking goes back only with Bedrock's own proof of it; any other is left out. */
export function provenReasoning(part: ReasoningPart): Block[] {
  const signature = ownOpaque(part.signature, 'bedrock')
  const redactedContent = ownOpaque(part.redacted, 'bedrock')
  return [
    ...(signature === undefined ? [] : [{ reasoningContent: { reasoningText: { text: part.text, signature } } }]),
    ...(redactedContent === undefined ? [] : [{ reasoningContent: { redactedContent } }]),
  ]
}

/**
 * Cache markers inside a result stand behind it: a result's own content takes none, and the prefix is nearly the same.
 * `status` is known to Claude and Nova only.
 */
function toolResult(part: ToolResultPart, names: DocumentNames, context: RequestContext): Block[] {
  const content = part.content.flatMap((item): Block[] => {
    if (item.type === 'text') return textBlock(item.text)
    return [item.type === 'image' ? writeImage(item, context) : writeDocument(item, names, context)]
  })
  const { family } = bedrockModel(context.model)
  const marks = family === 'claude' || family === 'nova' || family === 'untold'
  if (part.isError && !marks) context.drop('tool_result.is_error')
  return [
    {
      toolResult: {
        toolUseId: toolUseId(part.id),
        content,
        ...(part.isError && marks && { status: 'error' as const }),
      },
    },
    ...cachePoint(part.cache ?? part.content.findLast((item) => item.cache)?.cache, 'messages', context),
  ]
}

function textBlock(text: string): { text: string }[] {
  return text.trim() === '' ? [] : [{ text }]
}

/**
 * Bedrock takes ids of up to 64 letters, digits, `_` and `-`; other providers make longer ones and others
 * (`functions.search:0`). What does not fit is replaced, the same id always by the same.
 */
function toolUseId(id: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(id)) return id
  return `call_${createHash('sha256').update(id).digest('base64url').slice(0, 32)}`
}

function callArguments(id: string, text: string, context: RequestContext): JsonObject {
  if (text.trim() === '') return {}
  return (
    parseObject(Buffer.from(text)) ??
    context.refuse(
      'tool_calls',
      `the arguments of the call ${id} are not a JSON object. Send them as the model wrote them, or mend them.`,
    )
  )
}
