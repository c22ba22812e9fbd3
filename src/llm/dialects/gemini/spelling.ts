import type { JsonObject } from '../../conversation.ts'
import { isObject } from '../../fields.ts'

/**
 * Google's servers take every field in two spellings (protobuf.dev/programming-guides/json): `inlineData`, which its
 * SDKs and answers use, and `inline_data`.
 * @param object a message of the API, not a map whose keys are the client's own
 * @returns the object with its own fields in the first spelling, which wins where both are there
 */
export function camelFields(object: JsonObject): JsonObject {
  const keys = Object.keys(object)
  if (!keys.some((key) => key.includes('_'))) return object
  const spelled: JsonObject = {}
  for (const key of keys) {
    const camel = camelCase(key)
    if (camel === key || !Object.hasOwn(object, camel)) spelled[camel] = object[key]
  }
  return spelled
}

/** The same for a value that should be a message; anything else stays, for a reader to complain about. */
export function camelValue(value: unknown): unknown {
  return isObject(value) ? camelFields(value) : value
}

function camelCase(key: string): string {
  return key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}
