import type { JsonObject } from '../../conversation.ts'
import { ApiError, type ErrorType, errorTypeOf } from '../../errors.ts'
import { objectOf } from '../../fields.ts'
import { wordsOf } from './wire.ts'

/** What an exception of AWS's means to a client of any API. */
interface Meaning {
  status: number
  type: ErrorType
  code?: string
}

/**
 * The exceptions of Converse and ConverseStream, and AWS's own about credentials, without `Exception` and in lower
 * case: the header and `__type` write `ThrottlingException`, event streams `throttlingException`.
 *
 * AWS uses statuses of the 400s for faults that are not the client's: a model that failed (424), is not ready (429)
 * or took too long (408). They get the statuses that say so, and by which the next target is tried.
 */
const meanings: Readonly<Record<string, Meaning>> = {
  validation: { status: 400, type: 'invalid_request_error' },
  conflict: { status: 400, type: 'invalid_request_error' },
  accessdenied: { status: 403, type: 'permission_error' },
  resourcenotfound: { status: 404, type: 'not_found_error', code: 'model_not_found' },
  throttling: { status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded' },
  servicequotaexceeded: { status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded' },
  modelnotready: { status: 429, type: 'overloaded_error', code: 'model_not_ready' },
  modeltimeout: { status: 504, type: 'timeout_error', code: 'model_timeout' },
  modelerror: { status: 502, type: 'api_error', code: 'model_error' },
  modelstreamerror: { status: 502, type: 'api_error', code: 'model_stream_error' },
  internalserver: { status: 500, type: 'api_error', code: 'internal_server_error' },
  serviceunavailable: { status: 503, type: 'overloaded_error', code: 'service_unavailable' },

  unrecognizedclient: { status: 403, type: 'authentication_error' },
  expiredtoken: { status: 403, type: 'authentication_error' },
  invalidsignature: { status: 403, type: 'authentication_error' },
  missingauthenticationtoken: { status: 403, type: 'authentication_error' },
  unknownoperation: { status: 404, type: 'not_found_error' },
}

/** The same by status, for bodies without a name: Bedrock gives it in a header, which is not seen here. */
const names: Readonly<Record<number, string>> = {
  404: 'resourcenotfound',
  408: 'modeltimeout',
  424: 'modelerror',
  429: 'throttling',
  500: 'internalserver',
  503: 'serviceunavailable',
}

/**
 * Reads an error response: `{ message }`, `{ Message }` or `{ __type, message }`.
 * @see ProviderDialect.readError
 */
export function readError(status: number, body: JsonObject | undefined): ApiError {
  const name = exceptionName(body)
  const meaning = meaningOf(name) ?? meaningOf(names[status]) ?? { status, type: errorTypeOf(status) }
  const message =
    messageOf(body) ??
    (name === undefined
      ? `The provider answered with status ${status} and no error message.`
      : `The provider answered with ${name}.`)
  const code = codeOf(meaning, message)
  return new ApiError(meaning.status, meaning.type, message, { ...(code !== undefined && { code }) })
}

/**
 * Reads an exception inside an event stream.
 * @param name `:exception-type` or `:error-code`
 * @param body the exception's own JSON
 */
export function readException(
  name: string,
  body: JsonObject | undefined,
): { status: number; code: string; message: string } {
  const meaning = meaningOf(name) ?? { status: 502, type: 'api_error' }
  const message = messageOf(body) ?? `The provider's answer broke off with ${name || 'an unknown error'}. Try again.`
  return { status: meaning.status, code: codeOf(meaning, message) ?? meaning.type, message }
}

/** The name of an error body's exception as it came, or undefined where it has none. */
export function exceptionName(body: JsonObject | undefined): string | undefined {
  // An operation that AWS does not know is answered with status 200 and its error under `Output`.
  const type = wordsOf(body?.__type) ?? wordsOf(objectOf(body?.Output).__type)
  // `com.amazon.coral.validate#ValidationException`, and in some services a `:` with a URL behind it.
  return type?.replace(/:.*$/s, '').replace(/^.*#/s, '') || undefined
}

function meaningOf(name: string | undefined): Meaning | undefined {
  if (name === undefined) return undefined
  const key = canonical(name)
  return Object.hasOwn(meanings, key) ? meanings[key] : undefined
}

function canonical(name: string): string {
  return name.replace(/Exception$/, '').toLowerCase()
}

function messageOf(body: JsonObject | undefined): string | undefined {
  // The last is not AWS's: proxies and stand-ins in front of Bedrock pass on Anthropic's own form.
  return wordsOf(body?.message) ?? wordsOf(body?.Message) ?? wordsOf(objectOf(body?.error).message)
}

/** Words of models and of Bedrock for a prompt that does not fit. */
const tooLong =
  /input is too long|prompt is too long|exceed(?:s|ed)? (?:the )?(?:maximum )?context|context (?:window|length|limit)|too many (?:input )?tokens in|input tokens exceed/i

function codeOf({ status, code }: Meaning, message: string): string | undefined {
  if (status !== 400) return code
  if (tooLong.test(message)) return 'context_length_exceeded'
  if (/model identifier is invalid/i.test(message)) return 'model_not_found'
  return code
}
