import { type Document, isAlias, isMap, isNode, isPair, isScalar, isSeq } from 'yaml'

/** Levels of lists and mappings in each other. */
export const deepest = 64
export const tooDeep = `must not be nested more than ${deepest} levels deep`
/** Each is looked up among all before it. */
const mostAliases = 1000

/** Something that is YAML and yet nothing that rules are written with. */
export interface Misuse {
  offset: number
  message: string
  /** Where the first of two is. */
  before?: number
}

const plainTags = new Set(['!', ...['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map(coreTag)])

function coreTag(type: string): string {
  return `tag:yaml.org,2002:${type}`
}

/** Looks for all of them, in the order of the file. */
export function misusesIn({ contents }: Document.Parsed): Misuse[] {
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

/** The name that a key is. */
export function keyOf(key: unknown): string {
  return String(isScalar(key) ? key.value : key)
}

/** Where a node begins. */
export function offsetAt(node: unknown): number {
  return isNode(node) ? (node.range?.[0] ?? 0) : 0
}
