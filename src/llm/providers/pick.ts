import type { JsonObject } from '../conversation.ts'

/** A copy of a body with only these fields. */
export function pick(body: JsonObject, fields: readonly string[]): JsonObject {
  const picked: JsonObject = {}
  for (const field of fields) if (Object.hasOwn(body, field)) picked[field] = body[field]
  return picked
}
