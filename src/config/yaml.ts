import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLError,
} from 'yaml'
import { aboutFile, type Diagnostic, type Place, type RuleFile } from './diagnostic.ts'
import type { Path } from './path.ts'

/** A file that was parsed. */
export interface Source {
  readonly name: string
  /** What it holds; null where it is empty. */
  readonly value: unknown
  /**
   * @param ofKey whether the key is meant rather than what stands behind it
   * @returns where a path is; the nearest thing above it where it is not there
   */
  at(path: Path, ofKey: boolean): Place
}

/** After the first few errors of form, the others are mostly consequences. */
const mostErrors = 5
const deepest = 64
/** Each is looked up among all before it. */
const mostAliases = 1000
/** Values after aliases are unfolded. */
const mostValues = 500_000

/**
 * Reads a file as YAML 1.2 (core schema; JSON is part of it): one document, keys that are names and stand once, no tags of
 * other types, no merge keys, and no more values than a file of its length can hold without tricks.
 * @returns what is wrong with its form, where it is wrong
 */
export function parseYaml({ name, text }: RuleFile): Source | Diagnostic[] {
  const lines = new LineCounter()
  const document = parseDocument(text.replace(/^\uFEFF/, ''), {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    // Looked for below: the parser compares each key with each other.
    uniqueKeys: false,
  })
  const placeOf = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { file: name, line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const wrong = (offset: number, message: string): Diagnostic => ({ ...placeOf(offset), path: '', message })

  if (document.errors.length > 0) {
    // Where the parser gave up, what it says of the rest is of no use.
    const gaveUp = document.errors.filter(({ code }) => code === 'RESOURCE_EXHAUSTION')
    const shown = gaveUp.length > 0 ? gaveUp : document.errors
    return shown.slice(0, mostErrors).map((error) => wrong(error.pos[0], inWords(error)))
  }
  const { explicit, version } = document.directives?.yaml ?? {}
  if (explicit && version !== '1.2') return [wrong(0, 'must be YAML 1.2; leave out the %YAML line')]
  const misuses = misusesIn(document)
  if (misuses.length > 0)
    return misuses.slice(0, mostErrors).map(({ offset, message, before }) => {
      const first = before === undefined ? '' : ` (line ${placeOf(before).line} has it already)`
      return wrong(offset, `${message}${first}`)
    })

  // Aliases are one value wherever they stand; what they unfold to is counted next.
  const value: unknown = document.toJS({ maxAliasCount: -1 })
  const excess = excessOf(value)
  if (excess !== undefined) return [aboutFile(name, excess)]
  return { name, value, at: (path, ofKey) => placeOf(offsetOf(document.contents, path, ofKey)) }
}

function inWords({ code, message }: YAMLError): string {
  switch (code) {
    case 'TAB_AS_INDENT':
      return 'lines must be indented with spaces, not with tabs'
    case 'MULTIPLE_DOCS':
      return 'a second document begins here; a file must be one document: leave out the ---'
    case 'NON_STRING_KEY':
      return 'keys must be plain names, not lists or mappings'
    case 'RESOURCE_EXHAUSTION':
      return tooDeep
    default:
      return message.charAt(0).toLowerCase() + message.slice(1)
  }
}

const tooDeep = `must not be nested more than ${deepest} levels deep`

/** Something that is YAML and yet nothing that rules are written with. */
interface Misuse {
  offset: number
  message: string
  /** Where the first of two is. */
  before?: number
}

const plainTags = new Set(['!', ...['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map(coreTag)])

function coreTag(type: string): string {
  return `tag:yaml.org,2002:${type}`
}

function misusesIn({ contents }: Document.Parsed): Misuse[] {
  const found: Misuse[] = []
  const anchors = new Set<string>()
  let aliases = 0
  const look = (node: unknown, depth: number): void => {
    if (!isNode(node)) return
    const offset = offsetAt(node)
    if (depth > deepest) {
      found.push({ offset, message: tooDeep })
      return
    }
    if (isAlias(node)) {
      if (++aliases === mostAliases + 1)
        found.push({ offset, message: `is one alias too many: there must be at most ${mostAliases}` })
      if (!anchors.has(node.source)) found.push({ offset, message: `there is no anchor &${node.source} before this` })
      return
    }
    if (node.anchor) anchors.add(node.anchor)
    if (node.tag && !plainTags.has(node.tag))
      found.push({ offset, message: `must be written without the tag ${node.tag.replace(coreTag(''), '!!')}` })
    if (isScalar(node) && typeof node.value === 'number' && !Number.isFinite(node.value))
      found.push({ offset, message: 'must be a finite number' })
    else if (isSeq(node)) for (const item of node.items) look(isPair(item) ? item.value : item, depth + 1)
    else if (isMap(node)) {
      const keys = new Map<string, number>()
      for (const { key, value } of node.items) {
        found.push(...misusesOfKey(key, keys))
        look(key, depth + 1)
        look(value, depth + 1)
      }
    }
  }
  look(contents, 0)
  return found
}

/** @param keys those before it, and where they are */
function misusesOfKey(key: unknown, keys: Map<string, number>): Misuse[] {
  const name = keyOf(key)
  const offset = offsetAt(key)
  const before = keys.get(name)
  if (before !== undefined) return [{ offset, message: `${JSON.stringify(name)} must stand here once only`, before }]
  keys.set(name, offset)
  if (name === '<<')
    return [
      { offset, message: 'merge keys (<<) are not part of YAML 1.2; write the keys out, or use an alias for all' },
    ]
  // A key that JavaScript would take for something else is dropped by what reads it.
  if (name === '__proto__') return [{ offset, message: '"__proto__" must not be used as a name' }]
  return []
}

function keyOf(key: unknown): string {
  return String(isScalar(key) ? key.value : key)
}

function offsetAt(node: unknown): number {
  return isNode(node) ? (node.range?.[0] ?? 0) : 0
}

/** @returns what there is too much of, with every alias unfolded; an alias inside its own anchor is endless */
function excessOf(root: unknown): string | undefined {
  let values = 0
  const look = (value: unknown, depth: number): string | undefined => {
    if (depth > deepest) return tooDeep
    if (++values > mostValues) return `must not hold more than ${mostValues} values, those of aliases included`
    if (typeof value !== 'object' || value === null) return undefined
    for (const child of Object.values(value)) {
      const excess = look(child, depth + 1)
      if (excess !== undefined) return excess
    }
    return undefined
  }
  return look(root, 0)
}

function offsetOf(root: Node | null, path: Path, ofKey: boolean): number {
  let node: unknown = root
  let offset = offsetAt(root)
  for (const [depth, step] of path.entries()) {
    if (isMap(node)) {
      const pair: Pair | undefined = node.items.find(({ key }) => keyOf(key) === String(step))
      if (!pair) return offset
      const last = depth === path.length - 1
      offset = offsetAt(last && !ofKey && isNode(pair.value) ? pair.value : pair.key)
      node = pair.value
    } else if (isSeq(node)) {
      node = node.items[Number(step)]
      if (isNode(node)) offset = offsetAt(node)
    } else return offset
  }
  return offset
}
