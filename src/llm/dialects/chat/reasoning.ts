import type { JsonObject, Opaque, ReasoningPart } from '../../conversation.ts'
import { objectsOf, textOf } from '../../fields.ts'
import { unwrapOpaque, wrapOpaque } from '../../opaque.ts'

/**
 * Thinking in chat messages, for which OpenAI has no fields. There are three customs:
 *
 * - `reasoning_content` (DeepSeek; `reasoning` at OpenRouter and newer vLLM): the text alone;
 * - `reasoning_details` (OpenRouter): entries of `reasoning.text` with a signature, `reasoning.summary`, and
 *   `reasoning.encrypted` with data, whose `format` tells who made them;
 * - `thinking_blocks` (LiteLLM): Anthropic's own blocks.
 *
 * All are read; the first two are written. Proof is marked with its origin (opaque.ts) where no `format` tells it.
 */

/** Between the parts of thinking where they share one text. */
export const reasoningSeparator = '\n\n'

/** Who makes the data of OpenRouter's formats. Data of any other format can go back to nobody. */
const formats: Readonly<Record<string, Opaque['origin']>> = {
  'anthropic-claude-v1': 'anthropic',
  'openai-responses-v1': 'openai',
  'azure-openai-responses-v1': 'openai',
  'google-gemini-v1': 'gemini',
}

/** One entry of `reasoning_details`, or one of LiteLLM's blocks in the same words. */
export interface Detail {
  text: string
  summary: boolean
  index?: number
  id?: string
  signature?: Opaque
  redacted?: Opaque
}

/** Reads the entries of `reasoning_details`, whole or streamed, leaving out what is none. */
export function readDetails(details: unknown): Detail[] {
  return objectsOf(details).flatMap((entry) => {
    const type = textOf(entry.type)
    if (!type.startsWith('reasoning.')) return []
    const format = textOf(entry.format)
    const signature = proofOf(textOf(entry.signature), format)
    const data = proofOf(textOf(entry.data), format)
    const id = textOf(entry.id)
    return {
      text: textOf(entry.text) || textOf(entry.summary),
      summary: type === 'reasoning.summary',
      ...(typeof entry.index === 'number' && { index: entry.index }),
      ...(id !== '' && { id }),
      // Gemini encrypts no thoughts: what OpenRouter sends as its data is a signature.
      ...(data && (data.origin === 'gemini' ? { signature: data } : { redacted: data })),
      ...(signature && { signature }),
    }
  })
}

function proofOf(value: string, format: string): Opaque | undefined {
  if (value === '') return undefined
  if (format === '') return unwrapOpaque(value, 'openai')
  const origin = Object.hasOwn(formats, format) ? formats[format] : undefined
  return origin && unwrapOpaque(value, origin)
}

/** Reads LiteLLM's `thinking_blocks`. */
export function readThinkingBlocks(blocks: unknown): Detail[] {
  return objectsOf(blocks).flatMap((block): Detail[] => {
    const signature = textOf(block.signature)
    const data = textOf(block.data)
    if (block.type === 'thinking')
      return [
        {
          text: textOf(block.thinking),
          summary: false,
          ...(signature !== '' && { signature: unwrapOpaque(signature, 'anthropic') }),
        },
      ]
    if (block.type !== 'redacted_thinking' || data === '') return []
    return [{ text: '', summary: false, redacted: unwrapOpaque(data, 'anthropic') }]
  })
}

/** The text of thinking under either of its names. */
export function reasoningText(message: JsonObject): string {
  return textOf(message.reasoning_content) || textOf(message.reasoning)
}

/** Whether an entry goes on with the part that the entry before it began. */
export function continues(last: Detail, next: Detail): boolean {
  const sealed = last.signature !== undefined || last.redacted !== undefined
  if (sealed && (next.text !== '' || next.signature !== undefined || next.redacted !== undefined)) return false
  if (last.id !== undefined && next.id !== undefined) return last.id === next.id
  return last.index !== undefined && last.index === next.index
}

/** Reads a message's thinking, in the richest of its forms. */
export function readReasoning(message: JsonObject): ReasoningPart[] {
  const details = readDetails(message.reasoning_details)
  const parts = details.length > 0 ? joined(details) : readThinkingBlocks(message.thinking_blocks).map(partOf)
  const text = reasoningText(message)
  if (text === '' || parts.some((part) => part.text !== '')) return parts
  // Proof without its text, which stands in the plain field.
  const first = parts.find((part) => part.redacted === undefined)
  if (first === undefined) return [{ type: 'reasoning', text }, ...parts]
  first.text = text
  return parts
}

/** A client that collected a stream may send an entry in as many pieces as it got. */
function joined(details: readonly Detail[]): ReasoningPart[] {
  const whole: Detail[] = []
  for (const detail of details) {
    const last = whole.at(-1)
    if (last && continues(last, detail)) {
      const { text, summary } = last
      Object.assign(last, detail, { text: text + detail.text, summary: summary || detail.summary })
    } else whole.push({ ...detail })
  }
  return whole.map(partOf)
}

function partOf({ text, summary, id, signature, redacted }: Detail): ReasoningPart {
  return {
    type: 'reasoning',
    text,
    ...(summary && { summary }),
    ...(signature && { signature }),
    ...(redacted && { redacted }),
    ...(id !== undefined && { id }),
  }
}

/** How proof is written into `reasoning_details`. */
type Proof = (opaque: Opaque) => { value: string; format?: string } | undefined

/** For a client: marked with its origin, so that it is known when it comes back. */
export const markedProof: Proof = (opaque) => ({ value: wrapOpaque(opaque, 'openai') })

/** For OpenRouter: as it came, under the name of its format. */
export const plainProof: Proof = ({ origin, value }) => {
  const format = Object.keys(formats).find((name) => formats[name] === origin)
  return format === undefined ? undefined : { value, format }
}

/** Writes a text, or a piece of one, as an entry. */
export function textDetail(part: Pick<ReasoningPart, 'text' | 'summary'>, index: number): JsonObject {
  return part.summary
    ? { type: 'reasoning.summary', summary: part.text, index }
    : { type: 'reasoning.text', text: part.text, index }
}

/** Writes proof as an entry, or as the rest of the entry of that index. @returns undefined where it can go nowhere */
export function proofDetail(
  { signature, redacted, id }: Pick<ReasoningPart, 'signature' | 'redacted' | 'id'>,
  index: number,
  proof: Proof,
): JsonObject | undefined {
  const written = redacted ? proof(redacted) : signature && proof(signature)
  if (written === undefined) return undefined
  const { value, format } = written
  return {
    ...(redacted ? { type: 'reasoning.encrypted', data: value } : { type: 'reasoning.text', signature: value }),
    ...(id !== undefined && { id }),
    ...(format !== undefined && { format }),
    index,
  }
}

/** Writes thinking as whole `reasoning_details`; a summary and the data it was encrypted in are two entries. */
export function writeDetails(parts: readonly ReasoningPart[], proof: Proof): JsonObject[] {
  const details: JsonObject[] = []
  for (const part of parts) {
    const index = details.length
    const text = { ...textDetail(part, index), ...(part.id !== undefined && { id: part.id }) }
    const proven = proofDetail(part, index, proof)
    if (proven === undefined) {
      if (part.text !== '') details.push(text)
    } else if (part.redacted === undefined) details.push({ ...proven, text: part.text })
    else if (part.text === '') details.push(proven)
    else details.push(text, { ...proven, index: index + 1 })
  }
  return details
}

/** The thinking as one text. */
export function plainReasoning(parts: readonly ReasoningPart[]): string {
  return parts
    .map((part) => part.text)
    .filter((text) => text !== '')
    .join(reasoningSeparator)
}
