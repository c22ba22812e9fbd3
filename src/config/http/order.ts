import type { HttpRouteRule } from '../http.ts'
import { mayTake, type OwnPath, pathMatchOf } from './paths.ts'

/** The routes of one listener, around the paths of AI traffic. */
export interface Arranged {
  /** Tried before AI paths. */
  readonly before: readonly HttpRouteRule[]
  /** Tried after them, in the order written: the first of these has no hosts, and would take requests to AI paths. */
  readonly after: readonly HttpRouteRule[]
}

/** The hosts of a route; `*` where it is for all. */
export function hostsOf({ hosts }: Pick<HttpRouteRule, 'hosts'>): readonly string[] {
  return hosts ?? ['*']
}

/** Whether every host that `narrow` means is meant by `wide`. */
export function coversHost(wide: string, narrow: string): boolean {
  if (wide === '*' || wide === narrow) return true
  return wide.startsWith('*.') && narrow.endsWith(wide.slice(1))
}

/** The most specific of some hosts that mean all of another; undefined where none does. */
export function mostSpecific(hosts: readonly string[], host: string): string | undefined {
  const [best] = hosts.filter((each) => coversHost(each, host)).sort((a, b) => b.length - a.length)
  return best
}

export function isOn(route: Pick<HttpRouteRule, 'listeners'>, listener: string): boolean {
  return route.listeners?.includes(listener) ?? true
}

/** Arranges the routes of one listener. @param own the paths of AI traffic on it */
export function arrange(routes: readonly HttpRouteRule[], own: readonly OwnPath[]): Arranged {
  const first = routes.findIndex((route) => {
    const match = pathMatchOf(route.match)
    return hostsOf(route).includes('*') && own.some((path) => mayTake(match, path))
  })
  return first === -1 ? { before: routes, after: [] } : { before: routes.slice(0, first), after: routes.slice(first) }
}
