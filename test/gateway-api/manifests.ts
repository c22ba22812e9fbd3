import { readFileSync } from 'node:fs'
import type { KubeObject } from '../../src/gateway-api/object.ts'

/** Objects of Kubernetes for tests, as short as they can be said. */

export const infra = 'infra'

const api = 'gateway.networking.k8s.io/v1'

/** An object; the more there are, the younger they are. */
export function object(
  apiVersion: string,
  kind: string,
  name: string,
  spec: unknown,
  more: { namespace?: string; labels?: Record<string, string>; created?: string; [key: string]: unknown } = {},
): KubeObject {
  const { namespace = infra, labels, created, ...rest } = more
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      namespace,
      generation: 1,
      ...(labels && { labels }),
      creationTimestamp: created ?? '2026-01-01T00:00:00Z',
    },
    ...(spec !== undefined && { spec }),
    ...rest,
  }
}

export const gatewayClass = object(api, 'GatewayClass', 'ours', { controllerName: 'chaperone.dev/gateway-controller' })

type Listener = { name: string; port: number; protocol?: string; hostname?: string; [key: string]: unknown }

export function gateway(
  name: string,
  listeners: Listener[],
  more: Record<string, unknown> = {},
  meta: { namespace?: string; created?: string } = {},
): KubeObject {
  const all = listeners.map((listener) => ({
    protocol: 'HTTP',
    allowedRoutes: { namespaces: { from: 'All' } },
    ...listener,
  }))
  return object(api, 'Gateway', name, { gatewayClassName: 'ours', listeners: all, ...more }, meta)
}

export interface Route {
  hostnames?: string[]
  rules?: unknown[]
  parentRefs?: unknown[]
}

export function httpRoute(name: string, route: Route, meta: { namespace?: string; created?: string } = {}): KubeObject {
  return object(api, 'HTTPRoute', name, { parentRefs: [{ name: 'web', namespace: infra }], ...route }, meta)
}

export function grpcRoute(name: string, route: Route): KubeObject {
  return object(api, 'GRPCRoute', name, { parentRefs: [{ name: 'web', namespace: infra }], ...route })
}

/** A Service on one port, 80, whose servers listen on the loopback address. */
export function service(
  name: string,
  ports: readonly number[],
  more: { namespace?: string; appProtocol?: string } = {},
): KubeObject[] {
  const { namespace = infra, appProtocol } = more
  return [
    object(
      'v1',
      'Service',
      name,
      { ports: [{ name: 'main', port: 80, ...(appProtocol && { appProtocol }) }] },
      { namespace },
    ),
    ...ports.map((port, index) =>
      object('discovery.k8s.io/v1', 'EndpointSlice', `${name}-${index}`, undefined, {
        namespace,
        labels: { 'kubernetes.io/service-name': name },
        addressType: 'IPv4',
        endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
        ports: [{ name: 'main', port }],
      }),
    ),
  ]
}

const pem = (file: string) => readFileSync(new URL(`../tls/${file}.pem`, import.meta.url), 'utf8')
const encoded = (text: string) => Buffer.from(text).toString('base64')

/** A Secret with a certificate of the tests. */
export function tlsSecret(
  name: string,
  certificate: string,
  more: { namespace?: string; key?: string } = {},
): KubeObject {
  const { namespace = infra, key = `${certificate}-key` } = more
  return object('v1', 'Secret', name, undefined, {
    namespace,
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': encoded(pem(certificate)), 'tls.key': encoded(pem(key)) },
  })
}

export function caConfigMap(name: string, file: string): KubeObject {
  return object('v1', 'ConfigMap', name, undefined, { data: { 'ca.crt': pem(file) } })
}

export function backendTls(
  name: string,
  service: string,
  validation: Record<string, unknown>,
  more: { sectionName?: string; created?: string } = {},
): KubeObject {
  const { sectionName, created } = more
  const target = { group: '', kind: 'Service', name: service, ...(sectionName && { sectionName }) }
  return object(api, 'BackendTLSPolicy', name, { targetRefs: [target], validation }, { ...(created && { created }) })
}

export function grant(
  name: string,
  namespace: string,
  from: { kind: string; namespace: string }[],
  to: { group?: string; kind: string; name?: string }[],
): KubeObject {
  return object(
    'gateway.networking.k8s.io/v1beta1',
    'ReferenceGrant',
    name,
    {
      from: from.map((each) => ({ group: 'gateway.networking.k8s.io', ...each })),
      to: to.map((each) => ({ group: '', ...each })),
    },
    { namespace },
  )
}

/** An object of our own kinds. */
export function own(
  kind: string,
  name: string,
  spec: unknown,
  more: { namespace?: string; created?: string } = {},
): KubeObject {
  return object('chaperone.dev/v1alpha1', kind, name, spec, more)
}

export const backend = (name: string, more: Record<string, unknown> = {}) => ({ name, port: 80, ...more })
export const prefix = (value: string) => ({ path: { type: 'PathPrefix', value } })
export const exact = (value: string) => ({ path: { type: 'Exact', value } })
