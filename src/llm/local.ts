import type { LocalAnswer } from '../protocol.ts'
import type { JsonObject } from './conversation.ts'
import { clientDialects } from './dialects/index.ts'
import type { ApiError } from './errors.ts'
import type { Operation } from './providers/provider.ts'

/** An error in the format of the API that was called, with the request's id. */
export function localError(operation: Operation, error: ApiError, requestId: string): LocalAnswer {
  const dialect = operation === 'embeddings' ? 'chat' : operation === 'count_tokens' ? 'messages' : operation
  const answer = localJson(error.status, { ...clientDialects[dialect].writeError(error), request_id: requestId })
  if (error.retryAfter !== undefined)
    answer.headers.push(['retry-after', String(Math.max(1, Math.ceil(error.retryAfter)))])
  return answer
}

/** A JSON answer of our own. */
export function localJson(status: number, body: JsonObject): LocalAnswer {
  return { status, headers: [['content-type', 'application/json']], body: JSON.stringify(body) }
}
