import { isMap, isNode, isSeq, LineCounter, type Node, type Pair, parseDocument, type YAMLError } from 'yaml'
import { aboutFile, type Diagnostic, type Place, type RuleFile } from './diagnostic.ts'
import { deepest, keyOf, misusesIn, offsetAt, tooDeep } from './misuse.ts'
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
    const gaveUp = document.errors.find(({ code }) => code === 'RESOURCE_EXHAUSTION')
    const shown = gaveUp ? [gaveUp] : document.errors.slice(0, mostErrors)
    return shown.map((error) => wrong(error.pos[0], inWords(error)))
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
