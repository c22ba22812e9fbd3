import type { z } from 'zod'
import { service as serviceSchema } from '../config/http/service.ts'
import { type BackendTls, BackendTlsPolicies } from './backend-tls.ts'
import type { GatewayState } from './gateways.ts'
import type { Permits } from './grant.ts'
import { gatewayGroup, ownGroup } from './kinds.ts'
import { ruleName } from './names.ts'
import { type Inventory, type KubeObject, nameOf, namespaceOf } from './object.ts'
import type { TranslateOptions } from './options.ts'
import { type BackendObjectRef, endpointSlice, serviceSpec } from './spec.ts'

/** What routes send requests to: Services, as services of the rules. */

export type ServiceInput = z.input<typeof serviceSchema>

/** Where a reference to a backend leads. */
export type Backend =
  | { readonly type: 'service'; readonly service: string; readonly websocket: boolean }
  /** There is nothing to send requests to now (503). */
  | { readonly type: 'empty' }
  /** AI traffic. */
  | { readonly type: 'ai'; readonly kind: AiKind; readonly object: KubeObject }
  /** The reference is wrong: requests get 500, and the route's status says why. */
  | { readonly type: 'invalid'; readonly reason: BackendReason; readonly message: string }

export type AiKind = 'Model' | 'McpServer' | 'McpEndpoint' | 'Agent'
const aiKinds: readonly string[] = ['Model', 'McpServer', 'McpEndpoint', 'Agent']

export type BackendReason = 'RefNotPermitted' | 'InvalidKind' | 'BackendNotFound' | 'UnsupportedProtocol'

/** What a Service is made of, beside what it says of itself. */
export type ServiceExtras = (service: KubeObject) => Partial<ServiceInput>

/** Whose reference it is. */
export interface Referrer {
  readonly kind: string
  readonly namespace: string
  readonly gateways: readonly GatewayState[]
}

const protocols: Readonly<Record<string, { protocol: ServiceInput['protocol']; websocket?: true }>> = {
  http: { protocol: 'auto' },
  https: { protocol: 'auto' },
  'kubernetes.io/h2c': { protocol: 'h2' },
  'kubernetes.io/ws': { protocol: 'h1', websocket: true },
  'kubernetes.io/wss': { protocol: 'h1', websocket: true },
  grpc: { protocol: 'grpc' },
  http2: { protocol: 'h2' },
}

const invalid = (reason: BackendReason, message: string) => ({ type: 'invalid', reason, message }) as const

/** Resolves references to backends, and keeps the services that come of it. */
export class Backends {
  /** By their names in the rules. */
  readonly services = new Map<string, ServiceInput>()
  readonly policies: BackendTlsPolicies
  /** The Gateways that lead to a Service, by its name. */
  readonly usedBy = new Map<string, { service: KubeObject; gateways: Set<GatewayState> }>()
  readonly #inventory: Inventory
  readonly #permits: Permits
  readonly #options: TranslateOptions
  readonly #extras: ServiceExtras

  constructor(inventory: Inventory, permits: Permits, options: TranslateOptions, extras: ServiceExtras) {
    this.#inventory = inventory
    this.#permits = permits
    this.#options = options
    this.#extras = extras
    this.policies = new BackendTlsPolicies(inventory, permits)
  }

  resolve({ group, kind, name, namespace: other, port }: BackendObjectRef, referrer: Referrer): Backend {
    const namespace = other ?? referrer.namespace
    const ai = group === ownGroup && aiKinds.includes(kind)
    if (!ai && (group !== '' || kind !== 'Service'))
      return invalid('InvalidKind', `requests cannot be sent to ${group === '' ? kind : `${kind}.${group}`} ${name}`)
    const from = { group: gatewayGroup, kind: referrer.kind, namespace: referrer.namespace }
    if (!this.#permits({ from, to: { group, kind, namespace, name } }))
      return invalid(
        'RefNotPermitted',
        `no ReferenceGrant in ${namespace} lets ${referrer.kind} of ${referrer.namespace} refer to ${kind} ${name}`,
      )
    const object = this.#inventory.get(kind as 'Service' | AiKind, namespace, name)
    if (!object) return invalid('BackendNotFound', `there is no ${kind} ${namespace}/${name}`)
    if (ai) return { type: 'ai', kind: kind as AiKind, object }
    return this.#service(object, port, referrer)
  }

  #service(object: KubeObject, port: number | undefined, { kind, gateways }: Referrer): Backend {
    const parsed = serviceSpec.safeParse(object.spec)
    if (!parsed.success) return invalid('BackendNotFound', `Service ${nameOf(object)} cannot be read`)
    const { type, ports } = parsed.data
    if (type === 'ExternalName')
      // It would let whoever writes Services send requests anywhere (CVE-2021-25740).
      return invalid('BackendNotFound', `Service ${nameOf(object)} is of the type ExternalName, which is not served`)
    const found = ports.find((each) => each.port === port && each.protocol === 'TCP')
    if (!found)
      return invalid('BackendNotFound', `Service ${nameOf(object)} has no TCP port ${port ?? '(none is named)'}`)
    const known = found.appProtocol === undefined ? undefined : protocols[found.appProtocol.toLowerCase()]
    if (found.appProtocol !== undefined && !known)
      return invalid(
        'UnsupportedProtocol',
        `port ${port} of Service ${nameOf(object)} speaks ${found.appProtocol}, which is not supported`,
      )
    const used = this.usedBy.get(nameOf(object)) ?? { service: object, gateways: new Set() }
    for (const gateway of gateways) used.gateways.add(gateway)
    this.usedBy.set(nameOf(object), used)
    const policy = this.policies.of(object, found.name)
    if (policy && !policy.tls) return { type: 'empty' }
    const servers = this.#servers(object, found)
    if (servers.length === 0) return { type: 'empty' }
    const protocol = kind === 'GRPCRoute' ? 'grpc' : (known?.protocol ?? 'auto')
    const service = this.#keep(object, found.port, protocol, servers, policy, gateways)
    // A host name or an address that is none.
    if (service === undefined) return { type: 'empty' }
    return { type: 'service', service, websocket: known?.websocket === true }
  }

  #keep(
    object: KubeObject,
    port: number,
    protocol: ServiceInput['protocol'],
    endpoints: { address: string; port: number }[],
    policy: BackendTls | undefined,
    gateways: readonly GatewayState[],
  ): string | undefined {
    // What a Gateway shows of itself is its own: each has a service of its own then.
    const shown = policy?.tls && gateways.find(({ clientCertificate }) => clientCertificate)
    const name = ruleName(
      namespaceOf(object),
      object.metadata.name,
      port,
      ...(protocol === 'auto' ? [] : [protocol ?? '']),
      ...(shown ? [namespaceOf(shown.object), shown.object.metadata.name] : []),
    )
    const service = {
      ...this.#extras(object),
      endpoints,
      protocol,
      ...(policy?.tls && { tls: { ...policy.tls, ...shown?.clientCertificate } }),
    }
    if (!serviceSchema.safeParse(service).success) return undefined
    this.services.set(name, service)
    return name
  }

  /** The servers of a port. */
  #servers(object: KubeObject, port: { name: string; port: number }): { address: string; port: number }[] {
    const slices = this.#inventory.slicesOf(object)
    if (slices.length === 0) {
      if (!this.#options.dns) return []
      return [{ address: `${object.metadata.name}.${namespaceOf(object)}.svc`, port: port.port }]
    }
    const servers = new Map<string, { address: string; port: number }>()
    for (const slice of slices) {
      const parsed = endpointSlice.safeParse(slice)
      if (!parsed.success || parsed.data.addressType === 'FQDN') continue
      const [number] = (parsed.data.ports ?? [])
        .filter(({ name }) => (name ?? '') === port.name)
        .map((each) => each.port)
      if (number == null) continue
      // Not said is ready (discovery.k8s.io/v1, EndpointConditions).
      for (const { addresses, conditions } of parsed.data.endpoints ?? [])
        if (conditions?.ready !== false)
          for (const address of addresses) servers.set(`${address} ${number}`, { address, port: number })
    }
    // The rules take a thousand; the order is kept so that the same objects make the same rules.
    return [...servers.values()].sort((a, b) => (a.address < b.address ? -1 : 1)).slice(0, 1000)
  }
}
