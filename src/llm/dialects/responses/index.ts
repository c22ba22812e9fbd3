import type { ClientDialect, ObservedDialect, ProviderDialect } from '../../dialect.ts'
import { readError, writeError } from '../openai/errors.ts'
import { readAnswer, writeAnswer } from './answer.ts'
import { withoutForeign } from './foreign.ts'
import { observe, observedKeys } from './observe.ts'
import { drops, readRequest, writeRequest } from './request.ts'
import { readStream, writeStream } from './stream.ts'

/** OpenAI's Responses API (`POST /v1/responses`), used without its state: every request brings the whole input. */
export const responses: ClientDialect & ProviderDialect & ObservedDialect = {
  name: 'responses',
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
