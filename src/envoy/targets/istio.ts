import type { EnvoyJson } from '../xds/filters.ts'
import { serviceClusterConfig } from './envoy-static.ts'
import { kustomizeParts, partOf, podLabel, serviceContainer, serviceVolumes, socketMount } from './kubernetes.ts'
import { configFor, refuseEgress, type Target } from './target.ts'

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
  const { socket, version, rules } = input
  refuseEgress(rules, 'Istio')
  const { clusters, listeners } = configFor(input, 'aggregate')
  refuseWhatIstioLacks({ clusters, listeners })
  const add = (applyTo: string) => (value: EnvoyJson) => ({
    applyTo,
    match: { context: 'SIDECAR_OUTBOUND' },
    patch: { operation: 'ADD', value },
  })
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
    {
      name: 'envoy-filter.yaml',
      comment: 'What istiod adds to the configuration of these workloads’ proxies.',
      documents: [
        {
          apiVersion: 'networking.istio.io/v1alpha3',
          kind: 'EnvoyFilter',
          metadata: { name: 'chaperone', labels: partOf },
          spec: {
            workloadSelector: { labels: podLabel },
            configPatches: [
              ...[serviceClusterConfig(socket), ...clusters].map(add('CLUSTER')),
              ...listeners.map(add('LISTENER')),
            ],
          },
        },
      ],
    },
    {
      name: 'outbound.yaml',
      comment:
        'What the agent itself opens goes to services that the mesh knows, and not by the proxy to anywhere else; a ServiceEntry of a provider’s host would let it go there.',
      documents: [
        {
          apiVersion: 'networking.istio.io/v1beta1',
          kind: 'Sidecar',
          metadata: { name: 'chaperone', labels: partOf },
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
                  // The kubelet and Prometheus have no certificates of the mesh.
                  'traffic.sidecar.istio.io/excludeInboundPorts': '10001',
                },
              },
              spec: {
                initContainers: [serviceContainer({ socket, version, uid: proxyUid, adminPort })],
                volumes: serviceVolumes,
              },
            },
          },
        },
      ],
    },
  ]
}

/** @throws {RangeError} naming the rules */
export function refuseWhatIstioLacks(config: object): void {
  const text = JSON.stringify(config)
  const lacking = [...notInIstio].filter(([extension]) => text.includes(`"${extension}"`))
  if (lacking.length === 0) return
  throw new RangeError(
    `Istio's proxy is built without what these rules need: ${lacking
      .map(([extension, rule]) => `${rule} (${extension})`)
      .join(', ')}. Take them out, or put a gateway of its own beside the mesh (k8s/gateway).`,
  )
}
