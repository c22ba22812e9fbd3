import type { AnswerEvent, JsonObject, Opaque } from '../../conversation.ts'
import { objectOf, textOf } from '../../fields.ts'
import { argumentsOf } from './answer.ts'
import { madeCallId } from './ids.ts'
import { JsonEnd } from './json-end.ts'
import { callSignature } from './messages.ts'

/** A tool call while it streams. */
interface Call {
  id: string
  name: string
  arguments: string
  /** Whether the arguments are all there. */
  readonly end: JsonEnd
  signature: Opaque | undefined
  /** Which of the choice's calls it is. */
  readonly ordinal: number
  /** Its part, once begun. */
  part: number | undefined
  closed: boolean
}

/**
 * Puts the tool calls of one choice together from their deltas.
 *
 * OpenAI sends `index` on every delta, and `id` and `name` on a call's first. Servers alike send no index, the same
 * one for every call (Ollama), one that begins at 1 (LiteLLM), a name that comes late or again each time, or no id. So:
 * a known id is that call; a new id is a new call, whatever its index; without an id the index decides; and what has
 * neither goes on with the last call. A call's part begins when its name is known.
 */
export class StreamedCalls {
  readonly #choice: number
  readonly #calls: Call[] = []
  readonly #byIndex = new Map<number, Call>()
  readonly #byId = new Map<string, Call>()
  /** The open calls whose arguments are whole, unless more of them comes. */
  readonly #whole = new Set<Call>()
  #begun = false

  constructor(choice: number) {
    this.#choice = choice
  }

  get any(): boolean {
    return this.#begun
  }

  /**
   * Takes one entry of `delta.tool_calls`.
   * @param nextPart gives the number of a part that begins now
   * @returns false where it belongs to a call that is complete: the stream makes no sense
   */
  read(delta: JsonObject, responseId: string, nextPart: () => number, events: AnswerEvent[]): boolean {
    const { name, arguments: piece } = objectOf(delta.function)
    const text = argumentsOf(piece)
    const call = this.#callOf(delta, textOf(name), text)
    const signature = callSignature(delta)
    if (call.closed) return text.trim() === ''
    this.#append(call, text)
    if (call.part !== undefined) {
      if (text !== '') events.push({ type: 'delta', choice: this.#choice, part: call.part, text })
      if (signature) this.#sign(call, call.part, signature, events)
      return true
    }
    call.signature ??= signature
    if (call.name !== '') this.#begin(call, responseId, nextPart, events)
    return true
  }

  /** A signature that came by itself, with the call's id. @returns whether there is such a call, still open */
  sign(id: string, signature: Opaque, events: AnswerEvent[]): boolean {
    const call = this.#byId.get(id)
    if (call?.part === undefined || call.closed) return false
    this.#sign(call, call.part, signature, events)
    return true
  }

  /**
   * Ends all calls.
   * @returns false where one never got a name, though it has arguments
   */
  end(events: AnswerEvent[]): boolean {
    for (const call of this.#calls) this.#close(call, events)
    return this.#calls.every((call) => call.part !== undefined || call.id === '' || call.arguments === '')
  }

  /** Ends the calls that can get nothing more, because their arguments are whole: writers need not wait for them. */
  #endWhole(events: AnswerEvent[]): void {
    for (const call of this.#whole) this.#close(call, events)
  }

  #append(call: Call, text: string): void {
    if (text === '') return
    call.arguments += text
    call.end.push(text)
    if (call.end.whole) this.#whole.add(call)
    else this.#whole.delete(call)
  }

  #callOf(delta: JsonObject, name: string, text: string): Call {
    const id = textOf(delta.id)
    const index = typeof delta.index === 'number' ? delta.index : undefined
    const known = index === undefined ? undefined : this.#byIndex.get(index)
    if (id !== '') {
      const same = this.#byId.get(id)
      if (same) return same
      if (known && known.id === '' && known.part === undefined) {
        this.#name(known, id)
        known.name ||= name
        return known
      }
      return this.#add(id, name, index)
    }
    const current = known ?? (name === '' ? this.#calls.at(-1) : undefined)
    if (current === undefined) return this.#add('', name, index)
    if (name === '' || current.name === '') {
      current.name ||= name
      return current
    }
    // A name once more: the same call told again, or, without ids, the next one under the same index.
    const another = name !== current.name || (text !== '' && current.end.whole)
    return another ? this.#add('', name, index) : current
  }

  #add(id: string, name: string, index: number | undefined): Call {
    const call: Call = {
      id: '',
      name,
      arguments: '',
      end: new JsonEnd(),
      signature: undefined,
      ordinal: this.#calls.length,
      part: undefined,
      closed: false,
    }
    if (id !== '') this.#name(call, id)
    this.#calls.push(call)
    if (index !== undefined) this.#byIndex.set(index, call)
    return call
  }

  #name(call: Call, id: string): void {
    call.id = id
    this.#byId.set(id, call)
  }

  #begin(call: Call, responseId: string, nextPart: () => number, events: AnswerEvent[]): void {
    this.#begun = true
    this.#endWhole(events)
    if (call.id === '') this.#name(call, madeCallId(responseId, this.#choice, call.ordinal, call.name))
    const part = nextPart()
    const { id, name, signature } = call
    call.part = part
    events.push({
      type: 'part',
      choice: this.#choice,
      part,
      kind: 'tool_call',
      id,
      name,
      ...(signature && { signature }),
    })
    if (call.arguments !== '') events.push({ type: 'delta', choice: this.#choice, part, text: call.arguments })
  }

  /** Once a call: a server may repeat its signature on every delta. */
  #sign(call: Call, part: number, signature: Opaque, events: AnswerEvent[]): void {
    if (call.signature) return
    call.signature = signature
    events.push({ type: 'opaque', choice: this.#choice, part, signature })
  }

  #close(call: Call, events: AnswerEvent[]): void {
    if (call.closed || call.part === undefined) return
    call.closed = true
    this.#whole.delete(call)
    events.push({ type: 'part_end', choice: this.#choice, part: call.part })
  }
}
