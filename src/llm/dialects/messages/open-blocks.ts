import type { AnswerEvent, JsonObject } from '../../conversation.ts'
import { isObject, textOf } from '../../fields.ts'

type Kind = 'text' | 'reasoning' | 'tool_call'

interface OpenBlock {
  part: number
  kind: Kind
  /** Whether anything was told of it. */
  said: boolean
  /** The arguments of a call that come with its start instead of as deltas. */
  input: string
  signature: string
  redacted: string
}

/** The content blocks of a streamed message, by their `index`, as parts that are opened and closed once each. */
export class OpenBlocks {
  readonly #open = new Map<unknown, OpenBlock>()
  #count = 0
  #called = false

  /** Whether the message calls a tool. */
  get called(): boolean {
    return this.#called
  }

  /**
   * `content_block_start`. Blocks of other types come from tools that run at Anthropic, which no translated request
   * asks for; their deltas find no open block and say nothing.
   */
  start(index: unknown, block: JsonObject, events: AnswerEvent[]): void {
    this.close(index, events)
    switch (block.type) {
      case 'text':
        this.#say(this.#begin(index, 'text', events), textOf(block.text), events)
        break
      case 'thinking': {
        const open = this.#begin(index, 'reasoning', events)
        open.signature = textOf(block.signature)
        this.#say(open, textOf(block.thinking), events)
        break
      }
      case 'redacted_thinking':
        this.#begin(index, 'reasoning', events).redacted = textOf(block.data)
        break
      case 'tool_use': {
        const open = this.#add(index, 'tool_call')
        this.#called = true
        open.input = JSON.stringify(isObject(block.input) ? block.input : {})
        const call = { id: textOf(block.id), name: textOf(block.name) }
        events.push({ type: 'part', choice: 0, part: open.part, kind: 'tool_call', ...call })
        break
      }
    }
  }

  /** `content_block_delta`. Citations have no place in other APIs. */
  delta(index: unknown, delta: JsonObject, events: AnswerEvent[]): void {
    switch (delta.type) {
      case 'text_delta':
        this.#say(this.#of(index, 'text', events), textOf(delta.text), events)
        break
      case 'thinking_delta':
        this.#say(this.#of(index, 'reasoning', events), textOf(delta.thinking), events)
        break
      case 'signature_delta':
        this.#of(index, 'reasoning', events).signature += textOf(delta.signature)
        break
      case 'input_json_delta': {
        const open = this.#open.get(index)
        if (open?.kind === 'tool_call') this.#say(open, textOf(delta.partial_json), events)
        break
      }
    }
  }

  /** `content_block_stop`, or what stands for it where a server leaves it out. */
  close(index: unknown, events: AnswerEvent[]): void {
    const open = this.#open.get(index)
    if (!open) return
    this.#open.delete(index)
    const place = { choice: 0, part: open.part }
    if (open.kind === 'tool_call' && !open.said) this.#say(open, open.input, events)
    if (open.signature !== '' || open.redacted !== '')
      events.push({
        type: 'opaque',
        ...place,
        ...(open.signature !== '' && { signature: { origin: 'anthropic', value: open.signature } }),
        ...(open.redacted !== '' && { redacted: { origin: 'anthropic', value: open.redacted } }),
      })
    events.push({ type: 'part_end', ...place })
  }

  closeAll(events: AnswerEvent[]): void {
    for (const index of [...this.#open.keys()]) this.close(index, events)
  }

  /** A refusal in words, whole. */
  refusal(text: string, events: AnswerEvent[]): void {
    const place = { choice: 0, part: this.#count++ }
    events.push({ type: 'part', ...place, kind: 'refusal' }, { type: 'delta', ...place, text })
    events.push({ type: 'part_end', ...place })
  }

  /** The open block of this kind. One that was never announced begins with its first delta. */
  #of(index: unknown, kind: 'text' | 'reasoning', events: AnswerEvent[]): OpenBlock {
    const open = this.#open.get(index)
    if (open?.kind === kind) return open
    this.close(index, events)
    return this.#begin(index, kind, events)
  }

  #begin(index: unknown, kind: 'text' | 'reasoning', events: AnswerEvent[]): OpenBlock {
    const open = this.#add(index, kind)
    events.push({ type: 'part', choice: 0, part: open.part, kind })
    return open
  }

  #add(index: unknown, kind: Kind): OpenBlock {
    const open: OpenBlock = { part: this.#count++, kind, said: false, input: '', signature: '', redacted: '' }
    this.#open.set(index, open)
    return open
  }

  #say(open: OpenBlock, text: string, events: AnswerEvent[]): void {
    if (text === '') return
    open.said = true
    events.push({ type: 'delta', choice: 0, part: open.part, text })
  }
}
