import {
  caughtHeader,
  clusterHeader,
  forwardRoute,
  insideName,
  proxyName,
  routeHeader,
  tunnelHeader,
  tunnelRoute,
} from '../../names.ts'
import type { EnvoyJson } from '../filters.ts'
import type { AiRoutes } from '../http/listener.ts'
import { typed } from '../http/values.ts'

/** Nothing of the gateway's own goes outside. */
const ownHeaders = [clusterHeader, routeHeader, tunnelHeader, caughtHeader]

const authz = 'envoy.filters.http.ext_authz'

/** What the service is told of requests: the listener that caught them. Their bodies it needs where a protocol reads them. */
function asked(listener: string, withBody: boolean): EnvoyJson {
  return {
    [authz]: typed('envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute', {
      check_settings: {
        context_extensions: { egress: listener },
        ...(!withBody && { disable_request_body_buffering: true }),
      },
    }),
  }
}

const decided = (route: string) => ({ headers: [{ name: routeHeader, string_match: { exact: route } }] })
const undecided = { status: 500, body: { inline_string: 'not decided' } }

/** What the service lets through to elsewhere. It lasts as long as both sides like. */
const forward: EnvoyJson = {
  name: `egress/${forwardRoute}`,
  match: { prefix: '/', ...decided(forwardRoute) },
  // The address is needed after this, and is taken off on the way out.
  request_headers_to_remove: ownHeaders,
  route: {
    cluster_header: clusterHeader,
    timeout: '0s',
    idle_timeout: '3600s',
    upgrade_configs: [{ upgrade_type: 'websocket', enabled: true }],
  },
}

const connect: EnvoyJson[] = [
  {
    name: `egress/${tunnelRoute}`,
    match: { connect_matcher: {}, ...decided(tunnelRoute) },
    route: {
      cluster_header: clusterHeader,
      timeout: '0s',
      idle_timeout: '3600s',
      upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }],
    },
  },
  { name: 'egress/undecided', match: { connect_matcher: {} }, direct_response: undecided },
]

/** Routes of calls that protocols read, without what was said of the tunnel. */
function read(routes: readonly EnvoyJson[]): EnvoyJson[] {
  return routes.map((route) => {
    const { request_headers_to_remove: own } = route as { request_headers_to_remove?: readonly string[] }
    return own ? { ...route, request_headers_to_remove: [...own, tunnelHeader, caughtHeader] } : route
  })
}

/** A request for elsewhere that no protocol reads. */
const others: EnvoyJson[] = [forward, { name: 'egress/undecided', match: { prefix: '/' }, direct_response: undecided }]

/**
 * The routes of a listener's proxy: tunnels, and requests for other hosts.
 * @param plain the places that are known with http://, whose requests protocols read
 */
export function proxyRoutes(listener: string, ai: AiRoutes, plain: readonly string[]): EnvoyJson {
  return {
    name: proxyName(listener),
    virtual_hosts: [
      ...(plain.length > 0
        ? [
            {
              name: 'known',
              domains: [
                ...new Set(plain.flatMap((place) => [place, ...(place.endsWith(':80') ? [place.slice(0, -3)] : [])])),
              ],
              include_request_attempt_count: false,
              // A tunnel has no body to wait for.
              routes: [
                ...connect.map((route) => ({ ...route, typed_per_filter_config: asked(listener, false) })),
                forward,
                ...read(ai.all),
              ],
              typed_per_filter_config: asked(listener, true),
            },
          ]
        : []),
      {
        name: 'all',
        domains: ['*'],
        include_request_attempt_count: false,
        routes: [...connect, ...others],
        typed_per_filter_config: asked(listener, false),
      },
    ],
  }
}

/** The routes of what is inside of a listener's opened tunnels. */
export function insideRoutes(listener: string, ai: AiRoutes): EnvoyJson {
  return {
    name: insideName(listener),
    virtual_hosts: [
      {
        name: 'all',
        domains: ['*'],
        include_request_attempt_count: false,
        routes: [forward, ...read(ai.all)],
        typed_per_filter_config: asked(listener, true),
      },
    ],
  }
}
