import { sse } from '../../../sse.ts'
import type { AnswerEvent, FinishReason, JsonObject, Opaque, TokenLogprob, Usage } from '../../conversation.ts'
import type { AnswerContext, StreamWriter } from '../../dialect.ts'
import { ApiError, errorTypeOf } from '../../errors.ts'
import { brokenInput, toolInput, wantsWholeInput } from '../messages/tool-input.ts'
import { proofsOf } from './proof.ts'
import type { Part } from './wire.ts'
import { writeError } from './write-error.ts'
import { failedAnswer, writeFinish } from './write-finish.ts'
import { callPart, thoughtPart } from './write-parts.ts'
import { candidateObject, responseObject } from './write-response.ts'

/**
 * A writer for one streamed answer: GenerateContentResponses with what is new, as `:streamGenerateContent?alt=sse`
 * sends them. Function calls come whole, when their arguments are complete; the last response has every candidate's
 * finish reason and the usage. Nothing else marks the end.
 *
 * Every response has a part, the last one an empty text: Google's SDK for JavaScript forgets a chat's turn otherwise.
 * An answer that fails ends with an error, as does one whose calls have arguments that are no JSON object.
 * @see ClientDialect.writeStream
 */
export function writeStream(context: AnswerContext): StreamWriter {
  return new GeminiStreamWriter(context)
}

type OpenPart =
  | { kind: 'text' | 'refusal' | 'reasoning' }
  | { kind: 'tool_call'; id: string; name: string; arguments: string; signature?: Opaque }

/** What was written of one choice. */
interface WrittenChoice {
  open: Map<number, OpenPart>
  refused: boolean
  brokenInput: boolean
  finish: FinishReason
}

class GeminiStreamWriter implements StreamWriter {
  readonly #context: AnswerContext
  readonly #choices = new Map<number, WrittenChoice>()
  #id = ''
  #usage: Usage | undefined
  #text = ''
  #done = false

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
    switch (event.type) {
      case 'start':
        this.#id = event.id
        this.#usage = event.usage
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
      case 'finish':
        this.#choice(event.choice).finish = event.reason
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

  #choice(index: number): WrittenChoice {
    const known = this.#choices.get(index)
    if (known) return known
    const made: WrittenChoice = { open: new Map(), refused: false, brokenInput: false, finish: 'error' }
    this.#choices.set(index, made)
    return made
  }

  #send(candidates: JsonObject[], usage?: Usage): void {
    this.#text += sse(JSON.stringify(responseObject(this.#id, candidates, usage, this.#context)))
  }

  #part(index: number, part: Part, logprobs?: readonly TokenLogprob[]): void {
    this.#send([candidateObject({ index, parts: [part], logprobs })])
  }

  #begin(event: Extract<AnswerEvent, { type: 'part' }>): void {
    const choice = this.#choice(event.choice)
    if (event.kind === 'refusal') choice.refused = true
    if (event.kind === 'tool_call') {
      const { kind, id, name, signature } = event
      choice.open.set(event.part, { kind, id, name, arguments: '', ...(signature && { signature }) })
    } else choice.open.set(event.part, { kind: event.kind })
  }

  #delta({ choice, part, text, logprobs }: Extract<AnswerEvent, { type: 'delta' }>): void {
    const open = this.#choice(choice).open.get(part)
    if (open === undefined || text === '') return
    if (open.kind === 'tool_call') open.arguments += text
    else this.#part(choice, open.kind === 'reasoning' ? thoughtPart(text) : { text }, logprobs)
  }

  #opaque({ choice, part, signature, redacted }: Extract<AnswerEvent, { type: 'opaque' }>): void {
    const open = this.#choice(choice).open.get(part)
    if (open?.kind === 'tool_call' && signature) open.signature = signature
    if (open?.kind !== 'reasoning') return
    const proofs = proofsOf({ ...(signature && { signature }), ...(redacted && { redacted }) })
    for (const proof of proofs) this.#part(choice, thoughtPart('', proof))
  }

  #end(index: number, part: number): void {
    const choice = this.#choice(index)
    const open = choice.open.get(part)
    choice.open.delete(part)
    if (open?.kind !== 'tool_call') return
    const args = toolInput(open.arguments)
    if (args) this.#part(index, callPart(open, args))
    else choice.brokenInput = true
  }

  #complete(): void {
    const choices = [...this.#choices].sort(([a], [b]) => a - b)
    if (choices.every(([, { finish }]) => finish === 'error')) this.#fail(failedAnswer)
    else if (choices.some(([, choice]) => choice.brokenInput && wantsWholeInput(choice.finish))) this.#fail(brokenInput)
    else
      this.#send(
        choices.map(([index, { finish, refused }]) =>
          candidateObject({ index, parts: [{ text: '' }], finishReason: writeFinish(finish, refused) }),
        ),
        this.#usage,
      )
    this.#done = true
  }

  #fail({ status, code, message }: { status: number; code: string; message: string }): void {
    this.#text += sse(JSON.stringify(writeError(new ApiError(status, errorTypeOf(status), message, { code }))))
    this.#done = true
  }
}
