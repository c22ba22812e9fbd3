import type { FilterMaker } from '../filter.ts'
import { typed } from '../values.ts'

/** Keys and passwords that Envoy itself looks at. */

const apiKeys = 'envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth'

export const apiKeyFilter: FilterMaker = ({ apiKey }, { resolve }) => {
  if (!apiKey) return []
  const { keys, query, cookie, header = 'x-api-key', clientHeader, forward } = apiKey
  const source = query !== undefined ? { query } : cookie !== undefined ? { cookie } : { header }
  return [
    {
      place: 'api-key',
      name: 'envoy.filters.http.api_key_auth',
      config: typed(apiKeys),
      onRoute: typed(`${apiKeys}PerRoute`, {
        credentials: Object.entries(keys).map(([client, reference]) => ({ client, key: resolve(reference) })),
        key_sources: [source],
        forwarding: { ...(clientHeader !== undefined && { header: clientHeader }), hide_credentials: !forward },
      }),
    },
  ]
}

const basic = 'envoy.extensions.filters.http.basic_auth.v3.BasicAuth'

/** Envoy wants users: one whose password's hash is that of no known text. */
const nobody = `nobody:{SHA}${'A'.repeat(27)}=`

export const basicAuthFilter: FilterMaker = ({ basicAuth }) => {
  if (!basicAuth) return []
  return [
    {
      place: 'basic-auth',
      name: 'envoy.filters.http.basic_auth',
      config: typed(basic, { users: { inline_string: nobody } }),
      onRoute: typed(`${basic}PerRoute`, { users: { filename: basicAuth.usersFile } }),
    },
  ]
}
