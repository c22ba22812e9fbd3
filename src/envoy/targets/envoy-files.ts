import { posix } from 'node:path'
import type { EnvoyJson } from '../xds/filters.ts'
import { type ResourceType, typeUrls } from '../xds/registry.ts'
import { ownBootstrap } from './envoy-static.ts'
import { configFor, secretsFor, type Target, type TargetFile } from './target.ts'

/**
 * An Envoy that reads its clusters, listeners and secrets from files, and follows them when others are moved into their places; the
 * same files are the resources for a control plane of the user's own.
 */
export const envoyFiles: Target = (input) => {
  const { directory, socket, config, systemCaFile } = input
  const secrets = new Map([...secretsFor(config.secret, systemCaFile)].map(([name, json], n) => [name, { json, n }]))
  const from = (name: string) => ({
    // What a ConfigMap holds is changed by moving a link in its directory.
    path_config_source: { path: posix.join(directory, name), watched_directory: { path: directory } },
    resource_api_version: 'V3',
  })
  const { clusters, listeners } = configFor(input, 'composite', (name) => from(secretFile(secrets.get(name)!.n)))
  const { dynamic_resources: _, ...rest } = ownBootstrap(socket)
  return [
    {
      name: 'bootstrap.yaml',
      comment: 'The bootstrap of an Envoy that reads everything else from the files beside it, and follows them.',
      documents: [{ ...rest, dynamic_resources: { cds_config: from('cds.yaml'), lds_config: from('lds.yaml') } }],
    },
    resources('cds.yaml', 'Clusters', 'cluster', clusters),
    resources('lds.yaml', 'Listeners, with their routes', 'listener', listeners),
    // Envoy wants a file for each secret.
    ...[...secrets.values()].map(({ json, n }) => resources(secretFile(n), 'A secret', 'secret', [json])),
  ]
}

const secretFile = (n: number) => `sds-${n + 1}.yaml`

function resources(name: string, what: string, type: ResourceType, some: EnvoyJson[]): TargetFile {
  return {
    name,
    comment: `${what}, as Envoy reads them from files.`,
    documents: [{ resources: some.map((resource) => ({ '@type': typeUrls[type], ...resource })) }],
  }
}
