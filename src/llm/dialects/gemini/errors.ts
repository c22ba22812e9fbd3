import type { JsonObject } from '../../conversation.ts'
import { ApiError, type ErrorType, errorTypeOf } from '../../errors.ts'
import { isObject, objectOf, objectsOf, textOf } from './wire.ts'

/** google.rpc.Code, where its name says more than the HTTP status. */
const types: Readonly<Record<string, ErrorType>> = {
  INVALID_ARGUMENT: 'invalid_request_error',
  FAILED_PRECONDITION: 'invalid_request_error',
  OUT_OF_RANGE: 'invalid_request_error',
  UNAUTHENTICATED: 'authentication_error',
  PERMISSION_DENIED: 'permission_error',
  NOT_FOUND: 'not_found_error',
  RESOURCE_EXHAUSTED: 'rate_limit_error',
  UNAVAILABLE: 'overloaded_error',
  DEADLINE_EXCEEDED: 'timeout_error',
  INTERNAL: 'api_error',
}

/**
 * Reads an error response, google.rpc.Status as JSON: `{ error: { code, message, status, details } }`.
 * @see ProviderDialect.readError
 */
export function readError(status: number, body: JsonObject | undefined): ApiError {
  const error = errorOf(body)
  if (error === undefined)
    return new ApiError(
      status,
      errorTypeOf(status),
      `The provider answered with status ${status} and no error message.`,
    )
  const name = textOf(error.status) ?? ''
  const message = textOf(error.message) ?? `The provider answered with ${name || `status ${status}`}.`
  const details = objectsOf(error.details)
  const reason = details.map((detail) => textOf(detail.reason)).find((text) => text !== undefined)
  const retryAfter = retryDelay(details)
  return new ApiError(status, errorType(status, name, reason), message, {
    code: errorCode(name, reason, message),
    ...(retryAfter !== undefined && { retryAfter }),
  })
}

/**
 * The error object of a body or of a streamed event; Vertex AI puts it into an array of one where a stream was asked
 * for.
 */
export function errorOf(body: unknown): JsonObject | undefined {
  const first: unknown = Array.isArray(body) ? body[0] : body
  const { error } = objectOf(first)
  return isObject(error) ? error : undefined
}

function errorType(status: number, name: string, reason: string | undefined): ErrorType {
  // The Gemini API answers a bad key with 400 INVALID_ARGUMENT.
  if (reason === 'API_KEY_INVALID') return 'authentication_error'
  return Object.hasOwn(types, name) ? types[name]! : errorTypeOf(status)
}

function errorCode(name: string, reason: string | undefined, message: string): string | undefined {
  if (name === 'INVALID_ARGUMENT' && /input token count .*exceeds the maximum/i.test(message))
    return 'context_length_exceeded'
  if (name === 'NOT_FOUND') return 'model_not_found'
  if (name === 'RESOURCE_EXHAUSTED') return 'rate_limit_exceeded'
  return (reason ?? textOf(name))?.toLowerCase()
}

/** google.rpc.RetryInfo: seconds from a `retryDelay` like `34.07s`. */
function retryDelay(details: readonly JsonObject[]): number | undefined {
  for (const { retryDelay } of details) {
    const match = typeof retryDelay === 'string' ? /^(\d+(?:\.\d+)?)s$/.exec(retryDelay) : null
    if (match) return Number(match[1])
  }
  return undefined
}
