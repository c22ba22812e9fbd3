import type { JsonObject } from '../../conversation.ts'
import type { ApiError } from '../../errors.ts'

/**
 * Writes an error as `{ type: 'error', error: { type, message } }`. The neutral types are Anthropic's own words; a
 * field at fault is named in the message, for which there is no other place. The request's id, which stands beside
 * them, is added where it is known.
 * @see ClientDialect.writeError
 * @see {@link https://platform.claude.com/docs/en/api/errors}
 */
export function writeError({ type, message }: Pick<ApiError, 'type' | 'message'>): JsonObject {
  return { type: 'error', error: { type, message } }
}
