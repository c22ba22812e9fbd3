import type { ClientDialect, ObservedDialect, ProviderDialect } from '../../dialect.ts'
import { withoutForeign } from './foreign.ts'
import { observe, observedKeys } from './observe.ts'
import { readAnswer } from './read-answer.ts'
import { readError } from './read-error.ts'
import { readRequest } from './read-request.ts'
import { readStream } from './read-stream.ts'
import { writeAnswer } from './write-answer.ts'
import { writeError } from './write-error.ts'
import { drops, writeRequest } from './write-request.ts'
import { writeStream } from './write-stream.ts'

/**
 * Anthropic's Messages API, `POST /v1/messages`: what Claude's clients speak, and Claude itself at Anthropic and on
 * Vertex AI.
 */
export const messages: ClientDialect & ProviderDialect & ObservedDialect = {
  name: 'messages',
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
