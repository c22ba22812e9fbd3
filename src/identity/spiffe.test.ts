import { describe, expect, test } from 'vitest'
import { SpiffePatterns, spiffeSegments } from './spiffe.ts'

test('ids are taken apart', () => {
  expect(spiffeSegments('spiffe://corp.example/ns/prod/sa/a_b-c.d')).toEqual([
    'corp.example',
    'ns',
    'prod',
    'sa',
    'a_b-c.d',
  ])
})

test.each([
  '',
  'spiffe://corp',
  'spiffe://corp/',
  'spiffe:///a',
  'spiffe://Corp/a',
  'SPIFFE://corp/a',
  'https://corp/a',
  'spiffe://corp:80/a',
  'spiffe://u@corp/a',
  'spiffe://corp/a//b',
  'spiffe://corp/a/',
  'spiffe://corp/a/../b',
  'spiffe://corp/./b',
  'spiffe://corp/%61',
  'spiffe://corp/a?b',
  'spiffe://corp/a#b',
  'spiffe://corp/a b',
  'spiffe://corp/*',
  'spiffe://corp/ä',
  'spiffe://corp/a\n',
  `spiffe://corp/${'a'.repeat(2048)}`,
])('%j is no id of a workload', (id) => {
  expect(spiffeSegments(id)).toBeUndefined()
})

describe('patterns', () => {
  const patterns = new SpiffePatterns({
    rest: 'spiffe://corp/**',
    anyNamespace: 'spiffe://corp/ns/*/sa/agent',
    inProd: 'spiffe://corp/ns/prod/sa/*',
    exact: 'spiffe://corp/ns/prod/sa/agent',
    tree: 'spiffe://corp/ns/prod/**',
    elsewhere: 'spiffe://other/ns/*',
  })
  test.each([
    ['spiffe://corp/ns/prod/sa/agent', 'exact'],
    ['spiffe://corp/ns/prod/sa/other', 'inProd'],
    ['spiffe://corp/ns/prod/sa/other/deep', 'tree'],
    ['spiffe://corp/ns/dev/sa/agent', 'anyNamespace'],
    ['spiffe://corp/ns/dev/sa/other', 'rest'],
    ['spiffe://corp/ns/prod', 'rest'],
    ['spiffe://other/ns/a', 'elsewhere'],
    ['spiffe://other/ns/a/b', undefined],
    ['spiffe://other/ns', undefined],
    ['spiffe://corp.evil/ns/prod/sa/agent', undefined],
  ])('%s is %s', (id, name) => {
    expect(patterns.match(spiffeSegments(id)!)).toBe(name)
  })
})
