import type { ObservedDialect, ProviderDialect } from '../../dialect.ts'
import { readAnswer } from './answer.ts'
import { readError } from './errors.ts'
import { observe, observedKeys } from './observe.ts'
import { drops, writeRequest } from './request.ts'
import { readStream } from './stream.ts'

export { readCountAnswer, writeCountRequest } from './count-tokens.ts'

/**
 * AWS Bedrock's Converse and ConverseStream: a provider's dialect only. The path carries the model and whether to
 * stream (`/model/ID/converse`, `/model/ID/converse-stream`).
 */
export const converse: ProviderDialect & ObservedDialect = {
  name: 'converse',
  drops,
  writeRequest,
  readAnswer,
  readStream,
  readError,
  observedKeys,
  observe,
}
