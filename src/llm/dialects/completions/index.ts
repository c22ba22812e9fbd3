import type { ClientDialect, ObservedDialect } from '../../dialect.ts'
import { observe, observedKeys } from '../chat/observe.ts'
import { writeError } from '../openai/errors.ts'
import { writeAnswer } from './answer.ts'
import { readRequest } from './request.ts'
import { writeStream } from './stream.ts'

/**
 * OpenAI's legacy completions, `POST /v1/completions`: a client's dialect only. Where a provider has this API itself,
 * requests go through as they are; otherwise they become chats.
 */
export const completions: ClientDialect & ObservedDialect = {
  name: 'completions',
  readRequest,
  writeAnswer,
  writeStream,
  writeError,
  observedKeys,
  observe,
}
