import type { PassthroughRule } from '../../../config/http/passthrough.ts'
import { targetsOf } from '../../../config/http/targets.ts'
import type { TelemetryRule } from '../../../config/schema.ts'
import type { EnvoyJson } from '../filters.ts'
import { connectionLog } from './access-log.ts'
import { serviceClusterName, statisticsName } from './names.ts'
import { seconds, typed } from './values.ts'

/** The filter chain of one of `http.passthrough` on a listener. */
export function passthroughChain(listener: string, rule: PassthroughRule, telemetry: TelemetryRule): EnvoyJson {
  const targets = targetsOf(rule).filter(({ weight }) => weight > 0)
  const [first] = targets
  return {
    name: `passthrough/${rule.name}`,
    filter_chain_match: { transport_protocol: 'tls', server_names: rule.hosts },
    filters: [
      {
        name: 'envoy.filters.network.tcp_proxy',
        typed_config: typed('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
          stat_prefix: `passthrough/${statisticsName(rule.name)}`,
          ...(targets.length === 1
            ? { cluster: serviceClusterName(first!.service) }
            : {
                weighted_clusters: {
                  clusters: targets.map(({ service, weight }) => ({ name: serviceClusterName(service), weight })),
                },
              }),
          idle_timeout: seconds(rule.idleTimeout),
          // Another server of the service, where one cannot be reached.
          max_connect_attempts: 2,
          ...(telemetry.accessLog && { access_log: [connectionLog(listener, `passthrough/${rule.name}`)] }),
        }),
      },
    ],
  }
}
