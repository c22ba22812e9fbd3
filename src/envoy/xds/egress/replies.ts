import { celFilter } from '../cel.ts'
import type { EnvoyJson } from '../filters.ts'

interface Reply {
  /** CEL over the response's code details. */
  readonly when: string
  readonly code: string
  readonly message: string
}

const details = (prefix: string) => `response.code_details.startsWith("${prefix}")`

const replies: readonly Reply[] = [
  {
    when: details('ext_authz_error'),
    code: 'gateway_unavailable',
    message: 'The gateway cannot decide about this right now. Try again.',
  },
  {
    when: `${details('upstream_response_timeout')} || ${details('stream_idle_timeout')}`,
    code: 'timeout',
    message: 'The host did not answer in time.',
  },
  {
    when: `${details('upstream')} || ${details('no_healthy_upstream')} || ${details('cluster_not_found')} || ${details('overload')}`,
    code: 'host_unreachable',
    message: 'The host could not be reached.',
  },
]

/** What Envoy says by itself of calls to elsewhere. What the service refuses is in its own words already. */
export function egressReplies(): EnvoyJson[] {
  const ours = 'xds.route_name.startsWith("egress/")'
  return [
    { filter: celFilter(`${ours} && ${details('ext_authz_denied')}`) },
    ...replies.map(({ when, code, message }) => ({
      filter: celFilter(`${ours} && (${when})`),
      body_format_override: {
        json_format: { error: { status: '%RESPONSE_CODE%', code, message }, request_id: '%REQ(X-REQUEST-ID)%' },
      },
      headers_to_add: [
        { header: { key: 'content-type', value: 'application/json' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
      ],
    })),
  ]
}
