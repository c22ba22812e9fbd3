import type { FilterMaker } from '../filter.ts'
import { fraction, seconds, typed } from '../values.ts'

const httpFault = 'envoy.extensions.filters.http.fault.v3.HTTPFault'

/** Faults on purpose. */
export const faultFilter: FilterMaker = ({ fault }) => {
  if (!fault) return []
  const { delay, abort, headers } = fault
  const only = Object.entries(headers)
  return [
    {
      place: 'fault',
      name: 'envoy.filters.http.fault',
      config: typed(httpFault),
      onRoute: typed(httpFault, {
        ...(delay && { delay: { fixed_delay: seconds(delay.time), percentage: fraction(delay.percent) } }),
        ...(abort && {
          abort: {
            ...(abort.status === undefined ? { grpc_status: abort.grpcStatus } : { http_status: abort.status }),
            percentage: fraction(abort.percent),
          },
        }),
        ...(only.length > 0 && { headers: only.map(([name, exact]) => ({ name, string_match: { exact } })) }),
      }),
    },
  ]
}
