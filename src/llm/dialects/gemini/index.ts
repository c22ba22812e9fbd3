import type { ClientDialect, ObservedDialect, ProviderDialect } from '../../dialect.ts'
import { readAnswer } from './answer.ts'
import { readError } from './errors.ts'
import { withoutForeign } from './foreign.ts'
import { observe, observedKeys } from './observe.ts'
import { readRequest } from './read-request.ts'
import { drops, writeRequest } from './request.ts'
import { readStream } from './stream.ts'
import { writeAnswer } from './write-answer.ts'
import { writeError } from './write-error.ts'
import { writeStream } from './write-stream.ts'

export { readCountAnswer, writeCountRequest } from './count-tokens.ts'

/**
 * Google's generateContent: what its SDKs speak, and what the Gemini API and Vertex AI serve. The path carries the model
 * and whether to stream (`:generateContent`, `:streamGenerateContent?alt=sse`).
 */
export const gemini: ClientDialect & ProviderDialect & ObservedDialect = {
  name: 'gemini',
  drops,
  readRequest,
  writeRequest,
  readAnswer,
  writeAnswer,
  readStream,
  writeStream,
  readError,
  writeError,
  withoutForeign,
  observedKeys,
  observe,
}
