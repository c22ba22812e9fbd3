import { durationMs } from '../../../../config/primitives.ts'
import type { FilterMaker } from '../filter.ts'
import { always, stringMatcher, typed } from '../values.ts'

/** What browsers are told and asked: CORS and CSRF. */

export const corsFilter: FilterMaker = ({ cors }) => {
  if (!cors) return []
  const { origins, methods, headers, expose, credentials, maxAge } = cors
  return [
    {
      place: 'cors',
      name: 'envoy.filters.http.cors',
      config: typed('envoy.extensions.filters.http.cors.v3.Cors'),
      onRoute: typed('envoy.extensions.filters.http.cors.v3.CorsPolicy', {
        allow_origin_string_match: origins.map(stringMatcher),
        allow_methods: methods.join(', '),
        ...(headers.length > 0 && { allow_headers: headers.join(', ') }),
        ...(expose.length > 0 && { expose_headers: expose.join(', ') }),
        ...(maxAge !== undefined && { max_age: String(Math.round(durationMs(maxAge) / 1000)) }),
        ...(credentials && { allow_credentials: true }),
      }),
    },
  ]
}

const csrfPolicy = 'envoy.extensions.filters.http.csrf.v3.CsrfPolicy'

export const csrfFilter: FilterMaker = ({ csrf }) => {
  if (!csrf) return []
  return [
    {
      place: 'csrf',
      name: 'envoy.filters.http.csrf',
      config: typed(csrfPolicy, { filter_enabled: always(false) }),
      onRoute: typed(csrfPolicy, {
        filter_enabled: always(),
        ...(csrf.origins.length > 0 && { additional_origins: csrf.origins.map(hostOfOrigin) }),
      }),
    },
  ]
}

/** Envoy compares what follows the scheme. */
function hostOfOrigin(origin: Parameters<typeof stringMatcher>[0]) {
  const bare = (text: string) => text.replace(/^https?:\/\//, '')
  if (typeof origin === 'string') return { exact: bare(origin) }
  return stringMatcher({
    ...origin,
    ...(origin.exact !== undefined && { exact: bare(origin.exact) }),
    ...(origin.prefix !== undefined && { prefix: bare(origin.prefix) }),
  })
}
