import type { AuthorizerRule, ProcessorRule } from '../../../../config/http/access.ts'
import type { Rules } from '../../../../config/schema.ts'
import type { EnvoyJson } from '../../filters.ts'
import { serviceHost } from '../cluster.ts'
import { type FilterMaker, switchedOn } from '../filter.ts'
import { serviceClusterName } from '../names.ts'
import { seconds, typed } from '../values.ts'

/** Servers of the operator's own that Envoy asks: ext_authz and ext_proc. */

export const authorizerFilters: FilterMaker = ({ authorizers }, { rules }) =>
  authorizers.map((name) => ({
    place: 'authorizer',
    name: `authorizer/${name}`,
    config: authorizerConfig(rules.http.authorizers[name]!, rules),
    onRoute: switchedOn,
  }))

export const processorFilters: FilterMaker = ({ processors }, { rules }) =>
  processors.map((name) => ({
    place: 'processor',
    name: `processor/${name}`,
    config: processorConfig(name, rules.http.processors[name]!, rules),
    onRoute: switchedOn,
  }))

function grpcService(service: string, timeout: string, { http }: Rules): EnvoyJson {
  return {
    envoy_grpc: { cluster_name: serviceClusterName(service), authority: serviceHost(http.services[service]!) },
    timeout: seconds(timeout),
  }
}

const exactly = (headers: readonly string[]) => ({
  patterns: headers.map((exact) => ({ exact, ignore_case: true })),
})

function authorizerConfig(rule: AuthorizerRule, rules: Rules): EnvoyJson {
  const { service, protocol, path, timeout, bodyBytes, failOpen, requestHeaders, responseHeaders } = rule
  return typed('envoy.extensions.filters.http.ext_authz.v3.ExtAuthz', {
    transport_api_version: 'V3',
    failure_mode_allow: failOpen,
    status_on_error: { code: 'ServiceUnavailable' },
    ...(bodyBytes > 0 && {
      with_request_body: { max_request_bytes: bodyBytes, allow_partial_message: true, pack_as_bytes: true },
    }),
    ...(requestHeaders.length > 0 && { allowed_headers: exactly(requestHeaders) }),
    ...(protocol === 'grpc'
      ? { grpc_service: grpcService(service, timeout, rules) }
      : {
          http_service: {
            server_uri: {
              uri: `http://${serviceHost(rules.http.services[service]!)}`,
              cluster: serviceClusterName(service),
              timeout: seconds(timeout),
            },
            ...(path !== '' && { path_prefix: path }),
            ...(responseHeaders.length > 0 && {
              authorization_response: { allowed_upstream_headers: exactly(responseHeaders) },
            }),
          },
        }),
  })
}

const bodyModes = { none: 'NONE', buffered: 'BUFFERED', streamed: 'STREAMED' } as const

function processorConfig(name: string, rule: ProcessorRule, rules: Rules): EnvoyJson {
  const { service, request, response, timeout, failOpen } = rule
  return typed('envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor', {
    // A stream lasts as long as its request; `timeout` is for each message.
    grpc_service: grpcService(service, 'none', rules),
    message_timeout: seconds(timeout),
    failure_mode_allow: failOpen,
    stat_prefix: name,
    processing_mode: {
      request_header_mode: request.headers ? 'SEND' : 'SKIP',
      request_body_mode: bodyModes[request.body],
      request_trailer_mode: 'SKIP',
      response_header_mode: response.headers ? 'SEND' : 'SKIP',
      response_body_mode: bodyModes[response.body],
      response_trailer_mode: 'SKIP',
    },
  })
}
