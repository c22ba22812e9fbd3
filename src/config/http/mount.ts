import type { HttpRouteRule } from '../http.ts'
import type { OwnPath } from './paths.ts'

/** Where routes with `ai` lead: AI traffic whose paths are below a place of the operator's choosing. */

/** A place, and what the service itself calls it. */
export interface Mount {
  /** Where clients see it, without a slash at its end: `/tools`; empty for the root. */
  readonly outer: string
  /** What the service calls the same place: `/mcp/NAME`, `/a2a/NAME`; empty for the APIs of models. */
  readonly inner: string
}

const metadata = '/.well-known/oauth-protected-resource'
const keySet = '/.well-known/jwks.json'

/** The mount of a route with `ai`. Its match has a path or a prefix, or nothing. */
export function mountOf({ match, ai }: Pick<HttpRouteRule, 'match' | 'ai'>): Mount {
  const path = (match.path ?? match.prefix ?? '/').replace(/\/+$/, '')
  // A match of `/x/v1/chat/completions` is below `/x`, as one of `/x` is.
  if (ai?.models) return { outer: path.replace(/\/v1(?:beta)?(?:\/.*)?$/, ''), inner: '' }
  if (ai?.mcp !== undefined) return { outer: path, inner: ai.mcp === 'default' ? '/mcp' : `/mcp/${ai.mcp}` }
  return { outer: path, inner: `/a2a/${ai?.agent ?? ''}` }
}

/** Paths beside the match that belong to a mount: what OAuth clients of an MCP endpoint ask for (RFC 9728). */
export function besides({ match, ai }: Pick<HttpRouteRule, 'match' | 'ai'>): OwnPath[] {
  if (ai?.mcp === undefined) return []
  return [{ path: metadata + mountOf({ match, ai }).outer, below: false }]
}

/** What the service calls a path that a client asked for. @param path with query */
export function innerPath({ outer, inner }: Mount, path: string): string {
  if (path.startsWith(metadata)) return metadata + inner + path.slice(metadata.length + outer.length)
  const below = path.slice(outer.length)
  if (inner.startsWith('/a2a/') && below.split('?')[0] === keySet) return keySet
  return inner + below
}
