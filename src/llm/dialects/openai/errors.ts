import type { JsonObject } from '../../conversation.ts'
import { ApiError, type ErrorType, errorTypeOf } from '../../errors.ts'
import { isObject, objectOf, textOf } from '../../fields.ts'

/** @see ClientDialect.writeError */
export function writeError(error: ApiError): JsonObject {
  return {
    error: { message: error.message, type: error.type, param: error.param ?? null, code: error.code ?? null },
  }
}

/**
 * Reads an error response: `{ error: { message, type, param, code } }`, or what servers alike make of it (`error` as a
 * text, the same fields without the object around them). `param` names a field of the translated request, which the
 * client never wrote, so it is left to the message.
 * @see ProviderDialect.readError
 */
export function readError(status: number, body: JsonObject | undefined): ApiError {
  const error = isObject(body?.error) ? body.error : objectOf(body)
  const message = textOf(error.message) || textOf(body?.error) || textOf(body?.detail)
  const code = codeOf(error)
  return new ApiError(
    status,
    errorType(status, textOf(error.type)),
    message || `The provider answered with status ${status} and no error message.`,
    code === undefined ? {} : { code },
  )
}

/** The status that an error inside an answer would have had, where its code tells. */
const statusOf: Readonly<Record<string, number>> = {
  rate_limit_exceeded: 429,
  insufficient_quota: 429,
  server_is_overloaded: 503,
  invalid_prompt: 400,
  context_length_exceeded: 400,
  invalid_image: 400,
  invalid_image_format: 400,
  invalid_base64_image: 400,
  invalid_image_url: 400,
  image_too_large: 400,
  image_too_small: 400,
  image_parse_error: 400,
  image_content_policy_violation: 400,
  invalid_image_mode: 400,
  image_file_too_large: 400,
  unsupported_image_media_type: 400,
  empty_image_file: 400,
  failed_to_download_image: 400,
  image_file_not_found: 400,
  bio_policy: 400,
}

/** Reads the error of a response that began well and failed (`error`), or of an `error` event. */
export function readFailure(error: unknown): { status: number; code: string; message: string } {
  const fields = objectOf(error)
  const code = codeOf(fields) ?? 'server_error'
  return {
    status: Object.hasOwn(statusOf, code) ? statusOf[code]! : 502,
    code,
    message: textOf(fields.message) || `The provider's answer failed (${code}). Try again.`,
  }
}

const types: readonly ErrorType[] = [
  'invalid_request_error',
  'authentication_error',
  'permission_error',
  'not_found_error',
  'request_too_large',
  'rate_limit_error',
  'overloaded_error',
  'timeout_error',
  'api_error',
]

function errorType(status: number, type: string): ErrorType {
  // OpenAI calls many things an invalid request; the status says more of a missing model or a bad key.
  return types.find((known) => known === type && known !== 'invalid_request_error') ?? errorTypeOf(status)
}

function codeOf({ code, type }: JsonObject): string | undefined {
  if (typeof code === 'number') return String(code)
  return textOf(code) || textOf(type) || undefined
}
