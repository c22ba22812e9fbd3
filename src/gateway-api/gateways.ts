import { authoritiesOf, type CertificateFiles, certificateOf } from './certificates.ts'
import { no, type Said, yes } from './condition.ts'
import type { Permits } from './grant.ts'
import { gatewayGroup } from './kinds.ts'
import { called, type Inventory, type KubeObject, nameOf, namespaceOf } from './object.ts'
import type { TranslateOptions } from './options.ts'
import { type GatewaySpec, gatewayClassSpec, gatewaySpec, type ListenerSpec, wrongWith } from './spec.ts'

/** Gateways and their listeners: which can be served, on which port of this machine, and why others cannot. */

export type RouteKind = 'HTTPRoute' | 'GRPCRoute'
const routeKinds: readonly RouteKind[] = ['HTTPRoute', 'GRPCRoute']

/** A listener of a Gateway. */
export interface GatewayListener {
  readonly gateway: GatewayState
  readonly spec: ListenerSpec
  /** `*` where it has none. */
  readonly hostname: string
  /** The port on this machine. */
  readonly bound: number
  /** The listener of the rules that it becomes a part of. */
  readonly rules: string
  readonly kinds: readonly RouteKind[]
  /** What is wrong with it, by the condition's type. */
  readonly problems: Map<'Accepted' | 'Conflicted' | 'ResolvedRefs' | 'Programmed', Said>
  readonly certificate?: CertificateFiles | undefined
  readonly clientCa?: string | undefined
  /** Names of the routes that are attached. */
  readonly attached: Set<string>
}

export interface GatewayState {
  readonly object: KubeObject
  readonly spec: GatewaySpec
  readonly listeners: GatewayListener[]
  readonly problems: Map<'Accepted' | 'Programmed' | 'ResolvedRefs', Said>
  /** What this gateway shows backends that ask (GatewayTLSConfig.backend). */
  readonly clientCertificate?: CertificateFiles | undefined
}

/** Whether routes may be attached. */
export function isAccepted({ problems }: GatewayListener): boolean {
  return !problems.has('Accepted') && !problems.has('Conflicted')
}

/** Whether there is something on its port. */
export function isProgrammed(listener: GatewayListener): boolean {
  return isAccepted(listener) && !listener.problems.has('Programmed')
}

/** The GatewayClasses that are ours, by name, and what is wrong with them. */
export function classesOf(inventory: Inventory, { controller }: TranslateOptions): Map<string, Said | undefined> {
  const classes = new Map<string, Said | undefined>()
  for (const object of inventory.list('GatewayClass')) {
    const parsed = gatewayClassSpec.safeParse(object.spec)
    if (!parsed.success || parsed.data.controllerName !== controller) continue
    const { parametersRef } = parsed.data
    classes.set(
      object.metadata.name,
      parametersRef &&
        no(
          'Accepted',
          'InvalidParameters',
          `there are no parameters of the kind ${parametersRef.kind}: leave parametersRef out`,
        ),
    )
  }
  return classes
}

/** The Gateways that are ours, the oldest first, with what is wrong with them by now. */
export function gatewaysOf(
  inventory: Inventory,
  permits: Permits,
  options: TranslateOptions,
): { gateways: GatewayState[]; unreadable: { object: KubeObject; why: string }[] } {
  const classes = classesOf(inventory, options)
  const gateways: GatewayState[] = []
  const unreadable: { object: KubeObject; why: string }[] = []
  for (const object of inventory.list('Gateway')) {
    const { gatewayClassName } = (object.spec ?? {}) as { gatewayClassName?: string }
    if (gatewayClassName === undefined || !classes.has(gatewayClassName)) continue
    if (options.only && !options.only.has(nameOf(object))) continue
    // What its class lacks is said there; nothing of it is served.
    if (classes.get(gatewayClassName)) continue
    const parsed = gatewaySpec.safeParse(object.spec)
    if (parsed.success) gateways.push(stateOf(object, parsed.data, inventory, permits, options))
    else unreadable.push({ object, why: wrongWith(parsed.error) })
  }
  conflicts(gateways)
  return { gateways, unreadable }
}

function stateOf(
  object: KubeObject,
  spec: GatewaySpec,
  inventory: Inventory,
  permits: Permits,
  options: TranslateOptions,
): GatewayState {
  const problems: GatewayState['problems'] = new Map()
  const from = { group: gatewayGroup, kind: 'Gateway', namespace: namespaceOf(object) }
  const reference = spec.tls?.backend?.clientCertificateRef
  const own = reference && certificateOf(reference, from, inventory, permits)
  if (own && !own.ok)
    problems.set(
      'ResolvedRefs',
      no('ResolvedRefs', own.reason === 'RefNotPermitted' ? own.reason : 'InvalidClientCertificateRef', own.message),
    )
  const parameters = spec.infrastructure?.parametersRef
  if (parameters)
    problems.set(
      'Accepted',
      no(
        'Accepted',
        'InvalidParameters',
        `there are no parameters of the kind ${parameters.kind}: leave parametersRef out`,
      ),
    )
  const [unsupported] = spec.addresses.filter(({ type }) => type !== 'IPAddress' && type !== 'Hostname')
  if (unsupported)
    problems.set(
      'Accepted',
      no('Accepted', 'UnsupportedAddress', `addresses of the type ${unsupported.type} are not supported`),
    )
  const [unusable] = spec.addresses.filter(
    ({ value }) => value !== undefined && value !== '' && !options.addresses.some((each) => each.value === value),
  )
  if (unusable && !unsupported)
    problems.set('Programmed', no('Programmed', 'AddressNotUsable', `${unusable.value} is no address of this gateway`))
  const state: GatewayState = {
    object,
    spec,
    listeners: [],
    problems,
    clientCertificate: own?.ok ? own.value : undefined,
  }
  for (const listener of spec.listeners)
    state.listeners.push(listenerOf(state, listener, from, inventory, permits, options))
  return state
}

function listenerOf(
  gateway: GatewayState,
  spec: ListenerSpec,
  from: { group: string; kind: string; namespace: string },
  inventory: Inventory,
  permits: Permits,
  options: TranslateOptions,
): GatewayListener {
  const problems: GatewayListener['problems'] = new Map()
  const refuse = (type: 'Accepted' | 'ResolvedRefs' | 'Programmed', reason: string, message: string) => {
    if (!problems.has(type)) problems.set(type, no(type, reason, message))
  }
  const { protocol, tls, allowedRoutes, port } = spec
  const bound = options.portOf(port)
  if (gateway.problems.has('Accepted')) refuse('Accepted', 'Pending', 'the Gateway is not accepted')
  if (protocol !== 'HTTP' && protocol !== 'HTTPS')
    refuse('Accepted', 'UnsupportedProtocol', `the protocol ${protocol} is not supported; HTTP and HTTPS are`)
  const taken = options.taken.get(bound)
  if (taken !== undefined) refuse('Accepted', 'PortUnavailable', `the port ${bound} is ${taken}`)
  const named = allowedRoutes.kinds
  const kinds =
    named === undefined || named.length === 0
      ? routeKinds
      : routeKinds.filter((kind) => named.some((each) => each.group === gatewayGroup && each.kind === kind))
  const [unknown] = (named ?? []).filter(
    ({ group, kind }) => group !== gatewayGroup || !routeKinds.includes(kind as RouteKind),
  )
  if (unknown)
    refuse('ResolvedRefs', 'InvalidRouteKinds', `routes of the kind ${unknown.kind} cannot be attached to ${protocol}`)
  let certificate: CertificateFiles | undefined
  let clientCa: string | undefined
  if (protocol === 'HTTPS') {
    if (tls !== undefined && tls.mode !== 'Terminate')
      refuse('Accepted', 'UnsupportedValue', `tls.mode must be Terminate with HTTPS, not ${tls.mode}`)
    const references = tls?.certificateRefs ?? []
    if (references.length === 0) {
      refuse('ResolvedRefs', 'InvalidCertificateRef', 'tls.certificateRefs must name a Secret')
      refuse('Programmed', 'Invalid', 'there is no certificate')
    }
    for (const reference of references) {
      const found = certificateOf(reference, from, inventory, permits)
      if (found.ok) certificate ??= found.value
      else refuse('ResolvedRefs', found.reason, found.message)
    }
    if (references.length > 0 && !certificate)
      refuse('Programmed', 'Invalid', 'there is no certificate that can be used')
    clientCa = clientAuthorities(gateway.spec, port, from, inventory, permits, refuse)
  }
  return {
    gateway,
    spec,
    hostname: spec.hostname ?? '*',
    bound,
    rules: `port-${port}`,
    kinds,
    problems,
    certificate,
    clientCa,
    attached: new Set(),
  }
}

/** The authorities of client certificates on a port (GatewayTLSConfig.frontend). */
function clientAuthorities(
  { tls }: GatewaySpec,
  port: number,
  from: { group: string; kind: string; namespace: string },
  inventory: Inventory,
  permits: Permits,
  refuse: (type: 'Accepted' | 'ResolvedRefs', reason: string, message: string) => void,
): string | undefined {
  const frontend = tls?.frontend
  const { validation } = frontend?.perPort.find((each) => each.port === port)?.tls ?? frontend?.default ?? {}
  if (!validation) return undefined
  if (validation.mode !== 'AllowValidOnly')
    refuse(
      'Accepted',
      'UnsupportedValue',
      `the mode ${validation.mode} of client certificates is not supported: clients could show anything`,
    )
  const good: string[] = []
  for (const reference of validation.caCertificateRefs) {
    const found = authoritiesOf(reference, from, inventory, permits)
    if (found.ok) good.push(found.value)
    else
      refuse(
        'ResolvedRefs',
        { kind: 'InvalidCACertificateKind', invalid: 'InvalidCACertificateRef', RefNotPermitted: 'RefNotPermitted' }[
          found.reason
        ],
        found.message,
      )
  }
  if (good.length === 0) refuse('Accepted', 'NoValidCACertificate', 'there are no authorities for client certificates')
  return good.join('')
}

/**
 * Finds listeners that could not be told apart. Of one Gateway none of them is served; between Gateways, which share this machine's
 * ports, the older Gateway's is, so that nobody can take another's away.
 */
function conflicts(gateways: readonly GatewayState[]): void {
  const served = new Map<number, GatewayListener[]>()
  for (const gateway of gateways) {
    const mine = gateway.listeners.filter((listener) => !listener.problems.has('Accepted'))
    for (const listener of mine) {
      const twin = mine.find((other) => other !== listener && clash(listener, other))
      if (twin) conflicted(listener, twin)
    }
    for (const listener of mine.filter(isAccepted)) {
      const others = served.get(listener.bound) ?? []
      const older = others.find((other) => other.gateway !== gateway && clash(listener, other))
      if (older) conflicted(listener, older)
    }
    for (const listener of mine.filter(isAccepted))
      served.set(listener.bound, [...(served.get(listener.bound) ?? []), listener])
  }
}

function clash(one: GatewayListener, other: GatewayListener): boolean {
  if (one.bound !== other.bound) return false
  return (
    one.spec.protocol !== other.spec.protocol ||
    // 80 and 10080 are the same on a machine that may not have the first.
    one.spec.port !== other.spec.port ||
    one.hostname === other.hostname ||
    // Requests of one port are asked for a client certificate, or they are not.
    one.clientCa !== other.clientCa
  )
}

function conflicted(listener: GatewayListener, other: GatewayListener): void {
  const same = listener.spec.protocol === other.spec.protocol && listener.hostname === other.hostname
  const reason = same ? 'HostnameConflict' : 'ProtocolConflict'
  const whose = other.gateway === listener.gateway ? '' : ` of ${called(other.gateway.object)}`
  const message = `the listener ${other.spec.name}${whose} has ${same ? 'the same port and host name' : 'the same port, and another protocol or other client certificates'}`
  listener.problems.set('Conflicted', { type: 'Conflicted', status: 'True', reason, message })
  listener.problems.set('Accepted', no('Accepted', reason, message))
}

/** What is said of a listener. */
export function listenerConditions({ problems }: GatewayListener): Said[] {
  const broken = problems.get('Accepted') ?? problems.get('Conflicted')
  return [
    problems.get('Accepted') ?? yes('Accepted'),
    problems.get('Conflicted') ?? no('Conflicted', 'NoConflicts', ''),
    problems.get('ResolvedRefs') ?? yes('ResolvedRefs'),
    broken ? no('Programmed', 'Invalid', broken.message) : (problems.get('Programmed') ?? yes('Programmed')),
  ]
}

/** What is said of a Gateway. */
export function gatewayConditions({ listeners, problems }: GatewayState): Said[] {
  const refused = listeners.filter((listener) => !isAccepted(listener))
  const names = refused.map(({ spec }) => spec.name).join(', ')
  const someProgrammed = listeners.some(isProgrammed)
  const accepted = (): Said => {
    if (refused.length === 0) return yes('Accepted')
    return refused.length < listeners.length
      ? yes('Accepted', 'ListenersNotValid', `not accepted are the listeners ${names}`)
      : no('Accepted', 'ListenersNotValid', `none of the listeners (${names}) can be accepted`)
  }
  const programmed = (): Said =>
    someProgrammed ? yes('Programmed') : no('Programmed', 'Invalid', 'none of the listeners can be programmed')
  const unresolved = listeners.find((listener) => listener.problems.has('ResolvedRefs'))
  return [
    problems.get('Accepted') ?? accepted(),
    problems.get('Programmed') ?? programmed(),
    problems.get('ResolvedRefs') ??
      (unresolved
        ? no('ResolvedRefs', 'ListenersNotResolved', `references of the listener ${unresolved.spec.name} are not good`)
        : yes('ResolvedRefs')),
  ]
}
