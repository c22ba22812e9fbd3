import type { JsonObject, TokenLogprob } from '../../conversation.ts'
import { objectOf, objectsOf } from '../../fields.ts'
import { readLogprobs as readTokens } from '../openai/logprobs.ts'

/** Reads the `logprobs` of a choice, whole or streamed. @returns undefined where there are none */
export function readLogprobs(logprobs: unknown): TokenLogprob[] | undefined {
  const { content, refusal } = objectOf(logprobs)
  return readTokens([...objectsOf(content), ...objectsOf(refusal)])
}

/** Writes a choice's `logprobs`: the neutral form is this API's own. */
export function writeLogprobs(logprobs: readonly TokenLogprob[] | undefined): JsonObject | null {
  return logprobs === undefined ? null : { content: [...logprobs], refusal: null }
}
