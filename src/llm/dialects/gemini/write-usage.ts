import type { JsonObject, Usage } from '../../conversation.ts'

/** `usageMetadata`: thoughts stand beside the candidates, cached tokens are part of the prompt. */
export function writeUsage({ input, output, reasoning = 0, cachedInput, audioInput, audioOutput }: Usage): JsonObject {
  return {
    promptTokenCount: input,
    candidatesTokenCount: Math.max(0, output - reasoning),
    totalTokenCount: input + output,
    ...(reasoning > 0 && { thoughtsTokenCount: reasoning }),
    ...(cachedInput !== undefined && { cachedContentTokenCount: cachedInput }),
    ...(audioInput !== undefined && { promptTokensDetails: [{ modality: 'AUDIO', tokenCount: audioInput }] }),
    ...(audioOutput !== undefined && { candidatesTokensDetails: [{ modality: 'AUDIO', tokenCount: audioOutput }] }),
  }
}
