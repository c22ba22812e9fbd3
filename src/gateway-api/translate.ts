import { checkRules, type Finding } from '../config/check.ts'
import { coversHost } from '../config/http/order.ts'
import { type HttpRouteRule, route as routeSchema } from '../config/http.ts'
import { type Rules, type RulesInput, rulesSchema } from '../config/schema.ts'
import { AttachedPolicies } from './attached.ts'
import { Backends } from './backends.ts'
import { type Bans, Owners } from './bans.ts'
import { type GatewayListener, type GatewayState, gatewaysOf, isProgrammed } from './gateways.ts'
import { permitsOf } from './grant.ts'
import { hostRank } from './host.ts'
import { ruleName } from './names.ts'
import { called, Inventory, type KubeObject, nameOf } from './object.ts'
import type { TranslateOptions } from './options.ts'
import { ownObjects } from './own-objects.ts'
import { parentsOf } from './parents.ts'
import { type Candidate, inOrder, withoutShadowed } from './precedence.ts'
import { candidatesOf, type RouteContext, type RouteProblems } from './route-rules.ts'
import { grpcRouteSpec, httpRouteSpec, parentRef, wrongWith } from './spec.ts'
import { Statuses, type StatusUpdate } from './statuses.ts'

/** What objects of Kubernetes mean. */
export interface Translation {
  /** Undefined: there is no Gateway of ours that could be served. */
  readonly rules: Rules | undefined
  readonly statuses: readonly StatusUpdate[]
  /** What is wrong and no object's own, such as a name that the gateway's own rules do not have. */
  readonly findings: readonly string[]
}

/** Each pass takes out at least one part that is wrong; more of them than this are not looked for. */
const mostPasses = 200

/**
 * The rules that objects of Kubernetes mean, and what is to be said in their statuses. It depends on nothing else, and does nothing.
 * @param base the gateway's own rules: identities, telemetry, and whatever else is no object's; its listeners stay
 * @param further looks for what only others can know of: expressions, what cannot be carried out
 */
export function translate(
  objects: Iterable<KubeObject>,
  base: RulesInput,
  options: TranslateOptions,
  further: (rules: Rules) => Finding[] = () => [],
): Translation {
  const inventory = new Inventory(objects)
  const bans = new Map<string, string>()
  const findings: string[] = []
  for (let passes = 1; ; passes++) {
    const made = once(inventory, base, options, bans)
    const { rules, statuses } = made
    const wrong = made.wrong ?? (rules ? [...checkRules(rules, { order: false }).errors, ...further(rules)] : [])
    const before = bans.size
    for (const { path, message, suggestion } of wrong) {
      const owner = made.owners.of(path)
      const text = `${path.join('.')} ${message}${suggestion === undefined ? '' : ` (did you mean ${suggestion}?)`}`
      if (owner === undefined) findings.push(text)
      else if (!bans.has(owner)) bans.set(owner, message)
    }
    if (bans.size === before || passes === mostPasses) return { rules, statuses, findings: [...new Set(findings)] }
    findings.length = 0
  }
}

/** Specs that were read: most objects are as they were at the last translation. */
const read = new WeakMap<
  KubeObject,
  ReturnType<typeof httpRouteSpec.safeParse> | ReturnType<typeof grpcRouteSpec.safeParse>
>()

function readRoute(kind: 'HTTPRoute' | 'GRPCRoute', object: KubeObject) {
  const known = read.get(object)
  if (known) return known
  const parsed = (kind === 'HTTPRoute' ? httpRouteSpec : grpcRouteSpec).safeParse(object.spec)
  read.set(object, parsed)
  return parsed
}

interface Pass {
  readonly rules: Rules | undefined
  readonly statuses: StatusUpdate[]
  readonly owners: Owners
  /** Why the objects make no rules. */
  readonly wrong?: Finding[]
}

function once(inventory: Inventory, base: RulesInput, options: TranslateOptions, bans: Bans): Pass {
  const owners = new Owners()
  const permits = permitsOf(inventory)
  const { gateways, unreadable } = gatewaysOf(inventory, permits, options)
  const own = ownObjects(inventory, options.local, bans, owners, new Set(Object.keys(base.models ?? {})))
  const policies = new AttachedPolicies(inventory, options, bans)
  const backends = new Backends(inventory, permits, options, policies.extras)
  const context: RouteContext = { backends, own, policies, bans, endpoints: {} }
  const statuses = new Statuses(options)
  const candidates: Candidate[] = []
  for (const kind of ['HTTPRoute', 'GRPCRoute'] as const)
    for (const object of inventory.list(kind)) {
      const parsed = readRoute(kind, object)
      if (!parsed.success) {
        const parents = parentsOf(object, { parentRefs: looseParents(object), hostnames: [] }, gateways, inventory)
        const problems: RouteProblems = { refused: new Map(), unresolved: new Map() }
        const outcome = { object, rules: 0, unreadable: wrongWith(parsed.error) }
        statuses.route({ ...outcome, parents: parents.map((parent) => ({ parent, problems })) })
        continue
      }
      const { rules } = parsed.data
      const outcomes = parentsOf(object, parsed.data, gateways, inventory).map((parent) => {
        // References are looked at wherever a route is attached, and where it is not.
        const made = candidatesOf(object, rules, parent.listeners.length > 0 ? parent : probe(parent), context)
        if (parent.listeners.length > 0) {
          const refused = made.problems.refused.size >= rules.length && rules.length > 0
          if (!refused) for (const { listener } of parent.listeners) listener.attached.add(called(object))
          candidates.push(...made.candidates)
        }
        return { parent, problems: made.problems }
      })
      statuses.route({ object, rules: rules.length, parents: outcomes })
    }
  const listeners = listenersOf(gateways, policies, options, owners)
  const routes = routesOf(candidates, gateways, policies, listeners, owners)
  for (const { service } of backends.usedBy.values()) {
    const owner = policies.backendOwner(service)
    if (!owner) continue
    const prefix = ruleName(...nameOf(service).split('/'), '')
    for (const name of backends.services.keys())
      if (name.startsWith(prefix)) owners.set(['http', 'services', name], called(owner))
  }
  for (const gateway of gateways) statuses.gateway(gateway)
  for (const { object, why } of unreadable) statuses.unreadableGateway(object, why)
  statuses.classes(inventory)
  statuses.backendTls(backends)
  statuses.own(own)
  statuses.policies(policies)
  if (Object.keys(listeners).length === 0) return { rules: undefined, statuses: statuses.updates, owners }
  const governance = policies.governance(owners)
  const parsed = rulesSchema.safeParse({
    ...base,
    listeners: { ...base.listeners, ...listeners },
    providers: { ...base.providers, ...own.providers },
    models: { ...base.models, ...own.models },
    mcp: {
      ...base.mcp,
      servers: { ...base.mcp?.servers, ...own.servers },
      endpoints: endpointsOf(base, { ...own.endpoints, ...context.endpoints }),
    },
    a2a: { ...base.a2a, agents: { ...base.a2a?.agents, ...own.agents } },
    policies: { ...base.policies, rules: { ...base.policies?.rules, ...governance.policies } },
    limits: { ...base.limits, ...governance.limits },
    budgets: { ...base.budgets, ...governance.budgets },
    guards: { ...base.guards, ...governance.guards },
    http: { ...base.http, services: { ...base.http?.services, ...Object.fromEntries(backends.services) }, routes: [] },
  })
  if (!parsed.success) {
    const wrong = parsed.error.issues.map(({ path, message }) => ({ path: path as Finding['path'], message }))
    return { rules: undefined, statuses: statuses.updates, owners, wrong }
  }
  // Without saying so they would be on the Gateways' listeners too.
  const elsewhere = Object.keys(base.listeners ?? {})
  const written = (base.http?.routes ?? [])
    .filter(({ listeners }) => listeners !== undefined || elsewhere.length > 0)
    .map((each) => routeSchema.parse({ listeners: elsewhere, ...each }))
  const rules: Rules = { ...parsed.data, http: { ...parsed.data.http, routes: [...routes, ...written] } }
  return { rules, statuses: statuses.updates, owners }
}

/** The MCP endpoints; without any of its own the gateway shows all its servers at /mcp, which must not show those of objects. */
function endpointsOf(base: RulesInput, added: Record<string, unknown>): Record<string, unknown> {
  const own = base.mcp?.endpoints ?? {}
  const servers = Object.keys(base.mcp?.servers ?? {})
  if (Object.keys(own).length > 0 || servers.length === 0) return { ...own, ...added }
  return { default: { servers }, ...added }
}

/** A parent as if a route were attached to all of it, so that what the route refers to is looked at all the same. */
function probe(parent: ReturnType<typeof parentsOf>[number]): typeof parent {
  return { ...parent, listeners: parent.gateway.listeners.map((listener) => ({ listener, hosts: ['*'] })) }
}

function looseParents({ spec }: KubeObject) {
  const { parentRefs } = (spec ?? {}) as { parentRefs?: unknown }
  if (!Array.isArray(parentRefs)) return []
  return parentRefs.flatMap((each) => {
    const parsed = parentRef.safeParse(each)
    return parsed.success ? [parsed.data] : []
  })
}

type ListenerInputs = Record<string, NonNullable<RulesInput['listeners']>[string]>

/** The listeners of the rules: one for each port that something is on. */
function listenersOf(
  gateways: readonly GatewayState[],
  policies: AttachedPolicies,
  options: TranslateOptions,
  owners: Owners,
): ListenerInputs {
  const ports = new Map<string, GatewayListener[]>()
  for (const { listeners } of gateways)
    for (const listener of listeners.filter(isProgrammed))
      ports.set(listener.rules, [...(ports.get(listener.rules) ?? []), listener])
  const made: ListenerInputs = {}
  for (const [name, [first, ...rest]] of ports) {
    const all = [first!, ...rest]
    const { said, by } = policies.listenerFor([...new Set(all.map(({ gateway }) => gateway))])
    if (by) owners.set(['listeners', name], called(by))
    made[name] = {
      address: options.bind,
      port: first!.bound,
      serves: ['http'],
      ...said,
      ...(first!.spec.protocol === 'HTTPS' && {
        tls: {
          certificates: all.map(({ hostname, certificate }) => ({ hosts: [hostname], ...certificate! })),
          ...(first!.clientCa !== undefined && { clientCaFile: first!.clientCa, requireClientCertificate: true }),
        },
      }),
    }
  }
  return made
}

/** The routes of the rules, in the order in which they are tried. */
function routesOf(
  candidates: readonly Candidate[],
  gateways: readonly GatewayState[],
  policies: AttachedPolicies,
  listeners: ListenerInputs,
  owners: Owners,
): Rules['http']['routes'] {
  const routes: HttpRouteRule[] = []
  const add = (route: HttpRouteRule, owner?: string) => {
    if (owner !== undefined) owners.set(['http', 'routes', routes.length], owner)
    routes.push(route)
  }
  const byListener = new Map<GatewayListener, Candidate[]>()
  for (const candidate of candidates)
    if (isProgrammed(candidate.listener))
      byListener.set(candidate.listener, [...(byListener.get(candidate.listener) ?? []), candidate])
  const all = gateways.flatMap((gateway) => gateway.listeners).filter(isProgrammed)
  for (const port of Object.keys(listeners)) {
    const here = all
      .filter(({ rules }) => rules === port)
      .sort((a, b) => hostRank(b.hostname) - hostRank(a.hostname) || (a.hostname < b.hostname ? -1 : 1))
    for (const listener of here) {
      for (const { hosts, routes: parts, route, place } of withoutShadowed(inOrder(byListener.get(listener) ?? []))) {
        const attachment = { route, rule: place[0], name: ruleNameOf(route, place[0]), listener }
        const governed =
          policies.governs(
            attachment,
            parts.map(({ name }) => name),
          ) || isIdentified(listeners[port]!.identity)
        for (const part of parts)
          add(
            {
              ...part,
              listeners: [port],
              ...(hosts.includes('*') ? {} : { hosts: [...hosts] }),
              ...(governed && !part.ai && { governed: true }),
            },
            `${called(route)}#${place[0]}`,
          )
      }
      // A request is for the nearest listener alone: what it has no route for is not for one that means more hosts.
      if (here.some((other) => other !== listener && coversHost(other.hostname, listener.hostname)))
        add(
          routeSchema.parse({
            name: ruleName(port, listener.spec.name, 'none'),
            listeners: [port],
            hosts: [listener.hostname],
            respond: { status: 404 },
          }),
        )
    }
  }
  return unique(routes)
}

/** Names that are there once only, in the order of the routes. */
function unique(routes: readonly HttpRouteRule[]): HttpRouteRule[] {
  const seen = new Map<string, number>()
  return routes.map((route) => {
    const count = seen.get(route.name) ?? 0
    seen.set(route.name, count + 1)
    return count === 0 ? route : { ...route, name: ruleName(route.name, `again${count}`) }
  })
}

/** Whether a listener asks who its callers are. */
function isIdentified(identity: { accept?: readonly string[] | undefined } | undefined): boolean {
  return identity?.accept?.some((kind) => kind !== 'anonymous') ?? false
}

function ruleNameOf({ spec }: KubeObject, rule: number): string | undefined {
  const { rules } = (spec ?? {}) as { rules?: { name?: string }[] }
  return rules?.[rule]?.name
}
