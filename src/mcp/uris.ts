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

/** Whether a URI has segments that lead out of where it seems to be (RFC 3986, section 5.2.4), also in disguise. */
export function climbs(uri: string): boolean {
  let text = uri
  // Encoded twice, it is decoded twice by who is careless.
  for (let i = 0; i < 3 && text.includes('%'); i++)
    text = text.replace(/%(2e|2f|5c|25)/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return /(?:^|[/\\:])\.{1,2}(?:[/\\?#]|$)/.test(text)
}

/** Whether who subscribed to a resource is told of another: of itself, or of a part of it (schema: ResourceUpdatedNotificationParams). */
export function concerns(subscribed: string, updated: string): boolean {
  return updated === subscribed || updated.startsWith(subscribed.endsWith('/') ? subscribed : `${subscribed}/`)
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
