import { isMap, isNode, isPair, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import type { z } from 'zod'
import { checkRules, type Finding } from './check.ts'
import { type Rules, rulesSchema } from './schema.ts'
import { nearest } from './suggest.ts'

/** Something wrong in a rules file, and where. */
export interface Diagnostic {
  file: string
  /** From 1. */
  line: number
  column: number
  /** `models.fast.targets[1].provider`; empty: the file as a whole. */
  path: string
  message: string
  /** What was probably meant. */
  suggestion?: string
}

export type LoadResult = { rules: Rules; warnings: Diagnostic[] } | { diagnostics: Diagnostic[] }

export type Path = readonly (string | number)[]

const longestFile = 4 * 1024 * 1024
const mostAliases = 100

/** A file of rules, or a part of them. */
export interface RuleFile {
  /** Named in the diagnostics. */
  readonly name: string
  /** YAML or JSON. */
  readonly text: string
}

/**
 * Reads rules from YAML or JSON text.
 * @param file named in the diagnostics
 * @param further looks for what only others can know of: expressions, what cannot be carried out
 * @returns the rules with every default filled in, or all that is wrong with them
 */
export function loadRules(text: string, file: string, further?: (rules: Rules) => Finding[]): LoadResult {
  return loadRuleSet([{ name: file, text }], further)
}

/**
 * Reads rules that are spread over several files: their maps of names (providers, models, limits, …) are joined, and each
 * name, and each single thing such as `telemetry`, may be said in one of them only.
 */
export function loadRuleSet(files: readonly RuleFile[], further: (rules: Rules) => Finding[] = () => []): LoadResult {
  const length = files.reduce((sum, { text }) => sum + text.length, 0)
  if (length > longestFile)
    return {
      diagnostics: [start(files[0]!.name, `the rules are longer than ${longestFile} characters`)],
    }
  const sources = files.map(parseFile)
  const broken = sources.flatMap(({ diagnostics }) => diagnostics)
  if (broken.length > 0) return { diagnostics: broken }
  const { value, owners, twice } = joinFiles(sources)
  const owner = (path: Path): Source => {
    for (let length = path.length; length > 0; length--) {
      const found = owners.get(JSON.stringify(path.slice(0, length)))
      if (found) return found
    }
    return sources[0]!
  }
  const place = (path: Path, ofKey: boolean) => {
    const source = owner(path)
    return source.at(offsetOf(source.contents, path, ofKey))
  }
  if (twice.length > 0)
    return {
      diagnostics: twice.map(({ path, first, second }) => ({
        ...second.at(offsetOf(second.contents, path, true)),
        path: pathText(path),
        message: `is said in ${first.name} as well; say it in one file`,
      })),
    }
  const parsed = rulesSchema.safeParse(value ?? {})
  if (!parsed.success)
    return {
      diagnostics: parsed.error.issues.flatMap((issue) =>
        explain(issue, value).map(({ path, ofKey, message, suggestion }) => ({
          ...place(path, ofKey),
          path: pathText(path),
          message,
          ...(suggestion !== undefined && { suggestion }),
        })),
      ),
    }
  const { errors, warnings } = checkRules(parsed.data)
  errors.push(...further(parsed.data))
  const placed = (finding: { path: Path; message: string; suggestion?: string }): Diagnostic => ({
    ...place(finding.path, false),
    ...finding,
    path: pathText(finding.path),
  })
  return errors.length > 0
    ? { diagnostics: errors.map(placed) }
    : { rules: parsed.data, warnings: warnings.map(placed) }
}

const start = (file: string, message: string): Diagnostic => ({ file, line: 1, column: 1, path: '', message })

/** A file that was parsed. */
interface Source {
  readonly name: string
  readonly value: unknown
  readonly contents: Node | null
  /** @returns where in the file an offset is */
  at(offset: number): { file: string; line: number; column: number }
  readonly diagnostics: readonly Diagnostic[]
}

function parseFile({ name, text }: RuleFile): Source {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false })
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { file: name, line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const source = { name, contents: document.contents, at }
  const diagnostics = document.errors.map((error) => ({
    ...at(error.pos[0]),
    path: '',
    message: lowerFirst(error.message),
  }))
  if (diagnostics.length > 0) return { ...source, value: undefined, diagnostics }
  try {
    return { ...source, value: document.toJS({ maxAliasCount: mostAliases }), diagnostics }
  } catch (error) {
    return { ...source, value: undefined, diagnostics: [start(name, lowerFirst((error as Error).message))] }
  }
}

/** Maps whose names may come from several files: all others are said in one. */
const joined = new Set(
  [
    [],
    ...['listeners', 'providers', 'models', 'prices', 'identities', 'teams', 'aliases'].map((section) => [section]),
    ...['policies', 'limits', 'budgets', 'guards', 'prompts'].map((section) => [section]),
    ['identities', 'issuers'],
    ['identities', 'workloads'],
    ['policies', 'rules'],
  ].map((path) => JSON.stringify(path)),
)

interface Joined {
  value: unknown
  /** Which file said what, by path. */
  owners: Map<string, Source>
  twice: { path: Path; first: Source; second: Source }[]
}

function joinFiles(sources: readonly Source[]): Joined {
  const [only] = sources
  if (sources.length === 1) return { value: only!.value, owners: new Map(), twice: [] }
  const result: Joined = { value: {}, owners: new Map(), twice: [] }
  for (const source of sources) {
    // What is no map at all is for the schema to complain of.
    if (source.value === null || source.value === undefined) continue
    if (!isRecord(source.value)) return { ...result, value: source.value, owners: new Map([['[]', source]]) }
    joinInto(result.value as Record<string, unknown>, source.value, [], source, result)
  }
  return result
}

function joinInto(
  target: Record<string, unknown>,
  value: Record<string, unknown>,
  path: Path,
  source: Source,
  result: Joined,
): void {
  for (const [key, child] of Object.entries(value)) {
    const at = [...path, key]
    const id = JSON.stringify(at)
    const mayJoin = joined.has(id) && isRecord(child)
    if (!Object.hasOwn(target, key)) {
      const copy = mayJoin ? {} : child
      Object.defineProperty(target, key, { value: copy, enumerable: true, writable: true, configurable: true })
      result.owners.set(id, source)
      if (mayJoin) joinInto(copy as Record<string, unknown>, child, at, source, result)
    } else if (mayJoin && isRecord(target[key])) joinInto(target[key], child, at, source, result)
    else result.twice.push({ path: at, first: result.owners.get(id)!, second: source })
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `models.fast.targets[1].provider`; names that are no plain words in quotes. */
export function pathText(path: Path): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (/^[A-Za-z0-9_-]+$/.test(step)) text += text === '' ? step : `.${step}`
    else text += `[${JSON.stringify(step)}]`
  }
  return text
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}

/** Where in the text a path is; the nearest thing above it where it is not there. */
function offsetOf(root: Node | null, path: Path, ofKey: boolean): number {
  let node: unknown = root
  let offset = root?.range?.[0] ?? 0
  path.forEach((step, depth) => {
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isPair(item) && String(isNode(item.key) ? item.key.toJSON() : item.key) === String(step),
      )
      if (!pair) {
        node = undefined
        return
      }
      const last = depth === path.length - 1
      const target = last && !ofKey && isNode(pair.value) ? pair.value : pair.key
      if (isNode(target) && target.range) offset = target.range[0]
      node = pair.value
    } else if (isSeq(node)) {
      node = node.items[Number(step)]
      if (isNode(node) && node.range) offset = node.range[0]
    }
  })
  return offset
}

interface Explained {
  path: Path
  /** Whether the place is the key rather than its value. */
  ofKey: boolean
  message: string
  suggestion?: string
}

type Issue = z.core.$ZodIssue

/** Says a schema issue in words for people. One issue may be several mistakes (unknown keys). */
function explain(issue: Issue, root: unknown): Explained[] {
  const path = issue.path as Path
  const value = valueAt(root, path)
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => {
        const suggestion = nearest(key, knownKeys(path, root))
        return {
          path: [...path, key],
          ofKey: true,
          message: `there is no such key here`,
          ...(suggestion !== undefined && { suggestion }),
        }
      })
    case 'invalid_type':
      if (value === undefined)
        return [{ path, ofKey: true, message: `is missing; it must be ${article(issue.expected)}` }]
      return [{ path, ofKey: false, message: `must be ${article(issue.expected)}, not ${kindOf(value)}` }]
    case 'invalid_value': {
      const values = issue.values.map(String)
      const suggestion = typeof value === 'string' ? nearest(value, values) : undefined
      return [
        {
          path,
          ofKey: value === undefined,
          message: `must be ${values.length === 1 ? values[0] : `one of ${values.join(', ')}`}`,
          ...(suggestion !== undefined && { suggestion }),
        },
      ]
    }
    case 'invalid_union': {
      // The kinds of providers: `type` says which is meant.
      const types = providerTypes()
      const at = path.at(-1) === 'type' ? path.slice(0, -1) : path
      const type = valueAt(root, [...at, 'type'])
      const suggestion = typeof type === 'string' ? nearest(type, types) : undefined
      return [
        {
          path: type === undefined ? at : [...at, 'type'],
          ofKey: type === undefined,
          message: `${type === undefined ? 'type is missing; it' : `there is no provider type ${JSON.stringify(type)}; it`} must be one of ${types.join(', ')}`,
          ...(suggestion !== undefined && { suggestion }),
        },
      ]
    }
    case 'invalid_key':
      return [{ path, ofKey: true, message: issue.issues[0]?.message ?? 'is no valid name' }]
    default:
      return [{ path, ofKey: false, message: lowerFirst(issue.message) }]
  }
}

function article(expected: string): string {
  switch (expected) {
    case 'record':
    case 'object':
      return 'a mapping'
    case 'array':
      return 'a list'
    case 'int':
      return 'a whole number'
    default:
      return `a ${expected}`
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'a mapping' : `a ${typeof value}`
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Record<string | number, unknown>)[step]
  }
  return value
}

type Schema = z.core.$ZodType

/** Steps through wrappers (default, optional, prefault) to the schema inside. */
function unwrapped(schema: Schema): Schema {
  let inner = schema
  for (;;) {
    const { innerType } = inner._zod.def as { innerType?: Schema }
    if (!innerType) return inner
    inner = innerType
  }
}

type Definition = {
  type: string
  shape?: Record<string, Schema>
  valueType?: Schema
  element?: Schema
  options?: Schema[]
}

/** The keys that may stand at a path of this very document, by the schema. */
function knownKeys(path: Path, root: unknown): string[] {
  let schema: Schema = unwrapped(rulesSchema)
  path.forEach((step, depth) => {
    const def = schema._zod.def as unknown as Definition
    const next = def.shape?.[String(step)] ?? def.valueType ?? def.element
    if (!next) return
    schema = unwrapped(next)
    const { options } = schema._zod.def as unknown as Definition
    if (options) {
      const type = valueAt(root, [...path.slice(0, depth + 1), 'type'])
      schema = options.find((option) => typeOf(option) === type) ?? schema
    }
  })
  return Object.keys((schema._zod.def as unknown as Definition).shape ?? {})
}

/** The value of an object schema's literal `type`. */
function typeOf(schema: Schema): unknown {
  const type = (schema._zod.def as unknown as Definition).shape?.type
  return type && (type._zod.def as unknown as { values?: unknown[] }).values?.[0]
}

/** The values that a provider's `type` may have. */
export function providerTypes(): string[] {
  const { shape } = unwrapped(rulesSchema)._zod.def as unknown as Definition
  const { valueType } = unwrapped(shape!.providers!)._zod.def as unknown as Definition
  const { options } = unwrapped(valueType!)._zod.def as unknown as Definition
  return (options ?? []).map((option) => String(typeOf(option)))
}
