import { clusterHeader, requestIdHeader, routeHeader, serviceCluster, upstreamMetadataAttribute } from '../names.ts'

/** Envoy configuration in its JSON form (proto3 JSON with `@type` in every Any), as Envoy's own documentation writes it. */
export type EnvoyJson = { [key: string]: unknown }

const exact = (header: string) => ({ exact: header, ignore_case: true })
const prefix = (header: string) => ({ prefix: header, ignore_case: true })

/** The request headers stage 1 reads; Envoy sends the service no others. */
export const decideHeaders: readonly string[] = [
  requestIdHeader,
  'x-chaperone-key',
  'authorization',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'content-type',
  'content-encoding',
  'traceparent',
  'tracestate',
  'x-forwarded-client-cert',
  'chaperone-delegation',
  'chaperone-agent',
  'anthropic-version',
  'anthropic-beta',
  'openai-beta',
  // MCP (with `mcp-…`).
  ':authority',
  'x-forwarded-proto',
  'accept',
  'origin',
  'last-event-id',
  'access-control-request-method',
  'access-control-request-headers',
]

/** And those whose names begin so. */
export const decideHeaderPrefixes: readonly string[] = ['mcp-']

/** The headers stage 2 reads, of requests and of responses. */
export const transformHeaders: readonly string[] = [
  requestIdHeader,
  'traceparent',
  ':status',
  'content-type',
  'content-encoding',
  'retry-after',
  'retry-after-ms',
  'x-amzn-errortype',
]

/** Stage 1: asks the service once a request, with the whole body. Without an answer the request fails with 503. */
export function extAuthz(maxRequestBytes: number): EnvoyJson {
  return {
    name: 'envoy.filters.http.ext_authz',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz',
      transport_api_version: 'V3',
      clear_route_cache: true,
      failure_mode_allow: false,
      status_on_error: { code: 'ServiceUnavailable' },
      with_request_body: { max_request_bytes: maxRequestBytes, allow_partial_message: false, pack_as_bytes: true },
      allowed_headers: { patterns: [...decideHeaders.map(exact), ...decideHeaderPrefixes.map(prefix)] },
      grpc_service: { envoy_grpc: { cluster_name: serviceCluster }, timeout: '10s' },
    },
  }
}

/**
 * Stage 2: the upstream filters of every cluster that attempts go through. The service sees the attempt's headers
 * (few of them), never the request body, and the answer as it streams unless it says that it need not.
 * @param allHeaders whether it sees all headers
 */
export function upstreamFilters(allHeaders = false): EnvoyJson[] {
  return [
    {
      name: 'envoy.filters.http.ext_proc',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor',
        grpc_service: { envoy_grpc: { cluster_name: serviceCluster } },
        processing_mode: {
          request_header_mode: 'SEND',
          request_body_mode: 'NONE',
          request_trailer_mode: 'SKIP',
          response_header_mode: 'SEND',
          response_body_mode: 'STREAMED',
          response_trailer_mode: 'SKIP',
        },
        ...(!allHeaders && { forward_rules: { allowed_headers: { patterns: transformHeaders.map(exact) } } }),
        mutation_rules: { allow_all_routing: true, allow_envoy: true },
        request_attributes: [upstreamMetadataAttribute],
        // Response headers and the first piece of the body come together, so that the service can let the body decide
        // about the headers: an error at the start of a stream becomes a status that Envoy retries.
        send_body_without_waiting_for_header_response: true,
        // The service answers in milliseconds, but held-back headers wait for the upstream's first byte, and signing may
        // wait for a token.
        message_timeout: '3600s',
        stat_prefix: serviceCluster,
      },
    },
    {
      name: 'envoy.filters.http.upstream_codec',
      typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec' },
    },
  ]
}

/** What routes take off a request before it leaves. */
export const ownRequestHeaders: readonly string[] = [clusterHeader, routeHeader]
