import type { JsonObject } from './conversation.ts'
import { ApiError, invalid } from './errors.ts'

/**
 * Readers for JSON that came over the wire. A client's request is held to its types (the `…Field` readers throw, naming
 * the path); a provider's answer is taken as it comes (the `…Of` readers never throw).
 */

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** @returns the value where it is an object, else an empty one. */
export function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

/** @returns the objects of an array, anything else left out. */
export function objectsOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

/** @returns the value where it is a string, else an empty one. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** @returns the value where it is a number that counts something, and can be added to others without becoming infinite. */
export function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : undefined
}

/** Where a field stands: `input[2].content`, or the bare name at the top level. */
export function at(parent: string, key: string): string {
  return parent === '' ? key : `${parent}.${key}`
}

/** A feature that only OpenAI's own servers have, in a request that goes elsewhere. */
export function unsupported(param: string, message: string): ApiError {
  return new ApiError(400, 'invalid_request_error', message, { code: 'unsupported_field', param })
}

/** The readers below take null for absent, as the API does. */
export function textField(object: JsonObject, key: string, parent = ''): string | undefined {
  const value = object[key] ?? undefined
  if (value === undefined || typeof value === 'string') return value
  throw invalid(at(parent, key), `${at(parent, key)} must be a string.`)
}

export function requiredText(object: JsonObject, key: string, parent = ''): string {
  const value = textField(object, key, parent)
  if (value === undefined) throw invalid(at(parent, key), `${at(parent, key)} is required.`)
  return value
}

export function numberField(object: JsonObject, key: string, parent = ''): number | undefined {
  const value = object[key] ?? undefined
  if (value === undefined || (typeof value === 'number' && Number.isFinite(value))) return value
  throw invalid(at(parent, key), `${at(parent, key)} must be a number.`)
}

/** A whole number, none below `least`. */
export function countField(object: JsonObject, key: string, least: number): number | undefined {
  const value = numberField(object, key)
  if (value === undefined || (Number.isSafeInteger(value) && value >= least)) return value
  throw invalid(key, `${key} must be a whole number of at least ${least}.`)
}

export function booleanField(object: JsonObject, key: string, parent = ''): boolean | undefined {
  const value = object[key] ?? undefined
  if (value === undefined || typeof value === 'boolean') return value
  throw invalid(at(parent, key), `${at(parent, key)} must be true or false.`)
}

export function objectField(object: JsonObject, key: string, parent = ''): JsonObject | undefined {
  const value = object[key] ?? undefined
  if (value === undefined || isObject(value)) return value
  throw invalid(at(parent, key), `${at(parent, key)} must be an object.`)
}

export function listField(object: JsonObject, key: string, parent = ''): unknown[] | undefined {
  const value = object[key] ?? undefined
  if (value === undefined || Array.isArray(value)) return value
  throw invalid(at(parent, key), `${at(parent, key)} must be an array.`)
}

/** An array of objects, each with the path it stands at. */
export function objectList(object: JsonObject, key: string, parent = ''): [JsonObject, string][] {
  return (listField(object, key, parent) ?? []).map((value, index) => {
    const path = `${at(parent, key)}[${index}]`
    if (isObject(value)) return [value, path]
    throw invalid(path, `${path} must be an object.`)
  })
}

/** A string out of a few. */
export function wordField<W extends string>(
  object: JsonObject,
  key: string,
  words: readonly W[],
  parent = '',
): W | undefined {
  const value = textField(object, key, parent)
  if (value === undefined || isOneOf(value, words)) return value
  throw invalid(at(parent, key), `${at(parent, key)} must be one of ${words.join(', ')}.`)
}

export function isOneOf<W extends string>(value: string, words: readonly W[]): value is W {
  return (words as readonly string[]).includes(value)
}

/** The object without the fields that are undefined, so that `in` and JSON agree about what is there. */
export function definedOnly<T extends object>(object: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T
}
