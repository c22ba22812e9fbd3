import type { JsonObject, Opaque } from '../../conversation.ts'
import { isObject, textOf } from './wire.ts'

/** What one part of an answer says. */
export type AnswerPart =
  | { kind: 'text' | 'thought'; text: string; signature?: Opaque }
  | { kind: 'call'; id?: string; name: string; arguments: string; signature?: Opaque }
  /** Something that no client API here can carry. */
  | { kind: 'foreign'; what: string }

/** Kinds of content that are not asked for through this service, but that some models send unasked (pictures). */
const foreign = ['inlineData', 'fileData', 'executableCode', 'codeExecutionResult', 'toolCall', 'toolResponse']

/**
 * Reads one part of a candidate's content. A signature may sit on any of them, on one with an empty text too.
 * @returns undefined for a part that says nothing.
 */
export function readPart(part: JsonObject): AnswerPart | undefined {
  const proof = textOf(part.thoughtSignature)
  const signature = proof === undefined ? {} : { signature: { origin: 'gemini', value: proof } as const }
  if (isObject(part.functionCall)) {
    const { id, name, args } = part.functionCall
    const callId = textOf(id)
    return {
      kind: 'call',
      ...(callId !== undefined && { id: callId }),
      name: textOf(name) ?? '',
      arguments: JSON.stringify(isObject(args) ? args : {}),
      ...signature,
    }
  }
  const what = foreign.find((key) => part[key] !== undefined && part[key] !== null)
  if (what !== undefined) return { kind: 'foreign', what }
  const text = typeof part.text === 'string' ? part.text : ''
  if (text === '' && proof === undefined) return undefined
  return { kind: part.thought === true ? 'thought' : 'text', text, ...signature }
}

/** The sentence for a `foreign` part. */
export function foreignPart(what: string): string {
  return `The model answered with ${what}, which the API of this request cannot carry. Use a model that answers in text.`
}
