import {
  clusterHeader,
  egressName,
  egressSocket,
  hostHeader,
  idleConnectionMs,
  responderCluster,
  responderSocket,
} from '../names.ts'
import type { EnvoyJson } from './filters.ts'

/**
 * The way between Envoy and the service's own HTTP: requests that the service answers itself come to it by a cluster, and
 * calls that it makes go out by a listener. Both are unix sockets that only this user may open.
 */

/** HTTP/1.1 as the service and Envoy speak it with each other. gRPC ends with trailers, which Envoy leaves out otherwise. */
const trailers = { enable_trailers: true }

/** What clients of gRPC are to be told where an agent cannot be reached; else they get Envoy's own words for it. */
const unreached: EnvoyJson = {
  mappers: [
    {
      filter: {
        extension_filter: {
          name: 'envoy.access_loggers.extension_filters.cel',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter',
            expression:
              '"content-type" in request.headers && request.headers["content-type"].startsWith("application/grpc")',
          },
        },
      },
      body_format_override: {
        text_format_source: { inline_string: 'The agent cannot be reached; try again later' },
      },
    },
  ],
}

/** The service's own HTTP server. @param socket the service's socket */
export function responderClusterConfig(socket: string): EnvoyJson {
  return {
    name: responderCluster,
    type: 'STATIC',
    connect_timeout: '5s',
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http_protocol_options: trailers },
        // HTTP/1.1 has no word for "go elsewhere": a process that another one follows waits until Envoy has closed them.
        common_http_protocol_options: { idle_timeout: `${idleConnectionMs / 1000}s` },
      },
    },
    circuit_breakers: {
      thresholds: [
        { max_connections: 65_536, max_pending_requests: 65_536, max_requests: 65_536, max_connection_pools: 65_536 },
      ],
    },
    load_assignment: {
      cluster_name: responderCluster,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: responderSocket(socket) } } } }] }],
    },
  }
}

/**
 * The listener that the service's own calls go out by. They name their cluster; credentials are on them already, so that
 * whoever could open the socket would get nothing that the network does not give anyway.
 */
export function egressListener(socket: string): EnvoyJson {
  return {
    name: egressName,
    address: { pipe: { path: egressSocket(socket), mode: 0o600 } },
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type':
                'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
              stat_prefix: egressName,
              codec_type: 'HTTP1',
              http_protocol_options: trailers,
              local_reply_config: unreached,
              generate_request_id: false,
              preserve_external_request_id: true,
              server_header_transformation: 'PASS_THROUGH',
              scheme_header_transformation: { match_upstream: true },
              // A stream may be silent for as long as its server likes; the service has timeouts of its own.
              stream_idle_timeout: '0s',
              route_config: {
                name: egressName,
                virtual_hosts: [
                  {
                    name: egressName,
                    domains: ['*'],
                    routes: [
                      {
                        match: { prefix: '/' },
                        request_headers_to_remove: [
                          clusterHeader,
                          hostHeader,
                          'x-forwarded-proto',
                          'x-envoy-expected-rq-timeout-ms',
                        ],
                        route: {
                          cluster_header: clusterHeader,
                          timeout: '0s',
                          // Nothing was sent yet. A replica that is gone is no reason: the others say that they do not know its
                          // session, and another is begun.
                          retry_policy: {
                            retry_on: 'connect-failure',
                            num_retries: 2,
                            retry_host_predicate: [
                              {
                                name: 'envoy.retry_host_predicates.previous_hosts',
                                typed_config: {
                                  '@type':
                                    'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
                                },
                              },
                            ],
                            host_selection_retry_max_attempts: 3,
                          },
                        },
                      },
                    ],
                  },
                ],
              },
              http_filters: [
                // A session is known to the replica that began it: what goes back to it says so.
                {
                  name: 'envoy.filters.http.stateful_session',
                  typed_config: {
                    '@type': 'type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3.StatefulSession',
                    session_state: {
                      name: 'envoy.http.stateful_session.header',
                      typed_config: {
                        '@type':
                          'type.googleapis.com/envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState',
                        name: hostHeader,
                      },
                    },
                  },
                },
                {
                  name: 'envoy.filters.http.router',
                  typed_config: {
                    '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
                    suppress_envoy_headers: true,
                  },
                },
              ],
            },
          },
        ],
      },
    ],
  }
}
