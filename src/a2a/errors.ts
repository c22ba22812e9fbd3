import { type A2aErrorKind, badRequestType, type ErrorDetail } from './error-kinds.ts'

export type { A2aErrorKind, ErrorDetail } from './error-kinds.ts'

/** The neutral form of errors; `render-error.ts` and `read-error.ts` know how they look on each wire. */

/** What a caller is told instead of a result. */
export class A2aError extends Error {
  override readonly name = 'A2aError'
  readonly kind: A2aErrorKind
  /** Without the ErrorInfo that names the kind; `renderError` puts it in front. */
  readonly details: readonly ErrorDetail[]
  /** What the ErrorInfo says beside the kind. */
  readonly metadata: Readonly<Record<string, string>>
  /** The rule that refused, by its path. */
  readonly rule: string | undefined
  /** HTTP headers, such as `retry-after` and `www-authenticate`. */
  readonly headers: readonly (readonly [name: string, value: string])[]

  constructor(
    kind: A2aErrorKind,
    message: string,
    more: {
      /** Fields that are wrong, by their JSON path, each with what to do. */
      violations?: readonly { field: string; description: string }[]
      details?: readonly ErrorDetail[]
      metadata?: Readonly<Record<string, string>>
      rule?: string | undefined
      headers?: readonly (readonly [string, string])[]
      cause?: unknown
    } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.kind = kind
    const violations = more.violations ?? []
    this.details = [
      ...(violations.length === 0 ? [] : [{ '@type': badRequestType, fieldViolations: violations }]),
      ...(more.details ?? []),
    ]
    this.metadata = more.metadata ?? {}
    this.rule = more.rule
    this.headers = more.headers ?? []
  }
}

/** The caller's parameters are wrong. @param field its path in JSON: `message.parts[0]` */
export function invalidParams(field: string, description: string): A2aError {
  return new A2aError('invalidParams', `${field}: ${description}`, { violations: [{ field, description }] })
}

/** The id of a JSON-RPC request. */
export type RpcId = string | number | null
