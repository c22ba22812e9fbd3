import type {
  CacheMarker,
  DocumentPart,
  ImagePart,
  JsonObject,
  Part,
  ReasoningPart,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  Turn,
} from '../../conversation.ts'
import { invalid } from '../../errors.ts'
import { at, isObject, objectList, requiredText, textField, unsupported, wordField } from '../../fields.ts'
import { readEncrypted } from './encrypted.ts'
import { madeItemId } from './ids.ts'
import { readAudio, readFile, readImage } from './media.ts'

type Content = TextPart | ImagePart | DocumentPart

/**
 * Reads `input`: a text, or the items of the conversation so far. Neighbouring items of the model (its messages,
 * reasoning and calls) form one assistant turn, neighbouring outputs of functions one user turn.
 * @param cache what a `prompt_cache_breakpoint` stands for in this request
 * @throws {ApiError} 400 naming the item or the part of it that is wrong or that only OpenAI's servers know.
 */
export function readInput(body: JsonObject, cache: CacheMarker): Turn[] {
  const input = body.input ?? undefined
  if (input === undefined) throw invalid('input', 'input is required: a string or an array of items.')
  if (typeof input === 'string') return [{ role: 'user', parts: [{ type: 'text', text: input }] }]
  if (!Array.isArray(input)) throw invalid('input', 'input must be a string or an array of items.')
  const reader = new InputReader(cache)
  for (const [item, path] of objectList(body, 'input')) reader.item(item, path)
  reader.signCalls()
  return reader.turns
}

class InputReader {
  readonly turns: Turn[] = []
  readonly #cache: CacheMarker
  readonly #calls = new Map<string, ToolCallPart>()
  /** Signatures of calls, by the call's id: they may stand before or after it. */
  readonly #signatures = new Map<string, NonNullable<ToolCallPart['signature']>>()
  #last: 'assistant' | 'results' | 'other' = 'other'

  constructor(cache: CacheMarker) {
    this.#cache = cache
  }

  item(item: JsonObject, path: string): void {
    const type = textField(item, 'type', path) ?? (item.role === undefined ? undefined : 'message')
    switch (type) {
      case 'message':
        this.#message(item, path)
        break
      case 'function_call':
        this.#call(item, path)
        break
      case 'function_call_output':
        this.#add('results', [this.#result(item, path)])
        break
      case 'reasoning':
        this.#add('assistant', this.#reasoning(item, path))
        break
      case undefined:
        throw invalid(at(path, 'type'), `${at(path, 'type')} is required.`)
      case 'item_reference':
        throw unsupported(
          path,
          `${path} refers to an item stored by OpenAI, which the provider behind this model cannot look up. Send the item itself.`,
        )
      default:
        throw unsupported(
          at(path, 'type'),
          `the provider behind this model has no items of type ${type}. Send messages, function calls with their outputs, and reasoning only.`,
        )
    }
  }

  signCalls(): void {
    for (const [id, signature] of this.#signatures) {
      const call = this.#calls.get(id)
      if (call) call.signature = signature
    }
  }

  #message(item: JsonObject, path: string): void {
    const role = wordField(item, 'role', ['user', 'assistant', 'system', 'developer'], path)
    if (role === undefined) throw invalid(at(path, 'role'), `${at(path, 'role')} is required.`)
    const parts = this.#content(item, 'content', path, role === 'assistant' ? outputPart : inputPart)
    if (role === 'assistant') this.#add('assistant', parts)
    else {
      this.turns.push({ role, parts })
      this.#last = 'other'
    }
  }

  #call(item: JsonObject, path: string): void {
    const call: ToolCallPart = {
      type: 'tool_call',
      id: requiredText(item, 'call_id', path),
      name: requiredText(item, 'name', path),
      arguments: requiredText(item, 'arguments', path),
    }
    this.#calls.set(call.id, call)
    this.#add('assistant', [call])
  }

  #result(item: JsonObject, path: string): ToolResultPart {
    const id = requiredText(item, 'call_id', path)
    const name = this.#calls.get(id)?.name
    const content = this.#content(item, 'output', path, resultPart)
    return { type: 'tool_result', id, ...(name !== undefined && { name }), content }
  }

  /**
   * The summary and, from models that show it, the text of the thinking are one part each; the encrypted content goes
   * with the last of them, the id with the first.
   */
  #reasoning(item: JsonObject, path: string): ReasoningPart[] {
    const texts = (key: string, type: string) =>
      objectList(item, key, path).map(([part, place]) => {
        wordField(part, 'type', [type], place)
        return requiredText(part, 'text', place)
      })
    const encrypted = textField(item, 'encrypted_content', path)
    const id = textField(item, 'id', path)
    const opaque = encrypted === undefined ? undefined : readEncrypted(encrypted)
    if (opaque?.kind === 'call') {
      this.#signatures.set(opaque.callId, opaque.opaque)
      return []
    }
    return reasoningParts({
      summary: texts('summary', 'summary_text'),
      content: texts('content', 'reasoning_text'),
      ...(id !== undefined && !madeItemId.test(id) && { id }),
      ...(opaque && { opaque: { [opaque.kind]: opaque.opaque } }),
    })
  }

  #content<P extends Part>(
    item: JsonObject,
    key: string,
    path: string,
    read: (part: JsonObject, path: string) => P | TextPart,
  ): (P | TextPart)[] {
    const content = item[key] ?? undefined
    if (content === undefined) throw invalid(at(path, key), `${at(path, key)} is required.`)
    if (typeof content === 'string') return [{ type: 'text', text: content }]
    if (!Array.isArray(content))
      throw invalid(at(path, key), `${at(path, key)} must be a string or an array of content parts.`)
    return objectList(item, key, path).map(([part, place]) => {
      const made = read(part, place)
      return isObject(part.prompt_cache_breakpoint) ? { ...made, cache: this.#cache } : made
    })
  }

  #add(kind: 'assistant' | 'results', parts: Part[]): void {
    if (this.#last !== kind) this.turns.push({ role: kind === 'assistant' ? 'assistant' : 'user', parts: [] })
    this.#last = kind
    const turn = this.turns.at(-1)!
    for (const part of parts) turn.parts.push(part)
  }
}

/** A reasoning item as parts of an assistant turn; see InputReader. Used for answers, too. */
export function reasoningParts(item: {
  summary: readonly string[]
  content: readonly string[]
  id?: string
  opaque?: Pick<ReasoningPart, 'signature' | 'redacted'>
}): ReasoningPart[] {
  const parts: ReasoningPart[] = []
  const summary = item.summary.join(summarySeparator)
  const content = item.content.join('')
  if (summary !== '') parts.push({ type: 'reasoning', text: summary, summary: true })
  if (content !== '') parts.push({ type: 'reasoning', text: content })
  if (parts.length === 0) parts.push({ type: 'reasoning', text: '' })
  if (item.id !== undefined) parts[0]!.id = item.id
  Object.assign(parts.at(-1)!, item.opaque)
  return parts
}

/** Between the sections of a summary, which come as parts of their own. */
export const summarySeparator = '\n\n'

function inputPart(part: JsonObject, path: string): Part {
  return part.type === 'input_audio' ? readAudio(part, path) : resultPart(part, path)
}

function resultPart(part: JsonObject, path: string): Content {
  const type = requiredText(part, 'type', path)
  switch (type) {
    case 'input_text':
      return { type: 'text', text: requiredText(part, 'text', path) }
    case 'input_image':
      return readImage(part, path)
    case 'input_file':
      return readFile(part, path)
    default:
      throw invalid(at(path, 'type'), `${at(path, 'type')} must be input_text, input_image or input_file, not ${type}.`)
  }
}

function outputPart(part: JsonObject, path: string): Part {
  const type = requiredText(part, 'type', path)
  switch (type) {
    case 'output_text':
    case 'input_text': // What easy messages of the assistant are typed as in OpenAI's SDKs.
      return { type: 'text', text: requiredText(part, 'text', path) }
    case 'refusal':
      return { type: 'refusal', text: requiredText(part, 'refusal', path) }
    default:
      throw invalid(at(path, 'type'), `${at(path, 'type')} must be output_text or refusal, not ${type}.`)
  }
}
