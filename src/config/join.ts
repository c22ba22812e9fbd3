import type { Path } from './path.ts'
import type { Source } from './yaml.ts'

/** Maps whose names may come from several files: all else is said in one. */
const joined = new Set(
  [
    ...['listeners', 'providers', 'models', 'prices', 'identities', 'teams', 'aliases'].map((section) => [section]),
    ...['policies', 'limits', 'budgets', 'guards', 'prompts'].map((section) => [section]),
    ['identities', 'issuers'],
    ['identities', 'workloads'],
    ['policies', 'rules'],
    ['http'],
    ['http', 'services'],
    ['http', 'authorizers'],
    ['http', 'processors'],
  ].map((path) => JSON.stringify(path)),
)

/** What several files say together. */
export interface Joined {
  readonly value: unknown
  /** @returns the file that says what stands at a path; the first where none does */
  owner(path: Path): Source
  /** What two files say. */
  readonly twice: readonly { path: Path; first: Source; second: Source }[]
}

/** Joins the values of files, of which there is at least one. */
export function joinFiles(sources: readonly [Source, ...Source[]]): Joined {
  const [first] = sources
  if (sources.length === 1) return { value: first.value, owner: () => first, twice: [] }
  const joining: Joining = { owners: new Map(), twice: [] }
  const value = {}
  for (const source of sources) {
    // An empty file says nothing.
    if (source.value === null || source.value === undefined) continue
    // What is no map at all is for the schema to complain of.
    if (!isRecord(source.value)) return { value: source.value, owner: () => source, twice: [] }
    joinInto(value, source.value, [], source, joining)
  }
  const owner = (path: Path): Source => {
    for (let length = path.length; length > 0; length--) {
      const found = joining.owners.get(JSON.stringify(path.slice(0, length)))
      if (found) return found
    }
    return first
  }
  return { value, owner, twice: joining.twice }
}

interface Joining {
  /** Which file said what, by path as JSON. */
  owners: Map<string, Source>
  twice: { path: Path; first: Source; second: Source }[]
}

function joinInto(
  target: Record<string, unknown>,
  value: Record<string, unknown>,
  path: Path,
  source: Source,
  joining: Joining,
): void {
  for (const [key, child] of Object.entries(value)) {
    const at = [...path, key]
    const id = JSON.stringify(at)
    const mayJoin = joined.has(id) && isRecord(child)
    if (!Object.hasOwn(target, key)) {
      const copy = mayJoin ? {} : child
      target[key] = copy
      joining.owners.set(id, source)
      if (mayJoin) joinInto(copy as Record<string, unknown>, child, at, source, joining)
    } else if (mayJoin && isRecord(target[key])) joinInto(target[key], child, at, source, joining)
    else joining.twice.push({ path: at, first: joining.owners.get(id)!, second: source })
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
