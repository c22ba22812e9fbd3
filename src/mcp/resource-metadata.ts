import type { Rules } from '../config/schema.ts'
import type { LocalAnswer } from '../protocol.ts'

/** Where clients learn who gives the tokens that an endpoint takes (RFC 9728; MCP, Authorization). */

const wellKnown = '/.well-known/oauth-protected-resource'

/** Whether a path asks for the metadata of an endpoint. */
export function isMetadataPath(path: string): boolean {
  return path === wellKnown || path.startsWith(`${wellKnown}/mcp`) || path.startsWith(`${wellKnown}?`)
}

/** The path of the endpoint whose metadata is asked for; without one it is /mcp. */
export function endpointPathOf(path: string): string {
  const own = path.slice(wellKnown.length)
  return own === '' || own.startsWith('?') ? '/mcp' : own
}

/** Where a client reached the gateway, as Envoy saw it. */
export function originOf(headers: ReadonlyMap<string, string>): string {
  const scheme = headers.get('x-forwarded-proto') === 'https' ? 'https' : 'http'
  const authority = headers.get(':authority') ?? ''
  // It becomes part of a header and of JSON that clients act on.
  return `${scheme}://${/^[A-Za-z0-9.[\]:_-]{1,255}$/.test(authority) ? authority : 'localhost'}`
}

/** The issuers whose tokens a listener takes, by listener; empty where it takes none. */
export function issuersOf({
  listeners,
  identities,
}: Pick<Rules, 'listeners' | 'identities'>): ReadonlyMap<string, readonly string[]> {
  const issuers = [...new Set(Object.values(identities.issuers).map(({ issuer }) => issuer))]
  return new Map(
    Object.entries(listeners).map(([name, { identity }]) => [name, identity.accept.includes('jwt') ? issuers : []]),
  )
}

/** The metadata document (RFC 9728, section 2). */
export function resourceMetadata(
  headers: ReadonlyMap<string, string>,
  path: string,
  issuers: readonly string[],
): LocalAnswer {
  return {
    status: 200,
    headers: [
      ['content-type', 'application/json'],
      ['cache-control', 'public, max-age=300'],
      // It is public, and clients in browsers begin with it.
      ['access-control-allow-origin', '*'],
    ],
    body: JSON.stringify({
      resource: `${originOf(headers)}${path}`,
      authorization_servers: issuers,
      bearer_methods_supported: ['header'],
    }),
  }
}

/** WWW-Authenticate (RFC 6750, section 3; RFC 9728, section 5.1). */
export function challenge(
  headers: ReadonlyMap<string, string>,
  path: string,
  issuers: readonly string[],
  code: string,
): string {
  const parts: string[] = []
  if (code !== 'missing_credentials') parts.push('error="invalid_token"')
  if (issuers.length > 0) parts.push(`resource_metadata="${originOf(headers)}${wellKnown}${path}"`)
  return parts.length > 0 ? `Bearer ${parts.join(', ')}` : 'Bearer'
}
