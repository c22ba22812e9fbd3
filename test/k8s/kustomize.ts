import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'
import type { Manifest } from './schemas.ts'

/**
 * What `kubectl kustomize` makes of the files here, as far as they ask for it; without the hashes in the names of ConfigMaps.
 * Unlike kustomize it refuses what it does not know.
 */

interface Kustomization {
  apiVersion: string
  kind: 'Kustomization' | 'Component'
  resources?: string[]
  components?: string[]
  namespace?: string
  configurations?: string[]
  configMapGenerator?: {
    name: string
    files: string[]
    behavior?: 'replace'
    options?: { disableNameSuffixHash: boolean }
  }[]
  patches?: { path: string; target: { kind: string; labelSelector: string } }[]
  labels?: { pairs: Record<string, string>; includeTemplates?: boolean }[]
  images?: { name: string; newName: string; newTag: string }[]
}

const known = new Set([
  ...['apiVersion', 'kind', 'resources', 'components', 'namespace', 'configurations'],
  ...['configMapGenerator', 'patches', 'labels', 'images'],
])

/** Builds a directory, or a kustomization that is not in a file. @throws {Error} naming what is wrong */
export function build(directory: string, kustomization?: Omit<Kustomization, 'apiVersion' | 'kind'>): Manifest[] {
  return buildOnto([], directory, kustomization)
}

function buildOnto(base: Manifest[], directory: string, given?: object): Manifest[] {
  const { apiVersion, kind, ...file } = (given ?? read(join(directory, 'kustomization.yaml'))) as Kustomization
  for (const key of Object.keys(file)) if (!known.has(key)) throw new Error(`${directory}: ${key} is not known here`)
  if (!given && apiVersion !== `kustomize.config.k8s.io/${kind === 'Component' ? 'v1alpha1' : 'v1beta1'}`)
    throw new Error(`${directory}: ${kind} is not of ${apiVersion}`)
  let manifests = [...base, ...(file.resources ?? []).flatMap((resource) => load(join(directory, resource)))]
  for (const generator of file.configMapGenerator ?? []) manifests = withConfigMap(manifests, directory, generator)
  for (const component of file.components ?? []) manifests = buildOnto(manifests, join(directory, component))
  for (const { path, target } of file.patches ?? []) {
    const [patch, ...others] = documents(join(directory, path))
    if (!patch || others.length > 0) throw new Error(`${path} is not one patch`)
    const { apiVersion: _, kind: __, metadata: ___, ...changes } = patch
    manifests = manifests.map((each) => (isTarget(each, target) ? (merged(each, changes) as Manifest) : each))
  }
  for (const label of file.labels ?? []) manifests = manifests.map((each) => labelled(each, label))
  for (const image of file.images ?? [])
    manifests = JSON.parse(JSON.stringify(manifests), (key, value) =>
      key === 'image' && String(value).split(':')[0] === image.name ? `${image.newName}:${image.newTag}` : value,
    )
  for (const configuration of file.configurations ?? []) read(join(directory, configuration))
  const { namespace } = file
  return namespace === undefined
    ? manifests
    : manifests.map((each) => ({ ...each, metadata: { ...each.metadata, namespace } }))
}

function read(file: string): unknown {
  return parse(readFileSync(file, 'utf8'))
}

function documents(file: string): Manifest[] {
  return parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJS() as Manifest)
}

function load(resource: string): Manifest[] {
  if (!existsSync(resource)) throw new Error(`${resource} is not there`)
  return statSync(resource).isDirectory() ? buildOnto([], resource) : documents(resource)
}

function withConfigMap(
  manifests: Manifest[],
  directory: string,
  { name, files, behavior }: NonNullable<Kustomization['configMapGenerator']>[number],
): Manifest[] {
  const data = Object.fromEntries(files.map((file) => [basename(file), readFileSync(join(directory, file), 'utf8')]))
  const there = manifests.some((each) => each.kind === 'ConfigMap' && each.metadata.name === name)
  if (there !== (behavior === 'replace'))
    throw new Error(`${directory}: ConfigMap ${name} is ${there ? '' : 'not '}there`)
  return [
    ...manifests.filter((each) => each.kind !== 'ConfigMap' || each.metadata.name !== name),
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data },
  ]
}

function isTarget({ kind, metadata }: Manifest, target: { kind: string; labelSelector: string }): boolean {
  const [label, value] = target.labelSelector.split('=') as [string, string]
  return new RegExp(`^(?:${target.kind})$`).test(kind) && metadata.labels?.[label] === value
}

/** What makes items of a list the same one (Kubernetes' `patchMergeKey`). */
const mergeKeys: Record<string, string> = {
  initContainers: 'name',
  containers: 'name',
  volumes: 'name',
  env: 'name',
  volumeMounts: 'mountPath',
}

/** A strategic merge; new items come first, as kustomize has them. */
function merged(value: unknown, patch: unknown, name = ''): unknown {
  if (Array.isArray(patch)) {
    const key = mergeKeys[name]
    if (!key || !Array.isArray(value)) return patch
    const same = (a: Record<string, unknown>) => (b: Record<string, unknown>) => a[key] === b[key]
    return [
      ...patch.filter((item) => !value.some(same(item))),
      ...value.map((item) => (patch.some(same(item)) ? merged(item, patch.find(same(item))) : item)),
    ]
  }
  if (typeof patch !== 'object' || patch === null || typeof value !== 'object' || value === null) return patch
  const made: Record<string, unknown> = { ...value }
  for (const [field, change] of Object.entries(patch)) made[field] = merged(made[field], change, field)
  return made
}

function labelled(
  manifest: Manifest,
  { pairs, includeTemplates }: NonNullable<Kustomization['labels']>[number],
): Manifest {
  const labels = { metadata: { labels: pairs } }
  const template = (manifest.spec as { template?: object } | undefined)?.template
  return merged(manifest, {
    ...labels,
    ...(includeTemplates && template && { spec: { template: labels } }),
  }) as Manifest
}
