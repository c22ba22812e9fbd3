import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** Whether manifests are what the cluster's own schemas and those of the CRDs allow, with no field that is not in them. */

export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; labels?: Record<string, string>; namespace?: string }
  [key: string]: unknown
}

/** The package that has the schemas of an API group. */
function packageOf(group: string): string {
  if (group.endsWith('.istio.io')) return '@kubernetes-models/istio'
  if (group === 'gateway.envoyproxy.io') return '@kubernetes-models/envoy-gateway'
  if (group === 'gateway.networking.k8s.io') return '@kubernetes-models/gateway-api'
  return 'kubernetes-models'
}

/** @returns what is wrong, one line a mistake */
export async function schemaErrors(manifests: readonly Manifest[]): Promise<string[]> {
  const errors: string[] = []
  for (const manifest of manifests) errors.push(...(await valueErrors(manifest)))
  return [...errors, ...unknownFields(manifests)]
}

/** Types, formats, enums and required fields, by the schemas themselves. */
async function valueErrors(manifest: Manifest): Promise<string[]> {
  const { apiVersion, kind, metadata } = manifest
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0]! : ''
  const models = (await import(`${packageOf(group)}/${apiVersion}`)) as Record<string, new (data: object) => Model>
  const Model = models[kind]
  if (!Model) return [`${kind} is not in ${apiVersion}`]
  try {
    const { apiVersion: _, kind: __, ...data } = manifest
    new Model(data).validate()
    return []
  } catch (error) {
    return [`${kind} ${metadata.name}: ${(error as Error).message}`]
  }
}

interface Model {
  validate(): void
}

/** The same schemas as types: a literal with a field that its type does not have is an error of TypeScript's. */
function unknownFields(manifests: readonly Manifest[]): string[] {
  // Where the packages are found.
  const cache = resolve('node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  const directory = mkdtempSync(join(cache, 'manifests-'))
  try {
    const lines = manifests.flatMap((manifest, n) => {
      const { apiVersion, kind } = manifest
      const group = apiVersion.includes('/') ? apiVersion.split('/')[0]! : ''
      return [
        `import type { I${kind} as Type${n} } from ${JSON.stringify(`${packageOf(group)}/${apiVersion}`)}`,
        `export const manifest${n}: Type${n} = ${JSON.stringify(manifest)}`,
      ]
    })
    writeFileSync(join(directory, 'manifests.ts'), lines.join('\n'))
    const options = [
      '--ignoreConfig',
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--module',
      'nodenext',
      '--target',
      'es2023',
    ]
    const { stdout, error } = spawnSync(
      process.execPath,
      [resolve('node_modules/typescript/bin/tsc'), ...options, '--types', '', join(directory, 'manifests.ts')],
      { encoding: 'utf8' },
    )
    if (error) throw error
    return stdout.split('\n').filter((line) => line.includes('error TS'))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
