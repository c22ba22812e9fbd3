import type { ListenerRule, Rules } from '../../config/schema.ts'
import { egressName } from '../names.ts'
import { type EnvoyJson, extAuthz } from '../xds/filters.ts'
import { typeUrls } from '../xds/registry.ts'
import { serviceClusterConfig } from './envoy-static.ts'
import { kustomizeParts, networkPolicy, partOf, serviceContainer, serviceVolumes, socketMount } from './kubernetes.ts'
import { configFor, refuseEgress, type Target, type TargetInput } from './target.ts'

/** The user that Envoy Gateway runs Envoy as. */
const proxyUid = 65532
/** The port of its admin interface. */
const adminPort = 19000

/** Of Envoy's metrics. */
const metricsPort = 19001

const gatewayApi = 'gateway.networking.k8s.io'
const extensions = 'gateway.envoyproxy.io'
const name = 'chaperone'
const metadata = { name, labels: partOf }

/** What of a listener of ours is set on Envoy Gateway's, beside what its own resources can say. */
const managerFields = [
  'local_reply_config',
  'always_set_request_id_in_response',
  'scheme_header_transformation',
  'forward_client_cert_details',
  'set_current_client_cert_details',
  'http2_protocol_options',
  'request_headers_timeout',
  'request_timeout',
  'stream_idle_timeout',
  'tracing',
]

/**
 * Envoy Gateway: a Gateway whose proxies have the service in their pods. Stage 1 is a SecurityPolicy; what Envoy Gateway has no
 * resource for (stage 2 for each attempt, pools, routes by a header that the service sets) is an EnvoyPatchPolicy.
 */
export const envoyGateway: Target = (input) => {
  refuseWhatIsTheGateways(input.rules)
  refuseEgress(input.rules, 'Envoy Gateway')
  return [
    {
      name: 'kustomization.yaml',
      comment: 'A Gateway of Envoy Gateway that is the gateway of agents: kubectl apply -k',
      documents: [
        {
          apiVersion: 'kustomize.config.k8s.io/v1beta1',
          kind: 'Kustomization',
          namespace: input.namespace,
          resources: ['gateway.yaml', 'network.yaml', 'route.yaml', 'patch.yaml'],
          ...kustomizeParts(input.version),
          // Kustomize does not know that an EnvoyProxy holds images.
          configurations: ['images.yaml'],
        },
      ],
    },
    {
      name: 'images.yaml',
      comment: 'Where kustomize finds the service’s image.',
      documents: [
        { images: [{ path: 'spec/provider/kubernetes/envoyDeployment/initContainers/image', kind: 'EnvoyProxy' }] },
      ],
    },
    { name: 'gateway.yaml', comment: 'The Gateway, and the pods of its proxies.', documents: gatewayOf(input) },
    {
      name: 'network.yaml',
      comment: 'Who may connect, as long as the rules do not ask agents who they are, and where Prometheus runs.',
      documents: [
        networkPolicy(
          proxyLabels(input.namespace),
          Object.values(input.rules.listeners).map(({ port }) => port),
          [metricsPort],
        ),
      ],
    },
    {
      name: 'route.yaml',
      comment: 'Everything that comes is decided by the service. What has no way after that goes nowhere.',
      documents: routeOf(input),
    },
    {
      name: 'patch.yaml',
      comment: 'What Envoy Gateway has no resources for. It must be enabled: extensionApis.enableEnvoyPatchPolicy.',
      documents: [patchOf(input)],
    },
  ]
}

/** @throws {RangeError} naming what is to be said to Envoy Gateway instead */
function refuseWhatIsTheGateways({ http, listeners }: Rules): void {
  if (http.routes.length > 0)
    throw new RangeError(
      'http.routes: are not carried to Envoy Gateway, which has HTTPRoute and GRPCRoute for them. Take them out of these rules.',
    )
  const withTls = Object.entries(listeners).find(([, { tls }]) => tls)
  if (withTls)
    throw new RangeError(
      `listeners.${withTls[0]}.tls: Envoy Gateway ends TLS with certificates of its Gateway. Take it out, and give the Gateway's listener a certificateRef.`,
    )
}

function gatewayOf({ rules, socket, version }: TargetInput): object[] {
  return [
    {
      apiVersion: `${extensions}/v1alpha1`,
      kind: 'EnvoyProxy',
      metadata,
      spec: {
        provider: {
          type: 'Kubernetes',
          kubernetes: {
            envoyDeployment: {
              initContainers: [serviceContainer({ socket, version, uid: proxyUid, adminPort })],
              pod: { volumes: serviceVolumes },
              container: { volumeMounts: [socketMount(socket)] },
            },
            // A LoadBalancer, which is Envoy Gateway's own choice, would let the world spend the keys.
            envoyService: { type: 'ClusterIP' },
          },
        },
      },
    },
    {
      apiVersion: `${gatewayApi}/v1`,
      kind: 'Gateway',
      metadata,
      spec: {
        // Of Envoy Gateway's own quickstart.
        gatewayClassName: 'eg',
        infrastructure: { parametersRef: { group: extensions, kind: 'EnvoyProxy', name } },
        listeners: Object.entries(rules.listeners).map(([listener, { port }]) => ({
          name: listener,
          protocol: 'HTTP',
          port,
          allowedRoutes: { namespaces: { from: 'Same' } },
        })),
      },
    },
  ]
}

function routeOf({ rules, socket }: TargetInput): object[] {
  const target = { group: gatewayApi, kind: 'HTTPRoute', name }
  return [
    {
      apiVersion: `${extensions}/v1alpha1`,
      kind: 'Backend',
      metadata,
      spec: { endpoints: [{ unix: { path: socket } }] },
    },
    {
      apiVersion: `${gatewayApi}/v1`,
      kind: 'HTTPRoute',
      metadata,
      spec: {
        parentRefs: [{ name }],
        rules: [
          {
            matches: [{ path: { type: 'PathPrefix', value: '/' } }],
            filters: [{ type: 'ExtensionRef', extensionRef: { group: extensions, kind: 'HTTPRouteFilter', name } }],
          },
        ],
      },
    },
    {
      apiVersion: `${extensions}/v1alpha1`,
      kind: 'HTTPRouteFilter',
      metadata,
      spec: {
        directResponse: {
          statusCode: 503,
          contentType: 'application/json',
          body: { type: 'Inline', inline: JSON.stringify(notPatched) },
        },
      },
    },
    {
      apiVersion: `${extensions}/v1alpha1`,
      kind: 'SecurityPolicy',
      metadata,
      spec: {
        targetRefs: [target],
        extAuth: {
          // All headers are shown to the service: a list here could not hold those that only begin alike.
          grpc: { backendRefs: [{ group: extensions, kind: 'Backend', name }] },
          bodyToExtAuth: { maxRequestBytes: Math.max(...listenersOf(rules).map(([, rule]) => rule.maxRequestBytes)) },
          recomputeRoute: true,
          failOpen: false,
          timeout: '10s',
        },
      },
    },
  ]
}

/** For requests that the service has let through and that have no way to go: the patch is missing, or older than the rules. */
const notPatched = {
  error: {
    message:
      'Envoy has not been told of any way that the rules may want. The operator finds out why in the status of EnvoyPatchPolicy chaperone.',
    type: 'overloaded_error',
    param: null,
    code: 'gateway_not_ready',
  },
}

function listenersOf({ listeners }: Rules): [string, ListenerRule][] {
  return Object.entries(listeners)
}

interface Manager extends EnvoyJson {
  route_config: { virtual_hosts: { routes: EnvoyJson[] }[] }
}

function patchOf(input: TargetInput): object {
  const { rules, namespace, socket } = input
  const { clusters, listeners } = configFor(input, 'composite')
  const whole = (type: string) => (value: EnvoyJson) => ({
    type,
    name: value.name,
    operation: { op: 'add', path: '', value },
  })
  return {
    apiVersion: `${extensions}/v1alpha1`,
    kind: 'EnvoyPatchPolicy',
    metadata,
    spec: {
      targetRef: { group: gatewayApi, kind: 'Gateway', name },
      type: 'JSONPatch',
      jsonPatches: [
        ...[serviceClusterConfig(socket), ...clusters].map(whole(typeUrls.cluster)),
        ...listeners.filter((listener) => listener.name === egressName).map(whole(typeUrls.listener)),
        ...listenersOf(rules).flatMap(([listener]) => {
          const ours = listeners.find((each) => each.name === listener)!
          return [
            ...listenerPatches(`${namespace}/${name}/${listener}`, ours, namespace),
            ...routePatches(`${namespace}/${name}/${listener}`, managerOf(ours), namespace),
          ]
        }),
      ],
    },
  }
}

function managerOf(listener: EnvoyJson): Manager {
  const { filter_chains } = listener as { filter_chains: { filters: { typed_config: Manager }[] }[] }
  return filter_chains[0]!.filters[0]!.typed_config
}

/** What Envoy Gateway labels the pods of our Gateway with. */
const proxyLabels = (namespace: string) => ({
  'gateway.envoyproxy.io/owning-gateway-name': name,
  'gateway.envoyproxy.io/owning-gateway-namespace': namespace,
})

/** The filter that Envoy Gateway makes of the SecurityPolicy. */
const authzFilter = (namespace: string) => `envoy.filters.http.ext_authz/securitypolicy/${namespace}/${name}`

function listenerPatches(listener: string, ours: EnvoyJson, namespace: string): object[] {
  const patch = (operation: object) => ({ type: typeUrls.listener, name: listener, operation })
  const manager = managerOf(ours)
  const inManager = '..filters[?(@.name=="envoy.filters.network.http_connection_manager")].typed_config'
  const inAuthz = `..http_filters[?(@.name=="${authzFilter(namespace)}")].typed_config`
  const authz = extAuthz(0).typed_config as EnvoyJson
  return [
    patch({ op: 'add', path: '/per_connection_buffer_limit_bytes', value: ours.per_connection_buffer_limit_bytes }),
    ...managerFields
      .filter((field) => manager[field] !== undefined)
      .map((field) => patch({ op: 'add', jsonPath: inManager, path: `/${field}`, value: manager[field] })),
    patch({ op: 'add', jsonPath: inAuthz, path: '/status_on_error', value: authz.status_on_error }),
    // A body may be anything; as text it would have to be UTF-8.
    patch({ op: 'add', jsonPath: inAuthz, path: '/with_request_body/pack_as_bytes', value: true }),
  ]
}

/**
 * The ways that the service may name. Each is decided about again where a client names one by itself: without that, a header would
 * be a way around the service.
 */
function routePatches(config: string, { route_config }: Manager, namespace: string): object[] {
  const decided = {
    '@type': `type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute`,
    check_settings: {},
  }
  return route_config.virtual_hosts
    .flatMap(({ routes }) => routes)
    .reverse()
    .map((route) => ({
      type: typeUrls.route,
      name: config,
      operation: {
        op: 'add',
        jsonPath: `..virtual_hosts[?(@.name=="${config}/*")]`,
        path: '/routes/0',
        value: { ...route, typed_per_filter_config: { [authzFilter(namespace)]: decided } },
      },
    }))
}
