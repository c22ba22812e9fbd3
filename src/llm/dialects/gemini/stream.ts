import { SseParser } from '../../../sse.ts'
import type { AnswerEvent, JsonObject, Opaque, Usage } from '../../conversation.ts'
import type { StreamReader } from '../../dialect.ts'
import { errorOf, readError } from './errors.ts'
import { blockReason, readFinish } from './finish.ts'
import { readLogprobs } from './logprobs.ts'
import { type AnswerPart, foreignPart, readPart } from './parts.ts'
import { readUsage } from './usage.ts'
import { callId, countOf, isObject, objectOf, objectsOf, secondsOf, textOf } from './wire.ts'

/**
 * A reader for `:streamGenerateContent?alt=sse`: each event is a GenerateContentResponse with what is new.
 *
 * The stream has no end marker. It is complete when every candidate that was begun has a `finishReason`; because old
 * models repeat one on every event, `finish` is told only at the end. Function calls come whole.
 */
export function readStream(): StreamReader {
  return new GeminiStreamReader()
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

class GeminiStreamReader implements StreamReader {
  readonly #parser = new SseParser()
  readonly #candidates = new Map<number, CandidateReader>()
  #started = false
  #ended = false
  #blocked = false
  #usage: Usage | undefined

  push(chunk: Uint8Array): AnswerEvent[] {
    const events: AnswerEvent[] = []
    this.#feed(events, () => this.#parser.push(chunk), garbled)
    return events
  }

  end(): AnswerEvent[] {
    const events: AnswerEvent[] = []
    // What is still held is an event without its blank line, or, likelier, half of one.
    this.#feed(events, () => this.#parser.end(), interrupted)
    if (this.#ended) return events
    const candidates = [...this.#candidates.values()]
    if (this.#blocked && candidates.length === 0) events.push({ type: 'finish', choice: 0, reason: 'content_filter' })
    else if (candidates.length === 0 || candidates.some(({ finished }) => !finished)) {
      this.#fail(events, interrupted)
      return events
    }
    for (const candidate of candidates) candidate.finish(events)
    if (this.#usage) events.push({ type: 'usage', usage: this.#usage })
    events.push({ type: 'end' })
    this.#ended = true
    return events
  }

  #feed(events: AnswerEvent[], parse: () => { data: string }[], failure: StreamError): void {
    if (this.#ended) return
    try {
      for (const { data } of parse()) {
        if (this.#ended) return
        this.#response(JSON.parse(data), events)
      }
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error
      this.#fail(events, failure)
    }
  }

  #response(body: unknown, events: AnswerEvent[]): void {
    const error = errorOf(body)
    if (error) {
      const { status, code, message } = readError(countOf(error.code) || 502, { error })
      this.#fail(events, { status, code: code ?? 'api_error', message })
      return
    }
    if (!isObject(body)) throw new SyntaxError('an event that is not an object')
    if (!this.#started) {
      this.#started = true
      events.push(start(body))
    }
    this.#usage = readUsage(body.usageMetadata) ?? this.#usage
    if (blockReason(body) !== undefined) this.#blocked = true
    for (const candidate of objectsOf(body.candidates)) {
      const foreign = this.#candidate(countOf(candidate.index)).read(candidate, textOf(body.responseId) ?? '', events)
      if (foreign === undefined) continue
      this.#fail(events, { status: 502, code: 'unsupported_answer', message: foreignPart(foreign) })
      return
    }
  }

  #candidate(index: number): CandidateReader {
    const known = this.#candidates.get(index)
    if (known) return known
    const made = new CandidateReader(index)
    this.#candidates.set(index, made)
    return made
  }

  #fail(events: AnswerEvent[], error: StreamError): void {
    events.push({ type: 'error', error }, { type: 'end' })
    this.#ended = true
  }
}

function start(body: JsonObject): AnswerEvent {
  const created = secondsOf(body.createTime)
  const usage = readUsage(body.usageMetadata)
  return {
    type: 'start',
    id: textOf(body.responseId) ?? '',
    model: textOf(body.modelVersion) ?? '',
    ...(created !== undefined && { created }),
    ...(usage && { usage }),
  }
}

/** One candidate: text and thoughts run on over events until something else comes. */
class CandidateReader {
  readonly #choice: number
  #parts = 0
  #calls = 0
  #open: 'text' | 'thought' | undefined
  #reason: string | undefined

  constructor(choice: number) {
    this.#choice = choice
  }

  get finished(): boolean {
    return this.#reason !== undefined
  }

  /** @returns the kind of a part that cannot be carried, else undefined. */
  read(candidate: JsonObject, responseId: string, events: AnswerEvent[]): string | undefined {
    const from = events.length
    for (const wire of objectsOf(objectOf(candidate.content).parts)) {
      const part = readPart(wire)
      if (part?.kind === 'foreign') return part.what
      if (part?.kind === 'call') this.#call(part, responseId, events)
      else if (part) this.#say(part.kind, part.text, part.signature, events)
    }
    // Log probabilities come for the event as a whole, as do OpenAI's for a chunk.
    const logprobs = readLogprobs(candidate.logprobsResult)
    const first = events.slice(from).find((event) => event.type === 'delta')
    if (logprobs && first) first.logprobs = logprobs
    this.#reason = textOf(candidate.finishReason) ?? this.#reason
    return undefined
  }

  finish(events: AnswerEvent[]): void {
    this.#close(events)
    events.push({ type: 'finish', choice: this.#choice, reason: readFinish(this.#reason ?? '', this.#calls > 0) })
  }

  #say(kind: 'text' | 'thought', text: string, signature: Opaque | undefined, events: AnswerEvent[]): void {
    if (kind === 'text' && signature) {
      // As in answer.ts: the signature of a visible text is a reasoning part right before that text, which must not
      // run together with text that came unsigned, before it or after it.
      this.#close(events)
      this.#begin('thought', events)
      events.push({ type: 'opaque', choice: this.#choice, part: this.#parts, signature })
      this.#close(events)
    }
    if (text !== '' || kind === 'thought') {
      if (this.#open !== kind) {
        this.#close(events)
        this.#begin(kind, events)
      }
      if (text !== '') events.push({ type: 'delta', choice: this.#choice, part: this.#parts, text })
    }
    if (!signature) return
    if (kind === 'thought') events.push({ type: 'opaque', choice: this.#choice, part: this.#parts, signature })
    this.#close(events)
  }

  #call(call: AnswerPart & { kind: 'call' }, responseId: string, events: AnswerEvent[]): void {
    this.#close(events)
    const place = { choice: this.#choice, part: this.#parts }
    const id = call.id ?? callId({ responseId, choice: this.#choice, ordinal: this.#calls, ...call })
    const signature = call.signature && { signature: call.signature }
    events.push(
      { type: 'part', ...place, kind: 'tool_call', id, name: call.name, ...signature },
      { type: 'delta', ...place, text: call.arguments },
      { type: 'part_end', ...place },
    )
    this.#calls++
    this.#parts++
  }

  #begin(kind: 'text' | 'thought', events: AnswerEvent[]): void {
    const place = { choice: this.#choice, part: this.#parts }
    if (kind === 'text') events.push({ type: 'part', ...place, kind: 'text' })
    else events.push({ type: 'part', ...place, kind: 'reasoning', summary: true })
    this.#open = kind
  }

  #close(events: AnswerEvent[]): void {
    if (this.#open === undefined) return
    events.push({ type: 'part_end', choice: this.#choice, part: this.#parts })
    this.#open = undefined
    this.#parts++
  }
}
