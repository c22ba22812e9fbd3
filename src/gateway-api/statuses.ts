import type { AttachedPolicies } from './attached.ts'
import type { Backends } from './backends.ts'
import { conditionsOf, no, type Said, yes } from './condition.ts'
import { supportedFeatures } from './features.ts'
import { classesOf, type GatewayState, gatewayConditions, isAccepted, listenerConditions } from './gateways.ts'
import { gatewayGroup } from './kinds.ts'
import { type Inventory, type KubeObject, namespaceOf } from './object.ts'
import type { TranslateOptions } from './options.ts'
import type { OwnObjects } from './own-objects.ts'
import type { Parent } from './parents.ts'
import type { RouteProblems } from './route-rules.ts'

/** What is to stand in the status of an object. */
export interface StatusUpdate {
  readonly object: KubeObject
  readonly status: Readonly<Record<string, unknown>>
}

/** What became of a route. */
export interface RouteOutcome {
  readonly object: KubeObject
  /** How many rules it has. */
  readonly rules: number
  readonly parents: readonly { readonly parent: Parent; readonly problems: RouteProblems }[]
  /** Why it cannot be read at all. */
  readonly unreadable?: string | undefined
}

interface Conditioned {
  readonly conditions?: unknown[]
}

/** Writes statuses; what others have written there stays. */
export class Statuses {
  readonly updates: StatusUpdate[] = []
  readonly #options: TranslateOptions

  constructor(options: TranslateOptions) {
    this.#options = options
  }

  classes(inventory: Inventory): void {
    for (const [name, problem] of classesOf(inventory, this.#options)) {
      const object = inventory.get('GatewayClass', '', name)!
      this.#add(object, {
        conditions: this.#conditions(object, [problem ?? yes('Accepted')], statusOf(object)),
        supportedFeatures: supportedFeatures.map((feature) => ({ name: feature })),
      })
    }
  }

  gateway(state: GatewayState): void {
    const { object, listeners } = state
    const before = statusOf(object) as Conditioned & { listeners?: ({ name?: string } & Conditioned)[] }
    const said = gatewayConditions(state)
    const programmed = said.some(({ type, status }) => type === 'Programmed' && status === 'True')
    this.#add(object, {
      ...(programmed && this.#options.addresses.length > 0 && { addresses: this.#options.addresses }),
      conditions: this.#conditions(object, said, before),
      listeners: listeners.map((listener) => ({
        name: listener.spec.name,
        supportedKinds: listener.kinds.map((kind) => ({ group: gatewayGroup, kind })),
        attachedRoutes: isAccepted(listener) ? listener.attached.size : 0,
        conditions: this.#conditions(
          object,
          listenerConditions(listener),
          before.listeners?.find(({ name }) => name === listener.spec.name),
        ),
      })),
    })
  }

  unreadableGateway(object: KubeObject, why: string): void {
    const said = [no('Accepted', 'Invalid', why), no('Programmed', 'Invalid', why)]
    this.#add(object, { conditions: this.#conditions(object, said, statusOf(object)) })
  }

  route({ object, rules, parents, unreadable }: RouteOutcome): void {
    const before = statusOf(object) as { parents?: (Conditioned & { parentRef?: unknown; controllerName?: string })[] }
    const others = (before.parents ?? []).filter(({ controllerName }) => controllerName !== this.#options.controller)
    const mine = parents.map(({ parent, problems }) => {
      const { ref } = parent
      const parentRef = {
        group: ref.group,
        kind: ref.kind,
        namespace: ref.namespace ?? namespaceOf(object),
        name: ref.name,
        ...(ref.sectionName !== undefined && { sectionName: ref.sectionName }),
        ...(ref.port !== undefined && { port: ref.port }),
      }
      const said =
        unreadable === undefined
          ? routeConditions(parent, problems, rules)
          : [no('Accepted', 'UnsupportedValue', unreadable)]
      const known = before.parents?.find(
        (each) => each.controllerName === this.#options.controller && sameRef(each.parentRef, parentRef),
      )
      return {
        parentRef,
        controllerName: this.#options.controller,
        conditions: this.#conditions(object, said, known),
      }
    })
    if (mine.length > 0 || others.length < (before.parents ?? []).length)
      this.#add(object, { parents: [...others, ...mine] })
  }

  backendTls(backends: Backends): void {
    const found = new Map<KubeObject, { said: readonly Said[]; gateways: Set<GatewayState> }>()
    for (const { service, gateways } of backends.usedBy.values())
      for (const { object, said } of backends.policies.about(service)) {
        const known = found.get(object) ?? { said, gateways: new Set() }
        // Where it lost one target it is not as it was meant.
        const worse = said.some(({ reason }) => reason === 'Conflicted') ? said : known.said
        for (const gateway of gateways) known.gateways.add(gateway)
        found.set(object, { ...known, said: worse })
      }
    for (const [object, { said, gateways }] of found)
      this.#ancestors(
        object,
        [...gateways].map(({ object: gateway }) => ({
          ancestorRef: {
            group: gatewayGroup,
            kind: 'Gateway',
            namespace: namespaceOf(gateway),
            name: gateway.metadata.name,
          },
          said,
        })),
      )
  }

  own({ said }: OwnObjects): void {
    for (const [object, about] of said)
      this.#add(object, { conditions: this.#conditions(object, about, statusOf(object)) })
  }

  policies(policies: AttachedPolicies): void {
    for (const [object, outcomes] of policies.outcomes())
      this.#ancestors(
        object,
        outcomes.map(({ ancestor, said }) => ({ ancestorRef: { ...ancestor }, said: [said] })),
      )
  }

  /** PolicyStatus, of which the API server takes 16 ancestors. */
  #ancestors(object: KubeObject, mine: readonly { ancestorRef: object; said: readonly Said[] }[]): void {
    const before = statusOf(object) as {
      ancestors?: (Conditioned & { ancestorRef?: unknown; controllerName?: string })[]
    }
    const others = (before.ancestors ?? []).filter(({ controllerName }) => controllerName !== this.#options.controller)
    const ancestors = mine.map(({ ancestorRef, said }) => ({
      ancestorRef,
      controllerName: this.#options.controller,
      conditions: this.#conditions(
        object,
        said,
        before.ancestors?.find(
          (each) => each.controllerName === this.#options.controller && sameRef(each.ancestorRef, ancestorRef),
        ),
      ),
    }))
    this.#add(object, { ancestors: [...others, ...ancestors].slice(0, 16) })
  }

  #conditions(object: KubeObject, said: readonly Said[], before: Conditioned | undefined) {
    return conditionsOf(said, object.metadata.generation, before?.conditions, this.#options.now)
  }

  #add(object: KubeObject, status: Record<string, unknown>): void {
    this.updates.push({ object, status })
  }
}

function statusOf({ status }: KubeObject): Conditioned {
  return typeof status === 'object' && status !== null ? status : {}
}

function sameRef(one: unknown, other: object): boolean {
  const text = (ref: unknown) => JSON.stringify(Object.entries(ref ?? {}).sort())
  return text(one) === text(other)
}

function routeConditions({ problem }: Parent, { refused, unresolved }: RouteProblems, rules: number): Said[] {
  const [first] = refused.values()
  const [missing] = unresolved.values()
  const resolved = missing ? no('ResolvedRefs', missing.reason, missing.message) : yes('ResolvedRefs')
  if (problem) return [problem, resolved]
  if (!first) return [yes('Accepted'), resolved]
  const message = [...refused.values()].map((each) => each.message).join('; ')
  if (refused.size >= rules) return [no('Accepted', first.reason, message), resolved]
  return [
    yes('Accepted'),
    resolved,
    { type: 'PartiallyInvalid', status: 'True', reason: first.reason, message: `Dropped Rule: ${message}` },
  ]
}
