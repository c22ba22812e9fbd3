import type { ClientDialect, ObservedDialect, ProviderDialect } from '../../dialect.ts'
import { observe, observedKeys } from '../chat/observe.ts'
import { writeError } from '../openai/errors.ts'
import { readAnswer, writeAnswer } from './answer.ts'
import { readRequest } from './request.ts'
import { readStream, writeStream } from './stream.ts'

/**
 * OpenAI's legacy completions, `POST /v1/completions`: a client's dialect. Where a provider has this API itself, requests go
 * through as they are, and its answers are read where guards look at them; otherwise they become chats.
 */
export const completions: ClientDialect & ObservedDialect & Pick<ProviderDialect, 'readAnswer' | 'readStream'> = {
  name: 'completions',
  readRequest,
  readAnswer,
  writeAnswer,
  readStream,
  writeStream,
  writeError,
  observedKeys,
  observe,
}
