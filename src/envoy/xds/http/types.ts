import { file_envoy_config_route_v3_route_components } from '#gen/envoy/config/route/v3/route_components_pb.js'
import { file_envoy_extensions_access_loggers_stream_v3_stream } from '#gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js'
import { file_envoy_extensions_compression_brotli_compressor_v3_brotli } from '#gen/envoy/extensions/compression/brotli/compressor/v3/brotli_pb.js'
import { file_envoy_extensions_compression_gzip_compressor_v3_gzip } from '#gen/envoy/extensions/compression/gzip/compressor/v3/gzip_pb.js'
import { file_envoy_extensions_compression_zstd_compressor_v3_zstd } from '#gen/envoy/extensions/compression/zstd/compressor/v3/zstd_pb.js'
import { file_envoy_extensions_filters_http_api_key_auth_v3_api_key_auth } from '#gen/envoy/extensions/filters/http/api_key_auth/v3/api_key_auth_pb.js'
import { file_envoy_extensions_filters_http_basic_auth_v3_basic_auth } from '#gen/envoy/extensions/filters/http/basic_auth/v3/basic_auth_pb.js'
import { file_envoy_extensions_filters_http_buffer_v3_buffer } from '#gen/envoy/extensions/filters/http/buffer/v3/buffer_pb.js'
import { file_envoy_extensions_filters_http_compressor_v3_compressor } from '#gen/envoy/extensions/filters/http/compressor/v3/compressor_pb.js'
import { file_envoy_extensions_filters_http_cors_v3_cors } from '#gen/envoy/extensions/filters/http/cors/v3/cors_pb.js'
import { file_envoy_extensions_filters_http_csrf_v3_csrf } from '#gen/envoy/extensions/filters/http/csrf/v3/csrf_pb.js'
import { file_envoy_extensions_filters_http_fault_v3_fault } from '#gen/envoy/extensions/filters/http/fault/v3/fault_pb.js'
import { file_envoy_extensions_filters_http_grpc_json_transcoder_v3_transcoder } from '#gen/envoy/extensions/filters/http/grpc_json_transcoder/v3/transcoder_pb.js'
import { file_envoy_extensions_filters_http_grpc_web_v3_grpc_web } from '#gen/envoy/extensions/filters/http/grpc_web/v3/grpc_web_pb.js'
import { file_envoy_extensions_filters_http_header_mutation_v3_header_mutation } from '#gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js'
import { file_envoy_extensions_filters_http_jwt_authn_v3_config } from '#gen/envoy/extensions/filters/http/jwt_authn/v3/config_pb.js'
import { file_envoy_extensions_filters_http_local_ratelimit_v3_local_rate_limit } from '#gen/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js'
import { file_envoy_extensions_filters_http_rbac_v3_rbac } from '#gen/envoy/extensions/filters/http/rbac/v3/rbac_pb.js'
import { file_envoy_extensions_filters_http_stateful_session_v3_stateful_session } from '#gen/envoy/extensions/filters/http/stateful_session/v3/stateful_session_pb.js'
import { file_envoy_extensions_filters_listener_tls_inspector_v3_tls_inspector } from '#gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js'
import { file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy } from '#gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js'
import { file_envoy_extensions_http_stateful_session_cookie_v3_cookie } from '#gen/envoy/extensions/http/stateful_session/cookie/v3/cookie_pb.js'
import { file_envoy_extensions_http_stateful_session_header_v3_header } from '#gen/envoy/extensions/http/stateful_session/header/v3/header_pb.js'
import { file_envoy_extensions_path_match_uri_template_v3_uri_template_match } from '#gen/envoy/extensions/path/match/uri_template/v3/uri_template_match_pb.js'
import { file_envoy_extensions_path_rewrite_uri_template_v3_uri_template_rewrite } from '#gen/envoy/extensions/path/rewrite/uri_template/v3/uri_template_rewrite_pb.js'
import { file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts } from '#gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js'
import { file_envoy_extensions_transport_sockets_quic_v3_quic_transport } from '#gen/envoy/extensions/transport_sockets/quic/v3/quic_transport_pb.js'

/** The files of the messages that stand in an Any of plain HTTP's configuration. */
export const httpTypes = [
  file_envoy_config_route_v3_route_components,
  file_envoy_extensions_access_loggers_stream_v3_stream,
  file_envoy_extensions_compression_brotli_compressor_v3_brotli,
  file_envoy_extensions_compression_gzip_compressor_v3_gzip,
  file_envoy_extensions_compression_zstd_compressor_v3_zstd,
  file_envoy_extensions_filters_http_api_key_auth_v3_api_key_auth,
  file_envoy_extensions_filters_http_basic_auth_v3_basic_auth,
  file_envoy_extensions_filters_http_buffer_v3_buffer,
  file_envoy_extensions_filters_http_compressor_v3_compressor,
  file_envoy_extensions_filters_http_cors_v3_cors,
  file_envoy_extensions_filters_http_csrf_v3_csrf,
  file_envoy_extensions_filters_http_fault_v3_fault,
  file_envoy_extensions_filters_http_grpc_json_transcoder_v3_transcoder,
  file_envoy_extensions_filters_http_grpc_web_v3_grpc_web,
  file_envoy_extensions_filters_http_jwt_authn_v3_config,
  file_envoy_extensions_filters_http_local_ratelimit_v3_local_rate_limit,
  file_envoy_extensions_filters_http_rbac_v3_rbac,
  file_envoy_extensions_filters_http_stateful_session_v3_stateful_session,
  file_envoy_extensions_http_stateful_session_cookie_v3_cookie,
  file_envoy_extensions_http_stateful_session_header_v3_header,
  file_envoy_extensions_path_match_uri_template_v3_uri_template_match,
  file_envoy_extensions_path_rewrite_uri_template_v3_uri_template_rewrite,
  file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts,
  file_envoy_extensions_transport_sockets_quic_v3_quic_transport,
  file_envoy_extensions_filters_http_header_mutation_v3_header_mutation,
  file_envoy_extensions_filters_listener_tls_inspector_v3_tls_inspector,
  file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy,
]
