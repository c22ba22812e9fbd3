import type { FilterMaker } from '../filter.ts'
import { seconds, typed } from '../values.ts'

const stateful = 'envoy.extensions.filters.http.stateful_session.v3.StatefulSession'
const states = 'envoy.extensions.http.stateful_session'

/** Keeps a client's requests at one server. */
export const affinityFilter: FilterMaker = ({ affinity }) => {
  if (!affinity) return []
  const { cookie, header, strict } = affinity
  const session_state = cookie
    ? {
        name: 'envoy.http.stateful_session.cookie',
        typed_config: typed(`${states}.cookie.v3.CookieBasedSessionState`, {
          cookie: {
            name: cookie.name,
            path: cookie.path,
            ...(cookie.ttl !== undefined && { ttl: seconds(cookie.ttl) }),
          },
        }),
      }
    : {
        name: 'envoy.http.stateful_session.header',
        typed_config: typed(`${states}.header.v3.HeaderBasedSessionState`, { name: header }),
      }
  return [
    {
      place: 'affinity',
      name: 'envoy.filters.http.stateful_session',
      config: typed(stateful),
      onRoute: typed(`${stateful}PerRoute`, { stateful_session: { session_state, strict } }),
    },
  ]
}
