import { expect, test } from 'vitest'
import { claimAt, nameAt, teamAt } from './claims.ts'

const claims = JSON.parse(
  '{"sub":"ann","realm":{"team":"search","list":["x"]},"https://corp.example/team":"ads","n":5,"empty":"","nil":null,"groups":["all",7,"ads","search"],"__proto__":{"team":"evil"}}',
) as Record<string, unknown>

test.each([
  ['sub', 'ann'],
  ['realm.team', 'search'],
  ['https://corp.example/team', 'ads'],
  ['realm.list', ['x']],
  ['realm.list.0', undefined],
  ['realm.none', undefined],
  ['sub.length', undefined],
  ['team', undefined],
  ['constructor.name', undefined],
  ['toString', undefined],
  ['', undefined],
])('%s', (path, value) => {
  expect(claimAt(claims, path)).toEqual(value)
})

test('names are texts; what is no name is told from what is not there', () => {
  expect(['sub', 'nil', 'none', 'n', 'empty', 'realm', 'groups'].map((path) => nameAt(claims, path))).toEqual([
    'ann',
    undefined,
    undefined,
    null,
    null,
    null,
    null,
  ])
  expect(nameAt({ a: 'x'.repeat(201) }, 'a')).toBeNull()
})

test('of groups the first that is a team', () => {
  expect(teamAt(claims, 'groups', (name) => ['search', 'ads'].includes(name))).toBe('ads')
  expect(teamAt(claims, 'groups', () => false)).toBeUndefined()
  expect(teamAt(claims, 'realm.team', () => false)).toBe('search')
  expect(teamAt(claims, 'n', () => true)).toBeNull()
})
