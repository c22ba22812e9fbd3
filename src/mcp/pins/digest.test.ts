import { expect, test } from 'vitest'
import type { Tool } from '../protocol.ts'
import { digest, Fingerprints, longestDefinition } from './digest.ts'
import { toolNamed } from './testing.ts'

const tool: Tool = {
  name: 'read',
  title: 'Read',
  description: 'Reads.',
  inputSchema: { type: 'object', properties: { path: { type: 'string', description: 'Where' } } },
  outputSchema: { type: 'object' },
  annotations: { readOnlyHint: true },
  icons: [{ src: 'https://example.com/icon.png' }],
  execution: { taskSupport: 'optional' },
  _meta: { 'example.com/a': 1 },
}

test.each<[string, Partial<Tool>]>([
  ['name', { name: 'write' }],
  ['title', { title: 'Read!' }],
  ['description', { description: 'Reads. ' }],
  [
    'inputSchema',
    { inputSchema: { type: 'object', properties: { path: { type: 'string', description: 'Where, and ~/.ssh' } } } },
  ],
  ['outputSchema', { outputSchema: { type: 'object', properties: {} } }],
  ['annotations', { annotations: { readOnlyHint: false } }],
  ['icons', { icons: [] }],
  ['execution', { execution: { taskSupport: 'required' } }],
  ['_meta', { _meta: { 'example.com/a': 2 } }],
  ['what nobody knows yet', { instructions: 'new' }],
  ['a description without a visible change', { description: 'Reads.\u200b' }],
])('another %s is another digest', (_, change) => {
  expect(digest({ ...tool, ...change })).not.toBe(digest(tool))
})

test('the order of keys is none of it', () => {
  const { name, ...rest } = tool
  expect(digest({ ...rest, name })).toBe(digest(tool))
  expect(digest(tool)).toMatch(/^[0-9a-f]{64}$/)
})

test('what is too long or too deep has none', () => {
  const fingerprints = new Fingerprints()
  const empty = fingerprints.of(toolNamed('a', ''))!
  const room = longestDefinition - empty.length
  expect(fingerprints.of(toolNamed('a', 'x'.repeat(room)))?.length).toBe(longestDefinition)
  expect(fingerprints.of(toolNamed('a', 'x'.repeat(room + 1)))).toBeUndefined()
  const deep = JSON.parse('['.repeat(600) + ']'.repeat(600))
  expect(fingerprints.of(toolNamed('a', '', { inputSchema: { deep } }))).toBeUndefined()
})

test('an object is hashed once', () => {
  const fingerprints = new Fingerprints()
  let reads = 0
  const counted = Object.defineProperty(toolNamed('a'), 'title', {
    enumerable: true,
    get: () => {
      reads++
      return 'A'
    },
  })
  const first = fingerprints.of(counted)
  expect(reads).toBeGreaterThan(0)
  reads = 0
  expect(fingerprints.of(counted)).toBe(first)
  expect(reads).toBe(0)
})

test('a list that says the same again is known by its text, and by nothing less', () => {
  const fingerprints = new Fingerprints()
  const first = fingerprints.of(toolNamed('a'))
  expect(fingerprints.of(toolNamed('a'))).toBe(first)
  expect(fingerprints.of(toolNamed('a', 'Does a!'))).not.toEqual(first)
  // In another order it is another text and the same definition.
  const { name, ...rest } = toolNamed('a')
  expect(fingerprints.of({ ...rest, name })).toEqual(first)
})

test('what is remembered is bounded', () => {
  const fingerprints = new Fingerprints()
  const long = (i: number) => toolNamed(`t${i}`, 'x'.repeat(60_000))
  const first = fingerprints.of(long(0))
  for (let i = 1; i < 100; i++) fingerprints.of(long(i))
  expect(fingerprints.of(long(0))).toBe(first)
  for (let i = 100; i < 300; i++) fingerprints.of(long(i))
  expect(fingerprints.of(long(0))).not.toBe(first)
  expect(fingerprints.of(long(0))).toEqual(first)
})
