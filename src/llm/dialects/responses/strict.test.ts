import { expect, test } from 'vitest'
import { meetsStrictRules } from './strict.ts'

const closed = (properties: object, fields: object = {}) => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...fields,
})
const nested = (depth: number): object =>
  depth === 0 ? { type: 'string' } : { type: 'array', items: nested(depth - 1) }

test.each<[string, unknown, boolean]>([
  ['a closed object', closed({ a: { type: 'string' } }), true],
  ['one without properties', { type: 'object', additionalProperties: false }, true],
  ['a nested one', closed({ a: closed({ b: { type: ['string', 'null'] } }) }), true],
  [
    'choices and lists',
    closed({ a: { anyOf: [closed({}), { type: 'null' }] }, b: { type: 'array', items: closed({}) } }),
    true,
  ],
  ['definitions', closed({ a: { $ref: '#/$defs/x' } }, { $defs: { x: closed({}) } }), true],
  ['nothing', undefined, false],
  ['no object', { type: 'string' }, false],
  ['a choice at the root', closed({}, { anyOf: [closed({})] }), false],
  ['an open object', { ...closed({}), additionalProperties: true }, false],
  ['an optional property', { ...closed({ a: { type: 'string' } }), required: [] }, false],
  ['an open object inside', closed({ a: { type: 'object' } }), false],
  ['an open object in a list', closed({ a: { type: 'array', items: { type: ['object', 'null'] } } }), false],
  ['an open definition', closed({}, { $defs: { x: { type: 'object' } } }), false],
  ['a keyword that strict mode does not know', closed({ a: { allOf: [{ type: 'string' }] } }), false],
  ['a boolean schema', closed({ a: true }), false],
  ['properties that are none', closed({}, { properties: [] }), false],
  ['deep nesting', closed({ a: nested(9) }), true],
  ['absurd nesting', closed({ a: nested(10_000) }), false],
])('%s', (_, schema, strict) => {
  expect(meetsStrictRules(schema)).toBe(strict)
})
