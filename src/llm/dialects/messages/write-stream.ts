import { sse } from '../../../sse.ts'
import type { AnswerEvent, FinishReason, JsonObject, Opaque, ReasoningPart, Usage } from '../../conversation.ts'
import type { AnswerContext, StreamWriter } from '../../dialect.ts'
import { errorTypeOf } from '../../errors.ts'
import { writeToolId } from './ids.ts'
import { messageObject, redactedBlock, textBlock, thinkingBlock, toolUseBlock } from './message-object.ts'
import { failedAnswer, writeEnding } from './stop-reason.ts'
import { callSignature, isShown, lateCallSignature, redactedData, thinkingSignature } from './thinking-blocks.ts'
import { brokenInput, toolInput, wantsWholeInput } from './tool-input.ts'
import { writeError } from './write-error.ts'
import { writeDeltaUsage } from './write-usage.ts'

/**
 * A writer for one streamed message: `message_start`, the blocks one after the other, `message_delta` with the ending
 * and the usage, `message_stop`. Only one block is open at a time: what comes for a later part waits for the earlier
 * one's end. Blocks without content are left out, as in a whole answer.
 *
 * An answer that fails ends with an `error` event, as does one whose calls have arguments that are no JSON object.
 * @see ClientDialect.writeStream
 * @see {@link https://platform.claude.com/docs/en/build-with-claude/streaming}
 */
export function writeStream(context: AnswerContext): StreamWriter {
  return new MessagesStreamWriter(context)
}

type PartEvent = Extract<AnswerEvent, { part: number }>
type Begin = Extract<AnswerEvent, { type: 'part' }>

/** The part whose block is being written. */
type OpenPart = { part: number; begun: boolean } & (
  | { kind: 'text' | 'refusal' }
  | ({ kind: 'reasoning' } & Pick<ReasoningPart, 'text' | 'signature' | 'redacted'>)
  | { kind: 'tool_call'; id: string; arguments: string; late?: Opaque }
)

class MessagesStreamWriter implements StreamWriter {
  readonly #context: AnswerContext
  #text = ''
  #started = false
  #done = false
  /** The index of the next block. */
  #index = 0
  #open: OpenPart | undefined
  /** The events of parts that began while another was open, in the order of their beginnings. */
  readonly #waiting = new Map<number, PartEvent[]>()
  #refused = false
  #brokenInput = false
  #finish: FinishReason = 'error'
  #stopSequence: string | undefined
  #usage: Usage | undefined

  constructor(context: AnswerContext) {
    this.#context = context
  }

  write(events: readonly AnswerEvent[]): string {
    for (const event of events) if (!this.#done) this.#write(event)
    const text = this.#text
    this.#text = ''
    return text
  }

  #write(event: AnswerEvent): void {
    // There is no place for further choices, and readRequest never asks for any.
    if ('choice' in event && event.choice !== 0) return
    switch (event.type) {
      case 'start':
        this.#usage = event.usage
        this.#start(event.id)
        break
      case 'finish':
        this.#finish = event.reason
        this.#stopSequence = event.stopSequence
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
      default:
        this.#route(event)
    }
  }

  #send(type: string, fields: JsonObject = {}): void {
    this.#text += sse(JSON.stringify({ type, ...fields }), type)
  }

  #start(id: string): void {
    if (this.#started) return
    this.#started = true
    this.#send('message_start', { message: messageObject({ id, content: [], usage: this.#usage }, this.#context) })
  }

  /** Writes what belongs to the open part and keeps the rest. */
  #route(event: PartEvent): void {
    if (this.#open?.part === event.part) this.#apply(this.#open, event)
    else if (event.type !== 'part') this.#waiting.get(event.part)?.push(event)
    else if (this.#open) this.#waiting.set(event.part, [event])
    else this.#begin(event)
  }

  #apply(open: OpenPart, event: PartEvent): void {
    switch (event.type) {
      case 'delta':
        if (event.text !== '') this.#delta(open, event.text)
        break
      case 'opaque':
        this.#opaque(open, event)
        break
      case 'part_end':
        this.#end(open)
        this.#open = undefined
        this.#next()
        break
    }
  }

  /** Goes on with the part that has waited longest. */
  #next(): void {
    const [waiting] = this.#waiting
    if (waiting === undefined) return
    const [part, events] = waiting
    this.#waiting.delete(part)
    for (const event of events) this.#route(event)
  }

  #begin(event: Begin): void {
    this.#start('')
    const { part } = event
    switch (event.kind) {
      case 'text':
      case 'refusal':
        if (event.kind === 'refusal') this.#refused = true
        this.#open = { part, begun: false, kind: event.kind }
        break
      case 'reasoning':
        this.#open = { part, begun: false, kind: 'reasoning', text: '' }
        break
      case 'tool_call': {
        if (event.signature) this.#loneSignature(callSignature(event.signature))
        this.#startBlock(toolUseBlock(writeToolId(event.id), event.name, {}))
        this.#open = { part, begun: true, kind: 'tool_call', id: event.id, arguments: '' }
        break
      }
    }
  }

  #delta(open: OpenPart, text: string): void {
    switch (open.kind) {
      case 'text':
      case 'refusal':
        this.#beginBlock(open, textBlock(''))
        this.#blockDelta({ type: 'text_delta', text })
        break
      case 'reasoning':
        this.#beginBlock(open, thinkingBlock('', ''))
        open.text += text
        this.#blockDelta({ type: 'thinking_delta', thinking: text })
        break
      case 'tool_call': {
        const blank = open.arguments.trim() === ''
        open.arguments += text
        // White space alone is no JSON, and no arguments are.
        if (open.arguments.trim() === '') break
        this.#blockDelta({ type: 'input_json_delta', partial_json: blank ? open.arguments : text })
        break
      }
    }
  }

  #opaque(open: OpenPart, { signature, redacted }: Extract<AnswerEvent, { type: 'opaque' }>): void {
    if (open.kind === 'tool_call' && signature) open.late = signature
    if (open.kind !== 'reasoning') return
    if (signature) open.signature = signature
    if (redacted) open.redacted = redacted
  }

  #end(open: OpenPart): void {
    switch (open.kind) {
      case 'text':
      case 'refusal':
        if (open.begun) this.#stopBlock()
        break
      case 'reasoning':
        this.#endReasoning(open)
        break
      case 'tool_call':
        this.#stopBlock()
        if (toolInput(open.arguments) === undefined) this.#brokenInput = true
        if (open.late) this.#loneSignature(lateCallSignature(open.id, open.late))
        break
    }
  }

  #endReasoning(open: OpenPart & { kind: 'reasoning' }): void {
    const shown = isShown(open)
    if (shown) {
      this.#beginBlock(open, thinkingBlock('', ''))
      this.#blockDelta({ type: 'signature_delta', signature: thinkingSignature(open) })
      this.#stopBlock()
    }
    const data = redactedData(open, shown)
    if (data === undefined) return
    this.#startBlock(redactedBlock(data))
    this.#stopBlock()
  }

  /** A block without text, for the signature of a call. */
  #loneSignature(signature: string): void {
    this.#startBlock(thinkingBlock('', ''))
    this.#blockDelta({ type: 'signature_delta', signature })
    this.#stopBlock()
  }

  /** Starts the block of a part with its first content. */
  #beginBlock(open: OpenPart, block: JsonObject): void {
    if (open.begun) return
    open.begun = true
    this.#startBlock(block)
  }

  #startBlock(block: JsonObject): void {
    this.#send('content_block_start', { index: this.#index, content_block: block })
  }

  #blockDelta(delta: JsonObject): void {
    this.#send('content_block_delta', { index: this.#index, delta })
  }

  #stopBlock(): void {
    this.#send('content_block_stop', { index: this.#index++ })
  }

  #complete(): void {
    const failure = this.#failure()
    if (failure) {
      this.#fail(failure)
      return
    }
    this.#start('')
    const ending = { finish: this.#finish, stopSequence: this.#stopSequence, refused: this.#refused }
    this.#send('message_delta', {
      delta: { ...writeEnding(ending), container: null },
      usage: writeDeltaUsage(this.#usage),
    })
    this.#send('message_stop')
    this.#done = true
  }

  #failure(): typeof failedAnswer | typeof brokenInput | undefined {
    if (this.#finish === 'error') return failedAnswer
    return this.#brokenInput && wantsWholeInput(this.#finish) ? brokenInput : undefined
  }

  #fail({ status, message }: { status: number; message: string }): void {
    this.#send('error', writeError({ type: errorTypeOf(status), message }))
    this.#done = true
  }
}
