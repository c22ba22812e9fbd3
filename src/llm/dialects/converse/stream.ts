import { parseObject } from '../../../json.ts'
import type { AnswerEvent, JsonObject } from '../../conversation.ts'
import type { StreamReader } from '../../dialect.ts'
import { countOf, isObject, objectOf } from '../../fields.ts'
import { foreign, foreignBlock } from './answer.ts'
import { readException } from './errors.ts'
import { type EventStreamMessage, EventStreamParser } from './eventstream.ts'
import { readFinish, readStopSequence } from './finish.ts'
import { readUsage } from './usage.ts'
import { stringOf } from './wire.ts'

/**
 * A reader for `/model/ID/converse-stream`: event-stream frames with one JSON event each. Only a tool call's block is
 * announced (`contentBlockStart`); text and thinking begin with their first delta. `messageStop` ends the answer and
 * `metadata` with the figures ends the stream; one that ends right after `messageStop` is complete without figures.
 */
export function readStream(): StreamReader {
  return new ConverseStreamReader()
}

type StreamError = (AnswerEvent & { type: 'error' })['error']

const interrupted: StreamError = {
  status: 502,
  code: 'stream_interrupted',
  message: "The provider's answer broke off before its end. Try again.",
}
const garbled: StreamError = {
  status: 502,
  code: 'bad_provider_answer',
  message: "The provider's answer is not a stream of JSON events. Try again.",
}

class ConverseStreamReader implements StreamReader {
  readonly #parser = new EventStreamParser()
  readonly #parts = new OpenParts()
  #started = false
  #finished = false
  #ended = false

  push(chunk: Uint8Array): AnswerEvent[] {
    const events: AnswerEvent[] = []
    if (this.#ended) return events
    for (const message of this.#parser.push(chunk)) {
      this.#message(message, events)
      if (this.#ended) return events
    }
    if (this.#parser.fault !== undefined) this.#fail(garbled, events)
    return events
  }

  end(): AnswerEvent[] {
    const events: AnswerEvent[] = []
    if (this.#ended) return events
    if (this.#finished && !this.#parser.pending) this.#end(events)
    else this.#fail(interrupted, events)
    return events
  }

  #message({ headers, body }: EventStreamMessage, events: AnswerEvent[]): void {
    const kind = headers.get(':message-type')
    if (kind === 'exception') {
      this.#fail(readException(headers.get(':exception-type') ?? '', parseObject(body)), events)
    } else if (kind === 'error') {
      const message = headers.get(':error-message')
      this.#fail(readException(headers.get(':error-code') ?? '', { message }), events)
    } else {
      const event = kind === 'event' ? parseObject(body) : undefined
      if (event) this.#event(headers.get(':event-type') ?? '', event, events)
      else this.#fail(garbled, events)
    }
  }

  /** Events that are not known, and content after the end, say nothing here. */
  #event(type: string, event: JsonObject, events: AnswerEvent[]): void {
    if (type === 'metadata') this.#metadata(event, events)
    else if (!this.#finished) {
      if (!this.#started) events.push({ type: 'start', id: '', model: '' })
      this.#started = true
      this.#content(type, event, events)
    }
  }

  #content(type: string, event: JsonObject, events: AnswerEvent[]): void {
    const index = countOf(event.contentBlockIndex) ?? 0
    let foreignKind: string | undefined
    if (type === 'contentBlockStart') foreignKind = this.#parts.start(index, objectOf(event.start), events)
    else if (type === 'contentBlockDelta') foreignKind = this.#parts.delta(index, objectOf(event.delta), events)
    else if (type === 'contentBlockStop') this.#parts.close(index, events)
    else if (type === 'messageStop') this.#finish(event, events)
    if (foreignKind !== undefined)
      this.#fail({ status: 502, code: 'unsupported_answer', message: foreignBlock(foreignKind) }, events)
  }

  #finish(event: JsonObject, events: AnswerEvent[]): void {
    this.#parts.closeAll(events)
    this.#finished = true
    const reason = readFinish(event.stopReason, this.#parts.called)
    events.push({ type: 'finish', choice: 0, reason, ...readStopSequence(event) })
  }

  #metadata(event: JsonObject, events: AnswerEvent[]): void {
    if (!this.#finished) {
      this.#fail(interrupted, events)
      return
    }
    const usage = readUsage(event.usage)
    if (usage) events.push({ type: 'usage', usage })
    this.#end(events)
  }

  #end(events: AnswerEvent[]): void {
    this.#ended = true
    events.push({ type: 'end' })
  }

  #fail(error: StreamError, events: AnswerEvent[]): void {
    events.push({ type: 'error', error })
    this.#end(events)
  }
}

type Kind = 'text' | 'reasoning' | 'tool_call'

interface OpenPart {
  part: number
  kind: Kind
  /** Whether anything was told: a call without arguments is told as `{}`. */
  said: boolean
  signature: string
  redacted: Uint8Array[]
}

/** The content blocks of the answer, by Bedrock's index, as parts that are opened and closed once each. */
class OpenParts {
  readonly #open = new Map<number, OpenPart>()
  #count = 0
  #called = false

  /** Whether the answer calls a tool. */
  get called(): boolean {
    return this.#called
  }

  /** @returns the kind of a block that cannot be carried, else undefined. */
  start(index: number, start: JsonObject, events: AnswerEvent[]): string | undefined {
    if (!isObject(start.toolUse)) return Object.keys(start).find((key) => foreign.has(key))
    const { toolUseId, name } = start.toolUse
    this.close(index, events)
    const { part } = this.#add(index, 'tool_call')
    this.#called = true
    const id = stringOf(toolUseId) ?? ''
    events.push({ type: 'part', choice: 0, part, kind: 'tool_call', id, name: stringOf(name) ?? '' })
    return undefined
  }

  /** @returns the kind of a delta that cannot be carried, else undefined. */
  delta(index: number, delta: JsonObject, events: AnswerEvent[]): string | undefined {
    if (typeof delta.text === 'string') this.#say(index, 'text', delta.text, events)
    else if (isObject(delta.toolUse)) {
      const open = this.#open.get(index)
      if (open?.kind === 'tool_call') append(open, stringOf(delta.toolUse.input) ?? '', events)
    } else if (isObject(delta.reasoningContent)) this.#reason(index, delta.reasoningContent, events)
    else return Object.keys(delta).find((key) => foreign.has(key))
    return undefined
  }

  close(index: number, events: AnswerEvent[]): void {
    const open = this.#open.get(index)
    if (!open) return
    this.#open.delete(index)
    const place = { choice: 0, part: open.part }
    if (open.kind === 'tool_call' && !open.said) events.push({ type: 'delta', ...place, text: '{}' })
    if (open.signature !== '' || open.redacted.length > 0)
      events.push({
        type: 'opaque',
        ...place,
        ...(open.signature !== '' && { signature: { origin: 'bedrock', value: open.signature } }),
        ...(open.redacted.length > 0 && {
          redacted: { origin: 'bedrock', value: Buffer.concat(open.redacted).toString('base64') },
        }),
      })
    events.push({ type: 'part_end', ...place })
  }

  closeAll(events: AnswerEvent[]): void {
    for (const index of [...this.#open.keys()]) this.close(index, events)
  }

  #reason(index: number, content: JsonObject, events: AnswerEvent[]): void {
    const text = stringOf(content.text)
    const signature = stringOf(content.signature)
    const redacted = stringOf(content.redactedContent)
    if ((text ?? signature ?? redacted) === undefined) return
    const open = this.#say(index, 'reasoning', text ?? '', events)
    open.signature += signature ?? ''
    if (redacted !== undefined) open.redacted.push(Buffer.from(redacted, 'base64'))
  }

  /** A delta of another kind than its block's begins a part of its own: some models share an index between two. */
  #say(index: number, kind: 'text' | 'reasoning', text: string, events: AnswerEvent[]): OpenPart {
    let open = this.#open.get(index)
    if (open?.kind !== kind) {
      this.close(index, events)
      open = this.#add(index, kind)
      events.push({ type: 'part', choice: 0, part: open.part, kind })
    }
    append(open, text, events)
    return open
  }

  #add(index: number, kind: Kind): OpenPart {
    const open: OpenPart = { part: this.#count++, kind, said: false, signature: '', redacted: [] }
    this.#open.set(index, open)
    return open
  }
}

function append(open: OpenPart, text: string, events: AnswerEvent[]): void {
  if (text === '') return
  open.said = true
  events.push({ type: 'delta', choice: 0, part: open.part, text })
}
