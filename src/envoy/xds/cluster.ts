import { isIP } from 'node:net'
import type { Pool, Upstream } from '../../protocol.ts'
import { destinationHeader, metadataNamespace, serviceCluster } from '../names.ts'
import { type EnvoyJson, upstreamFilters } from './filters.ts'
import { validationSecretName } from './secret.ts'

const httpOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

/**
 * How long a connection may be idle. A server that closes one in the moment a request comes on it makes that request fail, so Envoy
 * must be the first to close: Node's and uvicorn's servers wait for 5 s, providers' load balancers for a minute and more. HTTP/2
 * says which requests a closed connection did not take, so that those without TLS may be idle as long.
 */
const idleTimeouts = { http: '4s', https: '50s' }

/** The service decides about load; Envoy's own ceilings (three retries at a time, for one) are lifted. */
const circuitBreakers = {
  thresholds: ['DEFAULT', 'HIGH'].map((priority) => ({
    priority,
    max_connections: 65_536,
    max_pending_requests: 65_536,
    max_requests: 65_536,
    max_retries: 65_536,
  })),
}

const policies = 'envoy.load_balancing_policies'
const policy = (name: string, type: string, config: EnvoyJson = {}) => ({
  typed_extension_config: {
    name: `${policies}.${name}`,
    typed_config: {
      '@type': `type.googleapis.com/envoy.extensions.load_balancing_policies.${name}.v3.${type}`,
      ...config,
    },
  },
})

/** What belongs to a session goes to the host that has it. */
const destinationFirst: EnvoyJson = {
  policies: [
    policy('override_host', 'OverrideHost', {
      override_host_sources: [{ header: destinationHeader }],
      fallback_policy: { policies: [policy('round_robin', 'RoundRobin')] },
    }),
  ],
}

/** Whether Envoy gets the endpoints over EDS; otherwise it resolves the name itself. */
export function usesEds(upstream: Upstream): boolean {
  return addressesOf(upstream).every(({ host }) => isIP(host) !== 0)
}

function addressesOf({ host, port, replicas = [] }: Upstream): readonly { host: string; port: number }[] {
  return replicas.length > 0 ? replicas : [{ host, port }]
}

/** The cluster of one upstream: its address, its TLS, and the metadata by which stage 2 knows it. */
export function upstreamClusterConfig(upstream: Upstream): EnvoyJson {
  return {
    name: upstream.id,
    ...(usesEds(upstream)
      ? { type: 'EDS', eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } } }
      : {
          type: upstream.replicas ? 'STRICT_DNS' : 'LOGICAL_DNS',
          // Where each address is a host, a server that has a name for both families would be two, and one of them often deaf.
          dns_lookup_family: upstream.replicas ? 'V4_PREFERRED' : 'ALL',
          respect_dns_ttl: true,
          load_assignment: endpoints(upstream),
        }),
    connect_timeout: `${upstream.connectTimeoutMs / 1000}s`,
    ...(upstream.replicas && { load_balancing_policy: destinationFirst }),
    circuit_breakers: circuitBreakers,
    typed_extension_protocol_options: {
      [httpOptions]: {
        '@type': `type.googleapis.com/${httpOptions}`,
        common_http_protocol_options: { idle_timeout: idleTimeouts[upstream.http2 ? 'https' : upstream.scheme] },
        ...(upstream.scheme === 'https'
          ? { auto_config: { http_protocol_options: {}, http2_protocol_options: {} } }
          : { explicit_http_config: upstream.http2 ? { http2_protocol_options: {} } : { http_protocol_options: {} } }),
      },
    },
    ...(upstream.scheme === 'https' && {
      transport_socket: {
        name: 'envoy.transport_sockets.tls',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
          sni: upstream.serverName ?? upstream.host,
          auto_sni_san_validation: true,
          common_tls_context: {
            tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
            validation_context_sds_secret_config: {
              name: validationSecretName(upstream.caFile),
              sds_config: { ads: {}, resource_api_version: 'V3' },
            },
          },
        },
      },
    }),
  }
}

/** The endpoint of one upstream. */
export function endpoints(upstream: Upstream): EnvoyJson {
  return {
    cluster_name: upstream.id,
    endpoints: [
      {
        lb_endpoints: addressesOf(upstream).map(({ host, port }) => ({
          endpoint: { address: { socket_address: { address: host, port_value: port } } },
          metadata: { filter_metadata: { [metadataNamespace]: { upstream: upstream.id } } },
        })),
      },
    ],
  }
}

/**
 * The cluster that makes a route's retries a failover: its n-th attempt goes to the n-th upstream, and the one after
 * the last to the service itself, which then tells the client that all have failed. The upstream
 * filters that run are the composite's, whichever member is picked.
 */
export function poolClusterConfig(pool: Pool): EnvoyJson {
  return {
    name: pool.id,
    lb_policy: 'CLUSTER_PROVIDED',
    connect_timeout: '5s',
    circuit_breakers: circuitBreakers,
    cluster_type: {
      name: 'envoy.clusters.composite',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.clusters.composite.v3.ClusterConfig',
        clusters: [...pool.upstreams, serviceCluster].map((name) => ({ name })),
      },
    },
    typed_extension_protocol_options: {
      [httpOptions]: {
        '@type': `type.googleapis.com/${httpOptions}`,
        explicit_http_config: { http_protocol_options: {} },
        http_filters: upstreamFilters(pool.allHeaders === true),
      },
    },
  }
}
