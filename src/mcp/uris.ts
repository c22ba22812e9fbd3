import { isObject } from '../json.ts'
import type { JsonObject } from './protocol.ts'

/** Content blocks stand at most this deep in results. */
const deepest = 6

/**
 * Rewrites the URIs of resources in a result: of resource links, of embedded resources, and of what was read.
 * @param rewrite makes the client's URI of the server's
 * @returns the same object where nothing was to be done
 */
export function withUris(result: JsonObject, rewrite: (uri: string) => string): JsonObject {
  const value = walk(result, rewrite, 0)
  return value as JsonObject
}

function walk(value: unknown, rewrite: (uri: string) => string, depth: number): unknown {
  if (depth > deepest || typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    let copy: unknown[] | undefined
    for (let i = 0; i < value.length; i++) {
      const item = walk(value[i], rewrite, depth + 1)
      if (item !== value[i]) {
        copy ??= [...value]
        copy[i] = item
      }
    }
    return copy ?? value
  }
  const object = value as JsonObject
  let copy: JsonObject | undefined
  for (const key of ['content', 'contents', 'messages', 'resource']) {
    if (!(key in object)) continue
    // What was read, and what is embedded, is the resource itself.
    const inner =
      key === 'contents' || key === 'resource' ? itself(object[key], rewrite) : walk(object[key], rewrite, depth + 1)
    if (inner !== object[key]) copy = { ...(copy ?? object), [key]: inner }
  }
  if (object.type === 'resource_link' && typeof object.uri === 'string')
    copy = { ...(copy ?? object), uri: rewrite(object.uri) }
  return copy ?? object
}

function itself(value: unknown, rewrite: (uri: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => itself(item, rewrite))
  return isObject(value) && typeof value.uri === 'string' ? { ...value, uri: rewrite(value.uri) } : value
}
