import type {
  DocumentPart,
  ImagePart,
  JsonObject,
  Part,
  ReasoningPart,
  RefusalPart,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  Turn,
} from '../../conversation.ts'
import { invalid } from '../../errors.ts'
import { at, objectField, objectList, objectOf, requiredText, textField, textOf, unsupported } from '../../fields.ts'
import { unwrapOpaque } from '../../opaque.ts'
import type { CacheReader } from './cache.ts'
import { thinkingText } from './content.ts'
import { readAudio, readFile, readImage } from './media.ts'
import { readReasoning } from './reasoning.ts'
import { requiredObject } from './wire.ts'

/**
 * Reads `messages`. Neighbouring results of tools form one user turn; every other message is a turn of its own.
 * @throws {ApiError} 400 naming the message or the part of it that is wrong or that no other provider has
 */
export function readMessages(body: JsonObject, cache: CacheReader): Turn[] {
  if ((body.messages ?? undefined) === undefined) throw invalid('messages', 'messages is required.')
  const messages = objectList(body, 'messages')
  if (messages.length === 0) throw invalid('messages', 'messages must hold at least one message.')
  const reader = new MessagesReader(cache)
  for (const [message, path] of messages) reader.message(message, path)
  return reader.turns
}

class MessagesReader {
  readonly turns: Turn[] = []
  readonly #cache: CacheReader
  readonly #names = new Map<string, string>()
  /** Calls of the deprecated kind, which have no ids, that wait for their result. */
  readonly #unanswered: ToolCallPart[] = []
  #legacyCalls = 0
  #results: Part[] | undefined

  constructor(cache: CacheReader) {
    this.#cache = cache
  }

  message(message: JsonObject, path: string): void {
    const role = requiredText(message, 'role', path)
    switch (role) {
      case 'system':
      case 'developer':
        this.#turn(role, this.#content(message, path, textPart), message, path)
        break
      case 'user':
        this.#turn(role, this.#content(message, path, userPart), message, path)
        break
      case 'assistant':
        this.#turn(role, this.#assistant(message, path), message, path)
        break
      case 'tool':
        this.#result(this.#toolResult(message, path))
        break
      case 'function':
        this.#result(this.#functionResult(message, path))
        break
      default:
        throw invalid(
          at(path, 'role'),
          `${at(path, 'role')} must be system, developer, user, assistant or tool, not ${role}.`,
        )
    }
  }

  #turn(role: Turn['role'], parts: Part[], message: JsonObject, path: string): void {
    const name = textField(message, 'name', path)
    this.turns.push({ role, parts, ...(name !== undefined && { name }) })
    this.#results = undefined
  }

  #result(part: ToolResultPart): void {
    if (this.#results === undefined) {
      this.#results = []
      this.turns.push({ role: 'user', parts: this.#results })
    }
    this.#results.push(part)
  }

  /** A marker on the message itself is one on its last part. */
  #content<P extends Part>(message: JsonObject, path: string, read: PartReader<P>): (P | TextPart)[] {
    const parts = this.#parts(message, path, read)
    if (parts.length === 0) throw invalid(at(path, 'content'), `${at(path, 'content')} is required.`)
    const cache = this.#cache(message)
    const last = parts.at(-1)!
    if (cache && !('cache' in last)) Object.assign(last, { cache })
    return parts
  }

  #parts<P extends Part>(message: JsonObject, path: string, read: PartReader<P>): (P | TextPart)[] {
    const { content } = message
    if (content === undefined || content === null) return []
    if (typeof content === 'string') return [{ type: 'text', text: content }]
    if (!Array.isArray(content))
      throw invalid(at(path, 'content'), `${at(path, 'content')} must be a string or an array of content parts.`)
    return objectList(message, 'content', path).map(([part, place]) => {
      const made = read(part, place)
      const cache = this.#cache(part)
      return cache ? { ...made, cache } : made
    })
  }

  #assistant(message: JsonObject, path: string): Part[] {
    if (objectField(message, 'audio', path) !== undefined)
      throw unsupported(
        at(path, 'audio'),
        'the provider behind this model cannot look up sound that OpenAI answered with. Send its transcript as content.',
      )
    const refusal = textField(message, 'refusal', path)
    const content = this.#parts(message, path, assistantPart).filter((part) => part.type !== 'text' || part.text !== '')
    const calls = this.#calls(message, path)
    const cache = this.#cache(message)
    const parts: Part[] = [...signCalls(readReasoning(message), calls), ...content]
    if (refusal !== undefined && refusal !== '') parts.push({ type: 'refusal', text: refusal })
    parts.push(...calls)
    const last = parts.findLast((part) => part.type === 'text' || part.type === 'tool_call')
    if (cache && last && !('cache' in last)) Object.assign(last, { cache })
    return parts
  }

  #calls(message: JsonObject, path: string): ToolCallPart[] {
    const calls = objectList(message, 'tool_calls', path).map(([call, place]) => readCall(call, place))
    const legacy = objectField(message, 'function_call', path)
    if (legacy) {
      const inner = at(path, 'function_call')
      const id = `call_function_${this.#legacyCalls++}`
      const call: ToolCallPart = { type: 'tool_call', id, ...readFunctionCall(legacy, inner) }
      this.#unanswered.push(call)
      calls.push(call)
    }
    for (const { id, name } of calls) this.#names.set(id, name)
    return calls
  }

  #toolResult(message: JsonObject, path: string): ToolResultPart {
    const id = requiredText(message, 'tool_call_id', path)
    const name = this.#names.get(id) ?? textField(message, 'name', path)
    const content = this.#parts(message, path, contentPart)
    const cache = this.#cache(message)
    return { type: 'tool_result', id, ...(name !== undefined && { name }), content, ...(cache && { cache }) }
  }

  /** The deprecated role: the result belongs to the last call of that function that has none. */
  #functionResult(message: JsonObject, path: string): ToolResultPart {
    const name = requiredText(message, 'name', path)
    const place = this.#unanswered.findLastIndex((call) => call.name === name)
    const [call] = place === -1 ? [] : this.#unanswered.splice(place, 1)
    if (call === undefined)
      throw invalid(at(path, 'name'), `no earlier message calls the function ${name}, so ${path} answers nothing.`)
    return { type: 'tool_result', id: call.id, name, content: this.#parts(message, path, contentPart) }
  }
}

/**
 * Moves Gemini's signatures that came as reasoning of their own, with the id of the call they belong to (OpenRouter),
 * onto these calls.
 * @returns the other parts
 */
export function signCalls(reasoning: readonly ReasoningPart[], calls: readonly ToolCallPart[]): ReasoningPart[] {
  return reasoning.filter((part) => {
    if (part.text !== '' || part.signature?.origin !== 'gemini' || part.id === undefined) return true
    const call = calls.find(({ id }) => id === part.id)
    if (call === undefined) return true
    call.signature ??= part.signature
    return false
  })
}

function readCall(call: JsonObject, path: string): ToolCallPart {
  const type = textField(call, 'type', path) ?? 'function'
  if (type === 'custom')
    throw unsupported(
      at(path, 'type'),
      "the provider behind this model has no custom tools, only functions. Leave the call and its result out, or choose a model of OpenAI's own.",
    )
  if (type !== 'function') throw invalid(at(path, 'type'), `${at(path, 'type')} must be function, not ${type}.`)
  const made: ToolCallPart = {
    type: 'tool_call',
    id: requiredText(call, 'id', path),
    ...readFunctionCall(requiredObject(call, 'function', path), at(path, 'function')),
  }
  const signature = callSignature(call)
  return signature ? { ...made, signature } : made
}

function readFunctionCall(call: JsonObject, path: string): Pick<ToolCallPart, 'name' | 'arguments'> {
  return { name: requiredText(call, 'name', path), arguments: textField(call, 'arguments', path) ?? '' }
}

/** Gemini's signature, where Google's own OpenAI-compatible API puts it. */
export function callSignature(call: JsonObject): ToolCallPart['signature'] {
  const signature = textOf(objectOf(objectOf(call.extra_content).google).thought_signature)
  return signature === '' ? undefined : unwrapOpaque(signature, 'gemini')
}

type PartReader<P extends Part> = (part: JsonObject, path: string) => P | TextPart

function textPart(part: JsonObject, path: string): TextPart {
  const type = requiredText(part, 'type', path)
  if (type === 'text') return { type, text: requiredText(part, 'text', path) }
  throw invalid(at(path, 'type'), `${at(path, 'type')} must be text, not ${type}.`)
}

/** OpenAI's own tool messages hold text only; other servers take images and files, and so do other providers. */
function contentPart(part: JsonObject, path: string): TextPart | ImagePart | DocumentPart {
  switch (part.type) {
    case 'image_url':
      return readImage(part, path)
    case 'file':
      return readFile(part, path)
    default:
      return textPart(part, path)
  }
}

function userPart(part: JsonObject, path: string): Part {
  const type = requiredText(part, 'type', path)
  switch (type) {
    case 'input_audio':
      return readAudio(part, path)
    case 'text':
    case 'image_url':
    case 'file':
      return contentPart(part, path)
    default:
      throw invalid(at(path, 'type'), `${at(path, 'type')} must be text, image_url, input_audio or file, not ${type}.`)
  }
}

/** `thinking` is no part of OpenAI's, but of Mistral's answers, which clients send back as they got them. */
function assistantPart(part: JsonObject, path: string): TextPart | RefusalPart | ReasoningPart {
  const type = requiredText(part, 'type', path)
  switch (type) {
    case 'text':
      return textPart(part, path)
    case 'refusal':
      return { type, text: requiredText(part, 'refusal', path) }
    case 'thinking':
      return { type: 'reasoning', text: thinkingText(part.thinking) }
    default:
      throw invalid(at(path, 'type'), `${at(path, 'type')} must be text or refusal, not ${type}.`)
  }
}
