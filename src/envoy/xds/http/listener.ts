import { arrange, coversHost, hostsOf, isOn, mostSpecific } from '../../../config/http/order.ts'
import { aiPaths } from '../../../config/http/paths.ts'
import type { HttpRouteRule } from '../../../config/http.ts'
import { routeConfigName } from '../../names.ts'
import type { EnvoyJson } from '../filters.ts'
import { type FilterContext, places, type RouteFilter, switchedOff } from './filter.ts'
import { httpRoutePrefix, statisticsName } from './names.ts'
import { decideFilter, filtersOf, httpRoute } from './route.ts'
import { digest } from './values.ts'

/** The routes of AI traffic, as listeners with routes of plain HTTP have them. */
export interface AiRoutes {
  /** For their own paths only. */
  readonly own: readonly EnvoyJson[]
  /** For everything: what no route takes, the service answers. */
  readonly all: readonly EnvoyJson[]
  /** For a route of the rules' own. @param match the requests that it takes */
  at(route: HttpRouteRule, match: EnvoyJson): readonly EnvoyJson[]
}

/** What plain HTTP makes of one listener. */
export interface ListenerHttp {
  /** The route configuration that it has; with several certificates, what the names of theirs begin with. */
  readonly routes: string
  /** Filters before the service's decision and after it, each off by default. */
  readonly before: readonly EnvoyJson[]
  readonly after: readonly EnvoyJson[]
  /** Whether the service decides about any request here. */
  readonly decides: boolean
  /** Whether there is AI traffic, whose answers stage 2 may change. */
  readonly ai: boolean
  /** Whether a route lets connections be upgraded, which HTTP/2 and HTTP/3 have to be told (RFC 8441, RFC 9220); default: none does. */
  readonly upgrades?: true
}

/** A listener without routes of plain HTTP: what it is when there is only AI traffic. */
export const onlyAi: ListenerHttp = { routes: routeConfigName, before: [], after: [], decides: true, ai: true }

/** The name of the route configuration of one listener's connections. @param hosts the names of their certificate */
export function routesFor({ routes }: ListenerHttp, hosts: readonly string[] | undefined): string {
  return hosts === undefined ? routes : `${routes}/${statisticsName(hosts[0]!)}`
}

/** The routes and filters of one listener; undefined where it has AI traffic only. */
export function listenerHttp(
  listener: string,
  context: FilterContext,
  ai: AiRoutes,
): { chain: ListenerHttp; routes: readonly EnvoyJson[] } | undefined {
  const { rules } = context
  const { serves, tls } = rules.listeners[listener]!
  const servesAi = serves.includes('ai')
  const routes = serves.includes('http') ? rules.http.routes.filter((route) => isOn(route, listener)) : []
  if (serves.includes('egress')) return undefined
  if (routes.length === 0 && ((servesAi && !tls?.certificates) || !serves.includes('http'))) return undefined
  const needed = new Map(routes.map((route) => [route, filtersOf(route, context)]))
  const filters = inPlace([...needed.values()].flat())
  const decides = servesAi || routes.some(({ governed, ai }) => governed || ai !== undefined)
  const hasAi = servesAi || routes.some((route) => route.ai !== undefined)
  const upgrades = routes.some((route) => route.upgrades.length > 0)
  const parts = { ...filters, decides, ai: hasAi, ...(upgrades && { upgrades: true as const }) }
  // Old connections keep the filters they came by, and must keep the routes that belong to these.
  const chain = { routes: `${routeConfigName}/${listener}/${digest(parts)}`, ...parts }
  const { before, after } = arrange(routes, servesAi ? aiPaths(rules) : [])
  const json = new Map(
    routes.map((route) => {
      const own = httpRoute(route, needed.get(route)!, decides, context)
      return [route, route.ai ? aiAt(route, own, ai) : [own]]
    }),
  )
  const routesOf = (domain: string) => {
    const here = (some: readonly HttpRouteRule[]) =>
      some
        .filter((route) => hostsOf(route).some((host) => coversHost(host, domain)))
        .flatMap((route) => json.get(route)!)
    return [
      ...here(before),
      ...(servesAi && after.length > 0 ? ai.own : []),
      ...here(after),
      ...(servesAi ? ai.all : []),
    ]
  }
  const groups = tls?.certificates?.map(({ hosts }) => hosts)
  const named = groups?.flat() ?? []
  const configuration = (own: readonly string[] | undefined): EnvoyJson => ({
    name: routesFor(chain, own),
    ignore_port_in_host_matching: true,
    max_direct_response_body_size_bytes: 65_536,
    virtual_hosts: domainsOf(routes, named).map((domain) => {
      const certificate = mostSpecific(named, domain)
      const elsewhere = own && certificate !== undefined && !own.includes(certificate)
      return {
        name: statisticsName(domain),
        domains: [domain],
        include_request_attempt_count: false,
        routes: elsewhere ? [misdirected(decides)] : routesOf(domain),
      }
    }),
  })
  return { chain, routes: groups ? groups.map(configuration) : [configuration(undefined)] }
}

/** What asks for a host by a connection that was made for another: the client is to make one of its own (RFC 9110, section 15.5.20). */
function misdirected(decides: boolean): EnvoyJson {
  return {
    name: `${httpRoutePrefix}misdirected`,
    match: { prefix: '/' },
    direct_response: { status: 421, body: { inline_string: 'this connection is for another host' } },
    ...(decides && { typed_per_filter_config: { [decideFilter]: switchedOff } }),
  }
}

/** The routes of AI traffic at the place of a route, with what the route needs of filters. */
function aiAt(route: HttpRouteRule, own: EnvoyJson, ai: AiRoutes): EnvoyJson[] {
  const { match, typed_per_filter_config } = own
  return ai.at(route, match as EnvoyJson).map((each) => ({ ...each, typed_per_filter_config }))
}

function domainsOf(routes: readonly HttpRouteRule[], named: readonly string[]): string[] {
  return [...new Set(['*', ...named, ...routes.flatMap(hostsOf)])]
}

/** The filters of all routes, each once, in their places on either side of the service's decision. */
function inPlace(filters: readonly RouteFilter[]): Pick<ListenerHttp, 'before' | 'after'> {
  const once = [...new Map(filters.map((filter) => [filter.name, filter])).values()]
  const place = (filter: RouteFilter) => places.indexOf(filter.place)
  // Sorting is stable: what is of one place stays in the order in which routes name it.
  once.sort((a, b) => place(a) - place(b))
  const decision = places.indexOf('decide')
  const chain = (some: readonly RouteFilter[]) =>
    some.map(({ name, config }) => ({ name, typed_config: config, disabled: true }))
  return {
    before: chain(once.filter((filter) => place(filter) < decision)),
    after: chain(once.filter((filter) => place(filter) > decision)),
  }
}
