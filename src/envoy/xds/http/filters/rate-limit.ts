import type { FilterMaker } from '../filter.ts'
import { always, seconds, typed } from '../values.ts'

const localRateLimit = 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit'

/** How many values of `by` are counted at once; the ones that were seen longest ago are forgotten. */
const mostCounts = 100_000

/** A rate that this Envoy counts by itself. */
export const rateLimitFilter: FilterMaker = ({ name, rateLimit }) => {
  if (!rateLimit) return []
  const { requests, per, burst, by, status, headers } = rateLimit
  const token_bucket = { max_tokens: burst ?? requests, tokens_per_fill: requests, fill_interval: seconds(per) }
  return [
    {
      place: 'rate-limit',
      name: 'envoy.filters.http.local_ratelimit',
      config: typed(localRateLimit, { stat_prefix: 'http_local_rate_limiter' }),
      onRoute: typed(localRateLimit, {
        stat_prefix: `http_route_${name}`,
        status: { code: status },
        token_bucket,
        filter_enabled: always(),
        filter_enforced: always(),
        rate_limited_as_resource_exhausted: true,
        ...(headers && { enable_x_ratelimit_headers: 'DRAFT_VERSION_03' }),
        ...(by && {
          rate_limits: [{ actions: [action(by.header)] }],
          // A value that is left out stands for each that comes.
          descriptors: [{ entries: [{ key: descriptorKey(by.header) }], token_bucket }],
          always_consume_default_token_bucket: false,
          max_dynamic_descriptors: mostCounts,
        }),
      }),
    },
  ]
}

function descriptorKey(header: string | undefined): string {
  return header === undefined ? 'remote_address' : 'header'
}

function action(header: string | undefined) {
  if (header === undefined) return { remote_address: {} }
  return { request_headers: { header_name: header, descriptor_key: descriptorKey(header) } }
}
