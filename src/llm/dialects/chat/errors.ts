import type { JsonObject } from '../../conversation.ts'
import { ApiError, type ErrorType, errorTypeOf } from '../../errors.ts'
import { isObject, objectOf, objectsOf, textOf } from '../../fields.ts'

/**
 * Reads an error response: `{ error: { message, type, param, code } }`, or what servers alike make of it: `error` as a
 * text (Ollama), the same fields without the object around them (vLLM, Mistral), FastAPI's `detail`.
 * @see ProviderDialect.readError
 */
export function readError(status: number, body: JsonObject | undefined): ApiError {
  const error = isObject(body?.error) ? body.error : objectOf(body)
  const message = messageOf(error, body)
  const code = codeOf(error, message)
  const param = textOf(error.param)
  return new ApiError(
    status,
    errorType(status, textOf(error.type)),
    message || `The provider answered with status ${status} and no error message.`,
    { ...(code !== undefined && { code }), ...(param !== '' && { param }) },
  )
}

function messageOf(error: JsonObject, body: JsonObject | undefined): string {
  const details = objectsOf(body?.detail).map((detail) => textOf(detail.msg))
  return textOf(error.message) || textOf(body?.error) || textOf(body?.detail) || details.filter(Boolean).join(' ')
}

/** The error that a chunk or an answer carries instead of choices; undefined where it carries none. */
export function errorOf(json: JsonObject): { status: number; code: string; message: string } | undefined {
  const groq = objectOf(json.x_groq).error
  const error = json.error ?? groq ?? (json.object === 'error' ? json : undefined)
  if (error === undefined || error === null) return undefined
  const fields = isObject(error) ? error : {}
  const message = textOf(error) || textOf(fields.message)
  const status = statusOf(fields)
  return {
    status,
    code: codeOf(fields, message) ?? (textOf(fields.type) || 'provider_failed'),
    message: message || 'The provider ended the answer with an error. Try again.',
  }
}

const statusOfType: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  insufficient_quota: 429,
  context_length_exceeded: 400,
  content_filter: 400,
  overloaded_error: 503,
  timeout_error: 504,
}

/** The status an error inside an answer would have had: its number (vLLM, OpenRouter, Azure), else its kind. */
function statusOf({ code, status, type }: JsonObject): number {
  for (const value of [code, status]) {
    const number = Number(value)
    if (Number.isInteger(number) && number >= 400 && number <= 599) return number
  }
  for (const word of [textOf(code), textOf(type)]) if (Object.hasOwn(statusOfType, word)) return statusOfType[word]!
  return 502
}

const types: readonly ErrorType[] = [
  'authentication_error',
  'permission_error',
  'not_found_error',
  'request_too_large',
  'rate_limit_error',
  'overloaded_error',
  'timeout_error',
  'api_error',
]

/** OpenAI calls many things an invalid request; the status says more of a missing model or a bad key. */
function errorType(status: number, type: string): ErrorType {
  return types.find((known) => known === type) ?? errorTypeOf(status)
}

/** A code that is only the status once more says nothing. */
function codeOf(error: JsonObject, message: string): string | undefined {
  const code = textOf(error.code)
  if (code !== '' && !/^\d+$/.test(code)) return code
  return /maximum (?:model |context )+len|context length exceeded|maximum prompt length/i.test(message)
    ? 'context_length_exceeded'
    : undefined
}
