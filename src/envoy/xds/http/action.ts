import type { PathChangeRule, RedirectRule } from '../../../config/http/action.ts'
import { type PathMatch, pathMatchOf } from '../../../config/http/paths.ts'
import type { HashKeyRule } from '../../../config/http/service.ts'
import { targetsOf } from '../../../config/http/targets.ts'
import type { RetryRule } from '../../../config/http/traffic.ts'
import type { HttpRouteRule, HttpRule } from '../../../config/http.ts'
import type { EnvoyJson } from '../filters.ts'
import { serviceClusterName } from './names.ts'
import { fraction, seconds, typed } from './values.ts'

const statuses: Record<RedirectRule['status'], string> = {
  301: 'MOVED_PERMANENTLY',
  302: 'FOUND',
  303: 'SEE_OTHER',
  307: 'TEMPORARY_REDIRECT',
  308: 'PERMANENT_REDIRECT',
}

/** What a route does with its requests: one of Envoy's `route`, `redirect` and `direct_response`. */
export function routeAction(route: HttpRouteRule, services: HttpRule['services']): EnvoyJson {
  const path = pathMatchOf(route.match)
  if (route.redirect) return { redirect: redirectAction(route.redirect, path) }
  if (route.respond) {
    const { status, body } = route.respond
    return { direct_response: { status, ...(body !== undefined && { body: { inline_string: body } }) } }
  }
  return { route: forwardAction(route, path, services) }
}

function redirectAction(redirect: RedirectRule, path: PathMatch): EnvoyJson {
  const { scheme, host, port, dropQuery, status } = redirect
  return {
    response_code: statuses[status],
    ...(scheme && { scheme_redirect: scheme }),
    ...(host !== undefined && { host_redirect: host }),
    ...(port !== undefined && { port_redirect: port }),
    ...(dropQuery && { strip_query: true }),
    ...(redirect.path === undefined ? pathChange(redirect, path) : { path_redirect: redirect.path }),
  }
}

function forwardAction(route: HttpRouteRule, path: PathMatch, services: HttpRule['services']): EnvoyJson {
  const { rewrite, retry, mirror, upgrades } = route
  const targets = targetsOf(route)
  const [first] = targets
  const hashes = targets.flatMap(({ service }) => services[service]?.hashOn ?? [])
  return {
    ...(targets.length === 1
      ? { cluster: serviceClusterName(first!.service) }
      : {
          weighted_clusters: {
            clusters: targets.map(({ service, weight }) => ({ name: serviceClusterName(service), weight })),
          },
        }),
    timeout: seconds(route.timeout ?? (lastsLong(route, services) ? 'none' : '15s')),
    idle_timeout: seconds(route.idleTimeout),
    ...(rewrite && { ...pathChange(rewrite, path), ...templateChange(rewrite.template), ...hostChange(rewrite) }),
    ...(retry && { retry_policy: retryPolicy(retry) }),
    ...(hashes.length > 0 && { hash_policy: hashes.map(hashPolicy) }),
    ...(mirror.length > 0 && {
      request_mirror_policies: mirror.map(({ service, percent }) => ({
        cluster: serviceClusterName(service),
        runtime_fraction: { default_value: fraction(percent) },
      })),
    }),
    ...(upgrades.length > 0 && { upgrade_configs: upgrades.map((upgrade_type) => ({ upgrade_type, enabled: true })) }),
    // A deadline of gRPC's own is kept to.
    ...(isGrpc(route, services) && { max_stream_duration: { grpc_timeout_header_max: '0s' } }),
  }
}

function isGrpc(route: HttpRouteRule, services: HttpRule['services']): boolean {
  return (
    route.match.grpc !== undefined || targetsOf(route).some(({ service }) => services[service]?.protocol === 'grpc')
  )
}

/** Whether requests are streams that last as long as both sides like. */
function lastsLong(route: HttpRouteRule, services: HttpRule['services']): boolean {
  return route.upgrades.length > 0 || isGrpc(route, services)
}

/** A path that is put in the place of another, without the query. */
function pathChange({ path, prefix, replace }: PathChangeRule, match: PathMatch): EnvoyJson {
  if (replace) return { regex_rewrite: { pattern: { regex: replace.regex }, substitution: replace.with } }
  if (path !== undefined) return { regex_rewrite: { pattern: { regex: '^.*$' }, substitution: literal(path) } }
  if (prefix === undefined) return {}
  if (match.kind !== 'prefix') return { prefix_rewrite: prefix }
  // What follows the prefix begins with a slash, or has lost it with the prefix.
  if (match.value.endsWith('/')) return { prefix_rewrite: prefix.endsWith('/') ? prefix : `${prefix}/` }
  if (prefix !== '/') return { prefix_rewrite: prefix.replace(/\/+$/, '') }
  return { regex_rewrite: { pattern: { regex: `^${escaped(match.value)}/*` }, substitution: '/' } }
}

/** A substitution that says just this: a backslash would begin a group's number. */
function literal(text: string): string {
  return text.replaceAll('\\', '\\\\')
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function templateChange(template: string | undefined): EnvoyJson {
  if (template === undefined) return {}
  return {
    path_rewrite_policy: {
      name: 'envoy.path.rewrite.uri_template',
      typed_config: typed('envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig', {
        path_template_rewrite: template,
      }),
    },
  }
}

function hostChange({ host, hostFrom }: NonNullable<HttpRouteRule['rewrite']>): EnvoyJson {
  if (host !== undefined) return { host_rewrite_literal: host }
  if (hostFrom === undefined) return {}
  return hostFrom === 'service' ? { auto_host_rewrite: true } : { host_rewrite_header: hostFrom.header }
}

function retryPolicy({ attempts, on, statuses, perTry, perTryIdle, backoff, retryAfter }: RetryRule): EnvoyJson {
  return {
    retry_on: [...on, ...(statuses.length > 0 ? ['retriable-status-codes'] : [])].join(','),
    ...(statuses.length > 0 && { retriable_status_codes: statuses }),
    num_retries: attempts,
    ...(perTry !== undefined && { per_try_timeout: seconds(perTry) }),
    ...(perTryIdle !== undefined && { per_try_idle_timeout: seconds(perTryIdle) }),
    retry_back_off: { base_interval: seconds(backoff.base), max_interval: seconds(backoff.max) },
    ...(retryAfter && {
      rate_limited_retry_back_off: {
        reset_headers: [{ name: 'retry-after', format: 'SECONDS' }],
        max_interval: '300s',
      },
    }),
    retry_host_predicate: [
      {
        name: 'envoy.retry_host_predicates.previous_hosts',
        typed_config: typed('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate'),
      },
    ],
    host_selection_retry_max_attempts: 3,
  }
}

function hashPolicy({ header, cookie, query }: HashKeyRule): EnvoyJson {
  const policy = (): EnvoyJson => {
    if (header !== undefined) return { header: { header_name: header } }
    if (query !== undefined) return { query_parameter: { name: query } }
    if (!cookie) return { connection_properties: { source_ip: true } }
    const { name, ttl, path } = cookie
    return {
      cookie: { name, ...(ttl !== undefined && { ttl: seconds(ttl) }), ...(path !== undefined && { path }) },
    }
  }
  return { ...policy(), terminal: true }
}
