import { posix } from 'node:path'

/** What targets in Kubernetes have in common: the service's container beside an Envoy that is already in the pod. */

/** The label of pods that have, or are to have, the service in them. */
export const podLabel = { 'chaperone-sidecar': 'true' }
export const partOf = { 'app.kubernetes.io/part-of': 'chaperone' }

/** The port of metrics and probes. */
const telemetryPort = 10001

/** The volume that the service and Envoy share, as both mount it. @param socket the service's socket */
export function socketMount(socket: string) {
  return { name: 'chaperone-socket', mountPath: posix.dirname(socket) }
}

export interface ServiceContainerOptions {
  socket: string
  /** Of the image. */
  version: string
  /** Envoy's: the socket between the two is for its owner only. */
  uid: number
  /** The port of Envoy's admin interface, on the pod's loopback. */
  adminPort: number
}

/** The service as a native sidecar: it starts before Envoy's first request and ends after its last. */
export function serviceContainer({ socket, version, uid, adminPort }: ServiceContainerOptions): object {
  const probe = (path: string) => ({ httpGet: { path, port: telemetryPort } })
  return {
    name: 'chaperone',
    image: `chaperone:${version}`,
    restartPolicy: 'Always',
    args: [
      'serve',
      ...['--file', '/etc/chaperone/chaperone.yaml'],
      ...['--socket', socket],
      ...['--envoy-admin', `http://127.0.0.1:${adminPort}`],
    ],
    env: [
      {
        name: 'CHAPERONE_STORE',
        valueFrom: { secretKeyRef: { name: 'chaperone-redis', key: 'url', optional: true } },
      },
      { name: 'CHAPERONE_STATE', value: '/var/lib/chaperone' },
    ],
    ports: [{ name: 'telemetry', containerPort: telemetryPort }],
    startupProbe: { ...probe('/readyz'), periodSeconds: 1, failureThreshold: 60 },
    readinessProbe: { ...probe('/readyz'), periodSeconds: 5 },
    livenessProbe: { ...probe('/livez'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    securityContext: {
      runAsUser: uid,
      runAsGroup: uid,
      runAsNonRoot: true,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '1Gi' } },
    volumeMounts: [
      socketMount(socket),
      { name: 'chaperone-rules', mountPath: '/etc/chaperone', readOnly: true },
      { name: 'chaperone-state', mountPath: '/var/lib/chaperone' },
      { name: 'chaperone-keys', mountPath: '/run/secrets/chaperone', readOnly: true },
    ],
  }
}

/** The volumes of that container. */
export const serviceVolumes: readonly object[] = [
  { name: 'chaperone-socket', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
  { name: 'chaperone-rules', configMap: { name: 'chaperone-rules' } },
  { name: 'chaperone-state', emptyDir: { sizeLimit: '64Mi' } },
  // Readable for whatever user the service is; no other container mounts it.
  { name: 'chaperone-keys', secret: { secretName: 'chaperone-keys', defaultMode: 0o444 } },
]

/** The rules as a ConfigMap that keeps its name, so that pods follow it, and the image to replace. */
export function kustomizeParts(version: string) {
  return {
    configMapGenerator: [
      { name: 'chaperone-rules', files: ['chaperone.yaml'], options: { disableNameSuffixHash: true } },
    ],
    images: [{ name: 'chaperone', newName: 'chaperone', newTag: version }],
  }
}

/**
 * Lets only agents to a gateway that does not ask who they are: pods with the label `chaperone-client: "true"`, of any namespace.
 * @param pods the gateway's own
 * @param ports that agents connect to
 * @param metricsPorts Prometheus', beside the service's own
 */
export function networkPolicy(pods: object, ports: readonly number[], metricsPorts: readonly number[]): object {
  const tcp = (some: readonly number[]) => some.map((port) => ({ protocol: 'TCP', port }))
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'chaperone', labels: partOf },
    spec: {
      podSelector: { matchLabels: pods },
      policyTypes: ['Ingress'],
      ingress: [
        {
          from: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'chaperone-client': 'true' } } }],
          ports: tcp(ports),
        },
        {
          from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }],
          ports: tcp([telemetryPort, ...metricsPorts]),
        },
      ],
    },
  }
}
