import { UnsupportedValue } from './filters.ts'
import type { MatchInput } from './precedence.ts'
import type { GrpcRule, HttpMatch } from './spec.ts'

/** Matches of HTTPRoutes and GRPCRoutes, as the rules have them. */

type ValueMatch = HttpMatch['headers'][number]

/** @throws {UnsupportedValue} */
export function httpMatchOf({ path, headers, queryParams, method }: HttpMatch): MatchInput {
  const { type, value } = path
  return {
    ...(type === 'Exact'
      ? { path: value }
      : type === 'RegularExpression'
        ? { regex: value }
        : // A slash at the end makes no difference (PathMatchPathPrefix).
          { prefix: value.replace(/\/+$/, '') || '/' }),
    ...conditions(headers, queryParams),
    ...(method !== undefined && { methods: [method] }),
  }
}

/** A gRPC call is a POST to /service/method. */
export function grpcMatchOf({ method, headers }: GrpcRule['matches'][number]): MatchInput {
  return { ...grpcPath(method), ...conditions(headers, []) }
}

function grpcPath(method: GrpcRule['matches'][number]['method']): MatchInput {
  const { type = 'Exact', service, method: name } = method ?? {}
  if (service === undefined && name === undefined) return { prefix: '/' }
  if (type === 'RegularExpression') return { regex: `/(?:${service ?? '[^/]+'})/(?:${name ?? '[^/]+'})` }
  if (type !== 'Exact') throw new UnsupportedValue(`the type ${type} of a method match is not supported`)
  if (service === undefined) return { regex: `/[^/]+/${escaped(name!)}` }
  return name === undefined ? { prefix: `/${service}/` } : { path: `/${service}/${name}` }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function conditions(headers: readonly ValueMatch[], query: readonly ValueMatch[]): MatchInput {
  return {
    ...(headers.length > 0 && { headers: texts(headers, (name) => name.toLowerCase()) }),
    ...(query.length > 0 && { query: texts(query, (name) => name) }),
  }
}

/** Of several for one name only the first counts (HTTPRouteMatch.headers). */
function texts(matches: readonly ValueMatch[], key: (name: string) => string): NonNullable<MatchInput['headers']> {
  const found: NonNullable<MatchInput['headers']> = {}
  for (const { type, name, value } of matches)
    found[key(name)] ??= type === 'RegularExpression' ? { regex: value } : { exact: value }
  return found
}
