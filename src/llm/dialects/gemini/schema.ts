import type { JsonObject } from '../../conversation.ts'
import { invalid } from '../../errors.ts'
import { at, isObject } from '../../fields.ts'
import { camelFields } from './spelling.ts'

/** Deeper than any schema that a model is shown. */
const deepest = 64

/** Google's `Type`, without the one that says nothing. */
const types = ['string', 'number', 'integer', 'boolean', 'array', 'object', 'null']

/** Formats of Google's that JSON Schema does not know and that bound nothing a JSON number or an `enum` does not. */
const protobufFormats = ['float', 'double', 'int32', 'int64', 'enum']

/** Bounds that protobuf writes as text, being 64 bits wide. */
const counts = ['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties']

/** Where schemas stand inside a schema; beyond those of Google's `Schema`, what the Gemini API takes as well. */
const inside = {
  one: ['items', 'additionalProperties'],
  list: ['anyOf', 'oneOf', 'allOf', 'prefixItems'],
  map: ['properties', '$defs'],
}

/**
 * Reads Google's `Schema`, its selection of OpenAPI 3.0, as JSON Schema: type names in lower case, `nullable` as the
 * type null, `example` as `examples`, properties in the order of `propertyOrdering`.
 * @param path where it stands in the request
 * @param closed whether objects have no other properties than those named: true of what a model's answer is held to
 * @throws {ApiError} 400 where a type is not known or a part of the schema is no object
 * @see {@link https://ai.google.dev/api/caching#Schema}
 */
export function readSchema(schema: JsonObject, path: string, closed = false): JsonObject {
  return read(schema, path, closed, 0)
}

function read(value: unknown, path: string, closed: boolean, depth: number): JsonObject {
  if (!isObject(value)) throw invalid(path, `${path} must be an object.`)
  if (depth > deepest) throw invalid(path, `${path}: the schema is nested too deeply.`)
  const { type, nullable, example, propertyOrdering, format, ...rest } = camelFields(value)
  const json: JsonObject = { ...typeField(type, path), ...rest }
  if (typeof format === 'string' && !protobufFormats.includes(format)) json.format = format
  if (example !== undefined) json.examples = [example]
  for (const key of counts) if (typeof json[key] === 'string') json[key] = Number(json[key])
  for (const key of inside.one) if (isObject(json[key])) json[key] = read(json[key], at(path, key), closed, depth + 1)
  for (const key of inside.list) {
    const list = json[key]
    if (Array.isArray(list))
      json[key] = list.map((item, index) => read(item, `${at(path, key)}[${index}]`, closed, depth + 1))
  }
  for (const key of inside.map) {
    const map = json[key]
    if (isObject(map))
      json[key] = Object.fromEntries(
        ordered(Object.keys(map), propertyOrdering).map((name) => [
          name,
          read(map[name], at(at(path, key), name), closed, depth + 1),
        ]),
      )
  }
  if (closed && isObject(json.properties)) json.additionalProperties ??= false
  return nullable === true ? orNull(json) : json
}

function typeField(type: unknown, path: string): JsonObject {
  if (type === undefined || type === null || type === 'TYPE_UNSPECIFIED') return {}
  if (Array.isArray(type)) return { type }
  const name = typeof type === 'string' ? type.toLowerCase() : ''
  if (types.includes(name)) return { type: name }
  throw invalid(at(path, 'type'), `${at(path, 'type')} must be one of ${types.join(', ').toUpperCase()}.`)
}

/** The names that the ordering has first, then the others. */
function ordered(names: string[], ordering: unknown): string[] {
  if (!Array.isArray(ordering)) return names
  const first = ordering.filter((name): name is string => names.includes(name))
  return [...new Set([...first, ...names])]
}

function orNull(json: JsonObject): JsonObject {
  if (Array.isArray(json.enum)) json.enum = [...json.enum, null]
  if (typeof json.type === 'string') return { ...json, type: [json.type, 'null'] }
  if (Array.isArray(json.anyOf)) return { ...json, anyOf: [...json.anyOf, { type: 'null' }] }
  return json
}
