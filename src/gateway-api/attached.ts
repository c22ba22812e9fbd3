import type { RulesInput } from '../config/schema.ts'
import type { ServiceExtras, ServiceInput } from './backends.ts'
import type { Bans, Owners } from './bans.ts'
import { no, type Said, yes } from './condition.ts'
import type { GatewayListener, GatewayState } from './gateways.ts'
import { gatewayGroup } from './kinds.ts'
import { routePrefix, ruleName } from './names.ts'
import { called, type Inventory, type KubeObject, namespaceOf } from './object.ts'
import type { TranslateOptions } from './options.ts'
import { ownSpec } from './own-objects.ts'
import type { RouteInput } from './precedence.ts'
import type { TargetRef } from './spec.ts'

/** Policies of our own kinds, attached to Gateways, routes and Services by `targetRefs` (GEP-713). */

type PolicyKind =
  | 'GatewayPolicy'
  | 'TrafficPolicy'
  | 'BackendPolicy'
  | 'AccessPolicy'
  | 'LimitPolicy'
  | 'BudgetPolicy'
  | 'GuardPolicy'
const policyKinds: readonly PolicyKind[] = [
  'GatewayPolicy',
  'TrafficPolicy',
  'BackendPolicy',
  'AccessPolicy',
  'LimitPolicy',
  'BudgetPolicy',
  'GuardPolicy',
]
/** Those whose absence would let more through than whoever wrote them meant. */
const guarding: ReadonlySet<PolicyKind> = new Set<PolicyKind>([
  'GatewayPolicy',
  'TrafficPolicy',
  'AccessPolicy',
  'LimitPolicy',
  'BudgetPolicy',
  'GuardPolicy',
])

interface Policy {
  readonly object: KubeObject
  readonly kind: PolicyKind
  readonly targets: readonly TargetRef[]
  readonly spec: Readonly<Record<string, unknown>> | undefined
  readonly why: string | undefined
}

/** What the targets of a policy came to. */
interface Outcome {
  readonly ancestor: TargetRef
  readonly said: Said
}

/** A route of the Gateway API, as policies see it. */
export interface Attachment {
  readonly route: KubeObject
  /** The rule's place, and its name. */
  readonly rule: number
  readonly name: string | undefined
  readonly listener: GatewayListener
}

export class AttachedPolicies {
  readonly #policies: readonly Policy[]
  readonly #inventory: Inventory
  readonly #losers = new Map<Policy, { target: TargetRef; winner: Policy }[]>()
  /** The routes that a policy of governance is for: what their names begin with, and single names. */
  readonly #scopes = new Map<Policy, { prefixes: Set<string>; names: Set<string> }>()

  constructor(inventory: Inventory, options: TranslateOptions, bans: Bans) {
    this.#inventory = inventory
    this.#policies = policyKinds.flatMap((kind) =>
      inventory.list(kind).map((object): Policy => {
        const read = ownSpec(object, kind, options.local)
        const ban = bans.get(called(object))
        if ('why' in read) return { object, kind, targets: looseTargets(object), spec: undefined, why: read.why }
        const targets = read.beside.targetRefs as TargetRef[]
        if (ban !== undefined) return { object, kind, targets, spec: undefined, why: ban }
        return { object, kind, targets, spec: read.spec, why: undefined }
      }),
    )
    for (const policy of this.#policies) this.#compare(policy)
  }

  /** Policies of one kind for the same target: the older one holds, but those that add up. */
  #compare(policy: Policy): void {
    if (['AccessPolicy', 'LimitPolicy', 'BudgetPolicy', 'GuardPolicy'].includes(policy.kind)) return
    for (const target of policy.targets) {
      const winner = this.#policies.find(
        (other) =>
          other.kind === policy.kind &&
          namespaceOf(other.object) === namespaceOf(policy.object) &&
          other.targets.some((each) => sameTarget(each, target)),
      )
      if (winner && winner !== policy)
        this.#losers.set(policy, [...(this.#losers.get(policy) ?? []), { target, winner }])
    }
  }

  #holds(policy: Policy, target: TargetRef): boolean {
    return !this.#losers.get(policy)?.some((lost) => sameTarget(lost.target, target))
  }

  /** The policies of a kind for a rule on a listener, the one that is nearest to it last. */
  #for(kind: PolicyKind, { route, rule, name, listener }: Attachment): Policy[] {
    const { object } = listener.gateway
    const places: [KubeObject, string | undefined, boolean][] = [
      [object, undefined, false],
      [object, listener.spec.name, true],
      [route, undefined, false],
      [route, name ?? String(rule), true],
    ]
    return places.flatMap(([target, section, needed]) =>
      this.#policies.filter(
        (policy) =>
          policy.kind === kind &&
          namespaceOf(policy.object) === namespaceOf(target) &&
          policy.targets.some(
            (each) =>
              each.group === gatewayGroup &&
              each.kind === target.kind &&
              each.name === target.metadata.name &&
              (needed ? each.sectionName === section : each.sectionName === undefined) &&
              this.#holds(policy, each),
          ),
      ),
    )
  }

  /** Why a rule must not be served: a policy that guards it cannot be put into force. */
  brokenFor(attachment: Attachment): string | undefined {
    for (const kind of guarding)
      for (const { object, why } of this.#for(kind, attachment))
        if (why !== undefined) return `${called(object)} cannot be put into force: ${why}`
    return undefined
  }

  /** What TrafficPolicies say of a rule, and which of them said it. */
  trafficFor(attachment: Attachment): { said: Partial<RouteInput>; by: ReadonlyMap<string, KubeObject> } {
    const said: Record<string, unknown> = {}
    const by = new Map<string, KubeObject>()
    for (const { object, spec } of this.#for('TrafficPolicy', attachment))
      for (const [key, value] of Object.entries(spec ?? {})) {
        said[key] = value
        by.set(key, object)
      }
    return { said: said as Partial<RouteInput>, by }
  }

  /** Notes a route of the rules for the policies of governance that hold for it. @returns whether there are any */
  governs(attachment: Attachment, names: readonly string[]): boolean {
    let found = false
    for (const kind of ['AccessPolicy', 'LimitPolicy', 'BudgetPolicy', 'GuardPolicy'] as const)
      for (const policy of this.#for(kind, attachment)) {
        found = true
        const scope = this.#scopes.get(policy) ?? { prefixes: new Set(), names: new Set() }
        const { route } = attachment
        const prefix = routePrefix(namespaceOf(route), route.metadata.name)
        const whole = policy.targets.every(({ sectionName, kind }) => sectionName === undefined && kind !== 'Gateway')
        if (whole && prefix !== undefined) scope.prefixes.add(prefix)
        else for (const name of names) scope.names.add(name)
        this.#scopes.set(policy, scope)
      }
    return found
  }

  /** What GatewayPolicies say of the listeners of a port, by the Gateways on it. */
  listenerFor(gateways: readonly GatewayState[]): { said: Record<string, unknown>; by: KubeObject | undefined } {
    let by: KubeObject | undefined
    const said: Record<string, unknown> = {}
    for (const { object } of gateways)
      for (const policy of this.#policies)
        if (
          policy.kind === 'GatewayPolicy' &&
          policy.spec &&
          namespaceOf(policy.object) === namespaceOf(object) &&
          policy.targets.some(
            (target) =>
              target.kind === 'Gateway' && target.name === object.metadata.name && this.#holds(policy, target),
          )
        ) {
          by ??= policy.object
          // The strictest first: the oldest Gateway's holds for the port.
          for (const [key, value] of Object.entries(policy.spec)) said[key] ??= value
        }
    return { said, by }
  }

  /** What a BackendPolicy says of a Service. */
  readonly extras: ServiceExtras = (service) => (this.#backendOf(service)?.spec ?? {}) as Partial<ServiceInput>

  /** Whose those are. */
  backendOwner(service: KubeObject): KubeObject | undefined {
    return this.#backendOf(service)?.object
  }

  #backendOf(service: KubeObject): Policy | undefined {
    return this.#policies.find(
      (policy) =>
        policy.kind === 'BackendPolicy' &&
        policy.spec &&
        namespaceOf(policy.object) === namespaceOf(service) &&
        policy.targets.some(
          (target) =>
            target.group === '' &&
            target.kind === 'Service' &&
            target.name === service.metadata.name &&
            this.#holds(policy, target),
        ),
    )
  }

  /** Governance of the rules: policies, limits, budgets and guards, each for its routes alone. */
  governance(
    owners: Owners,
  ): Pick<RulesInput, 'limits' | 'budgets' | 'guards'> & { policies: Record<string, unknown> } {
    const sections = { AccessPolicy: {}, LimitPolicy: {}, BudgetPolicy: {}, GuardPolicy: {} } as Record<
      string,
      Record<string, unknown>
    >
    const places = {
      AccessPolicy: ['policies', 'rules'],
      LimitPolicy: ['limits'],
      BudgetPolicy: ['budgets'],
      GuardPolicy: ['guards'],
    } as Record<string, string[]>
    for (const [policy, { prefixes, names }] of this.#scopes) {
      const { object, kind, spec } = policy
      if (!spec) continue
      const name = ruleName(namespaceOf(object), object.metadata.name)
      const scope = [
        ...[...prefixes].map((prefix) => `request.route.startsWith(${JSON.stringify(prefix)})`),
        ...(names.size > 0 ? [`request.route in ${JSON.stringify([...names].sort())}`] : []),
      ].join(' || ')
      const when = spec.when === undefined ? `(${scope})` : `(${scope}) && (${String(spec.when)})`
      sections[kind]![name] = { ...spec, when }
      owners.set([...places[kind]!, name], called(object))
    }
    return {
      policies: sections.AccessPolicy!,
      limits: sections.LimitPolicy as RulesInput['limits'],
      budgets: sections.BudgetPolicy as RulesInput['budgets'],
      guards: sections.GuardPolicy as RulesInput['guards'],
    }
  }

  /** What is to be said of each policy, by its targets. */
  outcomes(): Map<KubeObject, readonly Outcome[]> {
    const outcomes = new Map<KubeObject, readonly Outcome[]>()
    for (const policy of this.#policies)
      outcomes.set(
        policy.object,
        policy.targets.map((ancestor) => ({ ancestor, said: this.#saidOf(policy, ancestor) })),
      )
    return outcomes
  }

  #saidOf(policy: Policy, target: TargetRef): Said {
    if (policy.why !== undefined) return no('Accepted', 'Invalid', policy.why)
    const allowed: readonly string[] =
      policy.kind === 'BackendPolicy'
        ? ['Service']
        : policy.kind === 'GatewayPolicy'
          ? ['Gateway']
          : ['Gateway', 'HTTPRoute', 'GRPCRoute']
    const group = policy.kind === 'BackendPolicy' ? '' : gatewayGroup
    if (!allowed.includes(target.kind) || target.group !== group)
      return no(
        'Accepted',
        'Invalid',
        `a ${policy.kind} cannot be attached to ${target.kind}; ${allowed.join(', ')} can be`,
      )
    const namespace = namespaceOf(policy.object)
    if (!this.#inventory.get(target.kind as 'Gateway', namespace, target.name))
      return no('Accepted', 'TargetNotFound', `there is no ${target.kind} ${namespace}/${target.name}`)
    const lost = this.#losers.get(policy)?.find((each) => sameTarget(each.target, target))
    if (lost) return no('Accepted', 'Conflicted', `${called(lost.winner.object)} is older and for the same target`)
    return yes('Accepted')
  }
}

function sameTarget(one: TargetRef, other: TargetRef): boolean {
  return (
    one.group === other.group &&
    one.kind === other.kind &&
    one.name === other.name &&
    one.sectionName === other.sectionName
  )
}

/** The targets of a policy that cannot be read otherwise: what it was to guard must not be open. */
function looseTargets({ spec }: KubeObject): TargetRef[] {
  const { targetRefs } = (spec ?? {}) as { targetRefs?: unknown }
  if (!Array.isArray(targetRefs)) return []
  return targetRefs.filter(
    (each): each is TargetRef =>
      typeof each === 'object' &&
      each !== null &&
      ['group', 'kind', 'name'].every((key) => typeof (each as Record<string, unknown>)[key] === 'string'),
  )
}
