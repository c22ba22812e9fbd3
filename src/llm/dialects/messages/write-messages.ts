import type {
  CacheMarker,
  Conversation,
  JsonObject,
  Part,
  ReasoningPart,
  ToolResultPart,
  Turn,
} from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { ownOpaque } from '../../opaque.ts'
import type { Block, Message, TextBlock, ThinkingBlock, ToolResultBlock } from './blocks.ts'
import { cacheControl } from './cache-control.ts'
import { writeToolId } from './ids.ts'
import { toolInput } from './tool-input.ts'
import { writeDocument, writeImage } from './write-media.ts'

/** The part of a request that the model reads. */
export interface Prompt {
  system?: TextBlock[]
  messages: Message[]
}

/**
 * Writes the turns. System and developer turns, wherever they stand, become `system` blocks in their order: only the
 * newest Claude models take them among the messages. The others alternate; blank texts, which the API refuses, are
 * left out, and with them messages that hold nothing else. Nothing is put in: whether a conversation may begin or end
 * with the assistant is the model's to say.
 *
 * @throws {ApiError} 400 where nothing is left to answer, or a part has no place in the API
 */
export function writeMessages({ turns }: Conversation, context: RequestContext): Prompt {
  const system: TextBlock[] = []
  const messages: Message[] = []
  for (const [index, turn] of turns.entries()) {
    const place = `messages[${index}]`
    if (isSystem(turn)) {
      system.push(...turn.parts.flatMap((part) => systemBlock(part, context)))
      continue
    }
    const role = turn.role === 'assistant' ? 'assistant' : 'user'
    const content = turn.parts.flatMap((part) =>
      role === 'assistant' ? assistantBlocks(part, place, context) : userBlocks(part, place, context),
    )
    if (content.length === 0) continue
    const last = messages.at(-1)
    if (last?.role === role) last.content.push(...content)
    else messages.push({ role, content })
  }
  if (messages.length === 0)
    context.refuse('messages', 'Claude needs at least one message to answer. Add one with some content.')
  for (const message of messages) if (message.role === 'user') message.content = resultsFirst(message.content)
  return system.length === 0 ? { messages } : { system, messages }
}

/** Whether a turn belongs to `system`. */
export function isSystem({ role }: Turn): boolean {
  return role === 'system' || role === 'developer'
}

function systemBlock(part: Part, context: RequestContext): TextBlock[] {
  if (part.type !== 'text')
    context.refuse(
      'system',
      `Claude's system prompt holds text only, not a part of type ${part.type}. Move that to a user message.`,
    )
  return textBlock(part.text, part, context)
}

function userBlocks(part: Part, place: string, context: RequestContext): Block[] {
  const field = `${place}.content`
  switch (part.type) {
    case 'text':
      return textBlock(part.text, part, context)
    case 'image':
      return [writeImage(part, field, context)]
    case 'document':
      return [writeDocument(part, field, context)]
    case 'tool_result':
      return [toolResult(part, field, context)]
    case 'audio':
      return context.refuse(field, 'Claude cannot hear. Send the words as text, or choose a model that takes audio.')
    default:
      return context.refuse(field, `a user message cannot hold a part of type ${part.type}.`)
  }
}

function assistantBlocks(part: Part, place: string, context: RequestContext): Block[] {
  switch (part.type) {
    case 'text':
      return textBlock(part.text, part, context)
    case 'refusal':
      return textBlock(part.text, {}, context)
    case 'reasoning':
      return provenThinking(part)
    case 'tool_call':
      return [
        {
          type: 'tool_use',
          id: writeToolId(part.id),
          name: part.name,
          input: callInput(part.arguments, `${place}.tool_calls`, context),
          ...cacheControl(part.cache),
        },
      ]
    default:
      return context.refuse(`${place}.content`, `Claude's own messages cannot hold a part of type ${part.type}.`)
  }
}

/** Thinking goes back only with Anthropic's own proof of it; any other is left out. */
export function provenThinking(part: ReasoningPart): ThinkingBlock[] {
  const signature = ownOpaque(part.signature, 'anthropic')
  const data = ownOpaque(part.redacted, 'anthropic')
  return [
    ...(signature === undefined ? [] : [{ type: 'thinking' as const, thinking: part.text, signature }]),
    ...(data === undefined ? [] : [{ type: 'redacted_thinking' as const, data }]),
  ]
}

/** A marker inside a result stands on the result: the prefix is nearly the same, and markers are few. */
function toolResult(part: ToolResultPart, field: string, context: RequestContext): ToolResultBlock {
  const marker = part.cache ?? part.content.findLast((item) => item.cache)?.cache
  const content = part.content.flatMap((item): NonNullable<ToolResultBlock['content']> => {
    const { cache: _, ...bare } = item
    if (bare.type === 'text') return textBlock(bare.text, {}, context)
    return [bare.type === 'image' ? writeImage(bare, field, context) : writeDocument(bare, field, context)]
  })
  return {
    type: 'tool_result',
    tool_use_id: writeToolId(part.id),
    ...(content.length > 0 && { content }),
    ...(part.isError && { is_error: true as const }),
    ...cacheControl(marker),
  }
}

/** The API wants the results of calls in front of all else that the user says. */
function resultsFirst(content: Block[]): Block[] {
  const isResult = (block: Block) => block.type === 'tool_result'
  return [...content.filter(isResult), ...content.filter((block) => !isResult(block))]
}

function textBlock(text: string, { cache }: { cache?: CacheMarker }, context: RequestContext): TextBlock[] {
  if (text.trim() !== '') return [{ type: 'text', text, ...cacheControl(cache) }]
  if (cache !== undefined) context.drop('cache')
  return []
}

function callInput(text: string, field: string, context: RequestContext): JsonObject {
  const input = toolInput(text)
  if (input !== undefined) return input
  context.refuse(
    field,
    'the arguments of a call are not a JSON object. Send them as the model wrote them, or mend them.',
  )
}
