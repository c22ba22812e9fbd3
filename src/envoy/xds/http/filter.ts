import type { HttpRouteRule } from '../../../config/http.ts'
import type { Rules } from '../../../config/schema.ts'
import type { EnvoyJson } from '../filters.ts'

/** Where a filter stands among the others, first to last; answers go through them the other way round. */
export const places = [
  'cors',
  'csrf',
  'clients',
  'basic-auth',
  'api-key',
  'jwt',
  'jwt-algorithms',
  'rate-limit',
  'authorizer',
  /** The service's own decision, stage 1. */
  'decide',
  'processor',
  'fault',
  'body-limit',
  'compression',
  'grpc-web',
  'transcode',
  'affinity',
] as const

/**
 * What a route needs of a filter. The filter is in the listener's chain when a route of it asks for it, and is off but on
 * the routes that do: no other request pays for it.
 */
export interface RouteFilter {
  readonly place: (typeof places)[number]
  /** Unique for its `config`. */
  readonly name: string
  /** The filter's own configuration, the same for all routes. */
  readonly config: EnvoyJson
  /** Its configuration on this route. */
  readonly onRoute: EnvoyJson
}

/** What filters are made of beside the route. */
export interface FilterContext {
  readonly rules: Rules
  /** The value of a reference to a secret. */
  resolve(reference: string): string
  /** The text of a document of Kubernetes. */
  document(reference: string): string
}

/** Makes the filters that one thing said of a route needs; none where it is not said. */
export type FilterMaker = (route: HttpRouteRule, context: FilterContext) => readonly RouteFilter[]

/** Turns a filter on whose configuration is not the route's own (envoy.config.route.v3.FilterConfig). */
export const switchedOn: EnvoyJson = { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', config: {} }
/** Turns a filter off. */
export const switchedOff: EnvoyJson = {
  '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig',
  disabled: true,
}
