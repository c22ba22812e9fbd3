import type { ListenerRule, TelemetryRule } from '../../config/schema.ts'
import { longestAnswer } from '../../protocol.ts'
import { metadataNamespace } from '../names.ts'
import { type EnvoyJson, extAuthz } from './filters.ts'
import { httpAccessLog } from './http/access-log.ts'
import { type ListenerHttp, onlyAi } from './http/listener.ts'
import { localReplies } from './local-reply.ts'
import { validationSecretName } from './secret.ts'
import { tracing } from './tracing.ts'

const ads = { ads: {}, resource_api_version: 'V3' }

/** The SDS name of a listener's certificate. */
export function listenerSecretName(listener: string): string {
  return `listener/${listener}`
}

/**
 * What Envoy buffers towards a client before it holds the source back, bytes: more than any answer. Envoy 1.40 dies when
 * it holds back, or lets go again, a source that has ended while stage 2 still had pieces of its answer.
 */
const downstreamBuffer = 2 * longestAnswer

/** One address that agents connect to. @param http what plain HTTP makes of it */
export function listenerConfig(
  name: string,
  rule: ListenerRule,
  telemetry: TelemetryRule,
  http: ListenerHttp = onlyAi,
): EnvoyJson {
  return {
    name,
    address: { socket_address: { address: rule.address, port_value: rule.port } },
    // A change beside the filter chains makes Envoy drain the old connections, which ask for the old routes.
    ...(http.routes !== onlyAi.routes && {
      metadata: { filter_metadata: { [metadataNamespace]: { routes: http.routes } } },
    }),
    ...(http.ai && { per_connection_buffer_limit_bytes: downstreamBuffer }),
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type':
                'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
              stat_prefix: name,
              codec_type: 'AUTO',
              http2_protocol_options: {
                // Also what Envoy buffers of one stream.
                ...(http.ai && { initial_stream_window_size: downstreamBuffer }),
                initial_connection_window_size: 16 * 1024 * 1024,
                max_concurrent_streams: 1000,
              },
              // The listener faces agents, so what they say about themselves in x-envoy-* and x-forwarded-* is not believed.
              use_remote_address: true,
              ...clientCertificates(rule),
              always_set_request_id_in_response: true,
              scheme_header_transformation: { match_upstream: true },
              path_with_escaped_slashes_action: 'REJECT_REQUEST',
              normalize_path: true,
              merge_slashes: true,
              common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST' },
              request_headers_timeout: '10s',
              request_timeout: '120s',
              stream_idle_timeout: '3600s',
              rds: { route_config_name: http.routes, config_source: ads },
              http_filters: [
                ...http.before,
                ...(http.decides ? [extAuthz(rule.maxRequestBytes)] : []),
                ...http.after,
                {
                  name: 'envoy.filters.http.router',
                  typed_config: {
                    '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
                    // Nothing of x-envoy-* goes to providers or clients.
                    suppress_envoy_headers: true,
                  },
                },
              ],
              ...(http.routes !== onlyAi.routes && telemetry.accessLog && { access_log: [httpAccessLog(name)] }),
              local_reply_config: localReplies(rule.maxRequestBytes),
              ...(telemetry.otlpEndpoint !== undefined && {
                tracing: tracing(telemetry.otlpEndpoint, telemetry.sampling),
              }),
            },
          },
        ],
        ...(rule.tls && {
          transport_socket: {
            name: 'envoy.transport_sockets.tls',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
              ...(rule.tls.clientCaFile !== undefined && {
                require_client_certificate: rule.identity.accept.every((kind) => kind === 'mtls'),
              }),
              common_tls_context: {
                alpn_protocols: ['h2', 'http/1.1'],
                tls_certificate_sds_secret_configs: [{ name: listenerSecretName(name), sds_config: ads }],
                ...(rule.tls.clientCaFile !== undefined && {
                  validation_context_sds_secret_config: {
                    name: validationSecretName(rule.tls.clientCaFile),
                    sds_config: ads,
                  },
                }),
              },
            },
          },
        }),
      },
    ],
  }
}

/**
 * What becomes of x-forwarded-client-cert, the header that tells the service whom a client certificate names. A client's
 * own is always taken off, but where the rules say that only a mesh's proxy can be the client.
 */
function clientCertificates({ identity, tls }: ListenerRule): EnvoyJson {
  if (identity.trustForwardedClientCert) return { forward_client_cert_details: 'ALWAYS_FORWARD_ONLY' }
  if (tls?.clientCaFile === undefined) return { forward_client_cert_details: 'SANITIZE' }
  return {
    forward_client_cert_details: 'SANITIZE_SET',
    set_current_client_cert_details: { uri: true, dns: true, subject: true },
  }
}
