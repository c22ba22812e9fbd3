import type { FilterMaker } from '../filter.ts'
import { stringMatcher, typed } from '../values.ts'

const rbac = 'envoy.extensions.filters.http.rbac.v3.RBAC'

/** Which addresses and client certificates get through. */
export const clientsFilter: FilterMaker = ({ clients }) => {
  if (!clients) return []
  const { addresses, certificates } = clients
  const ids = [
    ...(addresses ? [{ or_ids: { ids: addresses.map((range) => ({ remote_ip: rangeOf(range) })) } }] : []),
    ...(certificates
      ? [{ or_ids: { ids: certificates.map((name) => ({ authenticated: { principal_name: stringMatcher(name) } })) } }]
      : []),
  ]
  return [
    {
      place: 'clients',
      name: 'envoy.filters.http.rbac',
      config: typed(rbac),
      onRoute: typed(`${rbac}PerRoute`, {
        rbac: {
          rules: {
            action: 'ALLOW',
            policies: { clients: { permissions: [{ any: true }], principals: [{ and_ids: { ids } }] } },
          },
        },
      }),
    },
  ]
}

function rangeOf(range: string) {
  const [address_prefix = '', length] = range.split('/')
  return {
    address_prefix,
    prefix_len: length === undefined ? (address_prefix.includes(':') ? 128 : 32) : Number(length),
  }
}
