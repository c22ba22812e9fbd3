import { sse } from '../../../sse.ts'
import type {
  AnswerEvent,
  FinishReason,
  JsonObject,
  ReasoningPart,
  TokenLogprob,
  ToolCallPart,
  Usage,
} from '../../conversation.ts'
import type { AnswerContext, StreamWriter } from '../../dialect.ts'
import { writeLogprobs } from '../openai/logprobs.ts'
import { type Ending, writeFinish } from './finish.ts'
import { makeItemId } from './ids.ts'
import {
  callItem,
  callSignatureItem,
  type ItemStatus,
  messageItem,
  outputText,
  reasoningItem,
  reasoningText,
  refusalContent,
  summaryText,
} from './output.ts'
import { type ResponseState, responseObject } from './response.ts'

/**
 * A writer for a streamed Response. Each event has its place in the order (`sequence_number`) and names what it belongs
 * to: the item by id and index, the part of a message by its index there. So parts may interleave.
 */
export function writeStream(context: AnswerContext): StreamWriter {
  return new ResponsesStreamWriter(context)
}

/** An item's place in the output. */
interface Place {
  item_id: string
  output_index: number
}

/** A message may get more parts until another item follows (`left`); it is done when its parts are. */
interface Message {
  place: Place
  content: JsonObject[]
  open: number
  left: boolean
}

type OpenPart =
  | { kind: 'text' | 'refusal'; message: Message; index: number; text: string; logprobs: TokenLogprob[] }
  | { kind: 'reasoning'; place: Place; part: ReasoningPart; begun: boolean }
  | { kind: 'tool_call'; place: Place; call: Pick<ToolCallPart, 'id' | 'name' | 'arguments'> }

class ResponsesStreamWriter implements StreamWriter {
  readonly #context: AnswerContext
  readonly #open = new Map<number, OpenPart>()
  /** Finished items at their index; a gap is an item still open. */
  readonly #output: (JsonObject | undefined)[] = []
  #text = ''
  #sequence = 0
  #started: { id: string; created: number | undefined } | undefined
  #message: Message | undefined
  #refused = false
  #reason: FinishReason = 'error'
  #usage: Usage | undefined
  #failed = false

  constructor(context: AnswerContext) {
    this.#context = context
  }

  write(events: readonly AnswerEvent[]): string {
    for (const event of events) this.#write(event)
    const text = this.#text
    this.#text = ''
    return text
  }

  #write(event: AnswerEvent): void {
    // There is no place for further choices, and readRequest never asks for any.
    if ('choice' in event && event.choice !== 0) return
    switch (event.type) {
      case 'start':
        this.#start(event.id, event.created)
        break
      case 'part':
        this.#begin(event)
        break
      case 'delta':
        this.#delta(event)
        break
      case 'opaque':
        this.#opaque(event)
        break
      case 'part_end':
        this.#end(event.part)
        break
      case 'finish':
        this.#reason = event.reason
        this.#leaveMessage(statusOf(this.#ending()))
        break
      case 'usage':
        this.#usage = event.usage
        break
      case 'error':
        this.#fail(event.error)
        break
      case 'end':
        this.#complete()
        break
    }
  }

  #send(type: string, fields: JsonObject): void {
    this.#text += sse(JSON.stringify({ type, sequence_number: this.#sequence++, ...fields }), type)
  }

  #start(id: string, created?: number): void {
    if (this.#started) return
    this.#started = { id, created }
    const response = this.#response({ status: 'in_progress' })
    this.#send('response.created', { response })
    this.#send('response.in_progress', { response })
  }

  #response(state: Partial<ResponseState> & Pick<ResponseState, 'status'>): JsonObject {
    const { id, created } = this.#started!
    return responseObject({ id, created, output: [], ...state }, this.#context)
  }

  #begin(event: Extract<AnswerEvent, { type: 'part' }>): void {
    this.#start('')
    switch (event.kind) {
      case 'text':
      case 'refusal':
        this.#beginContent(event.part, event.kind)
        break
      case 'reasoning': {
        const place = this.#place('rs', event.id)
        const part: ReasoningPart = { type: 'reasoning', text: '', summary: event.summary === true }
        this.#open.set(event.part, { kind: 'reasoning', place, part, begun: false })
        this.#itemAdded(place, reasoningItem(place.item_id, part))
        break
      }
      case 'tool_call': {
        if (event.signature) this.#sign(event.id, event.signature)
        const place = this.#place('fc')
        const call = { id: event.id, name: event.name, arguments: '' }
        this.#open.set(event.part, { kind: 'tool_call', place, call })
        this.#itemAdded(place, callItem(place.item_id, 'in_progress', call))
        break
      }
    }
  }

  #beginContent(part: number, kind: 'text' | 'refusal'): void {
    if (this.#message === undefined) {
      const place = this.#place('msg')
      this.#message = { place, content: [], open: 0, left: false }
      this.#itemAdded(place, messageItem(place.item_id, 'in_progress', []))
    }
    const message = this.#message
    const index = message.content.length
    const empty = kind === 'text' ? outputText('') : refusalContent('')
    message.content.push(empty)
    message.open++
    this.#open.set(part, { kind, message, index, text: '', logprobs: [] })
    this.#send('response.content_part.added', { ...message.place, content_index: index, part: empty })
  }

  /** Takes the next place in the output; a message before it gets no more parts. */
  #place(prefix: 'msg' | 'fc' | 'rs', id?: string): Place {
    this.#leaveMessage('completed')
    const index = this.#output.push(undefined) - 1
    return { item_id: id ?? makeItemId(prefix, this.#context, index), output_index: index }
  }

  #delta(event: Extract<AnswerEvent, { type: 'delta' }>): void {
    const open = this.#open.get(event.part)
    const delta = event.text
    switch (open?.kind) {
      case 'text': {
        open.text += delta
        open.logprobs.push(...(event.logprobs ?? []))
        const logprobs = writeLogprobs(event.logprobs)
        const place = { ...open.message.place, content_index: open.index }
        this.#send('response.output_text.delta', { ...place, delta, logprobs })
        break
      }
      case 'refusal':
        open.text += delta
        this.#send('response.refusal.delta', { ...open.message.place, content_index: open.index, delta })
        break
      case 'reasoning':
        this.#reasoningDelta(open, delta)
        break
      case 'tool_call':
        open.call.arguments += delta
        this.#send('response.function_call_arguments.delta', { ...open.place, delta })
        break
    }
  }

  /** The part inside the item begins with its first text: there may be none to show. */
  #reasoningDelta(open: OpenPart & { kind: 'reasoning' }, delta: string): void {
    const { place, part } = open
    if (!open.begun) {
      open.begun = true
      if (part.summary)
        this.#send('response.reasoning_summary_part.added', { ...place, summary_index: 0, part: summaryText('') })
      else this.#send('response.content_part.added', { ...place, content_index: 0, part: reasoningText('') })
    }
    part.text += delta
    if (part.summary) this.#send('response.reasoning_summary_text.delta', { ...place, summary_index: 0, delta })
    else this.#send('response.reasoning_text.delta', { ...place, content_index: 0, delta })
  }

  #opaque(event: Extract<AnswerEvent, { type: 'opaque' }>): void {
    const open = this.#open.get(event.part)
    if (open?.kind === 'tool_call' && event.signature) this.#sign(open.call.id, event.signature)
    if (open?.kind !== 'reasoning') return
    if (event.signature) open.part.signature = event.signature
    if (event.redacted) open.part.redacted = event.redacted
  }

  /** An item that holds nothing but the signature of a call; it names the call, so it may come late. */
  #sign(callId: string, signature: NonNullable<ToolCallPart['signature']>): void {
    const place = this.#place('rs')
    const item = callSignatureItem(place.item_id, callId, signature)
    this.#itemAdded(place, item)
    this.#itemDone(place, item)
  }

  #end(part: number): void {
    const open = this.#open.get(part)
    if (!open) return
    this.#open.delete(part)
    switch (open.kind) {
      case 'text':
      case 'refusal':
        this.#endContent(open)
        break
      case 'reasoning':
        if (open.begun) this.#endReasoning(open)
        this.#itemDone(open.place, reasoningItem(open.place.item_id, open.part))
        break
      case 'tool_call': {
        const { place, call } = open
        const { name } = call
        this.#send('response.function_call_arguments.done', { ...place, name, arguments: call.arguments })
        this.#itemDone(place, callItem(place.item_id, 'completed', call))
        break
      }
    }
  }

  #endContent({ kind, message, index, text, logprobs }: OpenPart & { kind: 'text' | 'refusal' }): void {
    const place = { ...message.place, content_index: index }
    const part = kind === 'text' ? outputText(text, logprobs) : refusalContent(text)
    if (kind === 'text') this.#send('response.output_text.done', { ...place, text, logprobs: part.logprobs })
    else this.#send('response.refusal.done', { ...place, refusal: text })
    this.#send('response.content_part.done', { ...place, part })
    if (kind === 'refusal') this.#refused = true
    message.content[index] = part
    message.open--
    if (message.left && message.open === 0) this.#messageDone(message, 'completed')
  }

  #endReasoning({ place, part: { text, summary } }: OpenPart & { kind: 'reasoning' }): void {
    if (summary) {
      this.#send('response.reasoning_summary_text.done', { ...place, summary_index: 0, text })
      this.#send('response.reasoning_summary_part.done', { ...place, summary_index: 0, part: summaryText(text) })
    } else {
      this.#send('response.reasoning_text.done', { ...place, content_index: 0, text })
      this.#send('response.content_part.done', { ...place, content_index: 0, part: reasoningText(text) })
    }
  }

  #leaveMessage(status: ItemStatus): void {
    const message = this.#message
    if (message === undefined) return
    this.#message = undefined
    message.left = true
    if (message.open === 0) this.#messageDone(message, status)
  }

  #messageDone({ place, content }: Message, status: ItemStatus): void {
    this.#itemDone(place, messageItem(place.item_id, status, content))
  }

  #itemAdded({ output_index }: Place, item: JsonObject): void {
    this.#send('response.output_item.added', { output_index, item })
  }

  #itemDone({ output_index }: Place, item: JsonObject): void {
    this.#output[output_index] = item
    this.#send('response.output_item.done', { output_index, item })
  }

  #ending(): Ending {
    return writeFinish(this.#reason, this.#refused)
  }

  #complete(): void {
    if (this.#failed) return
    const ending = this.#ending()
    if (ending.status === 'failed') {
      this.#fail({ code: 'server_error', message: 'The provider ended the answer with an error.' })
      return
    }
    this.#start('')
    const output = this.#finished()
    // The last item is the one that an early end cut short, which a call's own events came too soon to say.
    const last = output.at(-1)
    if (last && 'status' in last) output[output.length - 1] = { ...last, status: statusOf(ending) }
    const response = this.#response({ ...ending, output, usage: this.#usage })
    this.#send(`response.${ending.status}`, { response })
  }

  /**
   * OpenAI sends an error twice: as an event, whose fields its SDKs look for in `error` and its documentation shows
   * beside the type, and as the end of the response. Clients watch for one or the other.
   */
  #fail({ code, message }: { code: string; message: string }): void {
    if (this.#failed) return
    this.#failed = true
    this.#start('')
    this.#send('error', { code, message, param: null, error: { type: code, code, message, param: null } })
    const response = this.#response({
      status: 'failed',
      error: { code, message },
      output: this.#finished(),
      usage: this.#usage,
    })
    this.#send('response.failed', { response })
  }

  #finished(): JsonObject[] {
    return this.#output.filter((item) => item !== undefined)
  }
}

function statusOf({ status }: Ending): ItemStatus {
  return status === 'completed' ? 'completed' : 'incomplete'
}
