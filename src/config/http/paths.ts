import type { Rules } from '../schema.ts'
import type { MatchRule } from './match.ts'

/** What paths routes match, and how these lie to each other and to the paths of AI traffic. */

/** A path, or a path with all that is below it. */
export interface OwnPath {
  readonly path: string
  readonly below: boolean
}

/** The paths that the service answers itself under these rules, on listeners that serve AI. */
export function aiPaths({ models, mcp, a2a }: Pick<Rules, 'models' | 'mcp' | 'a2a'>): OwnPath[] {
  const llm: OwnPath[] = [
    ...['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses'].map((path) => ({
      path,
      below: false,
    })),
    ...['/v1/messages', '/v1/models', '/v1beta'].map((path) => ({ path, below: true })),
  ]
  return [
    ...(Object.keys(models).length > 0 ? llm : []),
    ...(Object.keys(mcp.servers).length > 0
      ? ['/mcp', '/mcp-oauth', '/mcp-approval', '/.well-known/oauth-protected-resource'].map((path) => ({
          path,
          below: true,
        }))
      : []),
    ...(Object.keys(a2a.agents).length > 0
      ? [
          { path: '/a2a', below: true },
          { path: '/.well-known/jwks.json', below: false },
        ]
      : []),
    ...(Object.values(a2a.agents).some(({ offer }) => offer.bindings.includes('grpc'))
      ? ['/lf.a2a.v1.A2AService', '/a2a.v1.A2AService'].map((path) => ({ path, below: true }))
      : []),
  ]
}

/** A path as a match has it; without one it is all below `/`. */
export type PathMatch =
  | { kind: 'exact'; value: string }
  | { kind: 'prefix'; value: string }
  /** A regular expression, and the same for Node, as far as Node knows it. */
  | { kind: 'pattern'; value: string; expression: RegExp | undefined }

/** The path of a match. gRPC's is made of service and method. */
export function pathMatchOf({ path, prefix, regex, template, grpc }: MatchRule): PathMatch {
  if (path !== undefined) return { kind: 'exact', value: path }
  if (prefix !== undefined) return { kind: 'prefix', value: prefix }
  if (regex !== undefined) return { kind: 'pattern', value: regex, expression: expressionOf(regex) }
  if (template !== undefined)
    return { kind: 'pattern', value: template, expression: expressionOf(templateExpression(template)) }
  if (grpc?.service === undefined) return { kind: 'prefix', value: '/' }
  if (grpc.method === undefined) return { kind: 'prefix', value: `/${grpc.service}/` }
  return { kind: 'exact', value: `/${grpc.service}/${grpc.method}` }
}

function expressionOf(regex: string): RegExp | undefined {
  const [, flags = ''] = /^\(\?([imsU]+)\)/.exec(regex) ?? []
  const known = [...flags].filter((flag) => 'ims'.includes(flag)).join('')
  try {
    return new RegExp(`^(?:${regex.replace(/^\(\?[imsU]+\)/, '').replaceAll('(?P<', '(?<')})$`, known)
  } catch {
    return undefined
  }
}

/** The regular expression of a URI template: `*` and `{name}` are one part, `**` and `{name=**}` are many. */
function templateExpression(template: string): string {
  return template.replace(/\{\w+(?:=([^}]*))?\}|\*\*|\*|[.*+?^${}()|[\]\\]/g, (found, inner?: string) => {
    if (found === '**') return '.*'
    if (found === '*') return '[^/]+'
    if (found.startsWith('{')) return inner === undefined ? '[^/]+' : templateExpression(inner)
    return `\\${found}`
  })
}

/** Whether all below `prefix` that `path` may be is there: `/shop` has `/shop` and `/shop/cart`, not `/shopping`. */
function isBelow(prefix: string, path: string): boolean {
  if (!path.startsWith(prefix)) return false
  return prefix.endsWith('/') || path.length === prefix.length || path[prefix.length] === '/'
}

/** Whether every path that `narrow` matches is matched by `wide` as well; false where that cannot be told. */
export function coversPath(wide: PathMatch, narrow: PathMatch): boolean {
  if (wide.kind === 'pattern')
    return narrow.kind === 'exact'
      ? (wide.expression?.test(narrow.value) ?? false)
      : narrow.kind === 'pattern' && wide.value === narrow.value
  if (wide.kind === 'exact') return narrow.kind === 'exact' && wide.value === narrow.value
  if (wide.value === '/') return true
  return narrow.kind !== 'pattern' && isBelow(wide.value, narrow.value)
}

/** Whether a match may take requests to a path of the service's own. Where that cannot be told, it may. */
export function mayTake(match: PathMatch, own: OwnPath): boolean {
  if (isWithin(match, own)) return true
  if (match.kind === 'exact') return false
  if (match.kind === 'prefix') return isBelow(match.value, own.path)
  // A part of what is below stands for all of it.
  const below = own.below ? [`${own.path}/`, `${own.path}/x`, `${own.path}/x/y`] : []
  return [own.path, ...below].some((path) => match.expression?.test(path) ?? true)
}

/** Whether a match takes requests to this path of the service's own only. */
export function isWithin(match: PathMatch, own: OwnPath): boolean {
  if (match.kind === 'pattern') return false
  return own.below ? isBelow(own.path, match.value) : match.kind === 'exact' && match.value === own.path
}
