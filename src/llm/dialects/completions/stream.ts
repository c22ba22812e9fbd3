import { sse } from '../../../sse.ts'
import type { AnswerEvent, JsonObject, Usage } from '../../conversation.ts'
import type { AnswerContext, StreamReader, StreamWriter } from '../../dialect.ts'
import { ApiError, errorTypeOf } from '../../errors.ts'
import { objectOf } from '../../fields.ts'
import { failedAnswer } from '../chat/finish.ts'
import { answerId } from '../chat/ids.ts'
import { readStreamLike } from '../chat/stream.ts'
import { writeUsage } from '../chat/usage.ts'
import { writeError } from '../openai/errors.ts'
import { asChat, writeFinish } from './answer.ts'

/** A reader for streamed legacy completions, which are chats' but for where the text stands. */
export function readStream(): StreamReader {
  return readStreamLike((chunk) => asChat(chunk, 'delta'))
}

/** A writer for streamed legacy completions: `text_completion` chunks, then `[DONE]`. */
export function writeStream(context: AnswerContext): StreamWriter {
  return new CompletionsStreamWriter(context)
}

class CompletionsStreamWriter implements StreamWriter {
  readonly #context: AnswerContext
  readonly #includeUsage: boolean
  /** The parts that show, as choice/part. */
  readonly #shown = new Set<string>()
  readonly #refused = new Set<number>()
  #id: string
  #created: number
  #text = ''
  #usage: Usage | undefined
  #good = false
  #failed = false

  constructor(context: AnswerContext) {
    this.#context = context
    // A chunk without choices is more than a legacy client expects that did not ask for it.
    this.#includeUsage = objectOf(context.request.stream_options).include_usage === true
    this.#id = answerId('cmpl-', '', context.id)
    this.#created = context.created
  }

  write(events: readonly AnswerEvent[]): string {
    for (const event of events) this.#write(event)
    const text = this.#text
    this.#text = ''
    return text
  }

  #write(event: AnswerEvent): void {
    if (this.#failed) return
    switch (event.type) {
      case 'start':
        this.#id = answerId('cmpl-', event.id, this.#context.id)
        this.#created = event.created ?? this.#created
        break
      case 'part':
        if (event.kind === 'refusal') this.#refused.add(event.choice)
        if (event.kind === 'text' || event.kind === 'refusal') this.#shown.add(`${event.choice}/${event.part}`)
        break
      case 'delta':
        if (event.text !== '' && this.#shown.has(`${event.choice}/${event.part}`))
          this.#choice(event.choice, event.text, null)
        break
      case 'finish':
        if (event.reason !== 'error') this.#good = true
        this.#choice(event.choice, '', writeFinish(event.reason, this.#refused.has(event.choice)))
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

  #choice(index: number, text: string, finish_reason: string | null): void {
    this.#chunk([{ index, text, logprobs: null, finish_reason }], null)
  }

  #chunk(choices: JsonObject[], usage: JsonObject | null): void {
    const chunk = {
      id: this.#id,
      object: 'text_completion',
      created: this.#created,
      model: this.#context.model,
      choices,
      ...(this.#includeUsage && { usage }),
    }
    this.#text += sse(JSON.stringify(chunk))
  }

  #complete(): void {
    if (!this.#good) {
      this.#fail(failedAnswer)
      return
    }
    if (this.#includeUsage && this.#usage) this.#chunk([], writeUsage(this.#usage))
    this.#text += sse('[DONE]')
  }

  #fail({ status, code, message }: { status: number; code: string; message: string }): void {
    this.#failed = true
    this.#text += sse(JSON.stringify(writeError(new ApiError(status, errorTypeOf(status), message, { code }))))
  }
}
