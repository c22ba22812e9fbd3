import type { JsonObject } from './conversation.ts'

/** Whether a value is a JSON object, not null and not an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Parses bytes as a JSON object. @returns undefined where they are something else */
export function parseObject(bytes: Uint8Array): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
