import { SseParser } from '../../../sse.ts'
import type { AnswerEvent, JsonObject } from '../../conversation.ts'
import type { StreamReader } from '../../dialect.ts'
import { isObject, objectOf, textOf } from '../../fields.ts'
import { readFinish, readStopSequence } from './finish.ts'
import { OpenBlocks } from './open-blocks.ts'
import { readExplanation } from './read-answer.ts'
import { readStreamError } from './read-error.ts'
import { readUsage } from './usage.ts'

/**
 * A reader for a streamed message (platform.claude.com/docs/en/build-with-claude/streaming). The message begins with
 * `message_start`, its blocks follow, `message_delta` says how it ended, with the figures, and `message_stop` ends it.
 * Events of other types, `ping` among them, say nothing here.
 */
export function readStream(): StreamReader {
  return new MessagesStreamReader()
}

class MessagesStreamReader implements StreamReader {
  readonly #parser = new SseParser()
  readonly #blocks = new OpenBlocks()
  /** Figures of all events so far: later ones replace earlier ones, field by field. */
  #usage: JsonObject | undefined
  /** The last `delta` of a `message_delta`. */
  #ending: JsonObject = {}
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
    switch (event.type) {
      case 'message_start':
        this.#start(objectOf(event.message))
        break
      case 'content_block_start':
        this.#start({})
        this.#blocks.start(event.index, objectOf(event.content_block), this.#events)
        break
      case 'content_block_delta':
        this.#start({})
        this.#blocks.delta(event.index, objectOf(event.delta), this.#events)
        break
      case 'content_block_stop':
        this.#blocks.close(event.index, this.#events)
        break
      case 'message_delta':
        this.#count(event.usage)
        this.#ending = { ...this.#ending, ...present(objectOf(event.delta)) }
        break
      case 'message_stop':
        this.#stop()
        break
      case 'error': {
        const { status, code, message } = readStreamError(event.error)
        this.#fail(status, code, message)
        break
      }
    }
  }

  #start(message: JsonObject): void {
    if (this.#started) return
    this.#started = true
    this.#count(message.usage)
    const usage = readUsage(this.#usage)
    this.#events.push({ type: 'start', id: textOf(message.id), model: textOf(message.model), ...(usage && { usage }) })
  }

  #count(usage: unknown): void {
    if (isObject(usage)) this.#usage = { ...this.#usage, ...present(usage) }
  }

  #stop(): void {
    this.#start({})
    this.#blocks.closeAll(this.#events)
    const explanation = readExplanation(this.#ending)
    if (explanation !== '') this.#blocks.refusal(explanation, this.#events)
    this.#events.push({
      type: 'finish',
      choice: 0,
      reason: readFinish(this.#ending.stop_reason, this.#blocks.called),
      ...readStopSequence(this.#ending.stop_sequence),
    })
    const usage = readUsage(this.#usage)
    if (usage) this.#events.push({ type: 'usage', usage })
    this.#events.push({ type: 'end' })
    this.#ended = true
  }

  #fail(status: number, code: string, message: string): void {
    this.#events.push({ type: 'error', error: { status, code, message } }, { type: 'end' })
    this.#ended = true
  }
}

/** The fields that say something: a null takes nothing back. */
function present(fields: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => (value ?? undefined) !== undefined))
}
