import { isObject } from '../../json.ts'
import type { JsonObject } from '../protocol.ts'
import type { OpenApiDocument } from './document.ts'

const deepest = 40
const mostDefinitions = 500

/** What stands beside schemas in OpenAPI 3.0 and is none of JSON Schema's. */
const foreign = new Set(['discriminator', 'xml', 'externalDocs', 'example', 'nullable'])

/**
 * Turns schemas of a document into JSON Schema 2020-12 that stands by itself: what is referred to comes along as `$defs`, so that
 * types may refer to themselves; 3.0's `nullable` and exclusive bounds get their later forms.
 */
export class SchemaWriter {
  readonly #document: OpenApiDocument
  readonly #definitions: JsonObject = {}
  readonly #names = new Map<string, string>()

  constructor(document: OpenApiDocument) {
    this.#document = document
  }

  /** @param path where it stands, for messages @throws {DocumentError} */
  write(schema: unknown, path: string, depth = 0): JsonObject {
    if (depth > deepest) throw this.#document.error(path, 'is nested too deep')
    if (schema === true || schema === undefined) return {}
    if (schema === false) return { not: {} }
    if (!isObject(schema)) throw this.#document.error(path, 'must be a schema')
    if (typeof schema.$ref === 'string') return { $ref: `#/$defs/${this.#define(schema.$ref, path)}` }
    const written: JsonObject = {}
    for (const [key, value] of Object.entries(schema)) {
      if (foreign.has(key) || key.startsWith('x-')) continue
      const inner = `${path}.${key}`
      if ((key === 'properties' || key === 'patternProperties' || key === '$defs') && isObject(value)) {
        // What only the server sets is not for callers to give.
        const kept = Object.entries(value).filter(([, property]) => !(isObject(property) && property.readOnly === true))
        written[key] = Object.fromEntries(
          kept.map(([name, property]) => [name, this.write(property, `${inner}.${name}`, depth + 1)]),
        )
      } else if (['items', 'additionalProperties', 'not', 'if', 'then', 'else', 'contains'].includes(key))
        written[key] = typeof value === 'boolean' ? value : this.write(value, inner, depth + 1)
      else if (['allOf', 'anyOf', 'oneOf', 'prefixItems'].includes(key) && Array.isArray(value))
        written[key] = value.map((each, i) => this.write(each, `${inner}.${i}`, depth + 1))
      else written[key] = value
    }
    if (isObject(written.properties) && Array.isArray(written.required)) {
      const { properties } = written
      written.required = written.required.filter((name) => typeof name === 'string' && Object.hasOwn(properties, name))
    }
    for (const [flag, bound] of [
      ['exclusiveMinimum', 'minimum'],
      ['exclusiveMaximum', 'maximum'],
    ] as const)
      if (typeof written[flag] === 'boolean') {
        if (written[flag] === true && typeof written[bound] === 'number') {
          written[flag] = written[bound]
          delete written[bound]
        } else delete written[flag]
      }
    if (schema.nullable === true) {
      if (typeof written.type === 'string') written.type = [written.type, 'null']
      else return { anyOf: [written, { type: 'null' }] }
      if (Array.isArray(written.enum) && !written.enum.includes(null)) written.enum = [...written.enum, null]
    }
    return written
  }

  /** The schema with the definitions that it needs. */
  withDefinitions(schema: JsonObject): JsonObject {
    return Object.keys(this.#definitions).length > 0 ? { ...schema, $defs: this.#definitions } : schema
  }

  #define(reference: string, path: string): string {
    let name = this.#names.get(reference)
    if (name === undefined) {
      if (this.#names.size >= mostDefinitions) throw this.#document.error(path, 'needs too many definitions')
      name = `${reference
        .split('/')
        .at(-1)!
        .replace(/[^A-Za-z0-9_.-]/g, '_')}`
      while (Object.hasOwn(this.#definitions, name)) name += '_'
      this.#names.set(reference, name)
      this.#definitions[name] = {}
      this.#definitions[name] = this.write(this.#document.object({ $ref: reference }, path), reference, 1)
    }
    return name
  }
}
