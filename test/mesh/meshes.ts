import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { targets } from '../../src/envoy/targets/index.ts'
import type { TargetName } from '../../src/envoy/targets/names.ts'
import type { TargetFile, TargetInput } from '../../src/envoy/targets/target.ts'
import type { EnvoyJson } from '../../src/envoy/xds/filters.ts'
import type { Attach } from '../gateway.ts'
import { asBootstrap } from './configuration.ts'
import { patched, type Resources, translated, withRoutes } from './envoy-gateway.ts'
import { applyEnvoyFilter, type EnvoyFilter, sidecar } from './istiod.ts'

type Failover = TargetInput['failover']
type Parts = Parameters<Attach>[0]

/** Rendered for a target, where the test's service is. */
function rendered(
  target: TargetName,
  { gateway, rules, socket }: Parts,
  failover: Failover,
  directory = '',
): TargetFile[] {
  return targets[target]({
    rules,
    config: gateway.envoyConfig,
    socket,
    failover,
    directory,
    systemCaFile: '/etc/ssl/certs/ca-certificates.crt',
    namespace: 'default',
    version: '0.0.0',
  })
}

const documentsOf = (files: TargetFile[]) => files.flatMap(({ documents }) => documents as EnvoyJson[])

/** What an Envoy of each mesh has in the end. */
export const meshes: Record<TargetName, (parts: Parts, failover: Failover) => EnvoyJson> = {
  'envoy-static': (parts, failover) => rendered('envoy-static', parts, failover)[0]!.documents[0] as EnvoyJson,

  'envoy-files'(parts, failover) {
    mkdirSync(dirname(parts.socket), { recursive: true })
    const directory = mkdtempSync(join(dirname(parts.socket), 'files-'))
    const [bootstrap, ...files] = rendered('envoy-files', parts, failover, directory)
    for (const { name, documents } of files) writeFileSync(join(directory, name), stringify(documents[0]))
    return bootstrap!.documents[0] as EnvoyJson
  },

  istio(parts, failover) {
    const filter = documentsOf(rendered('istio', parts, failover)).find(({ kind }) => kind === 'EnvoyFilter')
    const base = sidecar({ name: 'echo.default.svc.cluster.local', port: 9 })
    return asBootstrap(
      applyEnvoyFilter(base, filter as unknown as EnvoyFilter, 'SIDECAR_OUTBOUND'),
      `${parts.socket}.admin`,
    )
  },

  'istio-gateway'(parts, failover) {
    const filter = documentsOf(rendered('istio-gateway', parts, failover)).find(({ kind }) => kind === 'EnvoyFilter')
    const made = applyEnvoyFilter({ clusters: [], listeners: [] }, filter as unknown as EnvoyFilter, 'GATEWAY')
    return asBootstrap(made, `${parts.socket}.admin`)
  },

  'envoy-gateway'(parts, failover) {
    const documents = documentsOf(rendered('envoy-gateway', parts, failover))
    const of = (kind: string) => documents.find((each) => each.kind === kind)
    const resources = {
      gateway: of('Gateway'),
      route: of('HTTPRoute'),
      routeFilter: of('HTTPRouteFilter'),
      backend: of('Backend'),
      security: of('SecurityPolicy'),
      patch: of('EnvoyPatchPolicy'),
    } as unknown as Resources
    return asBootstrap(withRoutes(patched(translated(resources), resources.patch)), `${parts.socket}.admin`)
  },
}
