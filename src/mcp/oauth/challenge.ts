/** What a client that was refused may learn. */
export interface Refusal {
  /** The URL of the metadata document; none: no issuer's tokens are taken here. */
  readonly resourceMetadata?: string | undefined
  /** All that the request needs, not only what was missing (MCP 2026-07-28, Runtime Insufficient Scope Errors). */
  readonly scopes?: readonly string[] | undefined
  /** Whether it showed a credential: who showed none is told of no error (RFC 6750, section 3.1). */
  readonly shown: boolean
  readonly description?: string | undefined
}

/** RFC 6749, section 3.3. */
const scopeForm = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/**
 * The value of WWW-Authenticate (RFC 6750, section 3; RFC 9728, section 5.1; MCP 2026-07-28, Scope Challenge Handling).
 * @param status 401: no credential, or a wrong one; 403: a good one that does not reach
 */
export function challenge(status: 401 | 403, { resourceMetadata, scopes = [], shown, description }: Refusal): string {
  const parts: string[] = []
  const add = (name: string, value: string) => parts.push(`${name}="${quotable(value)}"`)
  if (status === 403) add('error', 'insufficient_scope')
  else if (shown) add('error', 'invalid_token')
  if (description !== undefined && parts.length > 0) add('error_description', description)
  const wanted = scopes.filter((scope) => scopeForm.test(scope) && scope !== 'offline_access')
  if (wanted.length > 0) add('scope', wanted.join(' '))
  if (resourceMetadata !== undefined) add('resource_metadata', resourceMetadata)
  return parts.length > 0 ? `Bearer ${parts.join(', ')}` : 'Bearer'
}

/** What may stand between quotes without an escape: some clients read none (RFC 6750, section 3: error_description). */
function quotable(text: string): string {
  return text.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "'")
}
