import { type Kind, kindOf, kinds } from './kinds.ts'

/** An object of Kubernetes, as far as every kind has it. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string | undefined
    readonly generation?: number | undefined
    readonly creationTimestamp?: string | Date | undefined
    readonly resourceVersion?: string | undefined
    readonly labels?: Readonly<Record<string, string>> | undefined
  }
  readonly spec?: unknown
  readonly status?: unknown
  readonly [other: string]: unknown
}

/** The namespace of an object; objects of files may leave it out. */
export function namespaceOf({ metadata }: KubeObject): string {
  return metadata.namespace ?? 'default'
}

/** `namespace/name`. */
export function nameOf(object: KubeObject): string {
  return `${namespaceOf(object)}/${object.metadata.name}`
}

/** Kind and name, for people: `HTTPRoute default/shop`. */
export function called(object: KubeObject): string {
  return `${object.kind} ${nameOf(object)}`
}

const bornAt = ({ metadata: { creationTimestamp } }: KubeObject) =>
  creationTimestamp === undefined ? 0 : new Date(creationTimestamp).getTime()

/** The oldest first, then by `namespace/name`: who comes first wins where the specification knows one winner only. */
export function byAge(one: KubeObject, other: KubeObject): number {
  return bornAt(one) - bornAt(other) || (nameOf(one) < nameOf(other) ? -1 : nameOf(one) > nameOf(other) ? 1 : 0)
}

function keyOf(kind: Kind, namespace: string, name: string): string {
  return kinds[kind].namespaced ? `${namespace}/${name}` : name
}

/** The objects that there are, by kind and name. */
export class Inventory {
  readonly #objects = new Map<Kind, Map<string, KubeObject>>()
  readonly #slices = new Map<string, KubeObject[]>()

  constructor(objects: Iterable<KubeObject>) {
    for (const object of objects) {
      const kind = kindOf(object)
      if (!kind) continue
      let known = this.#objects.get(kind)
      if (!known) {
        known = new Map()
        this.#objects.set(kind, known)
      }
      known.set(keyOf(kind, namespaceOf(object), object.metadata.name), object)
      if (kind === 'EndpointSlice') {
        const service = `${namespaceOf(object)}/${object.metadata.labels?.['kubernetes.io/service-name'] ?? ''}`
        this.#slices.set(service, [...(this.#slices.get(service) ?? []), object])
      }
    }
  }

  /** All of a kind, the oldest first. */
  list(kind: Kind): KubeObject[] {
    return [...(this.#objects.get(kind)?.values() ?? [])].sort(byAge)
  }

  get(kind: Kind, namespace: string, name: string): KubeObject | undefined {
    return this.#objects.get(kind)?.get(keyOf(kind, namespace, name))
  }

  /** The EndpointSlices of a Service. */
  slicesOf(service: KubeObject): readonly KubeObject[] {
    return this.#slices.get(nameOf(service)) ?? []
  }

  /** The labels of a namespace, with the one that every namespace has. */
  labelsOf(namespace: string): Readonly<Record<string, string>> {
    return { ...this.get('Namespace', '', namespace)?.metadata.labels, 'kubernetes.io/metadata.name': namespace }
  }

  /** A text of a Secret or a ConfigMap; undefined where there is none. */
  text(kind: 'Secret' | 'ConfigMap', namespace: string, name: string, key: string): string | undefined {
    const object = this.get(kind, namespace, name)
    if (!object) return undefined
    const { data, stringData, binaryData } = object as {
      data?: Record<string, string> | null
      stringData?: Record<string, string> | null
      binaryData?: Record<string, string> | null
    }
    const own = (map: Record<string, string> | null | undefined) =>
      map && Object.hasOwn(map, key) ? map[key] : undefined
    const encoded = kind === 'Secret' ? own(data) : own(binaryData)
    const plain = kind === 'Secret' ? own(stringData) : own(data)
    if (plain !== undefined) return String(plain)
    return encoded === undefined ? undefined : Buffer.from(String(encoded), 'base64').toString('utf8')
  }
}
