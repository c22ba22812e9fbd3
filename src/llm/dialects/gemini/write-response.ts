import type { JsonObject, TokenLogprob, Usage } from '../../conversation.ts'
import type { AnswerContext } from '../../dialect.ts'
import type { Part } from './wire.ts'
import { writeUsage } from './write-usage.ts'

/** The parts of a GenerateContentResponse, whole or one of a stream. */

export interface CandidateState {
  index: number
  parts: readonly Part[]
  finishReason?: string
  logprobs?: readonly TokenLogprob[] | undefined
}

export function candidateObject({ index, parts, finishReason, logprobs }: CandidateState): JsonObject {
  return {
    content: { parts, role: 'model' },
    ...(finishReason !== undefined && { finishReason }),
    index,
    ...(logprobs && { logprobsResult: logprobsResult(logprobs) }),
  }
}

/** @param id the provider's id of the answer; empty where it has none */
export function responseObject(
  id: string,
  candidates: readonly JsonObject[],
  usage: Usage | undefined,
  context: AnswerContext,
): JsonObject {
  return {
    candidates,
    ...(usage && { usageMetadata: writeUsage(usage) }),
    modelVersion: context.model,
    responseId: id === '' ? context.id : id,
  }
}

function logprobsResult(logprobs: readonly TokenLogprob[]): JsonObject {
  return {
    chosenCandidates: logprobs.map(candidate),
    topCandidates: logprobs.map(({ top_logprobs }) => ({ candidates: top_logprobs.map(candidate) })),
  }
}

function candidate({ token, logprob }: Pick<TokenLogprob, 'token' | 'logprob'>): JsonObject {
  return { token, logProbability: logprob }
}
