import type { JsonObject, TokenLogprob } from '../../conversation.ts'
import { isObject, objectOf, objectsOf } from './wire.ts'

/**
 * `Candidate.logprobsResult`: the chosen token and the likeliest ones of each step. Google gives no bytes, and leaves
 * out a log probability of zero.
 */
export function readLogprobs(result: unknown): TokenLogprob[] | undefined {
  if (!isObject(result) || !Array.isArray(result.chosenCandidates)) return undefined
  const top = objectsOf(result.topCandidates)
  return result.chosenCandidates.map((chosen, step) => ({
    ...logprob(objectOf(chosen)),
    top_logprobs: objectsOf(objectOf(top[step]).candidates).map(logprob),
  }))
}

function logprob({ token, logProbability }: JsonObject): { token: string; logprob: number; bytes: null } {
  return {
    token: typeof token === 'string' ? token : '',
    logprob: typeof logProbability === 'number' ? logProbability : 0,
    bytes: null,
  }
}
