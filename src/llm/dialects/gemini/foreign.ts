import type { JsonObject } from '../../conversation.ts'
import { isObject, textOf } from '../../fields.ts'
import { foreignSignature } from './contents.ts'
import { isGemini3 } from './model.ts'
import { isForeign } from './proof.ts'

/**
 * Takes what other providers made out of a request that goes to Gemini as the client wrote it, after a switch of
 * provider in mid-conversation: their thinking goes, with the pieces it was streamed in, and their calls lose the mark.
 * Gemini 3 wants a signature on the first call of each step; there Google's stand-in takes the mark's place.
 * @see ClientDialect.withoutForeign
 */
export function withoutForeign(body: JsonObject, model = ''): JsonObject | undefined {
  if (!Array.isArray(body.contents)) return undefined
  const contents: unknown[] = body.contents
  const kept: unknown[] = []
  let run: ModelContent[] = []
  const endRun = () => {
    kept.push(...cleaned(run, isGemini3(model)))
    run = []
  }
  for (const content of contents) {
    if (isModelContent(content)) run.push(content)
    else {
      endRun()
      kept.push(content)
    }
  }
  endRun()
  const changed = kept.length < contents.length || kept.some((content, index) => content !== contents[index])
  return changed ? { ...body, contents: kept } : undefined
}

type ModelContent = JsonObject & { parts: unknown[] }

function isModelContent(content: unknown): content is ModelContent {
  return isObject(content) && content.role === 'model' && Array.isArray(content.parts)
}

/** @param run contents of the model that stand one after the other: a turn, in the pieces it was streamed in */
function cleaned(run: readonly ModelContent[], standIn: boolean): ModelContent[] {
  const foreign = foreignThoughts(run.flatMap(({ parts }) => parts))
  let called = false
  return run.flatMap((content) => {
    const parts = content.parts.flatMap((part) => {
      if (foreign.has(part)) return []
      if (!isObject(part)) return [part]
      const first = !called && isObject(part.functionCall ?? part.function_call)
      if (first) called = true
      return [isForeign(signatureOf(part)) ? unmarked(part, first && standIn) : part]
    })
    if (parts.length === content.parts.length && parts.every((part, index) => part === content.parts[index]))
      return [content]
    return parts.length === 0 ? [] : [{ ...content, parts }]
  })
}

/** The thoughts that end with a foreign proof, and the unsigned pieces that such a one goes on from. */
function foreignThoughts(parts: readonly unknown[]): Set<unknown> {
  const foreign = new Set<unknown>()
  let within = false
  for (const part of parts.toReversed()) {
    const signature = signatureOf(part)
    within = isThought(part) && (signature === '' ? within : isForeign(signature))
    if (within) foreign.add(part)
  }
  return foreign
}

function isThought(part: unknown): boolean {
  return isObject(part) && part.thought === true
}

function signatureOf(part: unknown): string {
  return isObject(part) ? textOf(part.thoughtSignature ?? part.thought_signature) : ''
}

function unmarked(part: JsonObject, standIn: boolean): JsonObject {
  const { thoughtSignature: _, thought_signature: __, ...rest } = part
  return standIn ? { ...rest, thoughtSignature: foreignSignature } : rest
}
