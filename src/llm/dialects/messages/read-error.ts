import type { JsonObject } from '../../conversation.ts'
import { ApiError, type ErrorType, errorTypeOf } from '../../errors.ts'
import { isObject, objectOf, textOf } from '../../fields.ts'

/** What an error's type means to a client of any API, and the status it has where only the type is told. */
interface Meaning {
  status: number
  type: ErrorType
  code?: string
}

/** The error types of the API (platform.claude.com/docs/en/api/errors). */
const meanings: Readonly<Record<string, Meaning>> = {
  invalid_request_error: { status: 400, type: 'invalid_request_error' },
  authentication_error: { status: 401, type: 'authentication_error' },
  billing_error: { status: 402, type: 'billing_error', code: 'billing_error' },
  permission_error: { status: 403, type: 'permission_error' },
  not_found_error: { status: 404, type: 'not_found_error' },
  conflict_error: { status: 409, type: 'invalid_request_error', code: 'conflict_error' },
  request_too_large: { status: 413, type: 'request_too_large' },
  rate_limit_error: { status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded' },
  api_error: { status: 500, type: 'api_error' },
  timeout_error: { status: 504, type: 'timeout_error' },
  overloaded_error: { status: 529, type: 'overloaded_error', code: 'overloaded' },
}

/**
 * Reads an error response: `{ type: 'error', error: { type, message } }`. Clouds that offer Claude answer with errors of
 * their own before a request gets there (Google's `{ error: { message, status } }`, AWS's `{ message }`): of these the
 * message is taken, and the type from the status.
 * @see ProviderDialect.readError
 */
export function readError(status: number, body: JsonObject | undefined): ApiError {
  const error = isObject(body?.error) ? body.error : objectOf(body)
  const { type, code } = meaningOf(error.type) ?? { type: errorTypeOf(status) }
  const message =
    textOf(error.message) || textOf(body?.error) || `The provider answered with status ${status} and no error message.`
  const word = codeOf(status, type, code, message)
  return new ApiError(status, type, message, word === undefined ? {} : { code: word })
}

/** Reads the `error` event of a stream, which has the status that the response itself would have had. */
export function readStreamError(error: unknown): { status: number; code: string; message: string } {
  const fields = objectOf(error)
  const { status, type, code } = meaningOf(fields.type) ?? { status: 502, type: 'api_error' as const }
  const message =
    textOf(fields.message) ||
    `The provider's answer broke off with ${textOf(fields.type) || 'an unknown error'}. Try again.`
  return { status, code: codeOf(status, type, code, message) ?? type, message }
}

function meaningOf(type: unknown): Meaning | undefined {
  return typeof type === 'string' && Object.hasOwn(meanings, type) ? meanings[type] : undefined
}

/** The API has no codes for these in general use; its words tell. */
const tooLong = /prompt is too long|exceeds? (?:the )?(?:model's )?(?:maximum )?context/i

function codeOf(status: number, type: ErrorType, code: string | undefined, message: string): string | undefined {
  if (status === 400 && tooLong.test(message)) return 'context_length_exceeded'
  if (type === 'not_found_error' && /^model:|\bmodel\b/i.test(message)) return 'model_not_found'
  return code
}
