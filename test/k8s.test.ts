import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Environment } from '@marcbachmann/cel-js'
import { afterAll, describe, expect, test } from 'vitest'
import { render } from '../src/cli/render.ts'
import { findEnvoy } from '../src/envoy/binary.ts'
import type { TargetName } from '../src/envoy/targets/names.ts'
import { build } from './k8s/kustomize.ts'
import { type Manifest, schemaErrors } from './k8s/schemas.ts'
import { asBootstrap } from './mesh/configuration.ts'
import { patched, type Resources, translated, withRoutes } from './mesh/envoy-gateway.ts'
import { applyEnvoyFilter, type EnvoyFilter, sidecar } from './mesh/istiod.ts'

/** Everything in k8s/, as kustomize puts it together: by the schemas, and by what it is for. What it does is in mesh-run.test.ts. */

const agents = '../test/k8s/agents.yaml'
const overlays: Record<string, Manifest[]> = {
  sidecar: build('k8s/sidecar'),
  gateway: build('k8s/gateway'),
  'gateway with Redis': build('k8s', { resources: ['gateway'], components: ['redis'] }),
  crds: build('k8s/crds'),
  'gateway-api': build('k8s/gateway-api'),
  'envoy-static': build('k8s/envoy-static'),
  'envoy-gateway': build('k8s/envoy-gateway'),
  'istio-gateway': build('k8s/istio-gateway'),
  inject: build('k8s', { resources: [agents], components: ['inject', 'redis', 'egress'] }),
  istio: build('k8s', { resources: [agents], components: ['istio', 'egress'] }),
  'only-gateway': build('k8s', { resources: [agents], components: ['only-gateway'] }),
}

interface Container {
  name: string
  image: string
  restartPolicy?: string
  securityContext: Record<string, unknown> & { runAsUser?: number }
  volumeMounts?: { name: string; mountPath: string }[]
}
interface Pod {
  hostNetwork?: boolean
  securityContext?: Record<string, unknown> & { runAsUser?: number }
  initContainers: Container[]
  containers: Container[]
  volumes: { name: string; configMap?: { name: string }; secret?: { secretName: string } }[]
}

const templateOf = (manifest: Manifest) =>
  (manifest.spec as { template: { metadata: { labels: object; annotations?: object }; spec: Pod } }).template
const find = (manifests: Manifest[], kind: string, name = 'chaperone') =>
  manifests.find((each) => each.kind === kind && each.metadata.name === name)!

test('everything is what the schemas of Kubernetes and of the CRDs allow, with no field that they do not have', async () => {
  const all = Object.values(overlays).flat()
  expect(await schemaErrors(all)).toEqual([])
  expect(new Set(all.map(({ kind }) => kind)).size).toBeGreaterThan(15)
  const [wrong] = structuredClone(overlays.gateway!.filter(({ kind }) => kind === 'Deployment'))
  Object.assign(templateOf(wrong!).spec.containers[0]!, { livenessprobe: {} })
  expect(await schemaErrors([wrong!])).toEqual([expect.stringContaining('livenessprobe')])
})

test('every directory of k8s/ is put together here, and every file of it is used', () => {
  const directories = readdirSync('k8s', { withFileTypes: true }).filter((each) => each.isDirectory())
  const here = Object.keys(overlays)
    .flatMap((name) => name.split(' with '))
    .concat('redis', 'egress')
  expect(directories.map(({ name }) => name).filter((name) => !here.includes(name))).toEqual([])
  for (const { name } of directories) {
    const kustomization = readFileSync(`k8s/${name}/kustomization.yaml`, 'utf8')
    // A rendered base's rules and images, and what images are made of.
    for (const file of readdirSync(`k8s/${name}`).filter((each) => /\.(?:ya?ml|sh)$/.test(each)))
      if (file !== 'kustomization.yaml') expect(kustomization, `${name}/${file}`).toContain(file)
  }
})

test('what pods mount is there, or a Secret that README.md names', () => {
  const readme = readFileSync('k8s/README.md', 'utf8')
  for (const [name, manifests] of Object.entries(overlays)) {
    const maps = manifests.filter(({ kind }) => kind === 'ConfigMap').map(({ metadata }) => metadata.name)
    for (const manifest of manifests.filter(({ kind }) => /^(?:Deployment|StatefulSet)$/.test(kind)))
      for (const { configMap, secret } of templateOf(manifest).spec.volumes ?? []) {
        if (configMap) expect(maps, name).toContain(configMap.name)
        if (secret) expect(readme, name).toContain(secret.secretName)
      }
  }
})

test('no container has more rights than it needs, and only the one that makes rules has any', () => {
  for (const [name, manifests] of Object.entries(overlays))
    for (const manifest of manifests.filter(({ kind }) => /^(?:Deployment|StatefulSet|EnvoyProxy)$/.test(kind))) {
      if (manifest.metadata.name === 'website') continue
      const pod =
        manifest.kind === 'EnvoyProxy'
          ? (manifest.spec as { provider: { kubernetes: { envoyDeployment: Pod } } }).provider.kubernetes
              .envoyDeployment
          : templateOf(manifest).spec
      for (const container of [...(pod.initContainers ?? []), ...(pod.containers ?? [])]) {
        // istiod makes the whole of it.
        if (container.image === 'auto') continue
        const { securityContext } = { securityContext: { ...pod.securityContext, ...container.securityContext } }
        if (container.name === 'chaperone-egress') {
          expect(securityContext.capabilities).toEqual({ drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] })
          continue
        }
        expect(securityContext, `${name}: ${manifest.metadata.name}/${container.name}`).toMatchObject({
          runAsNonRoot: true,
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
          seccompProfile: { type: 'RuntimeDefault' },
        })
        expect(container.image).toMatch(/:v?\d+\.\d+\.\d+(?:-alpine)?$/)
      }
    }
})

describe.each(['inject', 'istio'])('%s', (name) => {
  const manifests = overlays[name]!
  const uid = name === 'inject' ? 10001 : 1337

  test('workloads with the label get the sidecar before anything of their own, and others stay as they are', () => {
    const own = build('k8s', { resources: [agents] })
    expect(find(manifests, 'Deployment', 'website')).toEqual(find(own, 'Deployment', 'website'))
    const sidecars = name === 'inject' ? ['chaperone', 'chaperone-envoy'] : ['chaperone']
    for (const [kind, agent, rest] of [
      ['Deployment', 'researcher', ['migrate']],
      ['StatefulSet', 'librarian', []],
    ] as const) {
      const { metadata, spec } = templateOf(find(manifests, kind, agent))
      expect(metadata.labels).toMatchObject({ app: agent, 'chaperone-sidecar': 'true' })
      expect(spec.initContainers.map((each) => each.name)).toEqual(['chaperone-egress', ...sidecars, ...rest])
      for (const each of spec.initContainers.filter((each) => sidecars.includes(each.name)))
        expect(each).toMatchObject({ restartPolicy: 'Always', securityContext: { runAsUser: uid, runAsGroup: uid } })
      expect(spec.containers).toEqual(templateOf(find(own, kind, agent)).spec.containers)
      const keys = [...spec.initContainers, ...spec.containers].filter(({ volumeMounts = [] }) =>
        volumeMounts.some((mount) => mount.name === 'chaperone-keys'),
      )
      expect(keys.map((each) => each.name)).toEqual(['chaperone'])
    }
    expect(templateOf(find(manifests, 'Deployment', 'researcher')).metadata.annotations).toMatchObject({
      team: 'research',
    })
  })

  test('the policy of admission takes these pods, and none that could get around the rules', () => {
    const policy = find(manifests, 'ValidatingAdmissionPolicy', 'chaperone-egress')
    const good = (agent: string) =>
      structuredClone(templateOf(find(manifests, agent === 'librarian' ? 'StatefulSet' : 'Deployment', agent)).spec)
    expect(admitted(policy, good('researcher'))).toEqual([])
    expect(admitted(policy, good('librarian'))).toEqual([])
    const changes: [change: (pod: Pod) => void, message: RegExp][] = [
      [(pod) => Object.assign(pod.containers[0]!.securityContext, { runAsUser: uid }), /neither root nor the gateway/],
      [(pod) => Object.assign(pod.containers[0]!.securityContext, { runAsUser: 0 }), /neither root nor the gateway/],
      [(pod) => Object.assign(pod.securityContext!, { runAsUser: uid }), /neither root nor the gateway/],
      [(pod) => delete pod.securityContext, /neither root nor the gateway/],
      [(pod) => delete pod.containers[0]!.securityContext.allowPrivilegeEscalation, /allowPrivilegeEscalation/],
      [(pod) => Object.assign(pod.containers[0]!.securityContext, { privileged: true }), /capabilities/],
      [
        (pod) => Object.assign(pod.containers[0]!.securityContext, { capabilities: { add: ['NET_ADMIN'] } }),
        /capabilities/,
      ],
      [(pod) => Object.assign(pod, { hostNetwork: true }), /host's network/],
      [(pod) => Object.assign(pod, { shareProcessNamespace: true }), /processes/],
      [(pod) => Object.assign(pod, { ephemeralContainers: [{ name: 'debug' }] }), /debugging/],
      [(pod) => pod.initContainers.shift(), /chaperone-egress is missing/],
      [(pod) => Object.assign(pod.initContainers.at(-1)!.securityContext, { runAsUser: 0 }), /neither root/],
    ]
    for (const [change, message] of changes) {
      const pod = good('researcher')
      change(pod)
      expect(admitted(policy, pod), String(message)).toContainEqual(expect.stringMatching(message))
    }
  })
})

/** @returns the messages of the expressions that are false for a pod, as the API server says them */
function admitted(policy: Manifest, pod: Pod): string[] {
  const { variables, validations } = policy.spec as {
    variables: { name: string; expression: string }[]
    validations: { expression: string; message: string }[]
  }
  const environment = new Environment({ unlistedVariablesAreDyn: true })
  const known: Record<string, unknown> = {}
  const evaluate = (expression: string) => environment.evaluate(expression, { object: { spec: pod }, variables: known })
  for (const { name, expression } of variables) known[name] = evaluate(expression)
  return validations.filter(({ expression }) => evaluate(expression) !== true).map(({ message }) => message)
}

const mayUnshare = spawnSync('unshare', ['-n', 'iptables', '-w', '-L']).status === 0

// Where there is no right to make a network namespace, or no iptables, the kernel cannot be asked.
test.skipIf(!mayUnshare)('with the rules of egress.sh the agent reaches its gateway and nothing outside', () => {
  const { stdout, stderr } = spawnSync(
    'unshare',
    ['-n', process.execPath, 'test/k8s/egress-probe.mjs', 'k8s/egress/egress.sh'],
    { encoding: 'utf8' },
  )
  const gateway = {
    provider: 'connected',
    provider6: 'connected',
    allowed: 'connected',
    loopback: 'connected',
    names: 'sent',
  }
  const agent = { ...gateway, provider: 'ECONNREFUSED', provider6: 'ECONNREFUSED', names: 'EPERM' }
  expect(JSON.parse(stdout || '{}'), stderr).toEqual({ gateway, istio: gateway, agent, root: agent, served: 'hello' })
})

const directory = mkdtempSync(join(tmpdir(), 'chaperone-k8s-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const rendered: [target: TargetName, rules: string][] = [
  ['envoy-static', 'k8s/gateway/chaperone.yaml'],
  ['istio', 'k8s/istio/chaperone.yaml'],
  ['istio-gateway', 'k8s/istio-gateway/chaperone.yaml'],
  ['envoy-gateway', 'k8s/envoy-gateway/chaperone.yaml'],
]

test.each(rendered)('k8s/%s is what the command renders from %s', async (target, file) => {
  const output = join(directory, target)
  expect(await render({ target, file, output, socket: '/run/chaperone/service.sock' })).toBe(0)
  const files = readdirSync(output)
  expect(files.length).toBeGreaterThan(0)
  for (const name of files)
    expect(readFileSync(`k8s/${target}/${name}`, 'utf8'), `${name}: run \`npm run render\``).toBe(
      readFileSync(join(output, name), 'utf8'),
    )
})

describe('the real Envoy takes', () => {
  const validated = async (bootstrap: unknown) => {
    const file = join(directory, 'envoy.json')
    writeFileSync(file, JSON.stringify(bootstrap))
    const { status, stderr } = spawnSync(
      await findEnvoy(process.env, () => undefined),
      ['--mode', 'validate', '--config-path', file, '--disable-hot-restart', '--log-level', 'error'],
      { encoding: 'utf8' },
    )
    return status === 0 ? 'valid' : stderr
  }

  test('k8s/envoy-static', async () => {
    const { parse } = await import('yaml')
    expect(await validated(parse(readFileSync('k8s/envoy-static/bootstrap.yaml', 'utf8')))).toBe('valid')
  })

  test('a sidecar’s configuration of istiod’s with k8s/istio', async () => {
    const filter = find(overlays.istio!, 'EnvoyFilter') as unknown as EnvoyFilter
    const made = applyEnvoyFilter(
      sidecar({ name: 'echo.default.svc.cluster.local', port: 80 }),
      filter,
      'SIDECAR_OUTBOUND',
    )
    expect(await validated(asBootstrap(made, '/tmp/admin.sock'))).toBe('valid')
  })

  test('a gateway’s configuration of istiod’s with k8s/istio-gateway', async () => {
    const filter = find(overlays['istio-gateway']!, 'EnvoyFilter') as unknown as EnvoyFilter
    const made = applyEnvoyFilter({ clusters: [], listeners: [] }, filter, 'GATEWAY')
    expect(made.listeners.map(({ name }) => name)).toEqual(['default'])
    expect(await validated(asBootstrap(made, '/tmp/admin.sock'))).toBe('valid')
    const { spec } = find(overlays['istio-gateway']!, 'Deployment') as unknown as {
      spec: { template: { metadata: { labels: object } } }
    }
    expect(spec.template.metadata.labels).toMatchObject(filter.spec.workloadSelector.labels)
  })

  test('a proxy’s configuration of Envoy Gateway’s with k8s/envoy-gateway', async () => {
    const of = (kind: string) => find(overlays['envoy-gateway']!, kind)
    const resources = {
      gateway: of('Gateway'),
      route: of('HTTPRoute'),
      routeFilter: of('HTTPRouteFilter'),
      backend: of('Backend'),
      security: of('SecurityPolicy'),
      patch: of('EnvoyPatchPolicy'),
    } as unknown as Resources
    const made = withRoutes(patched(translated(resources, 'envoy-gateway-system'), resources.patch))
    expect(await validated(asBootstrap(made, '/tmp/admin.sock'))).toBe('valid')
  })
})
