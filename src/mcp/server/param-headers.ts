import { isObject } from '../../json.ts'
import { headerValue } from '../header-value.ts'
import type { JsonObject } from '../protocol.ts'

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/
const primitives = ['integer', 'string', 'boolean']
const deepest = 20
const cache = new WeakMap<JsonObject, readonly Mirrored[] | 'invalid'>()

/** An argument that a tool wants in a header. */
export interface Mirrored {
  readonly header: string
  readonly path: readonly string[]
}

/**
 * The arguments that a tool's schema wants in headers (2026-07-28, Custom Headers from Tool Parameters).
 * @returns `invalid` where an annotation breaks the specification's constraints: such a tool is not to be shown
 */
export function mirroredIn(schema: JsonObject): readonly Mirrored[] | 'invalid' {
  let found = cache.get(schema)
  if (!found) {
    found = look(schema)
    cache.set(schema, found)
  }
  return found
}

/** The headers of a call. */
export function* paramHeaders(schema: JsonObject, args: JsonObject): Iterable<readonly [string, string]> {
  const mirrored = mirroredIn(schema)
  if (mirrored === 'invalid') return
  for (const { header, path } of mirrored) {
    let value: unknown = args
    for (const step of path) value = isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined
    if (typeof value === 'string') yield [`mcp-param-${header}`, headerValue(value)]
    else if (typeof value === 'boolean' || Number.isSafeInteger(value)) yield [`mcp-param-${header}`, String(value)]
  }
}

function look(schema: JsonObject): readonly Mirrored[] | 'invalid' {
  const found: Mirrored[] = []
  const names = new Set<string>()
  let valid = true
  /** @param reachable whether only `properties` lead here */
  const walk = (node: unknown, path: readonly string[], reachable: boolean, depth: number): void => {
    if (depth > deepest || !valid) return
    if (Array.isArray(node)) {
      for (const item of node) walk(item, path, false, depth + 1)
      return
    }
    if (!isObject(node)) return
    if ('x-mcp-header' in node) {
      const header = node['x-mcp-header']
      const name = typeof header === 'string' ? header.toLowerCase() : ''
      if (
        !reachable ||
        path.length === 0 ||
        !token.test(name) ||
        names.has(name) ||
        !primitives.includes(String(node.type))
      ) {
        valid = false
        return
      }
      names.add(name)
      found.push({ header: name, path })
    }
    for (const [key, child] of Object.entries(node)) {
      if (key === 'properties' && isObject(child))
        for (const [name, property] of Object.entries(child)) walk(property, [...path, name], reachable, depth + 2)
      // What stands in these is data, not a schema.
      else if (!['default', 'const', 'enum', 'examples'].includes(key)) walk(child, path, false, depth + 1)
    }
  }
  walk(schema, [], true, 0)
  return valid ? found : 'invalid'
}
