import type { EnvoyJson } from '../../src/envoy/xds/filters.ts'
import { type Configuration, manager, router, typed } from './configuration.ts'

/** What Envoy Gateway makes of our resources, in its form, and what it does with an EnvoyPatchPolicy (internal/xds/translator/jsonpatch.go). */

export interface Resources {
  gateway: { spec: { listeners: { name: string; port: number }[] } }
  route: { metadata: { name: string } }
  routeFilter: { spec: { directResponse: { statusCode: number; body: { inline: string } } } }
  backend: { spec: { endpoints: { unix: { path: string } }[] } }
  security: {
    metadata: { name: string }
    spec: { extAuth: { bodyToExtAuth: { maxRequestBytes: number }; recomputeRoute: boolean; failOpen: boolean } }
  }
  patch: { spec: { jsonPatches: JsonPatch[] } }
}

export interface JsonPatch {
  type: string
  name: string
  operation: { op: string; path?: string; jsonPath?: string; value: EnvoyJson }
}

/** Routes are kept apart, as they are patched apart. */
interface Translated extends Configuration {
  routes: EnvoyJson[]
}

/** The proxy of one Gateway with one listener, before patches. */
export function translated(
  { gateway, route, routeFilter, backend, security }: Resources,
  namespace = 'default',
): Translated {
  const [{ name: listener, port }] = gateway.spec.listeners as [{ name: string; port: number }]
  const name = `${namespace}/chaperone/${listener}`
  const policy = `securitypolicy/${namespace}/${security.metadata.name}`
  const filter = `envoy.filters.http.ext_authz/${policy}`
  const { extAuth } = security.spec
  const { statusCode, body } = routeFilter.spec.directResponse
  return {
    clusters: [
      {
        name: `${policy}/extauth/0`,
        type: 'STATIC',
        connect_timeout: '10s',
        ignore_health_on_host_removal: true,
        per_connection_buffer_limit_bytes: 32768,
        circuit_breakers: { thresholds: [{ max_retries: 1024 }] },
        load_assignment: {
          cluster_name: `${policy}/extauth/0`,
          endpoints: [
            {
              lb_endpoints: [{ endpoint: { address: { pipe: { path: backend.spec.endpoints[0]!.unix.path } } } }],
              load_balancing_weight: 1,
              locality: { region: `${policy}/extauth/0/backend/0` },
            },
          ],
        },
        typed_extension_protocol_options: {
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': typed(
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
            {
              explicit_http_config: {
                http2_protocol_options: { initial_connection_window_size: 1048576, initial_stream_window_size: 65536 },
              },
            },
          ),
        },
      },
    ],
    listeners: [
      {
        name,
        address: { socket_address: { address: '0.0.0.0', port_value: port } },
        per_connection_buffer_limit_bytes: 32768,
        max_connections_to_accept_per_socket_event: 1,
        default_filter_chain: {
          filters: [
            manager({
              stat_prefix: `http-${port}`,
              use_remote_address: true,
              merge_slashes: true,
              normalize_path: true,
              path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT',
              server_header_transformation: 'PASS_THROUGH',
              common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST' },
              http2_protocol_options: {
                initial_connection_window_size: 1048576,
                initial_stream_window_size: 65536,
                max_concurrent_streams: 100,
              },
              http_filters: [
                {
                  name: filter,
                  disabled: true,
                  typed_config: typed('envoy.extensions.filters.http.ext_authz.v3.ExtAuthz', {
                    transport_api_version: 'V3',
                    failure_mode_allow: extAuth.failOpen,
                    clear_route_cache: extAuth.recomputeRoute,
                    with_request_body: { max_request_bytes: extAuth.bodyToExtAuth.maxRequestBytes },
                    grpc_service: {
                      envoy_grpc: { cluster_name: `${policy}/extauth/0`, authority: 'chaperone.default' },
                      timeout: '10s',
                    },
                  }),
                },
                router,
              ],
              rds: { route_config_name: name, config_source: { ads: {}, resource_api_version: 'V3' } },
            }),
          ],
        },
      },
    ],
    routes: [
      {
        name,
        ignore_port_in_host_matching: true,
        virtual_hosts: [
          {
            name: `${name}/*`,
            domains: ['*'],
            routes: [
              {
                name: `httproute/${namespace}/${route.metadata.name}/rule/0/match/0/*`,
                match: { prefix: '/' },
                direct_response: { status: statusCode, body: { inline_string: body.inline } },
                typed_per_filter_config: {
                  [filter]: typed('envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute', {
                    check_settings: {},
                  }),
                },
              },
            ],
          },
        ],
      },
    ],
  }
}

/** @throws {Error} where a patch finds nothing, or asks for what is not done here: in a cluster it would be in the policy's status */
export function patched(base: Translated, { spec }: Resources['patch']): Translated {
  const made = structuredClone(base)
  const kinds: Record<string, EnvoyJson[]> = {
    'type.googleapis.com/envoy.config.cluster.v3.Cluster': made.clusters,
    'type.googleapis.com/envoy.config.listener.v3.Listener': made.listeners,
    'type.googleapis.com/envoy.config.route.v3.RouteConfiguration': made.routes,
  }
  for (const { type, name, operation } of spec.jsonPatches) {
    const { op, path = '', jsonPath, value } = operation
    if (op !== 'add') throw new Error(`${op} is not done here`)
    const some = kinds[type]
    if (!some) throw new Error(`unsupported patch type ${type}`)
    if (path === '' && jsonPath === undefined) {
      some.push(structuredClone(value))
      continue
    }
    const resource = some.find((each) => each.name === name)
    if (!resource) throw new Error(`resource not found: ${name}`)
    const places = jsonPath === undefined ? [resource] : select(resource, jsonPath)
    if (places.length === 0) throw new Error(`nothing is at ${jsonPath} of ${name}`)
    for (const place of places) add(place, path.split('/').slice(1), structuredClone(value))
  }
  return made
}

/** `..LIST[?(@.name=="NAME")].FIELD`, the only form that ours have. */
function select(resource: EnvoyJson, jsonPath: string): EnvoyJson[] {
  const [, list, name, field] = /^\.\.(\w+)\[\?\(@\.name=="([^"]+)"\)\](?:\.(\w+))?$/.exec(jsonPath) ?? []
  if (list === undefined) throw new Error(`${jsonPath} is not understood here`)
  const found: EnvoyJson[] = []
  const visit = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return
    const items = (value as EnvoyJson)[list]
    if (Array.isArray(items)) for (const item of items) if (item.name === name) found.push(field ? item[field] : item)
    for (const each of Object.values(value)) visit(each)
  }
  visit(resource)
  return found
}

/** RFC 6902, section 4.1, where missing objects on the way are made (EnsurePathExistsOnAdd). */
function add(place: EnvoyJson, [key, ...rest]: string[], value: EnvoyJson): void {
  const target = place as Record<string, unknown>
  if (rest.length === 0) {
    if (Array.isArray(target)) target.splice(Number(key), 0, value)
    else target[key!] = value
    return
  }
  target[key!] ??= {}
  add(target[key!] as EnvoyJson, rest, value)
}

/** Routes in the listeners, for a file. */
export function withRoutes({ clusters, listeners, routes }: Translated): Configuration {
  const inlined = JSON.parse(JSON.stringify(listeners), (_, value) => {
    if (typeof value !== 'object' || value === null || !('rds' in value)) return value
    const { rds, ...rest } = value
    return {
      ...rest,
      route_config: { ...routes.find(({ name }) => name === rds.route_config_name), validate_clusters: false },
    }
  })
  return { clusters, listeners: inlined }
}
