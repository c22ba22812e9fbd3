import { isIP } from 'node:net'
import type { TelemetryRule } from '../../config/schema.ts'
import type { EnvoyJson } from './filters.ts'
import { validationSecret } from './secret.ts'

const collectorName = 'otlp-collector'

/**
 * Envoy's own spans, sent to the collector over OTLP/HTTP. Envoy continues the client's W3C context, and the service's
 * spans are children of Envoy's.
 * @param sampling share of new traces, 0 to 1
 */
export function tracing(otlpEndpoint: string, sampling: number): EnvoyJson {
  return {
    random_sampling: { value: sampling * 100 },
    provider: {
      name: 'envoy.tracers.opentelemetry',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig',
        service_name: 'chaperone-envoy',
        http_service: {
          http_uri: { uri: tracesUrl(otlpEndpoint).href, cluster: collectorName, timeout: '2s' },
        },
      },
    },
  }
}

/** Where traces go: the endpoint's path with /v1/traces (OTLP/HTTP, "Endpoint URLs for OTLP/HTTP"). */
function tracesUrl(otlpEndpoint: string): URL {
  const url = new URL(otlpEndpoint)
  url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`
  return url
}

/** The collector's cluster; undefined where there is no collector. */
export function collectorCluster({ otlpEndpoint }: TelemetryRule): EnvoyJson | undefined {
  if (otlpEndpoint === undefined) return undefined
  const { protocol, hostname, port } = new URL(otlpEndpoint)
  const host = hostname.replace(/^\[|\]$/g, '')
  const secure = protocol === 'https:'
  return {
    name: collectorName,
    type: isIP(host) === 0 ? 'STRICT_DNS' : 'STATIC',
    connect_timeout: '2s',
    load_assignment: {
      cluster_name: collectorName,
      endpoints: [
        {
          lb_endpoints: [
            {
              endpoint: {
                address: { socket_address: { address: host, port_value: Number(port) || (secure ? 443 : 80) } },
              },
            },
          ],
        },
      ],
    },
    ...(secure && {
      transport_socket: {
        name: 'envoy.transport_sockets.tls',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
          sni: host,
          auto_sni_san_validation: true,
          common_tls_context: { validation_context: validationSecret(undefined).validation_context },
        },
      },
    }),
  }
}
