/** A JSON object. */
export type JsonObject = Record<string, unknown>

/** Whether a value is a JSON object, not null and not an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * How deep objects and arrays may stand in each other. JSON.parse reads any depth, but JSON.stringify and all that
 * walks through a body would run out of stack: a few hundred kilobytes of brackets must not do that.
 */
export const deepest = 512

/** Parses bytes as a JSON object. @returns undefined where they are something else, or nested deeper than `deepest` */
export function parseObject(bytes: Uint8Array): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
    // A level takes two bytes at least, so short texts need no look.
    return isObject(value) && (bytes.length <= 2 * deepest || within(deepest, value)) ? value : undefined
  } catch {
    return undefined
  }
}

/** Whether what was parsed has no more levels than these. */
function within(levels: number, value: object): boolean {
  if (levels === 0) return false
  const items: Iterable<unknown> = Array.isArray(value) ? value : Object.values(value)
  for (const item of items) if (typeof item === 'object' && item !== null && !within(levels - 1, item)) return false
  return true
}
