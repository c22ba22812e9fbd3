import type { Conversation, JsonObject, Part, ReasoningPart, ToolCallPart, Turn } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { definedOnly } from '../../fields.ts'
import { ownOpaque } from '../../opaque.ts'
import { writeCallId } from './ids.ts'
import { writeAudio, writeDocument, writeImage } from './media.ts'
import { plainProof, plainReasoning, writeDetails } from './reasoning.ts'

/** Writes the turns as `messages`, in their order. */
export function writeMessages({ turns }: Conversation, context: RequestContext): JsonObject[] {
  if (turns.some((turn) => turn.parts.some(hasCacheMarker))) context.drop('cache')
  const messages = turns.flatMap((turn) => writeTurn(turn, context))
  if (messages.length === 0)
    context.refuse('messages', 'the conversation is empty. Send at least one message with some content.')
  return messages
}

function hasCacheMarker(part: Part): boolean {
  if ('cache' in part && part.cache !== undefined) return true
  return part.type === 'tool_result' && part.content.some((inner) => inner.cache !== undefined)
}

function writeTurn(turn: Turn, context: RequestContext): JsonObject[] {
  switch (turn.role) {
    case 'assistant':
      return assistantMessage(turn, context)
    case 'user':
      return userMessages(turn, context)
    default: {
      const role = context.quirks.developerRole ? turn.role : 'system'
      return turn.parts.length === 0 ? [] : [message(role, turn, writeContent(turn.parts, context, '\n\n', systemPart))]
    }
  }
}

function message(role: string, turn: Turn, content: string | JsonObject[] | null, rest: JsonObject = {}): JsonObject {
  return definedOnly({ role, content, name: turn.name, ...rest })
}

/**
 * All text is one string, the form that every server reads (DeepSeek takes no arrays); anything else is an array.
 * @param separator between texts that are one in the string
 */
function writeContent(
  parts: readonly Part[],
  context: RequestContext,
  separator: string,
  write: (part: Part, context: RequestContext) => JsonObject[],
): string | JsonObject[] {
  if (parts.every((part) => part.type === 'text')) return parts.map((part) => part.text).join(separator)
  return parts.flatMap((part) => write(part, context))
}

function systemPart(part: Part, context: RequestContext): JsonObject[] {
  if (part.type === 'text') return [{ type: 'text', text: part.text }]
  context.refuse(
    'system',
    `a system message of the chat API holds text only, not a part of type ${part.type}. Move that to a user message.`,
  )
}

function userPart(part: Part, context: RequestContext): JsonObject[] {
  switch (part.type) {
    case 'text':
      return [{ type: 'text', text: part.text }]
    case 'image':
      return [writeImage(part, context)]
    case 'document':
      return writeDocument(part, context)
    case 'audio':
      return [writeAudio(part)]
    default:
      context.refuse('messages', `a user message cannot hold a part of type ${part.type}. Leave it out.`)
  }
}

/**
 * The results of tools are messages of their own, and hold text only: what else they hold goes into a user message
 * after the last of them, named by the call's id. Other parts form one user message a run.
 */
function userMessages(turn: Turn, context: RequestContext): JsonObject[] {
  const messages: JsonObject[] = []
  let beside: JsonObject[] = []
  let run: Part[] = []
  const flush = () => {
    if (beside.length > 0) messages.push({ role: 'user', content: beside })
    if (run.length > 0) messages.push(message('user', turn, writeContent(run, context, '\n\n', userPart)))
    beside = []
    run = []
  }
  for (const part of turn.parts) {
    if (part.type !== 'tool_result') {
      run.push(part)
      continue
    }
    if (run.length > 0) flush()
    if (part.isError) context.drop('tool_result.is_error')
    const id = writeCallId(part.id)
    const texts = part.content.filter((item) => item.type === 'text')
    const media = part.content.filter((item) => item.type !== 'text')
    messages.push({ role: 'tool', tool_call_id: id, content: texts.map(({ text }) => text).join('\n') })
    if (media.length > 0)
      beside.push(
        { type: 'text', text: `Content of the result of the tool call ${id}:` },
        ...media.flatMap((item) => userPart(item, context)),
      )
  }
  flush()
  return messages
}

function assistantMessage(turn: Turn, context: RequestContext): JsonObject[] {
  const texts: string[] = []
  const refusals: string[] = []
  const calls: ToolCallPart[] = []
  const reasoning: ReasoningPart[] = []
  for (const part of turn.parts) {
    if (part.type === 'text') texts.push(part.text)
    else if (part.type === 'refusal') refusals.push(part.text)
    else if (part.type === 'tool_call') calls.push(part)
    else if (part.type === 'reasoning') reasoning.push(part)
    else context.refuse('messages', `an assistant message cannot hold a part of type ${part.type}. Leave it out.`)
  }
  if (texts.length + refusals.length + calls.length === 0) return []
  const content = texts.join('')
  return [
    message('assistant', turn, content === '' && (calls.length > 0 || refusals.length > 0) ? null : content, {
      refusal: refusals.length === 0 ? undefined : refusals.join(''),
      tool_calls: calls.length === 0 ? undefined : calls.map((call) => writeCall(call, context)),
      ...writeReasoning(reasoning, context),
    }),
  ]
}

function writeReasoning(parts: readonly ReasoningPart[], { quirks }: RequestContext): JsonObject {
  const text = quirks.reasoningContent ? plainReasoning(parts) : ''
  const details =
    quirks.thinkingProof === 'reasoning_details' ? writeDetails(parts.filter(hasPlainProof), plainProof) : []
  return {
    ...(text !== '' && { reasoning_content: text }),
    ...(details.length > 0 && { reasoning_details: details }),
  }
}

function hasPlainProof({ signature, redacted }: ReasoningPart): boolean {
  const proof = redacted ?? signature
  return proof !== undefined && plainProof(proof) !== undefined
}

function writeCall(call: ToolCallPart, { quirks }: RequestContext): JsonObject {
  const signature = quirks.thinkingProof === 'extra_content' ? ownOpaque(call.signature, 'gemini') : undefined
  return {
    id: writeCallId(call.id),
    type: 'function',
    function: { name: call.name, arguments: call.arguments === '' ? '{}' : call.arguments },
    ...(signature !== undefined && { extra_content: { google: { thought_signature: signature } } }),
  }
}
