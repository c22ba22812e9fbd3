import type { JsonObject } from '../../conversation.ts'
import { invalid } from '../../errors.ts'
import { at, numberField, objectField } from '../../fields.ts'

/** Readers of this API's requests beyond the common ones of fields.ts. They take null for absent, as the API does. */

export function requiredObject(object: JsonObject, key: string, parent = ''): JsonObject {
  const value = objectField(object, key, parent)
  if (value === undefined) throw invalid(at(parent, key), `${at(parent, key)} is required.`)
  return value
}

/** A whole number inside another object, none below `least`. */
export function nestedCount(object: JsonObject, key: string, least: number, parent: string): number | undefined {
  const value = numberField(object, key, parent)
  if (value === undefined || (Number.isInteger(value) && value >= least)) return value
  throw invalid(at(parent, key), `${at(parent, key)} must be a whole number of at least ${least}.`)
}
