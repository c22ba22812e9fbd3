import type { JsonObject } from '../../conversation.ts'
import { ApiError, type ErrorType, errorTypeOf } from '../../errors.ts'
import { isObject, objectOf, objectsOf, textOf } from '../../fields.ts'

/** @see ClientDialect.writeError */
export function writeError(error: ApiError): JsonObject {
  return {
    error: { message: error.message, type: error.type, param: error.param ?? null, code: error.code ?? null },
  }
}

/**
 * Reads an error response: `{ error: { message, type, param, code } }`, or what servers alike make of it: `error` as a
 * text (Ollama), the same fields without the object around them (vLLM, Mistral), FastAPI's `detail`. `param` names a
 * field of the translated request, which the client never wrote, so it is left to the message.
 * @see ProviderDialect.readError
 */
export function readError(status: number, body: JsonObject | undefined): ApiError {
  const error = isObject(body?.error) ? body.error : objectOf(body)
  const message = textOf(error.message) || textOf(body?.error) || detailOf(body?.detail)
  const code = codeOf(error, message) || numberText(error.code) || textOf(error.type)
  return new ApiError(
    status,
    errorType(status, textOf(error.type)),
    message || `The provider answered with status ${status} and no error message.`,
    code === '' ? {} : { code },
  )
}

function numberText(code: unknown): string {
  return typeof code === 'number' ? String(code) : textOf(code)
}

/** A sentence, or FastAPI's list of what is wrong with each field. */
function detailOf(detail: unknown): string {
  const each = objectsOf(detail).map(({ msg }) => textOf(msg))
  return textOf(detail) || each.filter((sentence) => sentence !== '').join(' ')
}

/** The status that an error inside an answer would have had, where its code or its type tells. */
const statusOfWord: Readonly<Record<string, number>> = {
  rate_limit_exceeded: 429,
  rate_limit_error: 429,
  insufficient_quota: 429,
  server_is_overloaded: 503,
  overloaded_error: 503,
  timeout_error: 504,
  authentication_error: 401,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  invalid_request_error: 400,
  content_filter: 400,
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

/**
 * Reads the error of a response that began well and failed: Responses' `error` and its `error` event, or what stands
 * in a chat chunk instead of choices. Never throws.
 */
export function readFailure(error: unknown): { status: number; code: string; message: string } {
  const fields = objectOf(error)
  const told = textOf(error) || textOf(fields.message)
  const code = codeOf(fields, told) || textOf(fields.type) || 'server_error'
  return {
    status: statusOf(fields, code),
    code,
    message: told || `The provider's answer failed (${code}). Try again.`,
  }
}

/** Some servers tell the status itself (vLLM, OpenRouter, Azure). */
function statusOf({ code, status, type }: JsonObject, word: string): number {
  for (const value of [code, status]) {
    const number = typeof value === 'number' || typeof value === 'string' ? Number(value) : 0
    if (Number.isInteger(number) && number >= 400 && number <= 599) return number
  }
  for (const known of [word, textOf(type)]) if (Object.hasOwn(statusOfWord, known)) return statusOfWord[known]!
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

/** The words of servers that have no code for a prompt that does not fit: vLLM, llama.cpp, xAI. */
const tooLong = /maximum (?:model |context )+len|context length exceeded|maximum prompt length|available context size/i

/** @returns a code in words; empty where there is none but the status once more */
function codeOf({ code }: JsonObject, message: string): string {
  const word = textOf(code)
  if (word !== '' && !/^\d+$/.test(word)) return word
  return tooLong.test(message) ? 'context_length_exceeded' : ''
}
