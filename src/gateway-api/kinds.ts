/** The kinds of Kubernetes objects that are read, and what they are called. */

/** The name by which GatewayClasses choose this gateway (GatewayClass.spec.controllerName). */
export const defaultController = 'chaperone.dev/gateway-controller'

export const gatewayGroup = 'gateway.networking.k8s.io'
/** The group of our own kinds. */
export const ownGroup = 'chaperone.dev'
export const ownVersion = 'v1alpha1'

/** How the API server is asked for a kind. */
export interface KindInfo {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly plural: string
  readonly namespaced: boolean
  /** Whether statuses are written to it. */
  readonly reports?: true
}

const gateway = (kind: string, plural: string, reports?: true): KindInfo => ({
  group: gatewayGroup,
  version: 'v1',
  kind,
  plural,
  namespaced: kind !== 'GatewayClass',
  ...(reports && { reports }),
})
const core = (kind: string, plural: string, namespaced = true): KindInfo => ({
  group: '',
  version: 'v1',
  kind,
  plural,
  namespaced,
})
const own = (kind: string, plural: string): KindInfo => ({
  group: ownGroup,
  version: ownVersion,
  kind,
  plural,
  namespaced: true,
  reports: true,
})

/** Every kind that is read. */
export const kinds = {
  GatewayClass: gateway('GatewayClass', 'gatewayclasses', true),
  Gateway: gateway('Gateway', 'gateways', true),
  HTTPRoute: gateway('HTTPRoute', 'httproutes', true),
  GRPCRoute: gateway('GRPCRoute', 'grpcroutes', true),
  BackendTLSPolicy: gateway('BackendTLSPolicy', 'backendtlspolicies', true),
  // v1beta1 is served by every release that has the kind.
  ReferenceGrant: { ...gateway('ReferenceGrant', 'referencegrants'), version: 'v1beta1' },
  Namespace: core('Namespace', 'namespaces', false),
  Service: core('Service', 'services'),
  Secret: core('Secret', 'secrets'),
  ConfigMap: core('ConfigMap', 'configmaps'),
  EndpointSlice: { ...core('EndpointSlice', 'endpointslices'), group: 'discovery.k8s.io' },
  Provider: own('Provider', 'providers'),
  Model: own('Model', 'models'),
  McpServer: own('McpServer', 'mcpservers'),
  McpEndpoint: own('McpEndpoint', 'mcpendpoints'),
  Agent: own('Agent', 'agents'),
  GatewayPolicy: own('GatewayPolicy', 'gatewaypolicies'),
  TrafficPolicy: own('TrafficPolicy', 'trafficpolicies'),
  BackendPolicy: own('BackendPolicy', 'backendpolicies'),
  AccessPolicy: own('AccessPolicy', 'accesspolicies'),
  LimitPolicy: own('LimitPolicy', 'limitpolicies'),
  BudgetPolicy: own('BudgetPolicy', 'budgetpolicies'),
  GuardPolicy: own('GuardPolicy', 'guardpolicies'),
} as const satisfies Record<string, KindInfo>

export type Kind = keyof typeof kinds

/** `gateway.networking.k8s.io/v1`, or `v1` for the core group. */
export function apiVersionOf({ group, version }: KindInfo): string {
  return group === '' ? version : `${group}/${version}`
}

/** The kind of an object; undefined where it is none that is read. Any version of the group will do. */
export function kindOf(object: { apiVersion: string; kind: string }): Kind | undefined {
  if (!Object.hasOwn(kinds, object.kind)) return undefined
  const slash = object.apiVersion.lastIndexOf('/')
  const group = slash === -1 ? '' : object.apiVersion.slice(0, slash)
  const kind = object.kind as Kind
  return kinds[kind].group === group ? kind : undefined
}
