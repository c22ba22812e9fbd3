/**
 * An error as the client's API will say it. The neutral fields become the client API's own error object in its
 * dialect's `writeError`; the status goes out as it is.
 */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** HTTP status. */
  readonly status: number
  /**
   * OpenAI-style type: `invalid_request_error`, `authentication_error`, `permission_error`, `not_found_error`,
   * `billing_error`, `rate_limit_error`, `overloaded_error`, `timeout_error`, `api_error`.
   */
  readonly type: ErrorType
  /** A stable machine-readable word: `model_not_found`, `context_length_exceeded`, `unsupported_field`, … */
  readonly code: string | undefined
  /** The request field at fault, in the client's own spelling. */
  readonly param: string | undefined
  /** Seconds to wait before trying again, where the provider said so in its body (Google's RetryInfo). */
  readonly retryAfter: number | undefined
  /** Where a rule of this gateway refused: its path in the rules. */
  readonly rule: string | undefined
  /** Further response headers. */
  readonly headers: readonly [name: string, value: string][]

  constructor(
    status: number,
    type: ErrorType,
    message: string,
    options: {
      code?: string
      param?: string
      retryAfter?: number
      rule?: string
      headers?: readonly [name: string, value: string][]
      cause?: unknown
    } = {},
  ) {
    super(message, { cause: options.cause })
    this.status = status
    this.type = type
    this.code = options.code
    this.param = options.param
    this.retryAfter = options.retryAfter
    this.rule = options.rule
    this.headers = options.headers ?? []
  }
}

export type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'not_found_error'
  | 'request_too_large'
  | 'billing_error'
  | 'rate_limit_error'
  | 'overloaded_error'
  | 'timeout_error'
  | 'api_error'

/** The type that goes with a status where the provider's own body does not say better. */
export function errorTypeOf(status: number): ErrorType {
  switch (status) {
    case 400:
    case 405:
    case 409:
    case 415:
    case 422:
      return 'invalid_request_error'
    case 401:
      return 'authentication_error'
    case 402:
      return 'billing_error'
    case 403:
      return 'permission_error'
    case 404:
      return 'not_found_error'
    case 413:
      return 'request_too_large'
    case 429:
      return 'rate_limit_error'
    case 408:
    case 504:
      return 'timeout_error'
    case 503:
    case 529:
      return 'overloaded_error'
    default:
      return status >= 400 && status < 500 ? 'invalid_request_error' : 'api_error'
  }
}

/** 400 for a field of the client's request that has the wrong form. */
export function invalid(param: string, message: string): ApiError {
  return new ApiError(400, 'invalid_request_error', message, { code: 'invalid_value', param })
}
