import type { GatewayListener } from './gateways.ts'
import type { RouteInput } from './precedence.ts'
import type { BackendObjectRef, Filter } from './spec.ts'

/** Filters of HTTPRoutes and GRPCRoutes, as what routes of the rules say. */

/** Something that a rule says and that cannot be carried out: the rule answers with an error, and the status says why. */
export class UnsupportedValue extends Error {
  override readonly name = 'UnsupportedValue'
  /** Of the condition Accepted. */
  readonly reason: 'UnsupportedValue' | 'IncompatibleFilters'

  constructor(message: string, reason: 'UnsupportedValue' | 'IncompatibleFilters' = 'UnsupportedValue') {
    super(message)
    this.reason = reason
  }
}

export interface FilterOutcome {
  readonly said: Partial<RouteInput>
  readonly mirrors: readonly { readonly ref: BackendObjectRef; readonly percent: number }[]
}

/** @throws {UnsupportedValue} */
export function filtersOf(filters: readonly Filter[], listener: GatewayListener): FilterOutcome {
  const said: Partial<RouteInput> = {}
  const mirrors: { ref: BackendObjectRef; percent: number }[] = []
  const seen = new Set<string>()
  for (const filter of filters) {
    const { type } = filter
    if (seen.has(type) && type !== 'RequestMirror')
      throw new UnsupportedValue(`the filter ${type} is there twice`, 'IncompatibleFilters')
    seen.add(type)
    switch (type) {
      case 'RequestHeaderModifier':
        said.requestHeaders = headerChanges(needed(filter.requestHeaderModifier, type), true)
        break
      case 'ResponseHeaderModifier':
        said.responseHeaders = headerChanges(needed(filter.responseHeaderModifier, type), false)
        break
      case 'RequestMirror': {
        const { backendRef, percent, fraction } = needed(filter.requestMirror, type)
        const share = fraction ? (100 * fraction.numerator) / fraction.denominator : (percent ?? 100)
        if (share > 100) throw new UnsupportedValue('requestMirror.fraction must be at most one')
        mirrors.push({ ref: backendRef, percent: share })
        break
      }
      case 'RequestRedirect':
        said.redirect = redirect(needed(filter.requestRedirect, type), listener)
        break
      case 'URLRewrite':
        said.rewrite = rewrite(needed(filter.urlRewrite, type))
        break
      case 'CORS':
        said.cors = cors(needed(filter.cors, type))
        break
      default:
        throw new UnsupportedValue(`the filter ${type} is not supported`)
    }
  }
  if (said.redirect && said.rewrite)
    throw new UnsupportedValue('RequestRedirect and URLRewrite cannot be combined', 'IncompatibleFilters')
  return { said, mirrors }
}

function needed<T>(value: T | undefined, type: string): T {
  if (value === undefined) throw new UnsupportedValue(`the filter ${type} says nothing`)
  return value
}

function headerChanges(
  { set, add, remove }: NonNullable<Filter['requestHeaderModifier']>,
  ofRequest: boolean,
): RouteInput['requestHeaders'] {
  const names = [...set, ...add].map(({ name }) => name).concat(remove)
  if (ofRequest && names.some((name) => name.toLowerCase() === 'host'))
    throw new UnsupportedValue('the header Host cannot be changed so; use URLRewrite.hostname')
  const record = (headers: typeof set) => {
    const values: Record<string, string> = {}
    // What stands in a route is meant as it is: % would begin one of Envoy's operators.
    for (const { name, value } of headers) values[name.toLowerCase()] ??= value.replaceAll('%', '%%')
    return values
  }
  return { set: record(set), add: record(add), remove: remove.map((name) => name.toLowerCase()) }
}

const wellKnown = { http: 80, https: 443 } as const

/** HTTPRequestRedirectFilter: what is not said of scheme and port comes from the listener, or from the scheme that is said. */
function redirect(
  { scheme, hostname, path, port, statusCode }: NonNullable<Filter['requestRedirect']>,
  { spec }: GatewayListener,
): RouteInput['redirect'] {
  const own = spec.protocol === 'HTTPS' ? 'https' : 'http'
  const to = port ?? (scheme === undefined ? spec.port : wellKnown[scheme])
  // Clients of a well-known port send none in Host, so that none needs to be put in its place.
  const bare = to === wellKnown[scheme ?? own] && spec.port === wellKnown[own]
  return {
    ...(scheme && { scheme }),
    ...(hostname !== undefined && { host: hostname }),
    ...(!bare && { port: to }),
    ...pathChange(path),
    status: statusCode,
  }
}

function rewrite({ hostname, path }: NonNullable<Filter['urlRewrite']>): RouteInput['rewrite'] {
  return { ...(hostname !== undefined && { host: hostname }), ...pathChange(path) }
}

function pathChange(path: NonNullable<Filter['urlRewrite']>['path']): { path?: string; prefix?: string } {
  if (!path) return {}
  if (path.type === 'ReplaceFullPath') return { path: absolute(path.replaceFullPath) }
  return { prefix: absolute(path.replacePrefixMatch) }
}

function absolute(path: string | undefined): string {
  return path === undefined || path === '' ? '/' : path.startsWith('/') ? path : `/${path}`
}

function cors(filter: NonNullable<Filter['cors']>): RouteInput['cors'] {
  const { allowOrigins, allowCredentials, allowMethods, allowHeaders, exposeHeaders, maxAge } = filter
  return {
    origins: allowOrigins.map((origin) => {
      if (origin === '*' || !origin.includes('*')) return origin
      return { regex: origin.replace(/[.*+?^${}()|[\]\\]/g, (found) => (found === '*' ? '.*' : `\\${found}`)) }
    }),
    ...(allowMethods.length > 0 && { methods: allowMethods }),
    headers: allowHeaders,
    expose: exposeHeaders,
    credentials: allowCredentials,
    maxAge: `${maxAge}s`,
  }
}
