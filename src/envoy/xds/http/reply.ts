import { celFilter } from '../cel.ts'
import type { EnvoyJson } from '../filters.ts'
import { httpRoutePrefix } from './names.ts'

const ours = `xds.route_name.startsWith("${httpRoutePrefix}")`
const asItIs =
  'response.code_details == "direct_response" || response.code_details.startsWith("ext_authz_denied") || ("content-type" in request.headers && request.headers["content-type"].startsWith("application/grpc"))'

/**
 * What Envoy's own answers on routes of plain HTTP look like: what the rules or a server that was asked say to answer stays as
 * it is, gRPC has its status, and all else is JSON that names the rule.
 */
export function httpReplies(): EnvoyJson[] {
  return [
    { filter: celFilter(`${ours} && (${asItIs})`) },
    {
      filter: celFilter(ours),
      body_format_override: {
        json_format: {
          error: { status: '%RESPONSE_CODE%', message: '%LOCAL_REPLY_BODY%', rule: '%ROUTE_NAME%' },
          request_id: '%REQ(X-REQUEST-ID)%',
        },
      },
      headers_to_add: [
        { header: { key: 'content-type', value: 'application/json' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
      ],
    },
  ]
}
