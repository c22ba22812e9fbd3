import { exhaustedUpstream, metadataNamespace, serviceCluster } from './names.ts'
import type { Transport } from './server.ts'
import type { EnvoyJson } from './xds/filters.ts'
import { checkBootstrap } from './xds/registry.ts'

export interface BootstrapOptions {
  /** Names this Envoy in the logs and to the control plane. */
  nodeId: string
  /** The service's unix socket. */
  socket: string
  /** What serves the socket. Default: `own`. */
  transport?: Transport | undefined
  /** Unix socket of Envoy's admin interface. A port would be open to every process that shares the network. */
  adminSocket: string
}

/** Agents' connections that one Envoy holds; more are refused rather than left to exhaust the memory. */
const maxConnections = 20_000

/** The bootstrap of an Envoy that gets everything else from the service over ADS. */
export function bootstrap({ nodeId, socket, transport, adminSocket }: BootstrapOptions): EnvoyJson {
  const ads = { ads: {}, resource_api_version: 'V3' }
  return checkBootstrap({
    node: { id: nodeId, cluster: serviceCluster },
    admin: { address: { pipe: { path: adminSocket, mode: 0o600 } } },
    overload_manager: {
      resource_monitors: [
        {
          name: 'envoy.resource_monitors.global_downstream_max_connections',
          typed_config: {
            '@type':
              'type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
            max_active_downstream_connections: maxConnections,
          },
        },
      ],
    },
    // Listeners within Envoy: tunnels of agents are opened there.
    bootstrap_extensions: [
      {
        name: 'envoy.bootstrap.internal_listener',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener',
        },
      },
    ],
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [
          {
            envoy_grpc: {
              cluster_name: serviceCluster,
              // Otherwise an Envoy that starts first, or sees the service restart, waits for up to thirty seconds.
              retry_policy: { retry_back_off: { base_interval: '0.1s', max_interval: '1s' } },
            },
          },
        ],
      },
      lds_config: ads,
      cds_config: ads,
    },
    static_resources: {
      clusters: [
        {
          name: serviceCluster,
          type: 'STATIC',
          connect_timeout: '1s',
          // See src/envoy/h2/limits.ts: Envoy must not come to this limit.
          per_connection_buffer_limit_bytes: 32 * 1024 * 1024,
          circuit_breakers: {
            thresholds: [{ max_connections: 1024, max_pending_requests: 65_536, max_requests: 65_536 }],
          },
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
              // Envoy ends every ext_proc stream with a reset, and Node's HTTP/2, on which grpc-js is built, takes a
              // thousand resets on one connection for an attack. A connection is left before that.
              ...(transport === 'grpc-js' && { common_http_protocol_options: { max_requests_per_connection: 400 } }),
            },
          },
          load_assignment: {
            cluster_name: serviceCluster,
            endpoints: [
              {
                lb_endpoints: [
                  {
                    endpoint: { address: { pipe: { path: socket } } },
                    metadata: { filter_metadata: { [metadataNamespace]: { upstream: exhaustedUpstream } } },
                  },
                ],
              },
            ],
          },
        },
      ],
    },
  })
}
