import type { ProviderDialect } from '../../dialect.ts'
import { readAnswer } from './answer.ts'
import { readError } from './errors.ts'
import { drops, writeRequest } from './request.ts'
import { readStream } from './stream.ts'

/**
 * AWS Bedrock's Converse and ConverseStream: a provider's dialect only. The path carries the model and whether to
 * stream (`/model/ID/converse`, `/model/ID/converse-stream`).
 */
export const converse: ProviderDialect = {
  name: 'converse',
  drops,
  writeRequest,
  readAnswer,
  readStream,
  readError,
}
