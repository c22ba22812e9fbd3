import type { EnvoyJson } from '../xds/filters.ts'
import { serviceClusterConfig } from './envoy-static.ts'
import {
  kustomizeParts,
  networkPolicy,
  partOf,
  podLabel,
  serviceContainer,
  serviceVolumes,
  socketMount,
} from './kubernetes.ts'
import { configFor, refuseEgress, type Target, type TargetFile, type TargetInput } from './target.ts'

/** The user that istio-proxy runs as. What this user sends is not caught by the pod's iptables rules. */
const proxyUid = 1337
/** The port of its admin interface. */
const adminPort = 15000

/** What Envoy's distributors build in and Istio's proxy (to 1.32) does not, of what rules can ask for. */
const notInIstio: ReadonlyMap<string, string> = new Map([
  ['envoy.filters.http.api_key_auth', 'apiKey on routes of http'],
  ['envoy.path.match.uri_template', 'path templates on routes of http'],
  ['envoy.path.rewrite.uri_template', 'path templates on routes of http'],
  ['envoy.transport_sockets.quic', 'HTTP/3'],
  ['envoy.clusters.composite', 'failover by composite clusters'],
])

/**
 * Istio's proxy beside an agent: an EnvoyFilter that gives it listeners of ours, with all that these need, and a patch that
 * puts the service into the pod.
 */
export const istio: Target = (input) => {
  const { socket, version } = input
  return [
    {
      name: 'kustomization.yaml',
      comment:
        'Istio’s proxy as the gateway of the agent beside it, for every workload with the label chaperone-sidecar: "true". In an overlay of yours:\n  resources: [your-agents.yaml]\n  components: [this directory]',
      documents: [
        {
          apiVersion: 'kustomize.config.k8s.io/v1alpha1',
          kind: 'Component',
          resources: ['envoy-filter.yaml', 'outbound.yaml'],
          ...kustomizeParts(version),
          patches: [
            {
              path: 'workload.yaml',
              target: { kind: '(Deployment|StatefulSet|DaemonSet)', labelSelector: 'chaperone-sidecar=true' },
            },
          ],
        },
      ],
    },
    envoyFilter(input, 'SIDECAR_OUTBOUND', podLabel),
    {
      name: 'outbound.yaml',
      comment:
        'What the agent itself opens goes to services that the mesh knows, and not by the proxy to anywhere else; a ServiceEntry of a provider’s host would let it go there.',
      documents: [
        {
          apiVersion: 'networking.istio.io/v1beta1',
          kind: 'Sidecar',
          metadata: { name, labels: partOf },
          spec: {
            workloadSelector: { labels: podLabel },
            outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' },
            egress: [{ hosts: ['*/*'] }],
          },
        },
      ],
    },
    {
      name: 'workload.yaml',
      comment: 'What is added to a workload: the service, under the user of istio-proxy, and a socket between the two.',
      documents: [
        {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata: { name: 'any' },
          spec: {
            template: {
              metadata: {
                labels: podLabel,
                annotations: {
                  'sidecar.istio.io/userVolumeMount': JSON.stringify({
                    [socketMount(socket).name]: { mountPath: socketMount(socket).mountPath },
                  }),
                  ...directTelemetry,
                },
              },
              spec: { initContainers: [service(input)], volumes: serviceVolumes },
            },
          },
        },
      ],
    },
  ]
}

/** Istio's proxy as a gateway that many agents share: a Deployment whose pods istiod makes gateways, with the service in them. */
export const istioGateway: Target = (input) => {
  const { rules, socket, version } = input
  const ports = Object.entries(rules.listeners).map(([listener, { port, tls }]) => ({ listener, port, tls }))
  const proxy = {
    name: 'istio-proxy',
    // istiod puts its own here, and everything else that a gateway needs.
    image: 'auto',
    ports: ports.map(({ listener, port }) => ({ name: listener.slice(0, 15), containerPort: port })),
    volumeMounts: [socketMount(socket)],
  }
  return [
    {
      name: 'kustomization.yaml',
      comment: 'A gateway of Istio’s that many agents share: kubectl apply -k',
      documents: [
        {
          apiVersion: 'kustomize.config.k8s.io/v1beta1',
          kind: 'Kustomization',
          resources: ['envoy-filter.yaml', 'gateway.yaml', 'network.yaml'],
          ...kustomizeParts(version),
        },
      ],
    },
    envoyFilter(input, 'GATEWAY', gatewayLabel),
    {
      name: 'gateway.yaml',
      comment: 'The gateway’s pods, and where agents find them.',
      documents: [
        {
          apiVersion: 'v1',
          kind: 'ServiceAccount',
          metadata: { name, labels: partOf },
          // Istio's proxy mounts a token of its own.
          automountServiceAccountToken: false,
        },
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name, labels: partOf },
          spec: {
            type: 'ClusterIP',
            selector: gatewayLabel,
            ports: ports.map(({ listener, port, tls }) => ({
              // Istio goes by the beginning of the name.
              name: `${tls ? 'tls' : 'http'}-${listener}`,
              port,
              targetPort: port,
            })),
          },
        },
        {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata: { name, labels: partOf },
          spec: {
            replicas: 2,
            selector: { matchLabels: gatewayLabel },
            template: {
              metadata: {
                labels: { ...partOf, ...gatewayLabel, 'sidecar.istio.io/inject': 'true' },
                annotations: { 'inject.istio.io/templates': 'gateway', ...directTelemetry },
              },
              spec: {
                serviceAccountName: name,
                securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
                initContainers: [service(input)],
                containers: [proxy],
                volumes: serviceVolumes,
              },
            },
          },
        },
        {
          apiVersion: 'policy/v1',
          kind: 'PodDisruptionBudget',
          metadata: { name, labels: partOf },
          spec: { maxUnavailable: 1, selector: { matchLabels: gatewayLabel } },
        },
      ],
    },
    {
      name: 'network.yaml',
      comment: 'Who may connect, as long as the rules do not ask agents who they are, and where Prometheus runs.',
      documents: [
        networkPolicy(
          gatewayLabel,
          ports.map(({ port }) => port),
          metricsPorts,
        ),
      ],
    },
  ]
}

const name = 'chaperone'
/** Of Envoy, and of istio-agent with Envoy's. */
const metricsPorts = [15090, 15020]
/** Of the pods that agents share. */
const gatewayLabel = { 'app.kubernetes.io/name': 'chaperone-istio-gateway' }
/** The kubelet and Prometheus have no certificates of the mesh. */
const directTelemetry = { 'traffic.sidecar.istio.io/excludeInboundPorts': '10001' }

const service = ({ socket, version }: TargetInput) => serviceContainer({ socket, version, uid: proxyUid, adminPort })

/** @throws {RangeError} where the rules ask for what Istio's proxy does not have */
function envoyFilter(input: TargetInput, context: 'SIDECAR_OUTBOUND' | 'GATEWAY', labels: object): TargetFile {
  refuseEgress(input.rules, 'Istio')
  const { clusters, listeners } = configFor(input, 'aggregate')
  refuseWhatIstioLacks({ clusters, listeners })
  const add = (applyTo: string) => (value: EnvoyJson) => ({
    applyTo,
    match: { context },
    patch: { operation: 'ADD', value },
  })
  return {
    name: 'envoy-filter.yaml',
    comment: 'What istiod adds to the configuration of these workloads’ proxies.',
    documents: [
      {
        apiVersion: 'networking.istio.io/v1alpha3',
        kind: 'EnvoyFilter',
        metadata: { name, labels: partOf },
        spec: {
          workloadSelector: { labels },
          configPatches: [
            ...[serviceClusterConfig(input.socket), ...clusters].map(add('CLUSTER')),
            ...listeners.map(add('LISTENER')),
          ],
        },
      },
    ],
  }
}

/** @throws {RangeError} naming the rules */
function refuseWhatIstioLacks(config: object): void {
  const text = JSON.stringify(config)
  const lacking = [...notInIstio].filter(([extension]) => text.includes(`"${extension}"`))
  if (lacking.length === 0) return
  throw new RangeError(
    `Istio's proxy is built without what these rules need: ${lacking
      .map(([extension, rule]) => `${rule} (${extension})`)
      .join(', ')}. Take them out, or put a gateway of its own beside the mesh (k8s/gateway).`,
  )
}
