import type { AnswerEvent, FinishReason, JsonObject } from '../../conversation.ts'
import { isObject, objectOf, objectsOf, textOf } from '../../fields.ts'
import { stopSequenceOf } from './answer.ts'
import { StreamedCalls } from './calls.ts'
import { readContent } from './content.ts'
import { readFinish } from './finish.ts'
import { readLogprobs } from './logprobs.ts'
import { continues, type Detail, readDetails, readThinkingBlocks, reasoningText } from './reasoning.ts'

/** The part that is open besides tool calls; of these there is one at a time. */
type Running =
  | { kind: 'text' | 'refusal'; part: number }
  /** `detail`: all of the thinking so far. */
  | { kind: 'reasoning'; part: number; detail: Detail }

/** Reads one choice of a streamed chat completion, delta by delta. */
export class ChoiceReader {
  readonly #choice: number
  readonly #calls: StreamedCalls
  #parts = 0
  #running: Running | undefined
  #reason = ''
  #stopSequence: string | undefined
  #refused = false

  constructor(choice: number) {
    this.#choice = choice
    this.#calls = new StreamedCalls(choice)
  }

  /** Whether a finish reason came. */
  get finished(): boolean {
    return this.#reason !== ''
  }

  /** @returns false where the deltas contradict each other */
  read(choice: JsonObject, responseId: string, events: AnswerEvent[]): boolean {
    const from = events.length
    const delta = objectOf(choice.delta)
    this.#think(delta, events)
    for (const { kind, text } of readContent(delta.content)) {
      if (kind === 'text') this.#say('text', text, events)
      else this.#detail({ text, summary: false }, events)
    }
    this.#say('refusal', textOf(delta.refusal), events)
    const calls = objectsOf(delta.tool_calls)
    if (isObject(delta.function_call)) calls.push({ index: 0, function: delta.function_call })
    for (const call of calls) if (!this.#call(call, responseId, events)) return false
    this.#logprobs(choice, from, events)
    this.#reason = textOf(choice.finish_reason) || this.#reason
    this.#stopSequence = stopSequenceOf(choice) ?? this.#stopSequence
    return true
  }

  /** Closes all parts. @returns how the choice ended, or undefined where a call has no name */
  end(events: AnswerEvent[]): { reason: FinishReason; stopSequence?: string } | undefined {
    this.#close(events)
    if (!this.#calls.end(events)) return undefined
    const reason = readFinish(this.#reason, { calls: this.#calls.any, refusal: this.#refused })
    return {
      reason,
      ...(reason === 'stop' && this.#stopSequence !== undefined && { stopSequence: this.#stopSequence }),
    }
  }

  #say(kind: 'text' | 'refusal', text: string, events: AnswerEvent[]): void {
    if (text === '') return
    if (kind === 'refusal') this.#refused = true
    if (this.#running?.kind !== kind) {
      this.#close(events)
      this.#running = { kind, part: this.#nextPart() }
      events.push({ type: 'part', choice: this.#choice, part: this.#running.part, kind })
    }
    events.push({ type: 'delta', choice: this.#choice, part: this.#running.part, text })
  }

  /** Thinking in the richest of its forms; see reasoning.ts. */
  #think(delta: JsonObject, events: AnswerEvent[]): void {
    const text = reasoningText(delta)
    const details = readDetails(delta.reasoning_details)
    const rich = details.length > 0 ? details : this.#blocks(delta, text)
    if (text !== '' && rich.every((detail) => detail.text === '')) this.#detail({ text, summary: false }, events)
    for (const detail of rich) this.#detail(detail, events)
  }

  /**
   * LiteLLM sends a block with each delta, and the last with the signature and, lately, the whole text once more.
   * Where the plain field tells the text as well, the blocks are here for their proof only.
   */
  #blocks(delta: JsonObject, plain: string): Detail[] {
    return readThinkingBlocks(delta.thinking_blocks).flatMap((block) => {
      const told = this.#running?.kind === 'reasoning' ? this.#running.detail.text : ''
      const repeated = block.signature !== undefined && block.text !== '' && block.text === told
      const text = plain !== '' || repeated ? '' : block.text
      const empty = text === '' && block.signature === undefined && block.redacted === undefined
      return empty ? [] : { ...block, text }
    })
  }

  #detail(detail: Detail, events: AnswerEvent[]): void {
    const { id, signature, redacted, text } = detail
    if (signature && text === '' && id !== undefined && this.#calls.sign(id, signature, events)) return
    if (text === '' && signature === undefined && redacted === undefined) return
    const running = this.#runningThought(detail, events)
    const place = { choice: this.#choice, part: running.part }
    if (text !== '') events.push({ type: 'delta', ...place, text })
    running.detail.text += text
    if (!signature && !redacted) return
    Object.assign(running.detail, { ...(signature && { signature }), ...(redacted && { redacted }) })
    events.push({ type: 'opaque', ...place, ...(signature && { signature }), ...(redacted && { redacted }) })
  }

  #runningThought(detail: Detail, events: AnswerEvent[]): Running & { kind: 'reasoning' } {
    const running = this.#running
    if (running?.kind === 'reasoning' && goesOn(running.detail, detail)) return running
    this.#close(events)
    const { summary, id, index } = detail
    const part = this.#nextPart()
    events.push({
      type: 'part',
      choice: this.#choice,
      part,
      kind: 'reasoning',
      ...(summary && { summary }),
      ...(id !== undefined && { id }),
    })
    const begun = { text: '', summary, ...(index !== undefined && { index }), ...(id !== undefined && { id }) }
    const made = { kind: 'reasoning' as const, part, detail: begun }
    this.#running = made
    return made
  }

  #call(call: JsonObject, responseId: string, events: AnswerEvent[]): boolean {
    const begin = () => {
      this.#close(events)
      return this.#nextPart()
    }
    return this.#calls.read(call, responseId, begin, events)
  }

  /** The log probabilities of a chunk go with its first text, or with the text that is open. */
  #logprobs(choice: JsonObject, from: number, events: AnswerEvent[]): void {
    const logprobs = readLogprobs(choice.logprobs)
    if (logprobs === undefined) return
    const first = events.slice(from).find((event) => event.type === 'delta')
    if (first) first.logprobs = logprobs
    else if (this.#running)
      events.push({ type: 'delta', choice: this.#choice, part: this.#running.part, text: '', logprobs })
  }

  #nextPart(): number {
    return this.#parts++
  }

  #close(events: AnswerEvent[]): void {
    if (this.#running === undefined) return
    events.push({ type: 'part_end', choice: this.#choice, part: this.#running.part })
    this.#running = undefined
  }
}

/** In a stream, pieces that say nothing of their entry belong to the one that is open, until its proof came. */
function goesOn(last: Detail, next: Detail): boolean {
  if (continues(last, next)) return true
  if (last.signature !== undefined || last.redacted !== undefined) return false
  if (last.id !== undefined && next.id !== undefined) return false
  return last.index === undefined || next.index === undefined ? next.redacted === undefined || last.summary : false
}
