import { isObject } from '../../fields.ts'

/** What strict mode does not know at all. */
const unknownKeywords = [
  'allOf',
  'oneOf',
  'not',
  'if',
  'then',
  'else',
  'dependentRequired',
  'dependentSchemas',
  'patternProperties',
] as const

/** Strict mode allows ten levels; each takes at most two steps down (`properties`, `items`) here. */
const maxDepth = 20

/**
 * Whether a function's parameters are as strict mode wants them: an object at the root, and every object closed
 * (`additionalProperties: false`) with all of its properties required
 * (the guide to structured outputs, "Supported schemas").
 */
export function meetsStrictRules(schema: unknown): boolean {
  return isObject(schema) && schema.type === 'object' && schema.anyOf === undefined && isStrict(schema, 0)
}

function isStrict(schema: unknown, depth: number): boolean {
  if (!isObject(schema) || depth > maxDepth) return false
  if (unknownKeywords.some((keyword) => schema[keyword] !== undefined)) return false
  if (describesObject(schema.type) || schema.properties !== undefined) {
    const properties = schema.properties ?? {}
    if (schema.additionalProperties !== false || !isObject(properties)) return false
    const required = new Set(Array.isArray(schema.required) ? schema.required : [])
    if (!Object.keys(properties).every((name) => required.has(name))) return false
  }
  const { items, anyOf } = schema
  return [
    ...[schema.properties, schema.$defs, schema.definitions].filter(isObject).flatMap(Object.values),
    ...(Array.isArray(anyOf) ? anyOf : []),
    ...(items === undefined ? [] : [items]),
  ].every((inner) => isStrict(inner, depth + 1))
}

function describesObject(type: unknown): boolean {
  return type === 'object' || (Array.isArray(type) && type.includes('object'))
}
