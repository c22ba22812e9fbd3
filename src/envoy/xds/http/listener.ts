import { arrange, coversHost, hostsOf, isOn } from '../../../config/http/order.ts'
import { aiPaths } from '../../../config/http/paths.ts'
import type { HttpRouteRule } from '../../../config/http.ts'
import { routeConfigName } from '../../names.ts'
import type { EnvoyJson } from '../filters.ts'
import { type FilterContext, places, type RouteFilter } from './filter.ts'
import { statisticsName } from './names.ts'
import { filtersOf, httpRoute } from './route.ts'
import { digest } from './values.ts'

/** The routes of AI traffic, as listeners with routes of plain HTTP have them. */
export interface AiRoutes {
  /** For their own paths only. */
  readonly own: readonly EnvoyJson[]
  /** For everything: what no route takes, the service answers. */
  readonly all: readonly EnvoyJson[]
}

/** What plain HTTP makes of one listener. */
export interface ListenerHttp {
  /** The route configuration that it has. */
  readonly routes: string
  /** Filters before the service's decision and after it, each off by default. */
  readonly before: readonly EnvoyJson[]
  readonly after: readonly EnvoyJson[]
  /** Whether the service decides about any request here. */
  readonly decides: boolean
  /** Whether there is AI traffic, whose answers stage 2 may change. */
  readonly ai: boolean
}

/** A listener without routes of plain HTTP: what it is when there is only AI traffic. */
export const onlyAi: ListenerHttp = { routes: routeConfigName, before: [], after: [], decides: true, ai: true }

/** The routes and filters of one listener; undefined where it has AI traffic only. */
export function listenerHttp(
  listener: string,
  context: FilterContext,
  ai: AiRoutes,
): { chain: ListenerHttp; routes: EnvoyJson } | undefined {
  const { rules } = context
  const { serves } = rules.listeners[listener]!
  const servesAi = serves.includes('ai')
  const routes = serves.includes('http') ? rules.http.routes.filter((route) => isOn(route, listener)) : []
  if (routes.length === 0 && (servesAi || !serves.includes('http'))) return undefined
  const needed = new Map(routes.map((route) => [route, filtersOf(route, context)]))
  const filters = inPlace([...needed.values()].flat())
  const decides = servesAi || routes.some(({ governed }) => governed)
  const chain = { ...filters, decides, ai: servesAi }
  // Old connections keep the filters they came by, and must keep the routes that belong to these.
  const name = `${routeConfigName}/${listener}/${digest(chain)}`
  const { before, after } = arrange(routes, servesAi ? aiPaths(rules) : [])
  const json = new Map(routes.map((route) => [route, httpRoute(route, needed.get(route)!, decides, context)]))
  const virtualHosts = domainsOf(routes).map((domain) => {
    const here = (some: readonly HttpRouteRule[]) =>
      some.filter((route) => hostsOf(route).some((host) => coversHost(host, domain))).map((route) => json.get(route)!)
    return {
      name: statisticsName(domain),
      domains: [domain],
      include_request_attempt_count: false,
      routes: [
        ...here(before),
        ...(servesAi && after.length > 0 ? ai.own : []),
        ...here(after),
        ...(servesAi ? ai.all : []),
      ],
    }
  })
  return {
    chain: { routes: name, ...chain },
    routes: {
      name,
      ignore_port_in_host_matching: true,
      max_direct_response_body_size_bytes: 65_536,
      virtual_hosts: virtualHosts,
    },
  }
}

function domainsOf(routes: readonly HttpRouteRule[]): string[] {
  return [...new Set(['*', ...routes.flatMap(hostsOf)])]
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
