import { celFilter } from '../cel.ts'
import type { EnvoyJson } from '../filters.ts'
import { httpRoutePrefix } from './names.ts'

/**
 * The access log of routes of plain HTTP, which the service does not see the end of: JSON lines on Envoy's standard output, with
 * the names of the service's own lines. Neither a query nor a header of the client's is in it, but its request id.
 * @param routes what the names of the routes begin with
 */
export function httpAccessLog(listener: string, routes: string = httpRoutePrefix): EnvoyJson {
  return {
    name: 'envoy.access_loggers.stdout',
    filter: celFilter(`xds.route_name.startsWith("${routes}")`),
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
      log_format: {
        omit_empty_values: true,
        json_format: {
          level: 'info',
          time: '%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%',
          msg: 'request',
          requestId: '%REQ(X-REQUEST-ID)%',
          traceId: '%TRACE_ID%',
          // As in policies: http/NAME.
          operation: '%ROUTE_NAME%',
          listener,
          method: '%REQ(:METHOD)%',
          host: '%REQ(:AUTHORITY)%',
          path: '%PATH(NQ)%',
          protocol: '%PROTOCOL%',
          status: '%RESPONSE_CODE%',
          grpcStatus: '%GRPC_STATUS%',
          user: '%REQ(X-CHAPERONE-USER)%',
          team: '%REQ(X-CHAPERONE-TEAM)%',
          service: '%UPSTREAM_CLUSTER%',
          server: '%UPSTREAM_HOST%',
          attempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
          durationMs: '%DURATION%',
          requestBytes: '%BYTES_RECEIVED%',
          responseBytes: '%BYTES_SENT%',
          errorCode: '%RESPONSE_FLAGS%',
        },
      },
    },
  }
}

/**
 * The access log of connections that go through as they are: a line at the end of each, with the server name that it asked for.
 * @param operation what carried it, as the log names it
 */
export function connectionLog(listener: string, operation: string): EnvoyJson {
  return {
    name: 'envoy.access_loggers.stdout',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
      log_format: {
        omit_empty_values: true,
        json_format: {
          level: 'info',
          time: '%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%',
          msg: 'connection',
          operation,
          listener,
          host: '%REQUESTED_SERVER_NAME%',
          service: '%UPSTREAM_CLUSTER%',
          server: '%UPSTREAM_HOST%',
          durationMs: '%DURATION%',
          requestBytes: '%BYTES_RECEIVED%',
          responseBytes: '%BYTES_SENT%',
          errorCode: '%RESPONSE_FLAGS%',
        },
      },
    },
  }
}
