import {
  type Conversation,
  type JsonObject,
  mergeTurns,
  type ToolCallPart,
  type ToolResultPart,
  type Turn,
  toolNamesById,
} from '../../conversation.ts'
import type { RequestContext } from '../../dialect.ts'
import { ownOpaque } from '../../opaque.ts'
import { writeAudio, writeMedia } from './media.ts'
import { isGemini3 } from './model.ts'
import { type Content, type FunctionResponse, isObject, type Part } from './wire.ts'

/**
 * Writes the turns. System and developer turns, wherever they stand, become the `systemInstruction` in their order
 * (contents know only `user` and `model`); the others alternate.
 */
export function writeContents(
  conversation: Conversation,
  context: RequestContext,
): { systemInstruction?: Content; contents: Content[] } {
  const { turns } = conversation
  const names = toolNamesById(turns)
  const contents: Content[] = []
  for (const turn of mergeTurns(turns.filter((turn) => turn.role === 'user' || turn.role === 'assistant'))) {
    const parts = turn.role === 'user' ? userParts(turn, names, context) : modelParts(turn, context)
    if (parts.length === 0) continue // The API refuses contents without parts.
    const role = turn.role === 'user' ? 'user' : 'model'
    const last = contents.at(-1)
    if (last?.role === role) last.parts.push(...parts)
    else contents.push({ role, parts })
  }
  if (contents.length === 0)
    context.refuse('messages', 'Gemini needs at least one message from the user. Add one with some content.')
  if (isGemini3(context.model)) signOpenCalls(contents)

  const system = turns.filter((turn) => turn.role === 'system' || turn.role === 'developer')
  const instruction = system.flatMap((turn) => systemParts(turn, context))
  return instruction.length === 0 ? { contents } : { systemInstruction: { parts: instruction }, contents }
}

function systemParts(turn: Turn, context: RequestContext): Part[] {
  return turn.parts.flatMap((part) => {
    if (part.type !== 'text')
      context.refuse(
        'system',
        `Gemini's system instruction holds text only, not a part of type ${part.type}. Move that to a user message.`,
      )
    return part.text === '' ? [] : [{ text: part.text }]
  })
}

function userParts(turn: Turn, names: ReadonlyMap<string, string>, context: RequestContext): Part[] {
  const parts: Part[] = []
  /** Media of tool results, for models that cannot take it inside the result: beside the results, after the last. */
  const beside: Part[] = []
  for (const part of turn.parts) {
    if (part.type !== 'tool_result') parts.push(...beside.splice(0))
    switch (part.type) {
      case 'text':
        if (part.text !== '') parts.push({ text: part.text })
        break
      case 'image':
        parts.push(writeMedia(part, context))
        break
      case 'document':
        if (part.citations)
          context.refuse('citations', 'Gemini does not cite documents. Leave citations out of the document.')
        if (part.context !== undefined) parts.push({ text: part.context })
        parts.push(writeMedia(part, context))
        break
      case 'audio':
        parts.push(writeAudio(part, context))
        break
      case 'tool_result': {
        const { response, media } = functionResponse(part, names, context)
        if (media.length > 0 && isGemini3(context.model)) response.parts = media
        else beside.push(...media)
        parts.push({ functionResponse: response })
        break
      }
      default:
        context.refuse('messages', `a user message cannot hold a part of type ${part.type}.`)
    }
  }
  parts.push(...beside)
  return parts
}

function functionResponse(
  part: ToolResultPart,
  names: ReadonlyMap<string, string>,
  context: RequestContext,
): { response: FunctionResponse; media: ReturnType<typeof writeMedia>[] } {
  const name = part.name ?? names.get(part.id)
  if (name === undefined)
    context.refuse(
      'tool_call_id',
      `no assistant message of this conversation calls a tool with the id ${part.id}, so the tool's name, which Gemini wants, is unknown. Send the assistant message with the call as well.`,
    )
  const texts: string[] = []
  const media: ReturnType<typeof writeMedia>[] = []
  for (const item of part.content) {
    if (item.type === 'text') texts.push(item.text)
    else media.push(writeMedia(item, context))
  }
  const text = texts.join('\n')
  return { response: { id: part.id, name, response: part.isError ? { error: text } : { output: text } }, media }
}

/**
 * The model's own turn. Thinking goes back only with Gemini's proof of it; without (another provider's thinking, or
 * thoughts shown unsigned) it is left out. A signed part without text is the signature of the visible text that
 * follows it, or, where none follows, of an empty text part: see answer.ts, which reads them so.
 */
function modelParts(turn: Turn, context: RequestContext): Part[] {
  const parts: Part[] = []
  let signature: string | undefined
  const flush = () => {
    if (signature !== undefined) parts.push({ text: '', thoughtSignature: signature })
    signature = undefined
  }
  for (const part of turn.parts) {
    switch (part.type) {
      case 'reasoning': {
        const own = ownOpaque(part.signature, 'gemini')
        if (own === undefined) break
        flush()
        if (part.text === '') signature = own
        else parts.push({ text: part.text, thought: true, thoughtSignature: own })
        break
      }
      case 'text':
      case 'refusal':
        if (part.text === '') break
        parts.push(signature === undefined ? { text: part.text } : { text: part.text, thoughtSignature: signature })
        signature = undefined
        break
      case 'tool_call':
        flush()
        parts.push(functionCall(part, context))
        break
      case 'image':
        parts.push(writeMedia(part, context))
        break
      case 'audio':
        parts.push(writeAudio(part, context))
        break
      default:
        context.refuse('messages', `an assistant message cannot hold a part of type ${part.type}.`)
    }
  }
  flush()
  return parts
}

function functionCall(part: ToolCallPart, context: RequestContext): Part {
  const own = ownOpaque(part.signature, 'gemini')
  const call: Part = { functionCall: { id: part.id, name: part.name, args: callArguments(part, context) } }
  return own === undefined ? call : { ...call, thoughtSignature: own }
}

function callArguments(part: ToolCallPart, context: RequestContext): JsonObject {
  if (part.arguments.trim() === '') return {}
  try {
    const parsed: unknown = JSON.parse(part.arguments)
    if (isObject(parsed)) return parsed
  } catch {
    // Refused below.
  }
  context.refuse(
    'tool_calls',
    `the arguments of the call ${part.id} are not a JSON object. Send them as the model wrote them, or mend them.`,
  )
}

/** Google's documented stand-in for the signature of a call that Gemini did not make. */
export const foreignSignature = 'skip_thought_signature_validator'

/**
 * Gemini 3 refuses a request in which the first call of a step of the running turn has no signature: after a switch
 * from another provider or model, and with clients that lose signatures (ai.google.dev/gemini-api/docs/
 * thought-signatures). The running turn begins with the last user content that is more than function results.
 */
function signOpenCalls(contents: Content[]): void {
  const start = contents.findLastIndex(
    ({ role, parts }) => role === 'user' && parts.some((part) => part.functionResponse === undefined),
  )
  for (const { role, parts } of contents.slice(start + 1)) {
    if (role !== 'model') continue
    const first = parts.find((part) => part.functionCall !== undefined)
    if (first && first.thoughtSignature === undefined) first.thoughtSignature = foreignSignature
  }
}
