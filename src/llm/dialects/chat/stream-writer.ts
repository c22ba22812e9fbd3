import { sse } from '../../../sse.ts'
import type { AnswerEvent, JsonObject, TokenLogprob, Usage } from '../../conversation.ts'
import type { AnswerContext, StreamWriter } from '../../dialect.ts'
import { ApiError, errorTypeOf } from '../../errors.ts'
import { writeError } from '../openai/errors.ts'
import { writeSignature } from './answer.ts'
import { failedAnswer, writeFinish } from './finish.ts'
import { answerId } from './ids.ts'
import { writeLogprobs } from './logprobs.ts'
import { markedProof, proofDetail, reasoningSeparator, textDetail } from './reasoning.ts'
import { usesFunctions } from './tools.ts'
import { writeUsage } from './usage.ts'

/**
 * A writer for streamed chat completions. A chunk names the choice and, inside a delta, the tool call it belongs to, so
 * that parts may interleave.
 */
export function writeStream(context: AnswerContext): StreamWriter {
  return new ChatStreamWriter(context)
}

type OpenPart =
  | { kind: 'text' | 'refusal' }
  /** `detail`: its entry in `reasoning_details`. `told`: some of its text has gone. */
  | { kind: 'reasoning'; detail: number; summary: boolean; id: string | undefined; told: boolean }
  /** `call`: its place in `tool_calls`; undefined: the deprecated API has no room for it. */
  | { kind: 'tool_call'; call: number | undefined; empty: boolean }

/** What was written of one choice. */
interface WrittenChoice {
  open: Map<number, OpenPart>
  calls: number
  details: number
  refused: boolean
  /** Thinking has been shown, so that more of it, from another part, stands apart. */
  thought: boolean
}

class ChatStreamWriter implements StreamWriter {
  readonly #context: AnswerContext
  readonly #legacy: boolean
  readonly #choices = new Map<number, WrittenChoice>()
  #id: string
  #created: number
  #text = ''
  #usage: Usage | undefined
  #good = false
  #failed = false

  constructor(context: AnswerContext) {
    this.#context = context
    this.#legacy = usesFunctions(context.request)
    this.#id = answerId('chatcmpl-', '', context.id)
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
        this.#id = answerId('chatcmpl-', event.id, this.#context.id)
        this.#created = event.created ?? this.#created
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
        this.#end(event.choice, event.part)
        break
      case 'finish': {
        const { refused } = this.#choice(event.choice, null)
        if (event.reason !== 'error') this.#good = true
        const reason = writeFinish(event.reason, { refusal: refused, legacyCall: this.#legacy })
        this.#send(event.choice, {}, { finish_reason: reason })
        break
      }
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

  #chunk(choices: JsonObject[], usage: JsonObject | null): void {
    const chunk = {
      id: this.#id,
      object: 'chat.completion.chunk',
      created: this.#created,
      model: this.#context.model,
      choices,
      ...(this.#context.includeUsage && { usage }),
    }
    this.#text += sse(JSON.stringify(chunk))
  }

  #send(index: number, delta: JsonObject, rest: { logprobs?: JsonObject | null; finish_reason?: string } = {}): void {
    const { logprobs = null, finish_reason = null } = rest
    this.#chunk([{ index, delta, logprobs, finish_reason }], null)
  }

  /** A choice begins with its role; @param content null where it does not begin with text */
  #choice(index: number, content: '' | null): WrittenChoice {
    const known = this.#choices.get(index)
    if (known) return known
    const made = { open: new Map(), calls: 0, details: 0, refused: false, thought: false }
    this.#choices.set(index, made)
    this.#send(index, { role: 'assistant', content, refusal: null })
    return made
  }

  #begin(event: Extract<AnswerEvent, { type: 'part' }>): void {
    const choice = this.#choice(event.choice, event.kind === 'text' ? '' : null)
    switch (event.kind) {
      case 'reasoning': {
        const { summary = false, id } = event
        choice.open.set(event.part, { kind: 'reasoning', detail: choice.details++, summary, id, told: false })
        break
      }
      case 'tool_call':
        this.#beginCall(choice, event)
        break
      default:
        if (event.kind === 'refusal') choice.refused = true
        choice.open.set(event.part, { kind: event.kind })
    }
  }

  #beginCall(choice: WrittenChoice, event: Extract<AnswerEvent, { kind: 'tool_call' }>): void {
    const { id, name, signature } = event
    const index = choice.calls++
    const call = this.#legacy && index > 0 ? undefined : index
    choice.open.set(event.part, { kind: 'tool_call', call, empty: true })
    if (call === undefined) return
    const called = { name, arguments: '' }
    if (this.#legacy) this.#send(event.choice, { function_call: called })
    else
      this.#send(event.choice, {
        tool_calls: [{ index, id, type: 'function', function: called, ...writeSignature(signature) }],
      })
  }

  #delta({ choice: index, part, text, logprobs }: Extract<AnswerEvent, { type: 'delta' }>): void {
    const choice = this.#choice(index, null)
    const open = choice.open.get(part)
    switch (open?.kind) {
      case 'text':
        this.#send(index, { content: text }, logprobsOf(logprobs))
        break
      case 'refusal':
        this.#send(index, { refusal: text }, logprobsOf(logprobs))
        break
      case 'reasoning': {
        const apart = !open.told && choice.thought ? reasoningSeparator : ''
        const detail = textDetail({ text, summary: open.summary }, open.detail)
        if (!open.told && open.id !== undefined) detail.id = open.id
        open.told = true
        choice.thought = true
        this.#send(index, { reasoning_content: apart + text, reasoning_details: [detail] }, logprobsOf(logprobs))
        break
      }
      case 'tool_call':
        this.#arguments(index, open, text)
        break
    }
  }

  #arguments(choice: number, open: OpenPart & { kind: 'tool_call' }, text: string): void {
    if (open.call === undefined) return
    if (text !== '') open.empty = false
    if (this.#legacy) this.#send(choice, { function_call: { arguments: text } })
    else this.#send(choice, { tool_calls: [{ index: open.call, function: { arguments: text } }] })
  }

  #opaque(event: Extract<AnswerEvent, { type: 'opaque' }>): void {
    const choice = this.#choice(event.choice, null)
    const open = choice.open.get(event.part)
    if (open?.kind === 'tool_call' && open.call !== undefined && event.signature && !this.#legacy)
      this.#send(event.choice, { tool_calls: [{ index: open.call, ...writeSignature(event.signature) }] })
    if (open?.kind !== 'reasoning') return
    // Encrypted thinking beside a text is an entry of its own, and names the text's entry by its id.
    const entry = event.redacted && open.told ? choice.details++ : open.detail
    // Clients that add up deltas by their index would add up a repeated id as well.
    const id = entry === open.detail && open.told ? undefined : open.id
    const detail = proofDetail({ ...event, ...(id !== undefined && { id }) }, entry, markedProof)
    if (detail) this.#send(event.choice, { reasoning_details: [detail] })
  }

  #end(index: number, part: number): void {
    const open = this.#choices.get(index)?.open.get(part)
    // A model may leave the arguments of a function without parameters empty; clients parse them as JSON.
    if (open?.kind === 'tool_call' && open.empty) this.#arguments(index, open, '{}')
    this.#choices.get(index)?.open.delete(part)
  }

  #complete(): void {
    if (!this.#good) {
      this.#fail(failedAnswer)
      return
    }
    if (this.#context.includeUsage && this.#usage) this.#chunk([], writeUsage(this.#usage))
    this.#text += sse('[DONE]')
  }

  /** OpenAI's SDKs throw at an `error`. No `[DONE]` follows, which could be taken for a good end. */
  #fail({ status, code, message }: { status: number; code: string; message: string }): void {
    this.#failed = true
    this.#text += sse(JSON.stringify(writeError(new ApiError(status, errorTypeOf(status), message, { code }))))
  }
}

function logprobsOf(logprobs: TokenLogprob[] | undefined): { logprobs?: JsonObject | null } {
  return logprobs === undefined ? {} : { logprobs: writeLogprobs(logprobs) }
}
