import { createRegistry, type DescMessage, fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf'
import { type Any, anyPack } from '@bufbuild/protobuf/wkt'
import {
  BootstrapSchema,
  file_envoy_config_bootstrap_v3_bootstrap,
} from '#gen/envoy/config/bootstrap/v3/bootstrap_pb.js'
import { ClusterSchema, file_envoy_config_cluster_v3_cluster } from '#gen/envoy/config/cluster/v3/cluster_pb.js'
import { ClusterLoadAssignmentSchema } from '#gen/envoy/config/endpoint/v3/endpoint_pb.js'
import { ListenerSchema } from '#gen/envoy/config/listener/v3/listener_pb.js'
import { RouteConfigurationSchema } from '#gen/envoy/config/route/v3/route_pb.js'
import { file_envoy_config_trace_v3_opentelemetry } from '#gen/envoy/config/trace/v3/opentelemetry_pb.js'
import { file_envoy_extensions_access_loggers_filters_cel_v3_cel } from '#gen/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.js'
import { file_envoy_extensions_clusters_composite_v3_cluster } from '#gen/envoy/extensions/clusters/composite/v3/cluster_pb.js'
import { file_envoy_extensions_filters_http_ext_authz_v3_ext_authz } from '#gen/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.js'
import { file_envoy_extensions_filters_http_ext_proc_v3_ext_proc } from '#gen/envoy/extensions/filters/http/ext_proc/v3/ext_proc_pb.js'
import { file_envoy_extensions_filters_http_router_v3_router } from '#gen/envoy/extensions/filters/http/router/v3/router_pb.js'
import { file_envoy_extensions_filters_http_upstream_codec_v3_upstream_codec } from '#gen/envoy/extensions/filters/http/upstream_codec/v3/upstream_codec_pb.js'
import { file_envoy_extensions_filters_listener_tls_inspector_v3_tls_inspector } from '#gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js'
import { file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager } from '#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import { file_envoy_extensions_http_early_header_mutation_header_mutation_v3_header_mutation } from '#gen/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.js'
import { file_envoy_extensions_load_balancing_policies_override_host_v3_override_host } from '#gen/envoy/extensions/load_balancing_policies/override_host/v3/override_host_pb.js'
import { file_envoy_extensions_load_balancing_policies_round_robin_v3_round_robin } from '#gen/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin_pb.js'
import { file_envoy_extensions_resource_monitors_downstream_connections_v3_downstream_connections } from '#gen/envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections_pb.js'
import { SecretSchema } from '#gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { file_envoy_extensions_transport_sockets_tls_v3_tls } from '#gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js'
import { file_envoy_extensions_upstreams_http_v3_http_protocol_options } from '#gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js'
import { egressTypes } from './egress/types.ts'
import type { EnvoyJson } from './filters.ts'
import { httpTypes } from './http/types.ts'

/** Every message type that may stand in an Any of ours. */
const registry = createRegistry(
  file_envoy_config_bootstrap_v3_bootstrap,
  file_envoy_config_cluster_v3_cluster,
  file_envoy_config_trace_v3_opentelemetry,
  file_envoy_extensions_access_loggers_filters_cel_v3_cel,
  file_envoy_extensions_clusters_composite_v3_cluster,
  file_envoy_extensions_filters_http_ext_authz_v3_ext_authz,
  file_envoy_extensions_filters_http_ext_proc_v3_ext_proc,
  file_envoy_extensions_filters_http_router_v3_router,
  file_envoy_extensions_filters_http_upstream_codec_v3_upstream_codec,
  file_envoy_extensions_filters_listener_tls_inspector_v3_tls_inspector,
  file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager,
  file_envoy_extensions_http_early_header_mutation_header_mutation_v3_header_mutation,
  file_envoy_extensions_load_balancing_policies_override_host_v3_override_host,
  file_envoy_extensions_load_balancing_policies_round_robin_v3_round_robin,
  file_envoy_extensions_resource_monitors_downstream_connections_v3_downstream_connections,
  file_envoy_extensions_transport_sockets_tls_v3_tls,
  file_envoy_extensions_upstreams_http_v3_http_protocol_options,
  ...httpTypes,
  ...egressTypes,
)

/** The resource types served, in the order in which a change is announced (make before break). */
export const resourceTypes = ['cluster', 'endpoint', 'secret', 'listener', 'route'] as const
export type ResourceType = (typeof resourceTypes)[number]

const schemas: Record<ResourceType, DescMessage> = {
  cluster: ClusterSchema,
  endpoint: ClusterLoadAssignmentSchema,
  secret: SecretSchema,
  listener: ListenerSchema,
  route: RouteConfigurationSchema,
}

/** xDS type URL of a resource type. */
export const typeUrls = Object.fromEntries(
  resourceTypes.map((type) => [type, `type.googleapis.com/${schemas[type].typeName}`]),
) as Record<ResourceType, string>

/**
 * Encodes one resource.
 * @throws {Error} where the JSON is not a message of that type: unknown field, wrong type, unknown `@type`.
 */
export function encodeResource(type: ResourceType, json: EnvoyJson): Any {
  const schema = schemas[type]
  return anyPack(schema, fromJson(schema, json as JsonValue, { registry }))
}

/** Checks a bootstrap's form and gives it back, for files that are written out as JSON. */
export function checkBootstrap(json: EnvoyJson): EnvoyJson {
  toBinary(BootstrapSchema, fromJson(BootstrapSchema, json as JsonValue, { registry }))
  return json
}
