import type { Usage } from '../../conversation.ts'
import { countOf, isObject, objectsOf } from './wire.ts'

/**
 * `usageMetadata`. Google counts thoughts beside the candidates and the results of its own tools beside the prompt;
 * the prompt holds the cached tokens.
 */
export function readUsage(metadata: unknown): Usage | undefined {
  if (!isObject(metadata)) return undefined
  const reasoning = countOf(metadata.thoughtsTokenCount)
  const cachedInput = countOf(metadata.cachedContentTokenCount)
  const audioInput = audioTokens(metadata.promptTokensDetails)
  const audioOutput = audioTokens(metadata.candidatesTokensDetails)
  return {
    input: countOf(metadata.promptTokenCount) + countOf(metadata.toolUsePromptTokenCount),
    output: countOf(metadata.candidatesTokenCount) + reasoning,
    ...(cachedInput > 0 && { cachedInput }),
    ...(reasoning > 0 && { reasoning }),
    ...(audioInput > 0 && { audioInput }),
    ...(audioOutput > 0 && { audioOutput }),
  }
}

function audioTokens(details: unknown): number {
  return objectsOf(details)
    .filter(({ modality }) => modality === 'AUDIO')
    .reduce((sum, { tokenCount }) => sum + countOf(tokenCount), 0)
}
