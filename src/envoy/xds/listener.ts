import type { ListenerRule, TelemetryRule } from '../../config/schema.ts'
import { metadataNamespace } from '../names.ts'
import { connectionManager, downstreamBuffer } from './connection-manager.ts'
import type { EnvoyJson } from './filters.ts'
import { type ListenerHttp, onlyAi, routesFor } from './http/listener.ts'
import { validationSecretName } from './secret.ts'

const ads = { ads: {}, resource_api_version: 'V3' }

/** A certificate of a listener. */
interface ListenerCertificate {
  /** Its SDS name. */
  readonly secret: string
  readonly certificateFile: string
  readonly keyFile: string
  /** The names it is shown for; undefined: all. */
  readonly hosts?: readonly string[]
}

/** The certificates of a listener. */
export function certificatesOf(listener: string, tls: NonNullable<ListenerRule['tls']>): ListenerCertificate[] {
  const { certificates, certificateFile, keyFile } = tls
  if (certificates) return certificates.map((each) => ({ ...each, secret: `listener/${listener}/${each.hosts[0]!}` }))
  return [{ secret: `listener/${listener}`, certificateFile: certificateFile!, keyFile: keyFile! }]
}

/** What a listener is made of beside its own rule. */
export interface ListenerParts {
  readonly telemetry: TelemetryRule
  /** Whether callers may show what was delegated to them; default: not. */
  readonly delegations?: boolean | undefined
  /** What plain HTTP makes of it; default: there is AI traffic only. */
  readonly http?: ListenerHttp | undefined
  /** Chains for connections whose TLS is not terminated here, by the server name that they ask for. */
  readonly passthrough?: readonly EnvoyJson[] | undefined
}

/**
 * What Envoy listens on for one address that agents connect to: TCP, and beside it UDP where there is HTTP/3.
 * @returns by their names
 */
export function listenerConfigs(
  name: string,
  rule: ListenerRule,
  parts: ListenerParts,
): readonly (readonly [name: string, listener: EnvoyJson])[] {
  const { telemetry, delegations = false, http = onlyAi, passthrough = [] } = parts
  const certificates = rule.tls ? certificatesOf(name, rule.tls) : []
  const manager = (over: 'tcp' | 'quic', certificate?: ListenerCertificate) =>
    connectionManager({
      name,
      rule,
      telemetry,
      http,
      routes: routesFor(http, certificate?.hosts),
      delegations: delegations && http.ai,
      over,
    })
  const servesHttp = rule.serves.some((kind) => kind !== 'passthrough')
  const common = {
    // A change beside the filter chains makes Envoy drain the old connections, which ask for the old routes.
    ...(http.routes !== onlyAi.routes && {
      metadata: { filter_metadata: { [metadataNamespace]: { routes: http.routes } } },
    }),
    ...(servesHttp && http.ai && { per_connection_buffer_limit_bytes: downstreamBuffer }),
  }
  const tcp = {
    name,
    address: { socket_address: { address: rule.address, port_value: rule.port } },
    ...common,
    ...((passthrough.length > 0 || rule.tls?.certificates) && { listener_filters: [tlsInspector] }),
    filter_chains: [
      ...passthrough,
      ...(servesHttp && certificates.length === 0 ? [{ filters: [manager('tcp')] }] : []),
      ...(servesHttp
        ? certificates.map((certificate) => ({
            ...chainMatch(certificate),
            filters: [manager('tcp', certificate)],
            transport_socket: tlsSocket(rule, certificate),
          }))
        : []),
    ],
  }
  if (!rule.http3) return [[name, tcp]]
  const quicName = `${name}/http3`
  const quic = {
    name: quicName,
    address: { socket_address: { protocol: 'UDP', address: rule.address, port_value: rule.port } },
    udp_listener_config: { quic_options: {}, downstream_socket_config: { prefer_gro: true } },
    ...common,
    filter_chains: certificates.map((certificate) => ({
      ...chainMatch(certificate),
      filters: [manager('quic', certificate)],
      transport_socket: quicSocket(certificate),
    })),
  }
  return [
    [name, tcp],
    [quicName, quic],
  ]
}

export const tlsInspector: EnvoyJson = {
  name: 'envoy.filters.listener.tls_inspector',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
  },
}

/** For which names clients must ask to come to a certificate. */
function chainMatch({ hosts }: ListenerCertificate): EnvoyJson {
  return hosts === undefined || hosts.includes('*') ? {} : { filter_chain_match: { server_names: hosts } }
}

function tlsSocket({ tls, identity }: ListenerRule, { secret }: ListenerCertificate): EnvoyJson {
  const { clientCaFile, requireClientCertificate = identity.accept.every((kind) => kind === 'mtls') } = tls ?? {}
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
      ...(clientCaFile !== undefined && { require_client_certificate: requireClientCertificate }),
      common_tls_context: {
        alpn_protocols: ['h2', 'http/1.1'],
        tls_certificate_sds_secret_configs: [{ name: secret, sds_config: ads }],
        ...(clientCaFile !== undefined && {
          validation_context_sds_secret_config: { name: validationSecretName(clientCaFile), sds_config: ads },
        }),
      },
    },
  }
}

function quicSocket({ secret }: ListenerCertificate): EnvoyJson {
  return {
    name: 'envoy.transport_sockets.quic',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport',
      downstream_tls_context: {
        common_tls_context: {
          tls_certificate_sds_secret_configs: [{ name: secret, sds_config: ads }],
        },
      },
      // What comes before the handshake is done can be played again by others (RFC 8446, section 8).
      enable_early_data: false,
    },
  }
}
