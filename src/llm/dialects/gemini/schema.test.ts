import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { readSchema } from './schema.ts'

const cases: [name: string, wire: JsonObject, json: JsonObject][] = [
  [
    'type names',
    { type: 'OBJECT', properties: { a: { type: 'STRING' } } },
    { type: 'object', properties: { a: { type: 'string' } } },
  ],
  ['type names that are lower case already', { type: 'integer' }, { type: 'integer' }],
  ['a type that says nothing', { type: 'TYPE_UNSPECIFIED', description: 'any' }, { description: 'any' }],
  [
    'arrays',
    { type: 'ARRAY', items: { type: 'NUMBER' }, minItems: '1', maxItems: '9' },
    { type: 'array', items: { type: 'number' }, minItems: 1, maxItems: 9 },
  ],
  ['bounds in the other spelling', { type: 'STRING', max_length: '5' }, { type: 'string', maxLength: 5 }],
  ['null', { type: 'STRING', nullable: true }, { type: ['string', 'null'] }],
  [
    'null among words',
    { type: 'STRING', enum: ['a', 'b'], format: 'enum', nullable: true },
    { type: ['string', 'null'], enum: ['a', 'b', null] },
  ],
  [
    'null among alternatives',
    { anyOf: [{ type: 'STRING' }], nullable: true },
    { anyOf: [{ type: 'string' }, { type: 'null' }] },
  ],
  ['formats of protobuf', { type: 'INTEGER', format: 'int32' }, { type: 'integer' }],
  ['formats of JSON Schema', { type: 'STRING', format: 'date-time' }, { type: 'string', format: 'date-time' }],
  ['examples', { type: 'STRING', example: 'x' }, { type: 'string', examples: ['x'] }],
  [
    'what JSON Schema shares',
    { type: 'STRING', title: 't', description: 'd', default: 'x', pattern: '^x' },
    { type: 'string', title: 't', description: 'd', default: 'x', pattern: '^x' },
  ],
  [
    'references',
    { $ref: '#/$defs/a', $defs: { a: { type: 'STRING' } } },
    { $ref: '#/$defs/a', $defs: { a: { type: 'string' } } },
  ],
  [
    'maps',
    { type: 'OBJECT', additionalProperties: { type: 'BOOLEAN' } },
    { type: 'object', additionalProperties: { type: 'boolean' } },
  ],
  [
    'properties with the names of keywords',
    { type: 'OBJECT', properties: { type: { type: 'STRING' }, max_items: { type: 'NUMBER' } } },
    { type: 'object', properties: { type: { type: 'string' }, max_items: { type: 'number' } } },
  ],
]

describe('readSchema', () => {
  test.each(cases)('%s', (_, wire, json) => {
    expect(readSchema(wire, 's')).toEqual(json)
  })

  test('properties come in the order asked for, unnamed ones last, unknown ones not at all', () => {
    const properties = { a: {}, b: {}, c: {} }
    const read = readSchema({ properties, propertyOrdering: ['c', 'x', 'a', 'c'] }, 's')
    expect(Object.keys(read.properties as JsonObject)).toEqual(['c', 'a', 'b'])
    expect(read).not.toHaveProperty('propertyOrdering')
  })

  test('closed: objects have no other properties, maps stay open', () => {
    const wire = { type: 'OBJECT', properties: { a: { type: 'OBJECT', properties: {} }, b: { type: 'OBJECT' } } }
    expect(readSchema(wire, 's', true)).toEqual({
      type: 'object',
      properties: { a: { type: 'object', properties: {}, additionalProperties: false }, b: { type: 'object' } },
      additionalProperties: false,
    })
  })

  test.each([
    [{ type: 'TEXT' }, 's.type'],
    [{ type: { toString: 1, valueOf: 1 } }, 's.type'],
    [{ properties: { a: { type: 'STRINGS' } } }, 's.properties.a.type'],
    [{ properties: { a: 1 } }, 's.properties.a'],
    [{ anyOf: [{}, null] }, 's.anyOf[1]'],
  ])('%j is refused at %s', (wire, param) => {
    expect(() => readSchema(wire as JsonObject, 's')).toThrow(expect.objectContaining({ status: 400, param }))
  })

  test('a schema nested without end is refused before the stack is', () => {
    let schema: JsonObject = {}
    for (let depth = 0; depth < 100_000; depth++) schema = { items: schema }
    expect(() => readSchema(schema, 's')).toThrow(ApiError)
  })

  test('the request is left as it was', () => {
    const wire = { type: 'STRING', enum: ['a'], nullable: true }
    const before = structuredClone(wire)
    readSchema(wire, 's', true)
    expect(wire).toEqual(before)
  })
})
