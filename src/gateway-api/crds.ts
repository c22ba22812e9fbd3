import { z } from 'zod'
import { type Kind, kinds, ownGroup, ownVersion } from './kinds.ts'
import { documentPattern, forbiddenKeys, forbiddenTypes, secretPattern } from './own-limits.ts'
import { type OwnKind, ownSpecs } from './own-specs.ts'

/**
 * CustomResourceDefinitions of our own kinds, made of the rules' own schema. Their schemas are structural
 * (apiextensions.k8s.io/v1): alternatives become one object that may say what any of them may, because the API server knows no others;
 * which goes with which is checked by the gateway, and said in the object's status.
 */

export type Schema = {
  type?: string
  properties?: Record<string, Schema>
  additionalProperties?: Schema
  items?: Schema
  required?: string[]
  enum?: unknown[]
  [key: string]: unknown
}

/** What is kept of JSON Schema as it is. */
const kept = [
  'description',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
] as const

/** The largest and smallest numbers that say no more than that a number is whole. */
const isNoBound = (value: unknown) => Math.abs(Number(value)) >= Number.MAX_SAFE_INTEGER

/** A structural schema of a JSON Schema (2020-12) as zod makes them, without what objects of a cluster may not say. */
export function structural(schema: Schema): Schema {
  const alternatives = (schema.anyOf ?? schema.oneOf) as Schema[] | undefined
  if (alternatives) return described(schema, merged(alternatives.map(structural)))
  if (schema.const !== undefined) return described(schema, { type: typeOf(schema.const), enum: [schema.const] })
  const made: Schema = {}
  if (typeof schema.type === 'string') made.type = schema.type
  for (const key of kept) if (schema[key] !== undefined && !isNoBound(schema[key])) made[key] = schema[key]
  // Numbers in draft 2020-12, a flag beside the bound in OpenAPI 3.0.
  if (typeof schema.exclusiveMinimum === 'number') {
    made.minimum = schema.exclusiveMinimum
    made.exclusiveMinimum = true
  }
  if (schema.enum) {
    made.enum = schema.enum
    made.type ??= typeOf(schema.enum[0])
  }
  if (typeof made.pattern === 'string') made.pattern = patternOf(made.pattern)
  if (made.pattern === undefined) delete made.pattern
  if (schema.properties) {
    const known = Object.entries(schema.properties).filter(([key]) => !forbiddenKeys.has(key))
    made.properties = Object.fromEntries(known.map(([key, child]) => [key, propertyOf(key, child)]))
    // What has a default need not be said: the gateway fills it in.
    const needed = (schema.required ?? []).filter(
      (key) => made.properties![key] && schema.properties![key]!.default === undefined,
    )
    if (needed.length > 0) made.required = needed
  } else if (schema.additionalProperties && typeof schema.additionalProperties === 'object')
    made.additionalProperties = structural(schema.additionalProperties)
  if (schema.items) made.items = structural(schema.items)
  if (made.type === undefined && made.enum === undefined) made['x-kubernetes-preserve-unknown-fields'] = true
  return made
}

function propertyOf(key: string, schema: Schema): Schema {
  const made = structural(schema)
  if (key === 'type' && made.enum)
    return { ...made, enum: made.enum.filter((each) => !forbiddenTypes.has(String(each))) }
  if (key !== 'caFile') return made
  return {
    type: 'string',
    pattern: documentPattern,
    description: 'The authorities to trust instead of the system’s: ${configMap:NAME/KEY} or ${secret:NAME/KEY}',
  }
}

/** Secrets are referred to within a namespace; what RE2 does not know is left to the gateway. */
function patternOf(pattern: string): string | undefined {
  if (pattern.startsWith('^\\$\\{'))
    return pattern.includes('client') ? `${secretPattern}|^\\$\\{client\\}$` : secretPattern
  return /\(\?[=!<]/.test(pattern) ? undefined : pattern
}

/** One schema for what any of several allows. */
function merged(alternatives: readonly Schema[]): Schema {
  const usable = alternatives.filter(({ properties }) => {
    const types = properties?.type?.enum
    return types === undefined || types.length > 0
  })
  const types = new Set(usable.map(({ type }) => type))
  if (types.size !== 1 || types.has(undefined)) return { 'x-kubernetes-preserve-unknown-fields': true }
  const [type] = types
  if (type === 'object' && usable.every(({ properties }) => properties)) {
    const names = [...new Set(usable.flatMap(({ properties }) => Object.keys(properties!)))]
    const properties = Object.fromEntries(
      names.map((name) => [
        name,
        either(usable.flatMap(({ properties }) => (properties![name] ? [properties![name]] : []))),
      ]),
    )
    const required = names.filter((name) => usable.every((each) => each.required?.includes(name)))
    return { type: 'object', properties, ...(required.length > 0 && { required }) }
  }
  return either(usable)
}

/** One schema for values of several: what all of them say alike. */
function either(schemas: readonly Schema[]): Schema {
  const [first, ...rest] = schemas
  if (rest.every((each) => JSON.stringify(each) === JSON.stringify(first))) return first!
  const { description, type } = first!
  const about = schemas.every((each) => each.description === description) ? { description } : {}
  const alike = type !== undefined && schemas.every((each) => each.type === type)
  if (alike && schemas.every((each) => each.enum))
    return { type, enum: [...new Set(schemas.flatMap((each) => each.enum!))], ...about }
  if (alike && type === 'object') return { ...merged(schemas), ...about }
  if (alike && type === 'string' && schemas.every((each) => each.pattern !== undefined))
    return { type, pattern: [...new Set(schemas.map((each) => each.pattern))].join('|'), ...about }
  return { ...(alike && type !== 'array' ? { type } : { 'x-kubernetes-preserve-unknown-fields': true }), ...about }
}

function described(schema: Schema, made: Schema): Schema {
  return schema.description === undefined ? made : { ...made, description: schema.description }
}

function typeOf(value: unknown): string {
  return typeof value === 'number' ? (Number.isInteger(value) ? 'integer' : 'number') : typeof value
}

/** The JSON Schema of a part of the rules, as people write it. */
function jsonSchema(schema: z.ZodType): Schema {
  return z.toJSONSchema(schema, { io: 'input', reused: 'inline' }) as Schema
}

/** The structural schema of the spec of one of our kinds. */
export function specSchema(kind: OwnKind): Schema {
  const { part, beside, description } = ownSpecs[kind]
  const own = structural(jsonSchema(part))
  const others = structural(jsonSchema(z.object(beside)))
  const required = [...(others.required ?? []), ...(own.required ?? [])]
  return {
    type: 'object',
    description,
    properties: { ...others.properties, ...own.properties },
    ...(required.length > 0 && { required }),
  }
}

const condition: Schema = {
  type: 'object',
  properties: {
    type: { type: 'string', maxLength: 316 },
    status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
    reason: { type: 'string', maxLength: 1024 },
    message: { type: 'string', maxLength: 32_768 },
    observedGeneration: { type: 'integer', format: 'int64', minimum: 0 },
    lastTransitionTime: { type: 'string', format: 'date-time' },
  },
  required: ['type', 'status', 'reason', 'message', 'lastTransitionTime'],
}
const conditions: Schema = {
  type: 'array',
  maxItems: 16,
  items: condition,
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['type'],
}
const text: Schema = { type: 'string', maxLength: 253 }
const ancestors: Schema = {
  type: 'array',
  maxItems: 16,
  items: {
    type: 'object',
    properties: {
      ancestorRef: {
        type: 'object',
        properties: { group: text, kind: text, namespace: text, name: text, sectionName: text },
        required: ['name'],
      },
      controllerName: text,
      conditions,
    },
    required: ['ancestorRef', 'controllerName'],
  },
}

/** The CustomResourceDefinition of one of our kinds. */
export function customResourceDefinition(kind: OwnKind): Record<string, unknown> {
  const { plural } = kinds[kind satisfies Kind]
  const policy = 'targetRefs' in ownSpecs[kind].beside
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${ownGroup}`,
      ...(policy && { labels: { 'gateway.networking.k8s.io/policy': 'Direct' } }),
    },
    spec: {
      group: ownGroup,
      scope: 'Namespaced',
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase(), categories: ['chaperone'] },
      versions: [
        {
          name: ownVersion,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [
            ...(policy
              ? []
              : [{ name: 'Accepted', type: 'string', jsonPath: '.status.conditions[?(@.type=="Accepted")].status' }]),
            { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
          ],
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description: ownSpecs[kind].description,
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: specSchema(kind),
                status: {
                  type: 'object',
                  properties: policy ? { ancestors } : { conditions },
                },
              },
              required: ['spec'],
            },
          },
        },
      ],
    },
  }
}
