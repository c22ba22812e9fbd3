import type { JsonObject, ReasoningPart, ToolCallPart } from '../../conversation.ts'
import { proofsOf, unsigned, writeProof } from './proof.ts'
import type { Part } from './wire.ts'

/** The parts of an answer. */

export function thoughtPart(text: string, thoughtSignature?: string): Part {
  return { text, thought: true, ...(thoughtSignature !== undefined && { thoughtSignature }) }
}

/** A thought with its proof; nothing where it says nothing. */
export function thoughtParts(part: ReasoningPart): Part[] {
  const [proof, ...more] = proofsOf(part)
  if (part.text === '' && proof === undefined) return []
  return [thoughtPart(part.text, proof), ...more.map((each) => thoughtPart('', each))]
}

/** A call is always signed: Gemini 3 refuses its own calls without, and where it did not make them it must know. */
export function callPart(call: Pick<ToolCallPart, 'id' | 'name' | 'signature'>, args: JsonObject): Part {
  return {
    functionCall: { id: call.id, name: call.name, args },
    thoughtSignature: writeProof({ kind: 'signature', opaque: call.signature ?? unsigned }),
  }
}
