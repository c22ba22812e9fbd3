import type { ListenerIdentityRule } from '../config/identities.ts'
import { looksLikeKey } from './key-text.ts'
import { looksLikeToken } from './tokens.ts'

/** The header that shows what a caller was delegated, beside its own credentials. */
export const delegationHeader = 'chaperone-delegation'

/** Where credentials may stand. A query parameter is no such place: addresses end up in logs and histories. */

/** Nobody else's: what stands here is meant for us. */
const ownHeader = 'x-chaperone-key'
const authorization = 'authorization'
/** Where SDKs put the key they were given: OpenAI's and others', Anthropic's, Azure's, Google's. */
const sdkHeaders = [authorization, 'x-api-key', 'api-key', 'x-goog-api-key'] as const
/** Written by Envoy: what it saw of the client's certificate. */
export const certificateHeader = 'x-forwarded-client-cert'

type Headers = ReadonlyMap<string, string>

export type Credential =
  | { readonly kind: 'key' | 'jwt'; readonly text: string }
  /** Meant for us, and nothing that is accepted. */
  | 'unusable'
  /** Only things that are not meant for us, such as the dummy key of an SDK. */
  | 'foreign'
  | 'none'

/**
 * Finds the credential that counts. What stands in x-chaperone-key excludes all others; else a key comes before a token,
 * and of several keys the first in the order authorization, x-api-key, api-key, x-goog-api-key.
 * @param accepts which of the two the listener takes; the other is not looked for
 */
export function findCredential(
  headers: Headers,
  accepts: { readonly key: boolean; readonly jwt: boolean },
): Credential {
  const own = headers.get(ownHeader)
  if (own !== undefined) {
    const text = withoutScheme(own)
    if (accepts.key && looksLikeKey(text)) return { kind: 'key', text }
    if (accepts.jwt && looksLikeToken(text)) return { kind: 'jwt', text }
    return 'unusable'
  }
  let foreign = false
  if (accepts.key)
    for (const name of sdkHeaders) {
      const value = headers.get(name)
      if (value === undefined) continue
      const text = withoutScheme(value)
      if (looksLikeKey(text)) return { kind: 'key', text }
      foreign = true
    }
  const value = accepts.jwt ? headers.get(authorization) : undefined
  if (value !== undefined) {
    const text = withoutScheme(value)
    if (looksLikeToken(text)) return { kind: 'jwt', text }
    foreign = true
  }
  return foreign ? 'foreign' : 'none'
}

/** The credential of `Bearer <credential>` (RFC 6750, section 2.1; schemes have no case), or of the bare value. */
function withoutScheme(value: string): string {
  const bearer = value.length > 7 && value[6] === ' ' && value.slice(0, 6).toLowerCase() === 'bearer'
  return (bearer ? value.slice(7) : value).trim()
}

/**
 * @param rules each listener's rule of who may ask
 * @returns the names, in lower case, of all headers that identities are taken from
 */
export function credentialHeaders(rules: Iterable<ListenerIdentityRule>): string[] {
  const names = new Set<string>()
  for (const { accept } of rules) {
    if (accept.includes('key')) for (const name of [ownHeader, ...sdkHeaders]) names.add(name)
    if (accept.includes('jwt')) for (const name of [ownHeader, authorization]) names.add(name)
    if (accept.includes('mtls')) names.add(certificateHeader)
  }
  return [...names]
}
