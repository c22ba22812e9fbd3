import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { loadRules } from '../src/config/load.ts'
import type { Rules } from '../src/config/schema.ts'
import { envoyVersion, findEnvoy } from '../src/envoy/binary.ts'
import { bootstrap } from '../src/envoy/bootstrap.ts'

/** What the deployment files must agree on. That they work is in deploy-run.test.ts. */

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
const serviceImage = `chaperone:${version}`
const envoyImage = `envoyproxy/envoy:v${envoyVersion}`
const socket = '/run/chaperone/service.sock'
const uid = 10001

interface Probe {
  httpGet?: { path: string; port: string | number }
  tcpSocket?: { port: string | number }
  exec?: { command: string[] }
}
interface SecurityContext {
  runAsUser?: number
  runAsGroup?: number
  runAsNonRoot?: boolean
  fsGroup?: number
  readOnlyRootFilesystem?: boolean
  allowPrivilegeEscalation?: boolean
  capabilities?: { drop: string[]; add?: string[] }
  seccompProfile?: { type: string }
}
interface Container {
  name: string
  image: string
  restartPolicy?: string
  command?: string[]
  env?: { name: string; value: string }[]
  ports?: { name: string; containerPort: number }[]
  startupProbe?: Probe
  readinessProbe?: Probe
  livenessProbe?: Probe
  lifecycle?: { preStop: { exec: { command: string[] } } }
  securityContext: SecurityContext
  resources: { requests: object; limits: object }
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[]
}
interface PodSpec {
  securityContext: SecurityContext
  terminationGracePeriodSeconds?: number
  initContainers: Container[]
  containers: Container[]
  volumes: {
    name: string
    configMap?: { name: string }
    secret?: { secretName: string; defaultMode: number }
    emptyDir?: object
  }[]
}
interface Manifest {
  kind: string
  metadata: { name: string; labels: Record<string, string> }
  spec: Record<string, unknown>
}
interface Kustomization {
  resources: string[]
  configMapGenerator: { name: string; files: string[]; options?: { disableNameSuffixHash?: boolean } }[]
  images: { name: string; newName: string; newTag: string }[]
}
interface ComposeService {
  image: string
  user: string
  entrypoint?: string[]
  command?: string[]
  environment?: Record<string, string | null>
  volumes: string[]
  ports?: string[]
  healthcheck?: { test: string[] }
  read_only: boolean
  cap_drop: string[]
}
interface Compose {
  services: Record<'chaperone' | 'envoy' | 'provider' | 'redis', ComposeService>
  volumes: { socket: { driver_opts: { o: string } } }
}

const redisImage = 'valkey/valkey:8.1.4-alpine'
const read = <T>(file: string): T => parse(readFileSync(file, 'utf8')) as T

/** The rules of a file, which must be without errors and warnings. */
function rulesOf(file: string): Rules {
  const result = loadRules(readFileSync(file, 'utf8'), file)
  expect(result).toMatchObject({ warnings: [] })
  return (result as { rules: Rules }).rules
}

/** The value after a flag. */
function flag(args: readonly string[], name: string): string {
  const value = args[args.indexOf(name) + 1]
  if (!args.includes(name) || value === undefined) throw new Error(`${name} is not in ${args.join(' ')}`)
  return value
}

const yamlFiles = [
  ...['envoy', 'k8s'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
  ),
  'docker-compose.yml',
].filter((file) => /\.ya?ml$/.test(file))
// With the Gateway API, listeners are Gateways': see gateway-api.test.ts.
const rulesFiles = yamlFiles.filter((file) => file.endsWith('/chaperone.yaml') && !file.startsWith('k8s/gateway-api/'))
const dockerfile = readFileSync('Dockerfile', 'utf8')
const serve = JSON.parse(/^CMD (.+)$/m.exec(dockerfile)![1]!) as string[]

test('every file is YAML without mistakes', () => {
  expect(yamlFiles.length).toBeGreaterThan(10)
  for (const file of yamlFiles)
    for (const document of parseAllDocuments(readFileSync(file, 'utf8')))
      expect([...document.errors, ...document.warnings], file).toEqual([])
})

test('all rules are good, and their listeners and telemetry can be found', () => {
  expect(rulesFiles.sort()).toEqual([
    'envoy/compose/demo/chaperone.yaml',
    'envoy/compose/gateway/chaperone.yaml',
    'k8s/envoy-gateway/chaperone.yaml',
    'k8s/gateway/chaperone.yaml',
    'k8s/inject/chaperone.yaml',
    'k8s/istio-gateway/chaperone.yaml',
    'k8s/istio/chaperone.yaml',
    'k8s/sidecar/chaperone.yaml',
  ])
  for (const file of rulesFiles) {
    const { listeners, telemetry } = rulesOf(file)
    // A sidecar answers its own pod only; everything else stands behind a port mapping or a NetworkPolicy.
    expect(listeners, file).toMatchObject({
      default: { address: /sidecar|inject|istio\//.test(file) ? '127.0.0.1' : '0.0.0.0', port: 10000 },
    })
    expect(telemetry, file).toMatchObject({ address: '0.0.0.0', port: 10001 })
  }
})

describe('envoy/bootstrap.yaml', () => {
  test('is what the service means', () => {
    expect(read('envoy/bootstrap.yaml')).toEqual(
      bootstrap({ nodeId: 'chaperone', socket, adminSocket: `${socket}.envoy-admin` }),
    )
  })

  test('is valid for Envoy', async () => {
    const binary = await findEnvoy(process.env, () => undefined)
    const { status, stderr } = spawnSync(
      binary,
      ['--mode', 'validate', '--config-path', 'envoy/bootstrap.yaml', '--disable-hot-restart'],
      { encoding: 'utf8' },
    )
    expect(status, stderr).toBe(0)
  })
})

describe('Dockerfile', () => {
  test('runs the service as the user of the socket, where the other files look for it', () => {
    expect(dockerfile).toMatch(new RegExp(`^USER ${uid}:${uid}$`, 'm'))
    expect(flag(serve, '--socket')).toBe(socket)
    expect(flag(serve, '--file')).toBe('/etc/chaperone/chaperone.yaml')
    expect(dockerfile).toContain(`docker build -t ${serviceImage} .`)
  })

  test('builds on a pinned image that the service runs on', () => {
    const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image)
    expect(bases).toHaveLength(2)
    expect(new Set(bases).size).toBe(1)
    expect(bases[0]).toMatch(/^node:(2[2-9])\.\d+\.\d+-/)
  })

  test('copies what is there and not ignored', () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources]) => sources!.split(' '))
    const kept = readFileSync('.dockerignore', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1))
    expect(copied).toContain('src')
    for (const source of copied) expect(existsSync(source), source).toBe(true)
    expect(new Set(copied)).toEqual(new Set(kept))
  })
})

describe('docker-compose.yml', () => {
  const { services, volumes } = read<Compose>('docker-compose.yml')

  test('has the same images and the same user as all else, and nothing it does not need', () => {
    expect(services.chaperone.image).toBe(serviceImage)
    expect(services.provider.image).toBe(serviceImage)
    expect(services.envoy.image).toBe(envoyImage)
    expect(volumes.socket.driver_opts.o).toBe(`uid=${uid},gid=${uid},mode=0700`)
    for (const [name, service] of Object.entries(services))
      expect(service).toMatchObject({
        // Redis is its image's own user, and nobody's socket is its affair.
        user: name === 'redis' ? '999:1000' : `${uid}:${uid}`,
        read_only: true,
        cap_drop: ['ALL'],
      })
    expect(services.redis.image).toBe(redisImage)
    expect(services.redis.ports).toBeUndefined()
  })

  test('mounts what both processes look for', () => {
    const { chaperone, envoy } = services
    const target = (service: ComposeService, source: string) =>
      service.volumes.find((volume) => volume.startsWith(`${source}:`))?.split(':')[1]
    expect(target(chaperone, 'socket')).toBe(posix.dirname(socket))
    expect(target(envoy, 'socket')).toBe(posix.dirname(socket))
    expect(target(envoy, './envoy/bootstrap.yaml')).toBe(flag(envoy.command!, '--config-path'))
    expect(chaperone.volumes).toContainEqual(
      `./envoy/compose/\${CHAPERONE_RULES:-gateway}:${posix.dirname(flag(serve, '--file'))}:ro`,
    )
  })

  test('the service shares what Redis keeps, and has a place of its own for the rest', () => {
    const { chaperone, redis } = services
    expect(chaperone.environment).toMatchObject({ CHAPERONE_STORE: 'redis://redis:6379' })
    const state = chaperone.environment!.CHAPERONE_STATE!
    expect(chaperone.volumes).toContain(`state:${state}`)
    expect(dockerfile).toContain(`install -d -o chaperone -g chaperone -m 0700 ${state}`)
    expect(redis.volumes).toEqual([`redis:${flag(redis.command!, '--dir')}`])
    expect(flag(redis.command!, '--appendonly')).toBe('yes')
    expect(flag(redis.command!, '--maxmemory-policy')).toBe('noeviction')
  })

  test('publishes and probes the ports of the rules, on this machine only', () => {
    for (const { listeners, telemetry } of ['gateway', 'demo'].map((name) =>
      rulesOf(`envoy/compose/${name}/chaperone.yaml`),
    )) {
      const { port } = listeners.default!
      expect(services.envoy.ports).toEqual([`127.0.0.1:${port}:${port}`])
      expect(services.envoy.healthcheck!.test.at(-1)).toContain(`/127.0.0.1/${port}`)
      expect(services.chaperone.ports).toEqual([`127.0.0.1:${telemetry.port}:${telemetry.port}`])
      expect(services.chaperone.healthcheck!.test.at(-1)).toContain(`http://127.0.0.1:${telemetry.port}/readyz`)
    }
  })

  test('the demo’s rules lead to the demo’s provider', () => {
    const { providers } = rulesOf('envoy/compose/demo/chaperone.yaml')
    expect(providers.demo).toMatchObject({
      baseUrl: `http://provider:${flag(services.provider.command!, '--port')}/v1`,
    })
    const [mounted, target] = services.provider.volumes[0]!.split(':')
    const fixtures = flag(services.provider.command!, '--fixtures')
    expect(existsSync(join(mounted!, posix.relative(target!, fixtures)))).toBe(true)
    expect(existsSync(services.provider.entrypoint![1]!.replace(/^\/app\//, ''))).toBe(true)
  })
})

describe.each(['sidecar', 'gateway'])('k8s/%s', (name) => {
  const directory = `k8s/${name}`
  const kustomization = read<Kustomization>(`${directory}/kustomization.yaml`)
  const manifests = kustomization.resources
    .filter((resource) => resource.endsWith('.yaml'))
    .flatMap((resource) => parseAllDocuments(readFileSync(`${directory}/${resource}`, 'utf8')))
    .map((document) => document.toJS() as Manifest)
  const deployment = manifests.find(({ kind }) => kind === 'Deployment')!
  const pod = (deployment.spec.template as { spec: PodSpec }).spec
  const containers = [...pod.initContainers, ...pod.containers]
  const container = (wanted: string) => containers.find((each) => each.name === wanted)!
  const service = container('chaperone')
  const envoy = container('envoy')
  const rulesFile = `${directory}/chaperone.yaml`

  /** The volume that a container has at a path, or above it. */
  const volumeAt = ({ volumeMounts = [] }: Container, path: string) => {
    const mount = volumeMounts.find(({ mountPath }) => path.startsWith(`${mountPath}/`))
    return pod.volumes.find((volume) => volume.name === mount?.name)
  }
  const portOf = ({ ports = [] }: Container, port: string | number | undefined) =>
    typeof port === 'string' ? ports.find((each) => each.name === port)?.containerPort : port

  test('the kustomization takes every file, and only files that are there', () => {
    const known = [
      'kustomization.yaml',
      ...kustomization.resources.filter((resource) => resource.endsWith('.yaml')),
      ...kustomization.configMapGenerator.flatMap(({ files }) => files),
    ]
    expect(readdirSync(directory).sort()).toEqual(known.sort())
    expect(kustomization.resources).toContain('../../envoy')
    expect(read<Kustomization>('envoy/kustomization.yaml').configMapGenerator).toEqual([
      { name: 'chaperone-envoy', files: ['bootstrap.yaml'] },
    ])
    expect(kustomization.images).toEqual([{ name: 'chaperone', newName: 'chaperone', newTag: version }])
  })

  test('the images are of one version each', () => {
    expect(service.image).toBe(serviceImage)
    expect(envoy.image).toBe(envoyImage)
    for (const { image } of containers) expect(image).toMatch(/:v?\d+\.\d+\.\d+$/)
  })

  test('both processes find the socket, the bootstrap, the rules and the keys; nobody else has the keys', () => {
    expect(volumeAt(service, flag(serve, '--socket'))).toMatchObject({ emptyDir: {} })
    expect(volumeAt(envoy, socket)).toBe(volumeAt(service, socket))
    expect(volumeAt(envoy, flag(envoy.command!, '--config-path'))).toMatchObject({
      configMap: { name: 'chaperone-envoy' },
    })
    expect(posix.basename(flag(envoy.command!, '--config-path'))).toBe('bootstrap.yaml')
    expect(volumeAt(service, flag(serve, '--file'))).toMatchObject({ configMap: { name: 'chaperone-rules' } })
    // Without a hash in its name, so that a change reaches the pods that run.
    expect(kustomization.configMapGenerator).toContainEqual({
      name: 'chaperone-rules',
      files: [posix.basename(flag(serve, '--file'))],
      options: { disableNameSuffixHash: true },
    })
    const references = [...readFileSync(rulesFile, 'utf8').matchAll(/\$\{file:([^}]+)\}/g)].map(([, path]) => path!)
    expect(references.length).toBeGreaterThan(0)
    for (const path of references) {
      // Readable for the pod's group (0440), which is the service's.
      expect(volumeAt(service, path)).toMatchObject({ secret: { secretName: 'chaperone-keys', defaultMode: 0o440 } })
      for (const other of containers.filter((each) => each !== service)) expect(volumeAt(other, path)).toBeUndefined()
    }
    expect(pod.securityContext.fsGroup).toBe(service.securityContext.runAsGroup ?? pod.securityContext.runAsGroup)
  })

  test('both processes are the same user, and none is more than the restricted profile allows', () => {
    for (const each of [service, envoy])
      expect({ ...pod.securityContext, ...each.securityContext }).toMatchObject({ runAsUser: uid, runAsGroup: uid })
    for (const each of containers)
      expect({ ...pod.securityContext, ...each.securityContext }, each.name).toMatchObject({
        runAsNonRoot: true,
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'RuntimeDefault' },
      })
    for (const { resources } of containers)
      expect(resources).toMatchObject({ requests: { cpu: expect.anything(), memory: expect.anything() } })
  })

  test('the probes ask where the rules say', () => {
    const { listeners, telemetry } = rulesOf(rulesFile)
    const { port } = listeners.default!
    const probe = (path: string) => ({ path, port: telemetry.port })
    const asked = (each: Probe | undefined) => ({ ...each?.httpGet, port: portOf(service, each?.httpGet?.port) })
    expect(asked(service.startupProbe)).toEqual(probe('/readyz'))
    expect(asked(service.readinessProbe)).toEqual(probe('/readyz'))
    expect(asked(service.livenessProbe)).toEqual(probe('/livez'))
    if (name === 'sidecar') expect(envoy.startupProbe?.exec?.command.at(-1)).toContain(`/127.0.0.1/${port}`)
    else expect(portOf(envoy, envoy.readinessProbe?.tcpSocket?.port)).toBe(port)
  })

  test('labels select what they should', () => {
    const labels = { 'app.kubernetes.io/name': deployment.metadata.name }
    expect(deployment.spec).toMatchObject({
      selector: { matchLabels: labels },
      template: { metadata: { labels } },
    })
    for (const { metadata } of manifests) expect(metadata.labels).toMatchObject(labels)
  })

  test('they start and end in the right order', () => {
    expect(pod.initContainers.every(({ restartPolicy }) => restartPolicy === 'Always')).toBe(true)
    if (name === 'sidecar') {
      expect(containers.map((each) => each.name)).toEqual(['chaperone', 'envoy', 'agent'])
      return
    }
    expect(containers.map((each) => each.name)).toEqual(['envoy', 'chaperone'])
    // A startup probe of Envoy would hold back the service that it waits for.
    expect(envoy.startupProbe).toBeUndefined()
    const [node, script, ...args] = service.lifecycle!.preStop.exec.command
    expect([node, script]).toEqual(['node', '/app/envoy/drain.mjs'])
    expect(dockerfile).toContain('COPY envoy/drain.mjs envoy/drain.mjs')
    // Envoy still takes agents while the cluster learns of it, and the kubelet waits for the drain and the service's 10 s.
    expect(Number(flag(envoy.command!, '--drain-time-s'))).toBeGreaterThanOrEqual(Number(flag(args, '--at-least')))
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(Number(flag(args, '--at-most')) + 20)
    expect(args).toContain('--quit')
  })
})

describe('k8s/redis', () => {
  const kustomization = read<{ kind: string; resources: string[] }>('k8s/redis/kustomization.yaml')
  const manifests = kustomization.resources.flatMap((file) =>
    parseAllDocuments(readFileSync(`k8s/redis/${file}`, 'utf8')).map((document) => document.toJS() as Manifest),
  )
  const stateful = manifests.find(({ kind }) => kind === 'StatefulSet')!
  const pod = (stateful.spec.template as { spec: PodSpec }).spec
  const [redis] = pod.containers

  test('is a component with every file that is there', () => {
    expect(kustomization.kind).toBe('Component')
    expect(readdirSync('k8s/redis').sort()).toEqual(['kustomization.yaml', ...kustomization.resources].sort())
  })

  test('is the Redis of docker-compose.yml, held to its users', () => {
    expect(redis!.image).toBe(redisImage)
    const { services } = read<Compose>('docker-compose.yml')
    const command = services.redis.command!
    expect(redis!.command!.slice(0, command.length)).toEqual(command)
    expect(flag(redis!.command!, '--aclfile')).toBe('/etc/redis/users.acl')
    expect({ ...pod.securityContext, ...redis!.securityContext }).toMatchObject({
      runAsNonRoot: true,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    })
  })

  test.each(['gateway', 'sidecar'])('the pods of k8s/%s find it by the Secret, and do without', (name) => {
    const { spec } = read<Manifest>(`k8s/${name}/deployment.yaml`)
    const { initContainers, containers, volumes } = (spec.template as { spec: PodSpec }).spec
    const service = [...initContainers, ...containers].find((each) => each.name === 'chaperone')!
    expect(service.env).toContainEqual({
      name: 'CHAPERONE_STORE',
      valueFrom: { secretKeyRef: { name: 'chaperone-redis', key: 'url', optional: true } },
    })
    const state = service.env!.find((each) => each.name === 'CHAPERONE_STATE')!.value
    const mount = service.volumeMounts!.find(({ mountPath }) => mountPath === state)!
    expect(volumes.find((volume) => volume.name === mount.name)).toMatchObject({ emptyDir: {} })
  })

  test('its policies let the service’s pods in, and out to it', () => {
    const policies = manifests.filter(({ kind }) => kind === 'NetworkPolicy').map(({ spec }) => spec)
    const labels = stateful.metadata.labels
    const service = { matchLabels: { 'app.kubernetes.io/part-of': 'chaperone' } }
    expect(policies).toMatchObject([
      {
        podSelector: { matchLabels: labels },
        ingress: [{ from: [{ podSelector: service }], ports: [{ port: 6379 }] }],
      },
      { podSelector: service, egress: [{ to: [{ podSelector: { matchLabels: labels } }], ports: [{ port: 6379 }] }] },
    ])
  })
})

test('k8s/sidecar: the agent’s base URLs are the listener', () => {
  const { listeners } = rulesOf('k8s/sidecar/chaperone.yaml')
  const { spec } = read<Manifest>('k8s/sidecar/deployment.yaml')
  const [agent] = (spec.template as { spec: PodSpec }).spec.containers
  const urls = agent!.env!.filter((each) => each.name.endsWith('_BASE_URL')).map((each) => new URL(each.value))
  expect(urls.map(({ pathname }) => pathname)).toEqual(['/v1', '/'])
  for (const { host } of urls) expect(host).toBe(`127.0.0.1:${listeners.default!.port}`)
})

describe('k8s/gateway: what stands around the pods', () => {
  const labels = { 'app.kubernetes.io/name': 'chaperone' }
  const spec = (file: string) => read<Manifest>(`k8s/gateway/${file}.yaml`).spec
  const { listeners, telemetry } = rulesOf('k8s/gateway/chaperone.yaml')
  const { port } = listeners.default!

  test('the Service and the policies mean the Deployment and its ports', () => {
    expect(spec('service')).toMatchObject({ selector: labels, ports: [{ targetPort: port }] })
    expect(spec('disruption')).toMatchObject({ selector: { matchLabels: labels } })
    expect(spec('autoscaling')).toMatchObject({
      scaleTargetRef: { kind: 'Deployment', name: 'chaperone' },
      metrics: [{ containerResource: { container: 'chaperone' } }],
    })
    expect(spec('network')).toMatchObject({
      podSelector: { matchLabels: labels },
      ingress: [{ ports: [{ port }] }, { ports: [{ port: telemetry.port }] }],
    })
  })

  test('the autoscaler alone says how many pods there are', () => {
    expect(spec('deployment').replicas).toBeUndefined()
  })
})

test('the documents name only files that are there', () => {
  for (const file of ['docs/deploy.md', 'envoy/README.md', 'k8s/README.md']) {
    const links = [...readFileSync(file, 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link]) => link!)
    for (const link of links) expect(existsSync(join(dirname(file), link)), `${file}: ${link}`).toBe(true)
  }
})
