import { targetsOf } from '../../../config/http/targets.ts'
import type { HttpRouteRule } from '../../../config/http.ts'
import type { EnvoyJson } from '../filters.ts'
import { routeAction } from './action.ts'
import { type FilterContext, type RouteFilter, switchedOff } from './filter.ts'
import { filterMakers } from './filters/index.ts'
import { headerChanges } from './headers.ts'
import { routeMatch } from './match.ts'
import { httpRoutePrefix, statisticsName } from './names.ts'
import { typed } from './values.ts'

/** The filters that a route needs. */
export function filtersOf(route: HttpRouteRule, context: FilterContext): readonly RouteFilter[] {
  return filterMakers.flatMap((make) => make(route, context))
}

export const decideFilter = 'envoy.filters.http.ext_authz'

/** Headers of the gateway's own: no client is to say them to a service, or to show it a key of ours. */
const ownHeaders = ['x-chaperone-key', 'x-chaperone-user', 'x-chaperone-team']

/** Stage 1 on a governed route, or on one of AI traffic: the service is told which route it is, and needs no body where it is no AI. */
function decided({ name, ai }: HttpRouteRule): EnvoyJson {
  return typed('envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute', {
    check_settings: { context_extensions: { route: name }, ...(!ai && { disable_request_body_buffering: true }) },
  })
}

/**
 * envoy.config.route.v3.Route of one of `http.routes`.
 * @param filters what `filtersOf` said of it
 * @param decides whether stage 1 is in the listener's chain at all
 */
export function httpRoute(
  route: HttpRouteRule,
  filters: readonly RouteFilter[],
  decides: boolean,
  { rules }: FilterContext,
): EnvoyJson {
  const onRoute = Object.fromEntries(filters.map(({ name, onRoute }) => [name, onRoute]))
  if (decides) onRoute[decideFilter] = route.governed || route.ai ? decided(route) : switchedOff
  const { responseHeaders, respond } = route
  // On governed routes the service says them, or takes them off.
  const ours = route.governed || targetsOf(route).length === 0 ? [] : ownHeaders
  const set = { ...(respond?.contentType && { 'content-type': respond.contentType }), ...responseHeaders.set }
  return {
    name: `${httpRoutePrefix}${route.name}`,
    match: routeMatch(route.match),
    ...(!route.ai && routeAction(route, rules.http.services)),
    // Envoy counts what goes to services, by route: envoy_vhost_route_…{envoy_route="NAME"}.
    ...(targetsOf(route).length > 0 && { stat_prefix: statisticsName(route.name) }),
    ...headerChanges('request', { ...route.requestHeaders, remove: [...route.requestHeaders.remove, ...ours] }),
    ...headerChanges('response', { ...responseHeaders, set }),
    ...(Object.keys(onRoute).length > 0 && { typed_per_filter_config: onRoute }),
  }
}
