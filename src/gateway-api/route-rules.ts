import type { z } from 'zod'
import { type HttpRouteRule, route as routeSchema } from '../config/http.ts'
import type { AttachedPolicies, Attachment } from './attached.ts'
import type { Backend, BackendReason, Backends, Referrer } from './backends.ts'
import type { Bans } from './bans.ts'
import { filtersOf, UnsupportedValue } from './filters.ts'
import type { GatewayListener, GatewayState } from './gateways.ts'
import { hostRank } from './host.ts'
import { grpcMatchOf, httpMatchOf } from './matches.ts'
import { ruleName } from './names.ts'
import { called, type KubeObject, nameOf, namespaceOf } from './object.ts'
import type { OwnObjects } from './own-objects.ts'
import type { Parent } from './parents.ts'
import type { Candidate, MatchInput, RouteInput } from './precedence.ts'
import { type BackendRef, type GrpcRule, type HttpRule, wrongWith } from './spec.ts'

/** The rules of HTTPRoutes and GRPCRoutes, as routes of the rules. */

/** What all routes are made with. */
export interface RouteContext {
  readonly backends: Backends
  readonly own: OwnObjects
  readonly policies: AttachedPolicies
  readonly bans: Bans
  /** MCP endpoints that rules make of single servers. */
  readonly endpoints: Record<string, unknown>
}

/** What is to be said of a route, for one parent. */
export interface RouteProblems {
  /** By the place of the rule. */
  readonly refused: Map<number, { reason: string; message: string }>
  readonly unresolved: Map<string, { reason: BackendReason; message: string }>
}

interface Rule {
  readonly kind: 'HTTPRoute' | 'GRPCRoute'
  readonly name: string | undefined
  readonly matches: readonly MatchInput[]
  readonly rule: HttpRule | GrpcRule
}

/** The candidates that a route makes on the listeners of a parent. */
export function candidatesOf(
  route: KubeObject,
  rules: readonly (HttpRule | GrpcRule)[],
  { gateway, listeners }: Parent,
  context: RouteContext,
): { candidates: Candidate[]; problems: RouteProblems } {
  const problems: RouteProblems = { refused: new Map(), unresolved: new Map() }
  const kind = route.kind as Rule['kind']
  const candidates = listeners.flatMap(({ listener, hosts }) =>
    rules.flatMap((rule, index) => {
      const attachment: Attachment = { route, rule: index, name: rule.name, listener }
      const ban = context.bans.get(`${called(route)}#${index}`) ?? context.policies.brokenFor(attachment)
      const refuse = (reason: string, message: string) => {
        problems.refused.set(index, { reason, message: `rule ${rule.name ?? index}: ${message}` })
        return { parts: [failing(kind)], by: new Map<string, KubeObject>() }
      }
      return matchesOf(kind, rule, refuse).flatMap((match, place) => {
        const base = baseName(route, rule.name ?? index, place, listener, listeners.length > 1)
        let made: { parts: readonly Partial<RouteInput>[]; by: ReadonlyMap<string, KubeObject> }
        try {
          if (ban !== undefined) made = refuse('UnsupportedValue', ban)
          else made = partsOf(route, kind, rule, index, match, attachment, gateway, context, problems)
        } catch (error) {
          if (!(error instanceof UnsupportedValue)) throw error
          made = refuse(error.reason, error.message)
        }
        let read = inRules(named(base, match, made.parts))
        if ('error' in read)
          read = inRules(named(base, match, refuse('UnsupportedValue', wrongWith(read.error, '')).parts))
        // Where not even the match can be said, nothing is served.
        if ('error' in read) return []
        const { routes } = read
        return byRank(hosts).map((group, rank) => ({
          listener,
          hosts: group,
          match,
          route,
          place: [index, place] as const,
          routes: rank === 0 ? routes : routes.map((each) => ({ ...each, name: ruleName(each.name, `h${rank}`) })),
        }))
      })
    }),
  )
  return { candidates, problems }
}

/** Routes with the defaults of the rules, or what is wrong with one of them. */
function inRules(inputs: readonly RouteInput[]): { routes: HttpRouteRule[] } | { error: z.ZodError } {
  const routes: HttpRouteRule[] = []
  for (const input of inputs) {
    const parsed = routeSchema.safeParse(input)
    if (!parsed.success) return parsed
    routes.push(parsed.data)
  }
  return { routes }
}

function matchesOf(
  kind: Rule['kind'],
  rule: HttpRule | GrpcRule,
  refuse: (reason: string, message: string) => unknown,
): MatchInput[] {
  return rule.matches.flatMap((each) => {
    try {
      const match =
        kind === 'HTTPRoute' ? httpMatchOf(each as HttpRule['matches'][0]) : grpcMatchOf(each as GrpcRule['matches'][0])
      const parsed = routeSchema.shape.match.safeParse(match)
      if (parsed.success) return [match]
      refuse('UnsupportedValue', wrongWith(parsed.error, 'match'))
    } catch (error) {
      if (!(error instanceof UnsupportedValue)) throw error
      refuse(error.reason, error.message)
    }
    return []
  })
}

/** Hosts of one rank together: they do not compete with each other. */
function byRank(hosts: readonly string[]): string[][] {
  const groups = new Map<number, string[]>()
  for (const host of hosts) groups.set(hostRank(host), [...(groups.get(hostRank(host)) ?? []), host])
  return [...groups.values()]
}

function baseName(
  route: KubeObject,
  rule: string | number,
  match: number,
  { spec }: GatewayListener,
  several: boolean,
): string {
  return ruleName(
    namespaceOf(route),
    route.metadata.name,
    ...(route.kind === 'GRPCRoute' ? ['grpc'] : []),
    rule,
    ...(match > 0 ? [match] : []),
    ...(several ? [spec.name] : []),
  )
}

/** What a rule answers that cannot do what it says. */
function failing(kind: Rule['kind']): Partial<RouteInput> {
  // gRPC's UNAVAILABLE (GRPCRouteRule.backendRefs).
  return { respond: { status: kind === 'GRPCRoute' ? 503 : 500 } }
}

const empty: Partial<RouteInput> = { respond: { status: 503 } }

/** Gives the parts of a rule their names and their match. */
function named(base: string, match: MatchInput, parts: readonly Partial<RouteInput>[]): RouteInput[] {
  return parts.map((part, index) => ({
    ...part,
    name: index === 0 ? base : ruleName(base, `part${index}`),
    match: { ...match, ...part.match },
  }))
}

/**
 * What becomes of a rule's requests: one route, or several of which each takes its share.
 * @throws {UnsupportedValue}
 */
function partsOf(
  route: KubeObject,
  kind: Rule['kind'],
  rule: HttpRule | GrpcRule,
  index: number,
  match: MatchInput,
  attachment: Attachment,
  gateway: GatewayState,
  context: RouteContext,
  problems: RouteProblems,
): { parts: readonly Partial<RouteInput>[]; by: ReadonlyMap<string, KubeObject> } {
  const referrer: Referrer = { kind, namespace: namespaceOf(route), gateways: [gateway] }
  const { said, mirrors } = filtersOf(rule.filters, attachment.listener)
  const { said: traffic, by } = context.policies.trafficFor(attachment)
  const resolve = (ref: Parameters<Backends['resolve']>[0]): Backend => {
    const backend = context.backends.resolve(ref, referrer)
    if (backend.type === 'invalid') problems.unresolved.set(backend.message, backend)
    return backend
  }
  if (said.redirect) {
    if (rule.backendRefs.length > 0) throw new UnsupportedValue('RequestRedirect does not go with backendRefs')
    return { parts: [{ ...allowedAnywhere(traffic), ...said }], by }
  }
  const mirror = mirrors.flatMap(({ ref, percent }) => {
    const backend = resolve(ref)
    return backend.type === 'service' && percent > 0 ? [{ service: backend.service, percent }] : []
  })
  const targets = rule.backendRefs.map((ref) => ({ ref, backend: resolve(ref) }))
  const ai = targets.filter(({ backend }) => backend.type === 'ai')
  if (ai.length > 0) {
    if (ai.length < targets.length) throw new UnsupportedValue('Services and AI traffic cannot be mixed in one rule')
    if (Object.keys(said).length > 0 || mirror.length > 0)
      throw new UnsupportedValue('filters do not go with AI traffic; CORS and headers are its own')
    if (match.regex !== undefined) throw new UnsupportedValue('AI traffic needs a match by Exact or PathPrefix')
    const ref = aiRef(
      route,
      index,
      ai.map(({ ref, backend }) => ({ ref, backend })),
      context,
      problems,
    )
    return { parts: [ref ? { ...allowedAnywhere(traffic), ai: ref } : failing(kind)], by }
  }
  const common: Partial<RouteInput> = {
    ...carriage(kind, rule),
    ...traffic,
    ...said,
    ...(mirror.length > 0 && { mirror }),
  }
  return { parts: shares(kind, targets, common, attachment.listener), by }
}

/** What TrafficPolicies may say of routes that send nothing to services. */
function allowedAnywhere(traffic: Partial<RouteInput>): Partial<RouteInput> {
  const { retry: _r, affinity: _a, timeout: _t, idleTimeout: _i, governed: _g, ...rest } = traffic
  return rest
}

/** Times, retries and persistence. */
function carriage(kind: Rule['kind'], rule: HttpRule | GrpcRule): Partial<RouteInput> {
  const ms = (value: number | undefined) => (value === undefined || value === 0 ? undefined : `${value}ms`)
  const { timeouts = {}, retry } = 'timeouts' in rule ? rule : ({} as Partial<HttpRule>)
  const { request, backendRequest } = timeouts
  const whole = retry ? request : smallest(request, backendRequest)
  const perTry = ms(backendRequest)
  const { sessionPersistence: session } = rule
  return {
    timeout: ms(whole) ?? 'none',
    ...(kind === 'HTTPRoute' && { upgrades: ['websocket'] }),
    ...(retry && {
      retry: {
        on: ['connect-failure', 'refused-stream', 'reset'],
        ...(retry.attempts !== undefined && { attempts: Math.min(retry.attempts, 20) }),
        statuses: [...new Set(retry.codes)],
        ...(perTry !== undefined && { perTry }),
        ...(retry.backoff !== undefined &&
          retry.backoff > 0 && { backoff: { base: `${retry.backoff}ms`, max: `${retry.backoff * 10}ms` } }),
      },
    }),
    ...(session && {
      affinity:
        session.type === 'Header'
          ? { header: session.sessionName ?? 'x-session' }
          : {
              cookie: {
                name: session.sessionName ?? 'session',
                ...(session.cookieConfig.lifetimeType === 'Permanent' &&
                  session.absoluteTimeout !== undefined && { ttl: `${session.absoluteTimeout}ms` }),
              },
            },
    }),
  }
}

/** Of two timeouts the shorter one; 0 is none. */
function smallest(one: number | undefined, other: number | undefined): number | undefined {
  const said = [one, other].filter((each) => each !== undefined && each > 0) as number[]
  return said.length === 0 ? undefined : Math.min(...said)
}

interface Target {
  readonly ref: BackendRef
  readonly backend: Backend
}

/** Shares of a rule's requests: what goes to plain Services in one, each other backend by itself. @throws {UnsupportedValue} */
function shares(
  kind: Rule['kind'],
  targets: readonly Target[],
  common: Partial<RouteInput>,
  listener: GatewayListener,
): Partial<RouteInput>[] {
  const plain = new Map<string, number>()
  const parts: { weight: number; part: Partial<RouteInput> }[] = []
  for (const { ref, backend } of targets) {
    if (ref.weight === 0) continue
    if (backend.type === 'invalid') parts.push({ weight: ref.weight, part: failing(kind) })
    else if (backend.type === 'empty') parts.push({ weight: ref.weight, part: empty })
    else if (backend.type === 'service' && ref.filters.length === 0)
      plain.set(backend.service, (plain.get(backend.service) ?? 0) + ref.weight)
    else if (backend.type === 'service') {
      const { said, mirrors } = filtersOf(ref.filters, listener)
      if (mirrors.length > 0) throw new UnsupportedValue('RequestMirror is not supported in backendRefs')
      parts.push({ weight: ref.weight, part: ownPart(common, said, backend.service) })
    }
  }
  const sum = [...plain.values()].reduce((all, weight) => all + weight, 0)
  const services = [...plain].map(([service, weight]) => ({ service, weight }))
  if (services.length > 0) parts.push({ weight: sum, part: { ...common, services } })
  if (parts.length === 0) return [failing(kind)]
  let left = parts.reduce((all, { weight }) => all + weight, 0)
  return parts.map(({ weight, part }, index) => {
    const percent = (100 * weight) / left
    left -= weight
    return index === parts.length - 1 ? part : { ...part, match: { percent } }
  })
}

/** A backend whose own filters say something beside those of the rule. */
function ownPart(common: Partial<RouteInput>, said: Partial<RouteInput>, service: string): Partial<RouteInput> {
  if (said.redirect) {
    const { cors, responseHeaders } = common
    return { ...(cors && { cors }), ...(responseHeaders && { responseHeaders }), ...said }
  }
  const both = (key: 'requestHeaders' | 'responseHeaders') => {
    const [first, then] = [common[key], said[key]]
    if (!first || !then) return {}
    return {
      [key]: {
        set: { ...first.set, ...then.set },
        add: { ...first.add, ...then.add },
        remove: [...(first.remove ?? []), ...(then.remove ?? [])],
      },
    }
  }
  return { ...common, ...said, ...both('requestHeaders'), ...both('responseHeaders'), service }
}

/** The AI traffic that a rule leads to; undefined: what it refers to is not good. @throws {UnsupportedValue} */
function aiRef(
  route: KubeObject,
  index: number,
  targets: readonly Target[],
  { own, endpoints }: RouteContext,
  problems: RouteProblems,
): RouteInput['ai'] {
  const kinds = new Set(targets.map(({ backend }) => (backend.type === 'ai' ? backend.kind : '')))
  const [kind] = kinds
  if (kinds.size > 1) throw new UnsupportedValue(`${[...kinds].join(' and ')} cannot be mixed in one rule`)
  const names: string[] = []
  for (const { backend } of targets) {
    if (backend.type !== 'ai') continue
    const name = own.names.get(`${backend.kind} ${nameOf(backend.object)}`)
    if (name !== undefined) names.push(name)
    else {
      const message = `${called(backend.object)} is not accepted; its status says why`
      problems.unresolved.set(message, { reason: 'BackendNotFound', message })
    }
  }
  if (names.length === 0) return undefined
  if (kind === 'Model') return { models: names }
  if (kind === 'McpServer') {
    const endpoint = ruleName(namespaceOf(route), route.metadata.name, 'rule', index)
    endpoints[endpoint] = { servers: names }
    return { mcp: endpoint }
  }
  if (names.length > 1) throw new UnsupportedValue(`a rule leads to one ${kind} only`)
  return kind === 'McpEndpoint' ? { mcp: names[0]! } : { agent: names[0]! }
}
