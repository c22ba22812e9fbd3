import type { ListenerRule, TelemetryRule } from '../../config/schema.ts'
import { longestAnswer } from '../../protocol.ts'
import { type EnvoyJson, extAuthz } from './filters.ts'
import { httpAccessLog } from './http/access-log.ts'
import { type ListenerHttp, onlyAi } from './http/listener.ts'
import { localReplies } from './local-reply.ts'
import { tracing } from './tracing.ts'

const ads = { ads: {}, resource_api_version: 'V3' }

/**
 * What Envoy buffers towards a client before it holds the source back, bytes: more than any answer. Envoy 1.40 dies when
 * it holds back, or lets go again, a source that has ended while stage 2 still had pieces of its answer.
 */
export const downstreamBuffer = 2 * longestAnswer

/** What Envoy does with the requests of a listener's connections, whatever carries them. */
export interface HttpConnections {
  readonly name: string
  readonly rule: ListenerRule
  readonly telemetry: TelemetryRule
  readonly http: ListenerHttp
  /** The name of their route configuration. */
  readonly routes: string
  /** Whether callers may show what was delegated to them. */
  readonly delegations: boolean
  /** HTTP/1.1 and HTTP/2 on TCP, or HTTP/3 on QUIC. */
  readonly over: 'tcp' | 'quic'
}

/** The network filter that speaks HTTP with the clients of a listener. */
export function connectionManager(connections: HttpConnections): EnvoyJson {
  const { name, rule, telemetry, http, routes, delegations, over } = connections
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      stat_prefix: name,
      ...(over === 'tcp'
        ? {
            codec_type: 'AUTO',
            http2_protocol_options: {
              // Also what Envoy buffers of one stream.
              ...(http.ai && { initial_stream_window_size: downstreamBuffer }),
              initial_connection_window_size: 16 * 1024 * 1024,
              max_concurrent_streams: 1000,
              ...(http.upgrades && { allow_connect: true }),
            },
          }
        : {
            codec_type: 'HTTP3',
            http3_protocol_options: { ...(http.upgrades && { allow_extended_connect: true }) },
          }),
      // The listener faces agents, so what they say about themselves in x-envoy-* and x-forwarded-* is not believed.
      use_remote_address: true,
      ...clientCertificates(rule),
      always_set_request_id_in_response: true,
      scheme_header_transformation: { match_upstream: true },
      path_with_escaped_slashes_action: 'REJECT_REQUEST',
      normalize_path: true,
      merge_slashes: true,
      common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST' },
      ...(delegations && { early_header_mutation_extensions: [continuedTrace] }),
      request_headers_timeout: '10s',
      request_timeout: '120s',
      stream_idle_timeout: '3600s',
      rds: { route_config_name: routes, config_source: ads },
      http_filters: [
        ...(over === 'tcp' && rule.http3 ? [alternative(rule.port)] : []),
        ...http.before,
        ...(http.decides ? [extAuthz(rule.maxRequestBytes)] : []),
        ...http.after,
        router,
      ],
      ...(http.routes !== onlyAi.routes && telemetry.accessLog && { access_log: [httpAccessLog(name)] }),
      local_reply_config: localReplies(rule.maxRequestBytes),
      ...(telemetry.otlpEndpoint !== undefined && {
        tracing: tracing(telemetry.otlpEndpoint, telemetry.sampling),
      }),
    },
  }
}

export const router: EnvoyJson = {
  name: 'envoy.filters.http.router',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
    // Nothing of x-envoy-* goes to providers or clients.
    suppress_envoy_headers: true,
  },
}

/**
 * An agent that knows nothing of traces still shows what it was delegated, which begins with the context of the trace that it is in
 * (a traceparent has 55 characters). Put in place before Envoy begins its own span, it makes that a part of the same trace.
 */
const continuedTrace: EnvoyJson = {
  name: 'envoy.http.early_header_mutation.header_mutation',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation',
    mutations: [
      {
        append: {
          header: { key: 'traceparent', value: '%REQ(chaperone-delegation):55%' },
          append_action: 'ADD_IF_ABSENT',
        },
      },
    ],
  },
}

/** Tells clients that there is HTTP/3 at the same port, for a day (RFC 7838; RFC 9114, section 3.1.1). */
function alternative(port: number): EnvoyJson {
  const header = { key: 'alt-svc', value: `h3=":${port}"; ma=86400` }
  return {
    name: 'envoy.filters.http.header_mutation',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation',
      mutations: { response_mutations: [{ append: { header, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' } }] },
    },
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
