import type { z } from 'zod'
import type { HttpRouteRule, route as routeSchema } from '../config/http.ts'
import type { GatewayListener } from './gateways.ts'
import { hostRank } from './host.ts'
import { byAge, type KubeObject } from './object.ts'

/** Which of several rules takes a request that fits all of them (HTTPRouteRule.matches). */

export type RouteInput = z.input<typeof routeSchema>
export type MatchInput = NonNullable<RouteInput['match']>

/** One match of a rule, on one listener, for hosts of one rank. */
export interface Candidate {
  readonly listener: GatewayListener
  readonly hosts: readonly string[]
  readonly match: MatchInput
  readonly route: KubeObject
  /** Places of the rule in the route, and of the match in the rule. */
  readonly place: readonly [rule: number, match: number]
  /** The routes of the rules that it becomes, one after another. */
  readonly routes: readonly HttpRouteRule[]
}

/** The candidates of one port, in the order in which the rules are to try them. */
export function inOrder(candidates: readonly Candidate[]): Candidate[] {
  return [...candidates].sort(
    (a, b) =>
      // Listeners apart first: a request is one listener's alone.
      hostRank(b.listener.hostname) - hostRank(a.listener.hostname) ||
      compareText(a.listener.hostname, b.listener.hostname) ||
      hostRank(b.hosts[0]!) - hostRank(a.hosts[0]!) ||
      compareMatches(a.match, b.match) ||
      byAge(a.route, b.route) ||
      a.place[0] - b.place[0] ||
      a.place[1] - b.place[1],
  )
}

function compareMatches(a: MatchInput, b: MatchInput): number {
  return (
    pathRank(b) - pathRank(a) ||
    pathLength(b) - pathLength(a) ||
    count(b.methods) - count(a.methods) ||
    count(b.headers) - count(a.headers) ||
    count(b.query) - count(a.query)
  )
}

/** Exact paths, then expressions (which the specification leaves open), then prefixes. */
function pathRank({ path, regex }: MatchInput): number {
  return path !== undefined ? 2 : regex !== undefined ? 1 : 0
}

function pathLength({ path, regex, prefix }: MatchInput): number {
  return (path ?? regex ?? prefix ?? '/').length
}

function count(some: object | undefined): number {
  return some === undefined ? 0 : Object.keys(some).length
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Leaves out what another candidate before leaves nothing for: the same match for the same hosts. */
export function withoutShadowed(candidates: readonly Candidate[]): Candidate[] {
  const taken = new Set<string>()
  return candidates.flatMap((candidate) => {
    const match = JSON.stringify(candidate.match)
    const hosts = candidate.hosts.filter((host) => {
      const key = `${candidate.listener.hostname} ${host} ${match}`
      if (taken.has(key)) return false
      taken.add(key)
      return true
    })
    return hosts.length === 0 ? [] : [{ ...candidate, hosts }]
  })
}
