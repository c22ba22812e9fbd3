import { type DescField, type DescMessage, getOption, hasOption, ScalarType } from '@bufbuild/protobuf'
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt'
import { FieldBehavior, field_behavior } from '#gen/google/api/field_behavior_pb.js'
import { AgentCardSchema } from '#gen/lf/a2a/v1/a2a_pb.js'
import { isObject, type JsonObject } from '../../json.ts'

/** What signatures of cards are of: 1.0, section 8.4.1, and RFC 8785. */

/**
 * JSON in the form of RFC 8785: members in the order of their names' UTF-16 units, no white space, numbers and texts as
 * ECMAScript writes them.
 * @throws {RangeError} where a text is no Unicode, or a number has no JSON
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (isObject(value)) {
    const members = Object.keys(value)
      .sort()
      .filter((name) => value[name] !== undefined)
      .map((name) => `${canonicalJson(name)}:${canonicalJson(value[name])}`)
    return `{${members.join(',')}}`
  }
  if (typeof value === 'string' && /\p{Surrogate}/u.test(value))
    throw new RangeError('a text with half a surrogate pair')
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError('a number that JSON does not have')
  return JSON.stringify(value ?? null)
}

/**
 * What the specification has signed: the card without its signatures and without what has its default value, but with
 * fields that are required.
 * @param card in 1.0's JSON as protobuf writes it, so that defaults are gone already
 */
export function canonicalCard(card: JsonObject): string {
  const { signatures: _, ...rest } = withRequired(AgentCardSchema, card)
  return canonicalJson(rest)
}

/**
 * What the SDKs sign instead: they leave out what is empty even where it is required. Mostly there is no such field, and
 * both are the same.
 * @param card as for `canonicalCard`
 */
export function canonicalCardOfSdks(card: JsonObject): string {
  const { signatures: _, ...rest } = card
  return canonicalJson(withoutEmpty(rest) ?? {})
}

function withoutEmpty(value: unknown): unknown {
  if (value === '' || value === null) return undefined
  if (Array.isArray(value)) {
    const items = value.map(withoutEmpty).filter((item) => item !== undefined)
    return items.length === 0 ? undefined : items
  }
  if (!isObject(value)) return value
  const members = Object.entries(value)
    .map(([name, member]) => [name, withoutEmpty(member)] as const)
    .filter(([, member]) => member !== undefined)
  return members.length === 0 ? undefined : Object.fromEntries(members)
}

/** Puts required fields back that protobuf's JSON leaves out for being empty. */
function withRequired(schema: DescMessage, value: JsonObject): JsonObject {
  const result: JsonObject = { ...value }
  for (const field of schema.fields) {
    const name = field.jsonName
    const inner = result[name]
    if (inner === undefined) {
      const empty = isRequired(field) ? emptyOf(field) : undefined
      if (empty !== undefined) result[name] = empty
      continue
    }
    const message = messageOf(field)
    if (message === undefined || message.typeName.startsWith('google.protobuf.')) continue
    if (field.fieldKind === 'list' && Array.isArray(inner))
      result[name] = inner.map((item: unknown) => (isObject(item) ? withRequired(message, item) : item))
    else if (field.fieldKind === 'map' && isObject(inner))
      result[name] = Object.fromEntries(
        Object.entries(inner).map(([key, item]) => [key, isObject(item) ? withRequired(message, item) : item]),
      )
    else if (isObject(inner)) result[name] = withRequired(message, inner)
  }
  return result
}

function isRequired(field: DescField): boolean {
  return hasOption(field, field_behavior) && getOption(field, field_behavior).includes(FieldBehavior.REQUIRED)
}

function messageOf(field: DescField): DescMessage | undefined {
  if (field.fieldKind === 'message') return field.message
  if (field.fieldKind === 'list' || field.fieldKind === 'map') return field.message
  return undefined
}

function emptyOf(field: DescField): unknown {
  if (field.fieldKind === 'list') return []
  if (field.fieldKind === 'map') return {}
  if (field.fieldKind !== 'scalar' || field.presence === FeatureSet_FieldPresence.EXPLICIT) return undefined
  return field.scalar === ScalarType.STRING ? '' : field.scalar === ScalarType.BOOL ? false : undefined
}
