import type { ObservedDialect, ProviderDialect } from '../../dialect.ts'
import { readAnswer } from './answer.ts'
import { readError } from './errors.ts'
import { observe, observedKeys } from './observe.ts'
import { drops, writeRequest } from './request.ts'
import { readStream } from './stream.ts'

export { readCountAnswer, writeCountRequest } from './count-tokens.ts'

/**
 * Google's generateContent, as the Gemini API and Vertex AI serve it: a provider's dialect only. The path carries the
 * model and whether to stream (`:generateContent`, `:streamGenerateContent?alt=sse`).
 */
export const gemini: ProviderDialect & ObservedDialect = {
  name: 'gemini',
  drops,
  writeRequest,
  readAnswer,
  readStream,
  readError,
  observedKeys,
  observe,
}
