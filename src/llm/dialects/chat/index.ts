import type { ClientDialect, ObservedDialect, ProviderDialect } from '../../dialect.ts'
import { readError, writeError } from '../openai/errors.ts'
import { readAnswer, writeAnswer } from './answer.ts'
import { withoutForeign } from './foreign.ts'
import { observe, observedKeys } from './observe.ts'
import { drops, readRequest, writeRequest } from './request.ts'
import { readStream, writeStream } from './stream.ts'

/**
 * OpenAI's Chat Completions, `POST /v1/chat/completions`: the API that most clients speak, and most servers in its
 * likeness (vLLM, Groq, Mistral, DeepSeek, OpenRouter, …).
 */
export const chat: ClientDialect & ProviderDialect & ObservedDialect = {
  name: 'chat',
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
