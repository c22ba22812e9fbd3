import { SseParser } from '../../../sse.ts'
import type { AnswerEvent, FinishReason, JsonObject, TokenLogprob } from '../../conversation.ts'
import type { StreamReader } from '../../dialect.ts'
import { countOf, isObject, objectOf, objectsOf, textOf } from '../../fields.ts'
import { readFailure } from '../openai/errors.ts'
import { readLogprobs } from '../openai/logprobs.ts'
import { readItem } from './answer.ts'
import { readFinish } from './finish.ts'
import { summarySeparator } from './input.ts'
import { readUsage } from './usage.ts'

/**
 * A reader for a streamed Response. It ends with `response.completed`, `.incomplete` or `.failed`, or with an `error`.
 *
 * Everything is told three times (as deltas, as a whole at the `.done` of its part, and again in its item), and servers
 * that speak this API leave some of it out. So what came as deltas is counted, and what a later telling has beyond
 * that is read from there. The items of one output index are parts of their own and may interleave.
 */
export function readStream(): StreamReader {
  return new ResponsesStreamReader()
}

type PartEvent = Extract<AnswerEvent, { type: 'part' }>

/** What a `part` event says of its kind. */
type Opening<E extends PartEvent = PartEvent> = E extends PartEvent ? Omit<E, 'type' | 'choice' | 'part'> : never

/** One part: which it is in the neutral answer and how much of it has been told. */
interface PartState {
  readonly part: number
  readonly kind: PartEvent['kind']
  length: number
  closed: boolean
}

class ResponsesStreamReader implements StreamReader {
  readonly #parser = new SseParser()
  /** By output index and place in the item. */
  readonly #parts = new Map<string, PartState>()
  /** By output index and by id. */
  readonly #doneItems = new Set<string>()
  #summaryIndex = 0
  #events: AnswerEvent[] = []
  #started = false
  #ended = false

  push(chunk: Uint8Array): AnswerEvent[] {
    this.#read(() => this.#parser.push(chunk))
    return this.#taken()
  }

  end(): AnswerEvent[] {
    this.#read(() => this.#parser.end())
    if (!this.#ended)
      this.#fail(502, 'stream_interrupted', "The provider's answer broke off before its end. Try again.")
    return this.#taken()
  }

  #read(parse: () => { data: string }[]): void {
    if (this.#ended) return
    try {
      for (const { data } of parse()) if (!this.#ended && data !== '[DONE]') this.#event(JSON.parse(data))
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error
      this.#fail(502, 'bad_provider_answer', "The provider's answer is not a stream of JSON events. Try again.")
    }
  }

  #taken(): AnswerEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }

  #event(event: unknown): void {
    if (!isObject(event)) throw new SyntaxError('an event that is not an object')
    const item = key(event.output_index ?? event.item_id)
    const content = `${item}/${key(event.content_index)}`
    switch (event.type) {
      case 'response.created':
      case 'response.queued':
      case 'response.in_progress':
        this.#start(objectOf(event.response))
        break
      case 'response.output_item.added':
        if (isObject(event.item) && event.item.type === 'function_call') this.#openCall(item, event.item)
        break
      case 'response.output_item.done':
        this.#itemDone(item, objectOf(event.item))
        break
      case 'response.content_part.added':
        this.#openContent(content, objectOf(event.part))
        break
      case 'response.content_part.done':
        this.#contentDone(content, objectOf(event.part))
        break
      case 'response.output_text.delta':
        this.#say(this.#open(content, { kind: 'text' }), textOf(event.delta), readLogprobs(event.logprobs))
        break
      case 'response.refusal.delta':
        this.#say(this.#open(content, { kind: 'refusal' }), textOf(event.delta))
        break
      case 'response.function_call_arguments.delta':
        this.#say(this.#parts.get(item), textOf(event.delta))
        break
      case 'response.reasoning_summary_text.delta':
        this.#summaryDelta(item, event)
        break
      case 'response.reasoning_text.delta':
        this.#say(this.#openReasoning(item, 'thinking', event.item_id), textOf(event.delta))
        break
      case 'response.completed':
      case 'response.incomplete':
        this.#finish(objectOf(event.response))
        break
      case 'response.failed':
        this.#failure(objectOf(event.response).error)
        break
      case 'error':
        // OpenAI's servers put the fields into an `error` object; its documentation shows them beside the type.
        this.#failure(isObject(event.error) ? event.error : { ...event, type: undefined })
        break
    }
  }

  #start(response: JsonObject): void {
    if (this.#started) return
    this.#started = true
    const created = countOf(response.created_at)
    const id = textOf(response.id)
    this.#events.push({ type: 'start', id, model: textOf(response.model), ...(created !== undefined && { created }) })
  }

  /** The whole item: tells what is missing, closes its parts and hands over encrypted reasoning. */
  #itemDone(item: string, wire: JsonObject): void {
    const names = [item, textOf(wire.id)].filter((name) => name !== '')
    if (names.some((name) => this.#doneItems.has(name))) return
    for (const name of names) this.#doneItems.add(name)
    switch (wire.type) {
      case 'message':
        objectsOf(wire.content).forEach((part, index) => {
          this.#contentDone(`${item}/${index}`, part)
        })
        break
      case 'function_call': {
        const call = this.#openCall(item, wire)
        this.#tell(call, textOf(wire.arguments))
        this.#close(call)
        break
      }
      case 'reasoning':
        this.#reasoningDone(item, wire)
        break
    }
  }

  #contentDone(key: string, wire: JsonObject): void {
    const state = this.#openContent(key, wire)
    if (!state) return
    this.#tell(state, textOf(wire.text) || textOf(wire.refusal), readLogprobs(wire.logprobs))
    this.#close(state)
  }

  #reasoningDone(item: string, wire: JsonObject): void {
    for (const part of readItem(wire)) {
      if (part.type !== 'reasoning') continue
      // Where the item repeats nothing, its encrypted content belongs to what was shown of it before.
      const shown = part.summary || (part.text === '' && this.#parts.has(`${item}/summary`))
      const state = this.#openReasoning(item, shown ? 'summary' : 'thinking', wire.id, part.summary)
      this.#tell(state, part.text)
      if (part.redacted) this.#events.push({ type: 'opaque', choice: 0, part: state.part, redacted: part.redacted })
    }
    this.#close(this.#parts.get(`${item}/summary`))
    this.#close(this.#parts.get(`${item}/thinking`))
  }

  #summaryDelta(item: string, event: JsonObject): void {
    const state = this.#openReasoning(item, 'summary', event.item_id, true)
    const index = countOf(event.summary_index) ?? 0
    const separator = state.length > 0 && index !== this.#summaryIndex ? summarySeparator : ''
    this.#summaryIndex = index
    this.#say(state, separator + textOf(event.delta))
  }

  #openContent(key: string, wire: JsonObject): PartState | undefined {
    if (wire.type === 'output_text') return this.#open(key, { kind: 'text' })
    return wire.type === 'refusal' ? this.#open(key, { kind: 'refusal' }) : undefined
  }

  #openCall(item: string, wire: JsonObject): PartState {
    return this.#open(item, { kind: 'tool_call', id: textOf(wire.call_id), name: textOf(wire.name) })
  }

  /** An item's summary and its thinking are parts of their own; the item's id goes with the first. */
  #openReasoning(item: string, place: 'summary' | 'thinking', id: unknown, summary?: boolean): PartState {
    const first = !this.#parts.has(`${item}/summary`) && !this.#parts.has(`${item}/thinking`)
    return this.#open(`${item}/${place}`, {
      kind: 'reasoning',
      ...(summary && { summary }),
      ...(first && typeof id === 'string' && { id }),
    })
  }

  #open(key: string, opening: Opening): PartState {
    const known = this.#parts.get(key)
    if (known) return known
    this.#start({})
    const state: PartState = { part: this.#parts.size, kind: opening.kind, length: 0, closed: false }
    this.#parts.set(key, state)
    this.#events.push({ type: 'part', choice: 0, part: state.part, ...opening })
    return state
  }

  #say(state: PartState | undefined, text: string, logprobs?: TokenLogprob[]): void {
    if (!state || state.closed || text === '') return
    state.length += text.length
    this.#events.push({ type: 'delta', choice: 0, part: state.part, text, ...(logprobs && { logprobs }) })
  }

  /** Says what a whole text has beyond its deltas; with log probabilities only where there were no deltas at all. */
  #tell(state: PartState, whole: string, logprobs?: TokenLogprob[]): void {
    this.#say(state, whole.slice(state.length), state.length === 0 ? logprobs : undefined)
  }

  #close(state: PartState | undefined): void {
    if (!state || state.closed) return
    state.closed = true
    this.#events.push({ type: 'part_end', choice: 0, part: state.part })
  }

  #finish(response: JsonObject): void {
    this.#start(response)
    objectsOf(response.output).forEach((item, index) => {
      this.#itemDone(String(index), item)
    })
    for (const state of this.#parts.values()) this.#close(state)
    const usage = readUsage(response.usage)
    this.#events.push({ type: 'finish', choice: 0, reason: this.#reason(response) })
    if (usage) this.#events.push({ type: 'usage', usage })
    this.#events.push({ type: 'end' })
    this.#ended = true
  }

  /** Some servers repeat no output at the end: what was streamed counts as well. */
  #reason(response: JsonObject): FinishReason {
    const reason = readFinish(response)
    if (reason !== 'stop') return reason
    const kinds = new Set([...this.#parts.values()].map(({ kind }) => kind))
    if (kinds.has('tool_call')) return 'tool_calls'
    return kinds.has('refusal') ? 'refusal' : 'stop'
  }

  #failure(error: unknown): void {
    const { status, code, message } = readFailure(error)
    this.#fail(status, code, message)
  }

  #fail(status: number, code: string, message: string): void {
    this.#events.push({ type: 'error', error: { status, code, message } }, { type: 'end' })
    this.#ended = true
  }
}

/** What an event names its item or content by. Other JSON than numbers and strings names nothing. */
function key(value: unknown): string {
  return typeof value === 'number' || typeof value === 'string' ? String(value) : ''
}
