import { addressHeader, insideName, outsideCluster, outsideTlsCluster, proxyName } from '../../names.ts'
import type { EnvoyJson } from '../filters.ts'
import { typed } from '../http/values.ts'
import { validationSecret } from '../secret.ts'

const httpOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

/** Agents' own connections to elsewhere: no more of them than Envoy may have from agents. */
const circuitBreakers = {
  thresholds: [
    { max_connections: 20_000, max_pending_requests: 20_000, max_requests: 20_000, max_connection_pools: 20_000 },
  ],
}

/** The address has done its work when a request leaves, and nobody outside is to know what is behind the gateway. */
const notForOthers = [
  addressHeader,
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-envoy-external-address',
  'x-envoy-expected-rq-timeout-ms',
  'x-request-id',
]
const asItCame = [
  {
    name: 'envoy.filters.http.header_mutation',
    typed_config: typed('envoy.extensions.filters.http.header_mutation.v3.HeaderMutation', {
      mutations: { request_mutations: notForOthers.map((remove) => ({ remove })) },
    }),
  },
  {
    name: 'envoy.filters.http.upstream_codec',
    typed_config: typed('envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec'),
  },
]

/** Goes to the address that the service said, which is the one it has looked at: Envoy resolves nothing here. */
function outside(name: string, secure: boolean): EnvoyJson {
  return {
    name,
    type: 'ORIGINAL_DST',
    lb_policy: 'CLUSTER_PROVIDED',
    connect_timeout: '10s',
    original_dst_lb_config: { use_http_header: true, http_header_name: addressHeader },
    // Addresses that nobody goes to any more are forgotten.
    cleanup_interval: '60s',
    circuit_breakers: circuitBreakers,
    typed_extension_protocol_options: {
      [httpOptions]: typed(httpOptions, {
        common_http_protocol_options: { idle_timeout: secure ? '50s' : '4s' },
        http_filters: asItCame,
        ...(secure
          ? {
              upstream_http_protocol_options: { auto_sni: true, auto_san_validation: true },
              auto_config: { http_protocol_options: {}, http2_protocol_options: {} },
            }
          : { explicit_http_config: { http_protocol_options: {} } }),
      }),
    },
    ...(secure && {
      transport_socket: {
        name: 'envoy.transport_sockets.tls',
        typed_config: typed('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
          common_tls_context: {
            tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
            // Not by SDS: Envoy 1.40 dies of that on a cluster of this kind when it only validates (--mode validate).
            validation_context: validationSecret(undefined).validation_context,
          },
        }),
      },
    }),
  }
}

/** A listener within Envoy. What is told of a tunnel (filter state that is shared with upstreams) goes along. */
function internal(name: string): EnvoyJson {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    circuit_breakers: circuitBreakers,
    load_assignment: {
      cluster_name: name,
      endpoints: [
        {
          lb_endpoints: [
            { endpoint: { address: { envoy_internal_address: { server_listener_name: name, endpoint_id: name } } } },
          ],
        },
      ],
    },
    transport_socket: {
      name: 'envoy.transport_sockets.internal_upstream',
      typed_config: typed('envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport', {
        transport_socket: {
          name: 'envoy.transport_sockets.raw_buffer',
          typed_config: typed('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer'),
        },
      }),
    },
  }
}

/** @param listeners those that serve egress, by name; whether connections are caught */
export function egressClusters(listeners: readonly { name: string; transparent: boolean }[]): EnvoyJson[] {
  if (listeners.length === 0) return []
  return [
    outside(outsideCluster, false),
    outside(outsideTlsCluster, true),
    ...listeners.flatMap(({ name, transparent }) => [
      internal(insideName(name)),
      ...(transparent ? [internal(proxyName(name))] : []),
    ]),
  ]
}
