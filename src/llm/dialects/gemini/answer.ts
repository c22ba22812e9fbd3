import type { Answer, Choice, JsonObject } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { blockReason, readFinish } from './finish.ts'
import { readLogprobs } from './logprobs.ts'
import { foreignPart, readPart } from './parts.ts'
import { readUsage } from './usage.ts'
import { callId, objectOf, objectsOf, secondsOf, textOf } from './wire.ts'

/**
 * Reads a GenerateContentResponse.
 *
 * A signature on a visible text has no place of its own in the neutral form: it is read as a reasoning part without
 * text right before the text it belongs to (contents.ts writes it back onto that text). A prompt that was blocked is
 * an answer without parts that ended with `content_filter`.
 *
 * @throws {ApiError} 502 where there is neither a candidate nor a reason for having none, or an answer in pictures.
 */
export function readAnswer(body: JsonObject): Answer {
  const id = textOf(body.responseId) ?? ''
  const candidates = objectsOf(body.candidates)
  const blocked = candidates.length === 0 && blockReason(body) !== undefined
  if (candidates.length === 0 && !blocked)
    throw new ApiError(502, 'api_error', "The provider's answer holds no candidate. Try again.", {
      code: 'bad_provider_answer',
    })
  const created = secondsOf(body.createTime)
  const usage = readUsage(body.usageMetadata)
  return {
    id,
    model: textOf(body.modelVersion) ?? '',
    ...(created !== undefined && { created }),
    choices: blocked
      ? [{ parts: [], finish: 'content_filter' }]
      : byIndex(candidates).map((candidate, index) => readChoice(candidate, id, index)),
    ...(usage && { usage }),
  }
}

/** Candidates say where they belong; the first leaves its zero out. */
function byIndex(candidates: JsonObject[]): JsonObject[] {
  const place = ({ index }: JsonObject) => (typeof index === 'number' ? index : 0)
  return candidates.toSorted((a, b) => place(a) - place(b))
}

function readChoice(candidate: JsonObject, responseId: string, index: number): Choice {
  const parts: Choice['parts'] = []
  let calls = 0
  for (const wire of objectsOf(objectOf(candidate.content).parts)) {
    const part = readPart(wire)
    if (part === undefined) continue
    switch (part.kind) {
      case 'thought':
        parts.push({
          type: 'reasoning',
          text: part.text,
          summary: true,
          ...(part.signature && { signature: part.signature }),
        })
        break
      case 'text':
        if (part.signature) parts.push({ type: 'reasoning', text: '', summary: true, signature: part.signature })
        if (part.text !== '') parts.push({ type: 'text', text: part.text })
        break
      case 'call':
        parts.push({
          type: 'tool_call',
          id: part.id ?? callId({ responseId, choice: index, ordinal: calls, ...part }),
          name: part.name,
          arguments: part.arguments,
          ...(part.signature && { signature: part.signature }),
        })
        calls++
        break
      case 'foreign':
        throw new ApiError(502, 'api_error', foreignPart(part.what), { code: 'unsupported_answer' })
    }
  }
  const logprobs = readLogprobs(candidate.logprobsResult)
  return {
    parts,
    // A whole answer has ended, even where a provider in the API's likeness does not say how.
    finish: readFinish(textOf(candidate.finishReason) ?? 'STOP', calls > 0),
    ...(logprobs && { logprobs }),
  }
}
