import type { EnvoyJson } from '../../src/envoy/xds/filters.ts'
import { asBootstrap, type Configuration, manager, router, typed } from './configuration.ts'

/** What istiod does with an EnvoyFilter (istio: pilot/pkg/networking/core/envoyfilter), as far as ours ask for it. */

export interface EnvoyFilter {
  kind: string
  spec: {
    workloadSelector: { labels: Record<string, string> }
    configPatches: {
      applyTo: string
      match: { context: string }
      patch: { operation: string; value: EnvoyJson }
    }[]
  }
}

/** @throws {Error} where a filter asks for what is not done here */
export function applyEnvoyFilter(base: Configuration, { spec }: EnvoyFilter, context: string): Configuration {
  const made = structuredClone(base)
  for (const { applyTo, match, patch } of spec.configPatches) {
    if (match.context !== context && match.context !== 'ANY') continue
    const value = structuredClone(patch.value)
    if (patch.operation === 'ADD' && applyTo === 'CLUSTER') made.clusters.push(value)
    else if (patch.operation === 'ADD' && applyTo === 'LISTENER')
      made.listeners.push(value as Configuration['listeners'][number])
    else throw new Error(`${patch.operation} of ${applyTo} is not done here`)
  }
  return made
}

/**
 * What istiod gives the proxy beside an agent, in its form: the outbound listener that catches everything, one for HTTP on port 80,
 * and clusters of services. Without what only Istio's own build has (its statistics), and without catching: ports are the OS's.
 */
export function sidecar(service: { name: string; port: number }): Configuration {
  const cluster = `outbound|80||${service.name}`
  const tcp = (to: string) => ({
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: typed('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', { stat_prefix: to, cluster: to }),
  })
  const address = { socket_address: { address: '127.0.0.1', port_value: 0 } }
  return {
    clusters: [
      {
        name: 'PassthroughCluster',
        type: 'ORIGINAL_DST',
        connect_timeout: '10s',
        lb_policy: 'CLUSTER_PROVIDED',
        circuit_breakers: { thresholds: [{ max_connections: 4294967295, max_requests: 4294967295 }] },
      },
      { name: 'BlackHoleCluster', type: 'STATIC', connect_timeout: '10s' },
      {
        name: cluster,
        type: 'STATIC',
        connect_timeout: '10s',
        metadata: {
          filter_metadata: { istio: { services: [{ host: service.name, name: 'echo', namespace: 'default' }] } },
        },
        load_assignment: {
          cluster_name: cluster,
          endpoints: [
            {
              lb_endpoints: [
                {
                  endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: service.port } } },
                  metadata: { filter_metadata: { istio: { workload: 'echo;default;echo;;Kubernetes' } } },
                },
              ],
            },
          ],
        },
      },
    ],
    listeners: [
      {
        name: 'virtualOutbound',
        address,
        traffic_direction: 'OUTBOUND',
        use_original_dst: true,
        filter_chains: [{ filters: [tcp('PassthroughCluster')] }],
      },
      {
        name: '0.0.0.0_80',
        address,
        traffic_direction: 'OUTBOUND',
        default_filter_chain: { filters: [tcp('PassthroughCluster')] },
        filter_chains: [
          {
            filters: [
              manager({
                stat_prefix: 'outbound_0.0.0.0_80',
                use_remote_address: false,
                normalize_path: true,
                path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
                route_config: {
                  name: '80',
                  validate_clusters: false,
                  virtual_hosts: [
                    {
                      name: `${service.name}:80`,
                      domains: [service.name, 'echo'],
                      routes: [{ name: 'default', match: { prefix: '/' }, route: { cluster, timeout: '0s' } }],
                    },
                    {
                      name: 'allow_any',
                      domains: ['*'],
                      routes: [{ name: 'allow_any', match: { prefix: '/' }, route: { cluster: 'PassthroughCluster' } }],
                    },
                  ],
                },
                http_filters: [router],
              }),
            ],
          },
        ],
      },
    ],
  }
}

export { asBootstrap }
