import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { LineCounter, parseAllDocuments } from 'yaml'
import { kindOf } from './kinds.ts'
import type { KubeObject } from './object.ts'

/** Manifests: objects of Kubernetes in files, as `kubectl apply -f` takes them. */

export interface Manifests {
  readonly objects: readonly KubeObject[]
  /** What could not be read, with file and line. The rest is there. */
  readonly problems: readonly string[]
}

const longestFile = 16 * 1024 * 1024
const mostAliases = 100

/** The files of paths: those of a directory are its .yaml, .yml and .json, not those of folders in it. @throws {Error} where a path cannot be read */
export function manifestFiles(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (!statSync(path).isDirectory()) return [path]
    return readdirSync(path)
      .filter((name) => /^[^.].*\.(?:ya?ml|json)$/.test(name))
      .sort()
      .map((name) => join(path, name))
  })
}

/** Reads the objects of files. */
export function readManifests(files: readonly string[]): Manifests {
  const objects: KubeObject[] = []
  const problems: string[] = []
  for (const file of files) {
    let text: string
    try {
      if (statSync(file).size > longestFile) throw new Error(`is larger than ${longestFile} bytes`)
      text = readFileSync(file, 'utf8')
    } catch (error) {
      problems.push(`${file}: ${(error as Error).message}`)
      continue
    }
    const found = objectsIn(text, file)
    objects.push(...found.objects)
    problems.push(...found.problems)
  }
  return { objects, problems }
}

/** The objects of a text, of one or several YAML documents. @param file named in what is wrong */
export function objectsIn(text: string, file: string): Manifests {
  const objects: KubeObject[] = []
  const problems: string[] = []
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines, logLevel: 'silent' })
  for (const document of Array.isArray(documents) ? documents : []) {
    const at = (offset: number) => `${file}:${lines.linePos(offset).line}`
    const [error] = document.errors
    if (error) {
      problems.push(`${at(error.pos[0])}: ${error.message.split('\n')[0]}`)
      continue
    }
    let value: unknown
    try {
      value = document.toJS({ maxAliasCount: mostAliases })
    } catch (reason) {
      problems.push(`${at(document.range[0])}: ${(reason as Error).message}`)
      continue
    }
    if (value === null || value === undefined) continue
    const items = isList(value) ? value.items : [value]
    for (const item of items)
      if (isObject(item)) objects.push(item)
      else
        problems.push(
          `${at(document.range[0])}: is no object of Kubernetes: it needs apiVersion, kind and metadata.name`,
        )
  }
  return { objects, problems }
}

function isList(value: unknown): value is { items: unknown[] } {
  const { kind, items } = value as { kind?: unknown; items?: unknown }
  return typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)
}

function isObject(value: unknown): value is KubeObject {
  const { apiVersion, kind, metadata } = (value ?? {}) as Partial<KubeObject>
  return typeof apiVersion === 'string' && typeof kind === 'string' && typeof metadata?.name === 'string'
}

/** Kinds in manifests that say nothing here, each once: for whoever wonders why nothing comes of them. */
export function unknownKinds(objects: readonly KubeObject[]): string[] {
  return [
    ...new Set(objects.filter((object) => !kindOf(object)).map(({ apiVersion, kind }) => `${kind} (${apiVersion})`)),
  ]
}
