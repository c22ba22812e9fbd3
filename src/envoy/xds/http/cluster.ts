import { isIP } from 'node:net'
import type { ServiceRule } from '../../../config/http/service.ts'
import type { EnvoyJson } from '../filters.ts'
import { certificateSecret, type Documents, validationSecret, validationSecretName } from '../secret.ts'
import { serviceClusterName } from './names.ts'
import { seconds, typed } from './values.ts'

const ads = { ads: {}, resource_api_version: 'V3' }
const httpOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

interface Server {
  readonly address: string
  readonly port: number
  readonly weight: number
}

function serversOf({ url, endpoints }: ServiceRule): readonly Server[] {
  if (url === undefined) return endpoints ?? []
  const { protocol, hostname, port } = new URL(url)
  const known = protocol === 'https:' ? 443 : 80
  return [{ address: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? known : Number(port), weight: 1 }]
}

function isSecure({ url, tls }: ServiceRule): boolean {
  return tls !== undefined || url?.startsWith('https:') === true
}

/** The name a service goes by where one is needed: in certificates, and as the authority of calls of Envoy's own. */
export function serviceHost(service: ServiceRule): string {
  return service.tls?.serverName ?? serversOf(service)[0]!.address
}

/** Whether the service's servers are told over EDS; otherwise Envoy resolves their names. */
export function serviceUsesEds(service: ServiceRule): boolean {
  return serversOf(service).every(({ address }) => isIP(address) !== 0)
}

/** The servers of a service. */
export function serviceEndpoints(name: string, service: ServiceRule): EnvoyJson {
  return {
    cluster_name: serviceClusterName(name),
    endpoints: [
      {
        lb_endpoints: serversOf(service).map(({ address, port, weight }) => ({
          endpoint: {
            address: { socket_address: { address, port_value: port } },
            // What hostFrom: service, health checks and certificates know the server by.
            hostname: address,
          },
          ...(weight !== 1 && { load_balancing_weight: weight }),
        })),
      },
    ],
  }
}

/** The secrets that a service's TLS needs, by name. */
export function serviceSecrets(
  name: string,
  service: ServiceRule,
  document: Documents,
): [name: string, secret: EnvoyJson][] {
  if (!isSecure(service)) return []
  const { caFile, certificateFile, keyFile } = service.tls ?? {}
  const own = ownCertificateName(name)
  return [
    [validationSecretName(caFile), validationSecret(caFile, document)],
    ...(certificateFile !== undefined && keyFile !== undefined
      ? [[own, certificateSecret(own, certificateFile, keyFile, document)] as [string, EnvoyJson]]
      : []),
  ]
}

function ownCertificateName(name: string): string {
  return `service/${name}`
}

/** The cluster of a service. */
export function serviceCluster(name: string, service: ServiceRule): EnvoyJson {
  const { health, outlier, breaker, connectTimeout, panicPercent } = service
  return {
    name: serviceClusterName(name),
    ...(serviceUsesEds(service)
      ? { type: 'EDS', eds_cluster_config: { eds_config: ads } }
      : {
          type: 'STRICT_DNS',
          // Each address is a server of its own, so that one family is enough: a name's IPv4 and IPv6 are one machine.
          dns_lookup_family: 'V4_PREFERRED',
          load_assignment: serviceEndpoints(name, service),
        }),
    connect_timeout: seconds(connectTimeout),
    ...balancing(service),
    common_lb_config: { healthy_panic_threshold: { value: panicPercent } },
    circuit_breakers: {
      thresholds: ['DEFAULT', 'HIGH'].map((priority) => ({
        priority,
        max_connections: breaker.connections,
        max_pending_requests: breaker.pending,
        max_requests: breaker.requests,
        retry_budget: {
          budget_percent: { value: breaker.retryBudget.percent },
          min_retry_concurrency: breaker.retryBudget.atLeast,
        },
      })),
    },
    ...(health && { health_checks: [healthCheck(service, health)] }),
    ...(outlier && {
      outlier_detection: {
        consecutive_5xx: outlier.consecutive5xx,
        enforcing_consecutive_5xx: 100,
        ...(outlier.consecutiveGatewayErrors === undefined
          ? { enforcing_consecutive_gateway_failure: 0 }
          : {
              consecutive_gateway_failure: outlier.consecutiveGatewayErrors,
              enforcing_consecutive_gateway_failure: 100,
            }),
        enforcing_success_rate: 0,
        interval: seconds(outlier.interval),
        base_ejection_time: seconds(outlier.ejectFor),
        max_ejection_percent: Math.round(outlier.maxEjectedPercent),
      },
    }),
    typed_extension_protocol_options: { [httpOptions]: protocolOptions(service) },
    ...(isSecure(service) && { transport_socket: transportSocket(name, service) }),
  }
}

function balancing({ balance }: ServiceRule): EnvoyJson {
  switch (balance) {
    case 'least-request':
      return { lb_policy: 'LEAST_REQUEST' }
    case 'round-robin':
      return { lb_policy: 'ROUND_ROBIN' }
    case 'random':
      return { lb_policy: 'RANDOM' }
    case 'ring-hash':
      return { lb_policy: 'RING_HASH' }
    case 'maglev':
      return { lb_policy: 'MAGLEV' }
  }
}

function healthCheck(service: ServiceRule, health: NonNullable<ServiceRule['health']>): EnvoyJson {
  const checks: Record<typeof health.type, () => EnvoyJson> = {
    http: () => ({
      http_health_check: {
        path: health.path,
        host: health.host ?? serviceHost(service),
        expected_statuses: health.statuses.map((status) => ({ start: status, end: status + 1 })),
        ...(['h2', 'grpc'].includes(service.protocol) && { codec_client_type: 'HTTP2' }),
        ...(service.protocol === 'h3' && { codec_client_type: 'HTTP3' }),
      },
    }),
    grpc: () => ({
      grpc_health_check: {
        ...(health.service !== undefined && { service_name: health.service }),
        authority: health.host ?? serviceHost(service),
      },
    }),
    tcp: () => ({ tcp_health_check: {} }),
  }
  return {
    timeout: seconds(health.timeout),
    interval: seconds(health.interval),
    // Servers that get no requests are asked just as often: the first request is to find one that is well.
    no_traffic_interval: seconds(health.interval),
    no_traffic_healthy_interval: seconds(health.interval),
    healthy_threshold: health.healthyAfter,
    unhealthy_threshold: health.unhealthyAfter,
    ...checks[health.type](),
  }
}

function protocolOptions(service: ServiceRule): EnvoyJson {
  const { protocol, idleTimeout, maxRequestsPerConnection } = service
  const secure = isSecure(service)
  // Envoy must be the first to close: a server that does so while a request comes makes it fail.
  const idle = idleTimeout ?? (secure || !['auto', 'h1'].includes(protocol) ? '50s' : '4s')
  return typed(httpOptions, {
    common_http_protocol_options: {
      idle_timeout: seconds(idle),
      ...(maxRequestsPerConnection !== undefined && { max_requests_per_connection: maxRequestsPerConnection }),
    },
    ...(protocol === 'auto' && secure
      ? { auto_config: { http_protocol_options: {}, http2_protocol_options: {} } }
      : { explicit_http_config: explicitProtocol(protocol) }),
  })
}

function explicitProtocol(protocol: ServiceRule['protocol']): EnvoyJson {
  switch (protocol) {
    case 'auto':
    case 'h1':
      return { http_protocol_options: {} }
    case 'h2':
    case 'grpc':
      return { http2_protocol_options: {} }
    case 'h3':
      return { http3_protocol_options: {} }
  }
}

function transportSocket(name: string, service: ServiceRule): EnvoyJson {
  const { caFile, certificateFile, subjectAltNames = [] } = service.tls ?? {}
  const trusted = { name: validationSecretName(caFile), sds_config: ads }
  const context = typed('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
    sni: serviceHost(service),
    ...(subjectAltNames.length === 0 && { auto_sni_san_validation: true }),
    common_tls_context: {
      ...(service.protocol !== 'h3' && { tls_params: { tls_minimum_protocol_version: 'TLSv1_2' } }),
      ...(subjectAltNames.length === 0
        ? { validation_context_sds_secret_config: trusted }
        : {
            combined_validation_context: {
              default_validation_context: { match_typed_subject_alt_names: subjectAltNames.map(subjectAltName) },
              validation_context_sds_secret_config: trusted,
            },
          }),
      ...(certificateFile !== undefined && {
        tls_certificate_sds_secret_configs: [{ name: ownCertificateName(name), sds_config: ads }],
      }),
      ...(['h2', 'grpc'].includes(service.protocol) && { alpn_protocols: ['h2'] }),
    },
  })
  if (service.protocol !== 'h3') return { name: 'envoy.transport_sockets.tls', typed_config: context }
  return {
    name: 'envoy.transport_sockets.quic',
    typed_config: typed('envoy.extensions.transport_sockets.quic.v3.QuicUpstreamTransport', {
      upstream_tls_context: Object.fromEntries(Object.entries(context).filter(([key]) => key !== '@type')),
    }),
  }
}

function subjectAltName({ dns, uri }: { dns?: string | undefined; uri?: string | undefined }): EnvoyJson {
  if (uri !== undefined) return { san_type: 'URI', matcher: { exact: uri } }
  return { san_type: 'DNS', matcher: { exact: dns } }
}
