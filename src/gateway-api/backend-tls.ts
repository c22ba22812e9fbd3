import { authoritiesOf } from './certificates.ts'
import { no, type Said, yes } from './condition.ts'
import type { Permits } from './grant.ts'
import { gatewayGroup } from './kinds.ts'
import { called, type Inventory, type KubeObject, namespaceOf } from './object.ts'
import { type BackendTlsPolicySpec, backendTlsPolicySpec, wrongWith } from './spec.ts'

/** BackendTLSPolicy: how Services are spoken to over TLS. */

/** `tls` of a service of the rules. */
export interface ServiceTls {
  readonly caFile?: string
  readonly serverName: string
  readonly subjectAltNames?: { dns?: string; uri?: string }[]
}

export interface BackendTls {
  readonly object: KubeObject
  /** Undefined: requests for what it targets must fail. */
  readonly tls: ServiceTls | undefined
  readonly said: readonly Said[]
}

/** All policies: which one holds for a port of a Service, and what is to be said of each. */
export class BackendTlsPolicies {
  readonly #byTarget = new Map<string, BackendTls>()
  /** Those that do not hold, by the older one that does. */
  readonly #losers: { readonly policy: BackendTls; readonly target: string }[] = []

  constructor(inventory: Inventory, permits: Permits) {
    // The oldest first: it wins.
    for (const object of inventory.list('BackendTLSPolicy')) {
      const namespace = namespaceOf(object)
      const parsed = backendTlsPolicySpec.safeParse(object.spec)
      const { targetRefs } = parsed.success
        ? parsed.data
        : ((object.spec ?? {}) as { targetRefs?: BackendTlsPolicySpec['targetRefs'] })
      const policy = parsed.success
        ? policyOf(object, parsed.data, inventory, permits)
        : { object, tls: undefined, said: [no('Accepted', 'Invalid', wrongWith(parsed.error))] }
      for (const { group, kind, name, sectionName } of Array.isArray(targetRefs) ? targetRefs : []) {
        if (group !== '' || kind !== 'Service') continue
        const target = `${namespace}/${name}/${sectionName ?? ''}`
        const older = this.#byTarget.get(target)
        if (!older) this.#byTarget.set(target, policy)
        else {
          const message = `${called(older.object)} is older and for the same target`
          this.#losers.push({ policy: { ...policy, said: [no('Accepted', 'Conflicted', message)] }, target })
        }
      }
    }
  }

  /** The policy for a port; that of a port by name goes before that of the Service. */
  of(service: KubeObject, portName: string): BackendTls | undefined {
    const at = `${namespaceOf(service)}/${service.metadata.name}/`
    return (portName === '' ? undefined : this.#byTarget.get(at + portName)) ?? this.#byTarget.get(at)
  }

  /** All that say something of a Service, those that another one has pushed out too. */
  about(service: KubeObject): BackendTls[] {
    const at = `${namespaceOf(service)}/${service.metadata.name}/`
    return [
      ...[...this.#byTarget].filter(([target]) => target.startsWith(at)).map(([, policy]) => policy),
      ...this.#losers.filter(({ target }) => target.startsWith(at)).map(({ policy }) => policy),
    ]
  }
}

function policyOf(
  object: KubeObject,
  { validation }: BackendTlsPolicySpec,
  inventory: Inventory,
  permits: Permits,
): BackendTls {
  const { caCertificateRefs, wellKnownCACertificates, hostname, subjectAltNames } = validation
  const from = { group: gatewayGroup, kind: 'BackendTLSPolicy', namespace: namespaceOf(object) }
  const names = subjectAltNames.map(({ hostname, uri }) => (uri === undefined ? { dns: hostname ?? '' } : { uri }))
  const tls = { serverName: hostname, ...(names.length > 0 && { subjectAltNames: names }) }
  if (wellKnownCACertificates !== undefined && wellKnownCACertificates !== '') {
    if (wellKnownCACertificates === 'System') return { object, tls, said: [yes('Accepted'), yes('ResolvedRefs')] }
    const message = `${wellKnownCACertificates} is not known; System is`
    return { object, tls: undefined, said: [no('Accepted', 'Invalid', message), yes('ResolvedRefs')] }
  }
  const found = caCertificateRefs.map((reference) => authoritiesOf(reference, from, inventory, permits))
  const good = found.flatMap((each) => (each.ok ? [each.value] : []))
  const bad = found.find((each) => !each.ok)
  const resolved =
    bad && !bad.ok
      ? no('ResolvedRefs', bad.reason === 'kind' ? 'InvalidKind' : 'InvalidCACertificateRef', bad.message)
      : yes('ResolvedRefs')
  if (good.length === 0)
    return {
      object,
      tls: undefined,
      said: [no('Accepted', 'NoValidCACertificate', 'none of caCertificateRefs can be used'), resolved],
    }
  return { object, tls: { ...tls, caFile: good.join('') }, said: [yes('Accepted'), resolved] }
}
