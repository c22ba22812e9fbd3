import type { DescFile } from '@bufbuild/protobuf'
import { file_envoy_extensions_bootstrap_internal_listener_v3_internal_listener } from '#gen/envoy/extensions/bootstrap/internal_listener/v3/internal_listener_pb.js'
import { file_envoy_extensions_filters_http_set_filter_state_v3_set_filter_state } from '#gen/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state_pb.js'
import { file_envoy_extensions_filters_listener_http_inspector_v3_http_inspector } from '#gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js'
import { file_envoy_extensions_filters_listener_original_dst_v3_original_dst } from '#gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.js'
import { file_envoy_extensions_transport_sockets_internal_upstream_v3_internal_upstream } from '#gen/envoy/extensions/transport_sockets/internal_upstream/v3/internal_upstream_pb.js'
import { file_envoy_extensions_transport_sockets_raw_buffer_v3_raw_buffer } from '#gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js'
import { file_envoy_extensions_transport_sockets_tls_cert_mappers_sni_v3_config } from '#gen/envoy/extensions/transport_sockets/tls/cert_mappers/sni/v3/config_pb.js'
import { file_envoy_extensions_transport_sockets_tls_cert_selectors_on_demand_secret_v3_config } from '#gen/envoy/extensions/transport_sockets/tls/cert_selectors/on_demand_secret/v3/config_pb.js'

/** The files of the messages that stand in an Any of caught traffic's configuration, and of the bootstrap for it. */
export const egressTypes: readonly DescFile[] = [
  file_envoy_extensions_filters_http_set_filter_state_v3_set_filter_state,
  file_envoy_extensions_filters_listener_http_inspector_v3_http_inspector,
  file_envoy_extensions_filters_listener_original_dst_v3_original_dst,
  file_envoy_extensions_transport_sockets_internal_upstream_v3_internal_upstream,
  file_envoy_extensions_transport_sockets_raw_buffer_v3_raw_buffer,
  file_envoy_extensions_transport_sockets_tls_cert_mappers_sni_v3_config,
  file_envoy_extensions_transport_sockets_tls_cert_selectors_on_demand_secret_v3_config,
  file_envoy_extensions_bootstrap_internal_listener_v3_internal_listener,
]
