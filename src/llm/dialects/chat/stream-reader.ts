import { SseParser } from '../../../sse.ts'
import type { AnswerEvent, FinishReason, JsonObject, Usage } from '../../conversation.ts'
import type { StreamReader } from '../../dialect.ts'
import { countOf, isObject, objectsOf, textOf } from '../../fields.ts'
import { createdOf } from './answer.ts'
import { ChoiceReader } from './choice-reader.ts'
import { errorOf } from './errors.ts'
import { usageOf } from './observe.ts'

/**
 * A reader for streamed chat completions: chunks, then `[DONE]`.
 *
 * What a choice's finish was is told only at the end, because some servers send more of it afterwards: Azure its
 * filters' results, others usage before the finish, or late proof of thinking. A stream without its `[DONE]` is
 * complete all the same where every choice has a finish reason: servers that leave it out exist.
 */
export function readStream(): StreamReader {
  return new ChatStreamReader(asItIs)
}

/** The same for chunks of an API that is much like this one. @param asChat gives the chunk as this API has it */
export function readStreamLike(asChat: (chunk: JsonObject) => JsonObject): StreamReader {
  return new ChatStreamReader(asChat)
}

const asItIs = (chunk: JsonObject) => chunk

type StreamError = Extract<AnswerEvent, { type: 'error' }>['error']

const interrupted: StreamError = {
  status: 502,
  code: 'stream_interrupted',
  message: "The provider's answer broke off before its end. Try again.",
}
const garbled: StreamError = {
  status: 502,
  code: 'bad_provider_answer',
  message: "The provider's answer is not a stream of chat completion chunks. Try again.",
}

class ChatStreamReader implements StreamReader {
  readonly #parser = new SseParser()
  readonly #choices = new Map<number, ChoiceReader>()
  #started = false
  #ended = false
  #usage: Usage | undefined
  readonly #asChat: (chunk: JsonObject) => JsonObject

  constructor(asChat: (chunk: JsonObject) => JsonObject) {
    this.#asChat = asChat
  }

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
    if ([...this.#choices.values()].every((choice) => choice.finished)) this.#complete(events)
    else this.#fail(events, interrupted)
    return events
  }

  #feed(events: AnswerEvent[], parse: () => { data: string }[], failure: StreamError): void {
    if (this.#ended) return
    try {
      for (const { data } of parse()) {
        if (this.#ended) return
        if (data.trim() === '[DONE]') this.#complete(events)
        else if (data.trim() !== '') this.#chunk(JSON.parse(data), events)
      }
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error
      this.#fail(events, failure)
    }
  }

  #chunk(sent: unknown, events: AnswerEvent[]): void {
    if (!isObject(sent)) throw new SyntaxError('a chunk that is not an object')
    const chunk = this.#asChat(sent)
    this.#usage = usageOf(chunk) ?? this.#usage
    const error = errorOf(chunk)
    if (error) {
      this.#fail(events, error)
      return
    }
    // The first chunk of Azure's (prompt_filter_results) and the last of all (usage) have no choices.
    const choices = objectsOf(chunk.choices)
    if (choices.length > 0) this.#start(chunk, events)
    for (const choice of choices) {
      const sound = this.#choice(countOf(choice.index) ?? 0).read(choice, textOf(chunk.id), events)
      if (sound) continue
      this.#fail(events, garbled)
      return
    }
  }

  #start(chunk: JsonObject, events: AnswerEvent[]): void {
    if (this.#started) return
    this.#started = true
    const created = createdOf(chunk)
    events.push({
      type: 'start',
      id: textOf(chunk.id),
      model: textOf(chunk.model),
      ...(created !== undefined && { created }),
    })
  }

  #choice(index: number): ChoiceReader {
    const known = this.#choices.get(index)
    if (known) return known
    const made = new ChoiceReader(index)
    this.#choices.set(index, made)
    return made
  }

  #complete(events: AnswerEvent[]): void {
    if (this.#choices.size === 0) {
      this.#fail(events, interrupted)
      return
    }
    const finishes: { choice: number; reason: FinishReason; stopSequence?: string }[] = []
    for (const [index, choice] of this.#choices) {
      const finish = choice.end(events)
      if (finish === undefined) {
        this.#fail(events, garbled)
        return
      }
      finishes.push({ choice: index, ...finish })
    }
    for (const finish of finishes) events.push({ type: 'finish', ...finish })
    if (this.#usage) events.push({ type: 'usage', usage: this.#usage })
    events.push({ type: 'end' })
    this.#ended = true
  }

  #fail(events: AnswerEvent[], error: StreamError): void {
    events.push({ type: 'error', error }, { type: 'end' })
    this.#ended = true
  }
}
