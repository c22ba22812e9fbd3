import { isObject, type JsonObject } from '../../json.ts'
import { invalidParams } from '../errors.ts'

/** Reading objects of 0.3, whose fields agents' SDKs take by two names. */

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
const snakeNames = new Map<string, string>()

/**
 * A field by its name in camelCase, or in snake_case, which readers of protobuf's JSON and the SDK for Python take for the
 * same: one that the gateway did not see could name a task that is not the caller's.
 * @returns undefined where it is absent or null
 * @throws {A2aError} where both are there, as readers differ on which counts
 */
export function field(object: JsonObject, name: string): unknown {
  let other = snakeNames.get(name)
  if (other === undefined) {
    other = snake(name)
    snakeNames.set(name, other)
  }
  const value = object[name] ?? undefined
  if (other === name) return value
  const second = object[other] ?? undefined
  if (value !== undefined && second !== undefined) throw invalidParams(name, `is there twice, also as ${other}`)
  return value ?? second
}

/** An object. @throws {A2aError} where it is something else */
export function objectAt(value: unknown, path: string): JsonObject {
  if (!isObject(value)) throw invalidParams(path, 'must be an object')
  return value
}

/** An object, or undefined. @throws {A2aError} where it is something else */
export function optionalObject(value: unknown, path: string): JsonObject | undefined {
  return value === undefined || value === null ? undefined : objectAt(value, path)
}

/** A list, empty where it is absent. @throws {A2aError} where it is something else */
export function listAt(value: unknown, path: string): unknown[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalidParams(path, 'must be a list')
  return value
}

/** The object without the fields that are undefined, empty texts or empty lists: what protobuf's JSON leaves out as well. */
export function compact(object: JsonObject): JsonObject {
  const result: JsonObject = {}
  for (const [name, value] of Object.entries(object))
    if (value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0)) result[name] = value
  return result
}
