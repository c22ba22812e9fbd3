import type { JsonObject } from '../../json.ts'
import { resourceWellKnown } from './paths.ts'

/** What an endpoint says of itself. */
export interface ProtectedResource {
  /** The public URL of the gateway, as {@link publicBase} gives it. */
  readonly base: string
  /** `/mcp`, or `/mcp/NAME`. */
  readonly path: string
  /** The `iss` of those whose tokens are taken here. */
  readonly issuers: Iterable<string>
  /** What a client that knows no better is to ask for; none: nothing is said. */
  readonly scopes?: readonly string[] | undefined
  /** For humans. */
  readonly name?: string | undefined
}

/** Where the metadata of an endpoint is (RFC 9728, section 3.1: the well-known part stands before the resource's path). */
export function resourceMetadataUrl({ base, path }: Pick<ProtectedResource, 'base' | 'path'>): string {
  const { origin, pathname } = new URL(base)
  return `${origin}${resourceWellKnown}${pathname === '/' ? '' : pathname.replace(/\/+$/, '')}${path}`
}

/**
 * The metadata document of an endpoint (RFC 9728, section 2; MCP 2026-07-28, Authorization Server Discovery).
 * @returns JSON for a GET of {@link resourceMetadataUrl}
 */
export function protectedResourceMetadata({ base, path, issuers, scopes = [], name }: ProtectedResource): JsonObject {
  // Refresh tokens are no requirement of a resource (MCP 2026-07-28, Refresh Tokens).
  const supported = scopes.filter((scope) => scope !== 'offline_access')
  return {
    resource: `${base}${path}`,
    authorization_servers: [...new Set(issuers)],
    ...(supported.length > 0 && { scopes_supported: supported }),
    bearer_methods_supported: ['header'],
    ...(name !== undefined && { resource_name: name }),
  }
}
