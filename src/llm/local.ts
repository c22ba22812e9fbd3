import type { LocalAnswer } from '../protocol.ts'
import type { JsonObject } from './conversation.ts'
import { withRequestInfo } from './dialects/gemini/write-error.ts'
import { type ClientFormat, clientDialects } from './dialects/index.ts'
import type { ApiError } from './errors.ts'

/** An error in the format of the API that was called, with the request's id. */
export function localError(format: ClientFormat, error: ApiError, requestId: string): LocalAnswer {
  const body = clientDialects[format === 'openai-embeddings' ? 'chat' : format].writeError(error)
  const answer = localJson(
    error.status,
    format === 'gemini' ? withRequestInfo(body, requestId) : { ...body, request_id: requestId },
  )
  answer.headers.push(...error.headers)
  const seconds = error.retryAfter
  // It may be a provider's own figure, and no wait is longer than a year.
  if (seconds !== undefined && !Number.isNaN(seconds))
    answer.headers.push(['retry-after', String(Math.min(Math.max(1, Math.ceil(seconds)), longestWait))])
  return answer
}

/** A year, in seconds: a budget may open as late as that. */
const longestWait = 366 * 24 * 3_600

/** A JSON answer of our own. */
export function localJson(status: number, body: JsonObject): LocalAnswer {
  return { status, headers: [['content-type', 'application/json']], body: JSON.stringify(body) }
}
