import type { JsonObject, TokenLogprob } from '../../conversation.ts'
import { objectsOf, textOf } from '../../fields.ts'

/** Reads the `logprobs` of an output text or of a delta. @returns undefined where there are none. */
export function readLogprobs(logprobs: unknown): TokenLogprob[] | undefined {
  const tokens = objectsOf(logprobs)
  if (tokens.length === 0) return undefined
  return tokens.map((token) => ({ ...readToken(token), top_logprobs: objectsOf(token.top_logprobs).map(readToken) }))
}

function readToken({ token, logprob, bytes }: JsonObject): Omit<TokenLogprob, 'top_logprobs'> {
  return {
    token: textOf(token),
    logprob: typeof logprob === 'number' ? logprob : 0,
    bytes: Array.isArray(bytes) ? bytes.filter((byte) => typeof byte === 'number') : null,
  }
}

/** This API always gives the bytes; where the provider did not, they are those of the token's text. */
export function writeLogprobs(logprobs: readonly TokenLogprob[] | undefined): JsonObject[] {
  return (logprobs ?? []).map((token) => ({ ...writeToken(token), top_logprobs: token.top_logprobs.map(writeToken) }))
}

function writeToken({ token, logprob, bytes }: Omit<TokenLogprob, 'top_logprobs'>): JsonObject {
  return { token, logprob, bytes: bytes ?? [...Buffer.from(token, 'utf8')] }
}

/**
 * Deals an answer's tokens out to its texts, each as many as make up its length; the last text takes what is left.
 * @returns one list for each text
 */
export function dealLogprobs(texts: readonly string[], logprobs: readonly TokenLogprob[]): TokenLogprob[][] {
  let next = 0
  return texts.map((text, index) => {
    if (index === texts.length - 1) return logprobs.slice(next)
    const first = next
    for (let length = 0; length < text.length && next < logprobs.length; next++) length += logprobs[next]!.token.length
    return logprobs.slice(first, next)
  })
}
