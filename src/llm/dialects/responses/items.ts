import type { Conversation, JsonObject, Part, ReasoningPart, ToolResultPart, Turn } from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { definedOnly } from '../../fields.ts'
import { ownOpaque } from '../../opaque.ts'
import { writeFile, writeImage } from './media.ts'

/** Writes the turns as `input` items, in their order. */
export function writeInput({ turns }: Conversation, context: RequestContext): JsonObject[] {
  if (turns.some((turn) => turn.name !== undefined)) context.drop('turn.name')
  if (turns.some((turn) => turn.parts.some(hasCacheMarker))) context.drop('cache')
  const items = turns.flatMap((turn) =>
    turn.role === 'assistant' ? assistantItems(turn.parts, context) : inputItems(turn, context),
  )
  if (items.length === 0)
    context.refuse('messages', 'the conversation is empty. Send at least one message with some content.')
  return withoutLooseReasoning(items)
}

function hasCacheMarker(part: Part): boolean {
  if ('cache' in part && part.cache !== undefined) return true
  return part.type === 'tool_result' && part.content.some((inner) => inner.cache !== undefined)
}

/** The API refuses reasoning without the message or call that came of it ("without its required following item"). */
function withoutLooseReasoning(items: readonly JsonObject[]): JsonObject[] {
  let followed = false
  return items
    .toReversed()
    .filter((item) => {
      if (item.type === 'reasoning') return followed
      followed = item.type === 'function_call' || item.role === 'assistant'
      return true
    })
    .reverse()
}

/** A system, developer or user turn: a message for each run of content, an output for each tool result. */
function inputItems(turn: Turn, context: RequestContext): JsonObject[] {
  const role = turn.role === 'developer' && !context.quirks.developerRole ? 'system' : turn.role
  return runs(turn.parts, (part) => part.type === 'tool_result').flatMap((run) =>
    run[0]?.type === 'tool_result'
      ? [functionOutput(run[0], context)]
      : [{ type: 'message', role, content: inputContent(run, context) }],
  )
}

function functionOutput(part: ToolResultPart, context: RequestContext): JsonObject {
  if (part.isError) context.drop('tool_result.is_error')
  return { type: 'function_call_output', call_id: part.id, output: inputContent(part.content, context) }
}

/** A single text goes as a string, the form that every server of this API reads. */
function inputContent(parts: readonly Part[], context: RequestContext): string | JsonObject[] {
  const [only] = parts
  if (only === undefined) return ''
  if (parts.length === 1 && only.type === 'text') return only.text
  return parts.flatMap((part) => inputPart(part, context))
}

function inputPart(part: Part, context: RequestContext): JsonObject[] {
  switch (part.type) {
    case 'text':
      return [{ type: 'input_text', text: part.text }]
    case 'image':
      return [writeImage(part)]
    case 'document':
      return writeFile(part, context)
    default:
      context.refuse(
        part.type,
        `the Responses API takes text, images and files as input, no part of type ${part.type}. Leave it out or choose another model.`,
      )
  }
}

/** The model's own turn: a message for each run of text, and an item for each call and each provable reasoning. */
function assistantItems(parts: readonly Part[], context: RequestContext): JsonObject[] {
  const shown = parts.filter((part) => {
    if (part.type === 'reasoning') return ownEncrypted(part) !== undefined
    return part.type !== 'text' || part.text !== '' // Beside its calls, a message of other APIs is often empty.
  })
  return runs(shown, (part) => part.type === 'tool_call' || part.type === 'reasoning').map((run): JsonObject => {
    const [first] = run
    if (first?.type === 'tool_call')
      return { type: 'function_call', call_id: first.id, name: first.name, arguments: first.arguments }
    if (first?.type === 'reasoning') return reasoningItem(first)
    return { type: 'message', role: 'assistant', content: outputContent(run, context) }
  })
}

function outputContent(parts: readonly Part[], context: RequestContext): string | JsonObject[] {
  const [only] = parts
  if (parts.length === 1 && only?.type === 'text') return only.text
  return parts.map((part) => outputPart(part, context))
}

function outputPart(part: Part, context: RequestContext): JsonObject {
  switch (part.type) {
    case 'text':
      return { type: 'output_text', text: part.text, annotations: [] }
    case 'refusal':
      return { type: 'refusal', refusal: part.text }
    default:
      context.refuse(
        part.type,
        `the Responses API takes no part of type ${part.type} in an assistant message. Leave it out.`,
      )
  }
}

/**
 * Reasoning goes back in its encrypted form only. Beside it the API takes the summary but no plain thinking, and what
 * OpenAI showed was a summary, whatever the client's API called it.
 */
function reasoningItem(part: ReasoningPart): JsonObject {
  return definedOnly({
    type: 'reasoning',
    id: part.id,
    summary: part.text === '' ? [] : [{ type: 'summary_text', text: part.text }],
    encrypted_content: ownEncrypted(part),
  })
}

/** Clients of other APIs may have had it as a signature. */
function ownEncrypted({ redacted, signature }: ReasoningPart): string | undefined {
  return ownOpaque(redacted, 'openai') ?? ownOpaque(signature, 'openai')
}

/** Splits parts into runs; those that stand alone are runs of one. */
function runs(parts: readonly Part[], alone: (part: Part) => boolean): Part[][] {
  const split: Part[][] = []
  let open: Part[] | undefined
  for (const part of parts) {
    if (open && !alone(part)) {
      open.push(part)
      continue
    }
    const run = [part]
    split.push(run)
    open = alone(part) ? undefined : run
  }
  return split
}
