import { no, type Said } from './condition.ts'
import { type GatewayListener, type GatewayState, isAccepted, type RouteKind } from './gateways.ts'
import { commonHosts } from './host.ts'
import { gatewayGroup } from './kinds.ts'
import { type Inventory, type KubeObject, namespaceOf } from './object.ts'
import type { LabelSelector, ParentRef } from './spec.ts'

/** Which listeners a route is attached to. */

/** One of the parents that a route names. */
export interface Parent {
  readonly ref: ParentRef
  readonly gateway: GatewayState
  /** Where it is attached, and the hosts that the two have in common. */
  readonly listeners: readonly { readonly listener: GatewayListener; readonly hosts: readonly string[] }[]
  /** Why it is attached nowhere. */
  readonly problem?: Said | undefined
}

/** The parents that are ours; others are for other controllers. */
export function parentsOf(
  route: KubeObject,
  spec: { parentRefs: readonly ParentRef[]; hostnames: readonly string[] },
  gateways: readonly GatewayState[],
  inventory: Inventory,
): Parent[] {
  return spec.parentRefs.flatMap((ref): Parent[] => {
    if (ref.group !== gatewayGroup || ref.kind !== 'Gateway') return []
    const namespace = ref.namespace ?? namespaceOf(route)
    const gateway = gateways.find(
      ({ object }) => object.metadata.name === ref.name && namespaceOf(object) === namespace,
    )
    return gateway ? [parentOf(route, spec.hostnames, ref, gateway, inventory)] : []
  })
}

function parentOf(
  route: KubeObject,
  hostnames: readonly string[],
  ref: ParentRef,
  gateway: GatewayState,
  inventory: Inventory,
): Parent {
  const refused = (reason: string, message: string): Parent => ({
    ref,
    gateway,
    listeners: [],
    problem: no('Accepted', reason, message),
  })
  const named = gateway.listeners.filter(
    ({ spec }) =>
      (ref.sectionName === undefined || spec.name === ref.sectionName) &&
      (ref.port === undefined || spec.port === ref.port),
  )
  if (named.length === 0) return refused('NoMatchingParent', 'the Gateway has no listener of this name and port')
  const open = named.filter(({ kinds, gateway, spec }) => {
    return (
      kinds.includes(route.kind as RouteKind) &&
      allows(spec.allowedRoutes.namespaces, namespaceOf(gateway.object), namespaceOf(route), inventory)
    )
  })
  if (open.length === 0)
    return refused(
      'NotAllowedByListeners',
      `no listener takes routes of the kind ${route.kind} from the namespace ${namespaceOf(route)}`,
    )
  const fitting = open
    .map((listener) => ({ listener, hosts: commonHosts(listener.hostname, hostnames) }))
    .filter(({ hosts }) => hosts.length > 0)
  if (fitting.length === 0)
    return refused('NoMatchingListenerHostname', `no listener is for any of the hosts ${hostnames.join(', ')}`)
  const accepted = fitting.filter(({ listener }) => isAccepted(listener))
  if (accepted.length === 0)
    return refused('NoMatchingParent', 'the listeners that it could be attached to are not accepted themselves')
  return { ref, gateway, listeners: accepted }
}

function allows(
  { from, selector }: { from: string; selector?: LabelSelector | undefined },
  own: string,
  other: string,
  inventory: Inventory,
): boolean {
  if (from === 'All') return true
  if (from === 'Same') return own === other
  return from === 'Selector' && selector !== undefined && selects(selector, inventory.labelsOf(other))
}

/** metav1.LabelSelector; what it says that is not known selects nothing. */
function selects({ matchLabels, matchExpressions }: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value) &&
    matchExpressions.every(({ key, operator, values }) => {
      const there = Object.hasOwn(labels, key)
      switch (operator) {
        case 'In':
          return there && values.includes(labels[key]!)
        case 'NotIn':
          return !there || !values.includes(labels[key]!)
        case 'Exists':
          return there
        case 'DoesNotExist':
          return !there
        default:
          return false
      }
    })
  )
}
