import type { z } from 'zod'
import { type Path, valueAt } from './path.ts'
import { rulesSchema } from './schema.ts'

/** What the schema lets stand at a place of the rules. */

type Schema = z.core.$ZodType

/** As much of a schema's definition as is looked at here. */
interface Definition {
  readonly type: string
  readonly innerType?: Schema
  readonly shape?: Readonly<Record<string, Schema>>
  readonly valueType?: Schema
  readonly element?: Schema
  readonly options?: readonly Schema[]
  /** Of an enumeration. */
  readonly entries?: Readonly<Record<string, string>>
  /** Of a literal. */
  readonly values?: readonly unknown[]
}

function definitionOf(schema: Schema): Definition {
  return schema._zod.def as unknown as Definition
}

/** Steps through wrappers (default, optional, prefault) to the schema inside. */
function unwrapped(schema: Schema): Schema {
  const { innerType } = definitionOf(schema)
  return innerType ? unwrapped(innerType) : schema
}

/** The schema at a path of these very rules: where there are kinds, that of the kind that is written. */
function schemaAt(path: Path, root: unknown): Schema | undefined {
  let schema: Schema | undefined = unwrapped(rulesSchema)
  for (const [depth, step] of path.entries()) {
    const { shape, valueType, element } = definitionOf(ofKind(schema, valueAt(root, path.slice(0, depth))))
    const next: Schema | undefined =
      shape && Object.hasOwn(shape, String(step)) ? shape[String(step)] : (valueType ?? element)
    if (!next) return undefined
    schema = unwrapped(next)
  }
  return schema
}

/** The alternative of a union that a mapping was written for: the one of its `type`, or the only one with keys. */
function ofKind(schema: Schema, value: unknown): Schema {
  const options = (definitionOf(schema).options ?? []).map(unwrapped)
  const withKeys = options.filter((option) => definitionOf(option).shape)
  const kind = valueAt(value, ['type'])
  return withKeys.find((option) => literalsOf(option, 'type').includes(kind)) ?? withKeys[0] ?? schema
}

function literalsOf(schema: Schema, key: string): readonly unknown[] {
  const literal = definitionOf(schema).shape?.[key]
  return (literal && definitionOf(literal).values) ?? []
}

/** @returns the keys that may stand in the mapping at a path */
export function keysAt(path: Path, root: unknown): string[] {
  const schema = schemaAt(path, root)
  return schema ? Object.keys(definitionOf(ofKind(schema, valueAt(root, path))).shape ?? {}) : []
}

/** One of the forms that a value may have. */
export interface Form {
  readonly type: string
  /** Where it is one of a few words. */
  readonly words?: readonly string[]
  /** Where it is a mapping of known keys. */
  readonly keys?: readonly string[]
}

/** @returns the forms that the value at a path may have; several where the schema has alternatives */
export function formsOf(path: Path, root: unknown): Form[] {
  const schema = schemaAt(path, root)
  if (!schema) return []
  return (definitionOf(schema).options ?? [schema]).map((option) => {
    const { type, entries, values, shape } = definitionOf(unwrapped(option))
    const words = entries ? Object.values(entries) : values?.map(String)
    return { type, ...(words && { words }), ...(shape && { keys: Object.keys(shape) }) }
  })
}
