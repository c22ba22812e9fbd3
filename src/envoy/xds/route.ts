import { besides, mountOf } from '../../config/http/mount.ts'
import { coversPath, type OwnPath, pathMatchOf } from '../../config/http/paths.ts'
import type { HttpRouteRule } from '../../config/http.ts'
import type { RouteClass } from '../../protocol.ts'
import { clusterHeader, responderCluster, responderRoute, routeConfigName, routeHeader } from '../names.ts'
import { type EnvoyJson, ownRequestHeaders } from './filters.ts'
import type { AiRoutes } from './http/listener.ts'

/** Statuses below 500 that Envoy hands to the next target. */
export const retriableStatuses: readonly number[] = [408, 429]

const ms = (value: number) => `${value / 1000}s`

/** The prefixes of the names of routes whose clients expect Anthropic's or Google's error format. Local replies look at them. */
export const messagesRoutePrefix = 'messages'
export const geminiRoutePrefix = 'gemini'

interface Family {
  readonly family: string
  readonly match: EnvoyJson
}

/** The paths of each family of clients; the first that matches decides. */
const paths: Family[] = [
  { family: messagesRoutePrefix, match: { prefix: '/v1/messages' } },
  { family: geminiRoutePrefix, match: { prefix: '/v1beta/' } },
  // Under /v1 only Google's methods are POSTed to; a list of models is OpenAI's.
  {
    family: geminiRoutePrefix,
    match: { prefix: '/v1/models/', headers: [{ name: ':method', string_match: { exact: 'POST' } }] },
  },
]
const rest = { family: 'openai', match: { prefix: '/' } }
/** The routes where a request ends whose way, as stage 1 has said it, Envoy does not have. */
export const undecidedRoutes: readonly string[] = [...new Set([...paths, rest].map(({ family }) => family))]

/**
 * What the service answers itself. Streams last as long as they like; the service says something on them now and then.
 * @param match the requests of these routes
 */
function respondedRoute(match: EnvoyJson): EnvoyJson {
  return {
    name: responderRoute,
    match: ofClass(match, responderRoute),
    request_headers_to_remove: ownRequestHeaders,
    route: {
      cluster: responderCluster,
      timeout: '0s',
      idle_timeout: '0s',
      // Nothing was sent yet.
      retry_policy: { retry_on: 'connect-failure', num_retries: 2 },
    },
  }
}

/** Narrows a match to what stage 1 has decided so. */
function ofClass(match: EnvoyJson, id: string): EnvoyJson {
  const headers = (match.headers ?? []) as EnvoyJson[]
  return { ...match, headers: [...headers, { name: routeHeader, string_match: { exact: id } }] }
}

/**
 * The routes of AI traffic. A request is matched twice: on arrival (by path only), and again after stage 1, which has
 * by then said the cluster and the class.
 * @param own the paths that stay theirs where routes of plain HTTP take the others
 */
export function aiRoutes(
  classes: readonly RouteClass[],
  maxRequestBytes: number,
  responds: boolean,
  own: readonly OwnPath[],
): AiRoutes {
  const ownRest = own.map(({ path, below }) => ({
    ...rest,
    match: below ? { path_separated_prefix: path } : { path },
  }))
  const routes = (all: readonly Family[], everything: EnvoyJson = rest.match) => [
    ...(responds ? [respondedRoute(everything)] : []),
    ...decidedRoutes(all, classes, maxRequestBytes),
  ]
  return {
    own: own.length > 0 ? routes([...paths, ...ownRest]) : [],
    all: routes([...paths, rest]),
    at: (route, match) => [
      ...besides(route).flatMap(({ path }) => routes([{ ...rest, match: { path } }], { path })),
      ...routes(familiesAt(route, match), match),
    ],
  }
}

/** The families of clients at a place of the rules' choosing. @param match the route's own */
function familiesAt(route: HttpRouteRule, match: EnvoyJson): Family[] {
  if (!route.ai?.models) return [{ ...rest, match }]
  const { outer } = mountOf(route)
  const taken = pathMatchOf(route.match)
  const { headers = [], query_parameters } = match as { headers?: EnvoyJson[]; query_parameters?: unknown }
  const others = { ...(query_parameters !== undefined && { query_parameters }) }
  return [
    ...paths.flatMap(({ family, match: { prefix, headers: own = [] } }) => {
      const path = outer + String(prefix).replace(/\/$/, '')
      // The route may be for a part of the APIs only.
      if (coversPath({ kind: 'prefix', value: path }, taken)) return [{ family, match }]
      if (!coversPath(taken, { kind: 'prefix', value: path })) return []
      return [
        { family, match: { ...others, path_separated_prefix: path, headers: [...headers, ...(own as EnvoyJson[])] } },
      ]
    }),
    { ...rest, match },
  ]
}

/** The route configuration of listeners with AI traffic only. */
export function routeConfig({ all }: AiRoutes): EnvoyJson {
  return {
    name: routeConfigName,
    virtual_hosts: [{ name: 'agents', domains: ['*'], include_request_attempt_count: false, routes: all }],
  }
}

function decidedRoutes(all: readonly Family[], classes: readonly RouteClass[], maxRequestBytes: number): EnvoyJson[] {
  return all.flatMap(({ family, match }) => [
    ...classes.map((kind) => ({
      name: `${family}/${kind.id}`,
      match: ofClass(match, kind.id),
      request_headers_to_remove: ownRequestHeaders,
      // Envoy's default of 1 MiB would silently give up the retry of a larger request.
      request_body_buffer_limit: maxRequestBytes + 65_536,
      route: {
        cluster_header: clusterHeader,
        timeout: ms(kind.totalMs),
        idle_timeout: ms(kind.totalMs),
        retry_policy: {
          ...(kind.onlyUnanswered
            ? { retry_on: 'reset,connect-failure,refused-stream' }
            : {
                retry_on: '5xx,reset,connect-failure,refused-stream,retriable-status-codes',
                retriable_status_codes: retriableStatuses,
              }),
          num_retries: kind.attempts,
          per_try_idle_timeout: ms(kind.firstByteMs),
          retry_back_off: { base_interval: '0.002s', max_interval: '0.02s' },
        },
      },
    })),
    {
      // Before stage 1 has spoken. It gets further only where Envoy lags behind the rules: stage 1 answers or sets the class.
      name: family,
      match,
      direct_response: { status: 503, body: { inline_string: 'not decided' } },
    },
  ])
}
