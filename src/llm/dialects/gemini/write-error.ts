import type { JsonObject } from '../../conversation.ts'
import type { ApiError, ErrorType } from '../../errors.ts'
import { isObject, objectsOf } from '../../fields.ts'

/** google.rpc.Code by what went wrong. */
const codes: Readonly<Record<ErrorType, string>> = {
  invalid_request_error: 'INVALID_ARGUMENT',
  authentication_error: 'UNAUTHENTICATED',
  permission_error: 'PERMISSION_DENIED',
  not_found_error: 'NOT_FOUND',
  request_too_large: 'INVALID_ARGUMENT',
  billing_error: 'RESOURCE_EXHAUSTED',
  rate_limit_error: 'RESOURCE_EXHAUSTED',
  overloaded_error: 'UNAVAILABLE',
  timeout_error: 'DEADLINE_EXCEEDED',
  api_error: 'INTERNAL',
}

const details = 'type.googleapis.com/google.rpc.'

/**
 * Writes an error as google.rpc.Status in JSON, `{ error: { code, message, status, details } }`: the code is the reason
 * of an ErrorInfo, the field at fault a violation of a BadRequest, the time to wait that of a RetryInfo.
 * @see ClientDialect.writeError
 * @see {@link https://google.aip.dev/193}
 */
export function writeError(error: ApiError): JsonObject {
  const { status, type, message, code, param, retryAfter } = error
  const list = [
    ...(code === undefined ? [] : [{ '@type': `${details}ErrorInfo`, reason: reason(code), domain: 'chaperone' }]),
    ...(param === undefined
      ? []
      : [{ '@type': `${details}BadRequest`, fieldViolations: [{ field: param, description: message }] }]),
    ...(retryAfter === undefined ? [] : [{ '@type': `${details}RetryInfo`, retryDelay: `${retryAfter}s` }]),
  ]
  return { error: { code: status, message, status: codes[type], ...(list.length > 0 && { details: list }) } }
}

/** @returns the error with the request's id as a RequestInfo among its details */
export function withRequestInfo(body: JsonObject, requestId: string): JsonObject {
  const error = isObject(body.error) ? body.error : {}
  return {
    ...body,
    error: { ...error, details: [...objectsOf(error.details), { '@type': `${details}RequestInfo`, requestId }] },
  }
}

/** Reasons are in upper case (UPPER_SNAKE_CASE). */
function reason(code: string): string {
  return code.toUpperCase().replace(/[^A-Z0-9]+/g, '_')
}
