import type { ListenerRule, TelemetryRule } from '../../../config/schema.ts'
import { caughtHeader, insideName, noServerName, proxyName, tunnelHeader } from '../../names.ts'
import { connectionManager, downstreamBuffer } from '../connection-manager.ts'
import { type EnvoyJson, extAuthz } from '../filters.ts'
import { httpAccessLog } from '../http/access-log.ts'
import { typed } from '../http/values.ts'
import { tlsInspector } from '../listener.ts'
import { egressReplies } from './replies.ts'

const ads = { ads: {}, resource_api_version: 'V3' }
/** Under this name Envoy carries a tunnel's id into it. */
const tunnelState = 'chaperone.tunnel'

interface Parts {
  readonly name: string
  readonly rule: ListenerRule
  readonly telemetry: TelemetryRule
  /** Whether TLS to known hosts can be read. */
  readonly authority: boolean
  /** Whether callers may show what was delegated to them. */
  readonly delegations: boolean
}

/** What Envoy listens on for a listener that serves egress: its address, and behind that its opened tunnels. */
export function egressListeners(parts: Parts): readonly (readonly [name: string, listener: EnvoyJson])[] {
  const { name, rule } = parts
  const [inside, proxy] = [insideName(name), proxyName(name)]
  const address = { socket_address: { address: rule.address, port_value: rule.port } }
  const limits = { per_connection_buffer_limit_bytes: downstreamBuffer }
  return [
    [
      name,
      rule.transparent
        ? { name, address, ...limits, ...caught(parts) }
        : { name, address, ...limits, filter_chains: [{ filters: [proxyFilter(parts)] }] },
    ],
    ...(rule.transparent
      ? [
          [
            proxy,
            { name: proxy, internal_listener: {}, ...limits, filter_chains: [{ filters: [proxyFilter(parts)] }] },
          ] as const,
        ]
      : []),
    [
      inside,
      {
        name: inside,
        internal_listener: {},
        ...limits,
        listener_filters: [tlsInspector],
        filter_chains: [
          {
            name: 'plain',
            filter_chain_match: { transport_protocol: 'raw_buffer' },
            filters: [insideFilter(parts)],
          },
          ...(parts.authority
            ? [
                {
                  name: 'tls',
                  filter_chain_match: { transport_protocol: 'tls' },
                  filters: [insideFilter(parts)],
                  transport_socket_connect_timeout: '10s',
                  transport_socket: certifiedOnDemand,
                },
              ]
            : []),
        ],
      },
    ],
  ]
}

/** Shows the certificate for the name that a client asks for; the service makes it when Envoy asks for the secret of that name. */
const certifiedOnDemand: EnvoyJson = {
  name: 'envoy.transport_sockets.tls',
  typed_config: typed('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
    // Tickets of one name are nothing for another.
    disable_stateless_session_resumption: true,
    disable_stateful_session_resumption: true,
    common_tls_context: {
      alpn_protocols: ['h2', 'http/1.1'],
      custom_tls_certificate_selector: {
        name: 'envoy.tls.certificate_selectors.on_demand_secret',
        typed_config: typed('envoy.extensions.transport_sockets.tls.cert_selectors.on_demand_secret.v3.Config', {
          config_source: ads,
          certificate_mapper: {
            name: 'envoy.tls.certificate_mappers.sni',
            typed_config: typed('envoy.extensions.transport_sockets.tls.cert_mappers.sni.v3.SNI', {
              default_value: noServerName,
            }),
          },
        }),
      },
    },
  }),
}

/** Stage 1, which sees what is shown to a proxy as well. */
function decision({ rule }: Parts): EnvoyJson {
  const filter = extAuthz(rule.maxRequestBytes) as { typed_config: EnvoyJson }
  const more = ['proxy-authorization', tunnelHeader, caughtHeader]
  const { patterns } = filter.typed_config.allowed_headers as { patterns: EnvoyJson[] }
  return {
    ...filter,
    typed_config: {
      ...filter.typed_config,
      allowed_headers: { patterns: [...patterns, ...more.map((exact) => ({ exact, ignore_case: true }))] },
    },
  }
}

type Manager = EnvoyJson & { typed_config: EnvoyJson }

interface Connections {
  readonly routes: string
  readonly filters: EnvoyJson[]
  readonly delegations: boolean
  /** What is added to the manager's configuration. */
  readonly more: EnvoyJson
}

function manager(parts: Parts, { routes, filters, delegations, more }: Connections): EnvoyJson {
  const { name, rule, telemetry } = parts
  const http = { routes, before: filters, after: [], decides: false, ai: true }
  const { typed_config, ...filter } = connectionManager({
    name,
    rule,
    telemetry,
    http,
    routes,
    delegations,
    over: 'tcp',
  }) as Manager
  const { mappers } = typed_config.local_reply_config as { mappers: EnvoyJson[] }
  return {
    ...filter,
    typed_config: {
      ...typed_config,
      ...(telemetry.accessLog && { access_log: [httpAccessLog(name, 'egress/')] }),
      local_reply_config: { mappers: [...egressReplies(), ...mappers] },
      ...more,
    },
  }
}

/** Speaks HTTP with agents that take it for a proxy. What goes on to elsewhere is nobody's to change. */
function proxyFilter(parts: Parts): EnvoyJson {
  const carry = {
    name: 'envoy.filters.http.set_filter_state',
    typed_config: typed('envoy.extensions.filters.http.set_filter_state.v3.Config', {
      on_request_headers: [
        {
          object_key: tunnelState,
          // Hashable, so that no connection that was made for one tunnel serves another.
          factory_key: 'envoy.hashable_string',
          format_string: {
            text_format_source: { inline_string: `%REQ(${tunnelHeader})%` },
            omit_empty_values: true,
          },
          shared_with_upstream: 'ONCE',
          skip_if_empty: true,
        },
      ],
    }),
  }
  const more = {
    upgrade_configs: [{ upgrade_type: 'CONNECT' }, { upgrade_type: 'websocket' }],
    http_protocol_options: { allow_absolute_url: true },
    http2_protocol_options: {
      allow_connect: true,
      initial_stream_window_size: downstreamBuffer,
      initial_connection_window_size: 16 * 1024 * 1024,
      max_concurrent_streams: 1000,
    },
    path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
    normalize_path: false,
    merge_slashes: false,
    common_http_protocol_options: { headers_with_underscores_action: 'ALLOW' },
    request_timeout: '0s',
  }
  // Requests for elsewhere are not ours to add a trace to.
  return manager(parts, { routes: proxyName(parts.name), filters: [decision(parts), carry], delegations: false, more })
}

/** Speaks HTTP with what is inside of a tunnel; the tunnel's id is on each request, and no other. */
function insideFilter(parts: Parts): EnvoyJson {
  const { delegations } = parts
  const more = { upgrade_configs: [{ upgrade_type: 'websocket' }] }
  const filter = manager(parts, {
    routes: insideName(parts.name),
    filters: [decision(parts)],
    delegations,
    more,
  }) as Manager
  const early = (filter.typed_config.early_header_mutation_extensions ?? []) as EnvoyJson[]
  return {
    ...filter,
    typed_config: { ...filter.typed_config, early_header_mutation_extensions: [...early, tunnelOnEach] },
  }
}

const tunnelOnEach: EnvoyJson = {
  name: 'envoy.http.early_header_mutation.header_mutation',
  typed_config: typed('envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation', {
    mutations: [
      { remove: tunnelHeader },
      {
        append: {
          header: { key: tunnelHeader, value: `%FILTER_STATE(${tunnelState}:PLAIN)%` },
          append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
        },
      },
    ],
  }),
}

/**
 * Connections that the kernel sends here: HTTP is asked as a proxy is, and everything else becomes a tunnel, to the name that its TLS
 * asks for, or to the address that it was going to.
 */
function caught(parts: Parts): EnvoyJson {
  const { name } = parts
  const tunnel = (hostname: string): EnvoyJson => ({
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: typed('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
      stat_prefix: `${name}/caught`,
      cluster: proxyName(name),
      tunneling_config: {
        hostname,
        headers_to_add: [{ header: { key: caughtHeader, value: '%DOWNSTREAM_LOCAL_ADDRESS%' } }],
      },
    }),
  })
  return {
    listener_filters: [
      {
        name: 'envoy.filters.listener.original_dst',
        typed_config: typed('envoy.extensions.filters.listener.original_dst.v3.OriginalDst'),
      },
      tlsInspector,
      {
        name: 'envoy.filters.listener.http_inspector',
        typed_config: typed('envoy.extensions.filters.listener.http_inspector.v3.HttpInspector'),
      },
    ],
    // Where the server speaks first, the client waits for it.
    listener_filters_timeout: '1s',
    continue_on_listener_filters_timeout: true,
    filter_chains: [
      {
        name: 'tls',
        filter_chain_match: { transport_protocol: 'tls' },
        filters: [tunnel('%REQUESTED_SERVER_NAME%:%DOWNSTREAM_LOCAL_PORT%')],
      },
      {
        name: 'http',
        filter_chain_match: {
          transport_protocol: 'raw_buffer',
          application_protocols: ['http/1.0', 'http/1.1', 'h2c'],
        },
        filters: [proxyFilter(parts)],
      },
    ],
    // Not among the others: what is neither would be looked for among the chains without TLS only.
    default_filter_chain: { name: 'other', filters: [tunnel('%DOWNSTREAM_LOCAL_ADDRESS%')] },
  }
}
