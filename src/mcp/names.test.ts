import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Names } from './names.ts'

const server = (name: string, prefix = name, rename: Record<string, string> = {}) => ({
  name,
  prefix,
  rename: new Map(Object.entries(rename)),
})

test('names that fit stand behind their prefix, or as they are', () => {
  const names = new Names([server('github'), server('files', '')])
  expect(names.outward('github', 'search')).toBe('github_search')
  expect(names.outward('files', 'read_file')).toBe('read_file')
  expect(names.inward('github_search')).toEqual({ server: 'github', name: 'search' })
  expect(names.inward('read_file')).toEqual({ server: 'files', name: 'read_file' })
})

test('every name is valid, unique, always the same, and comes back', () => {
  const servers = [server('a'), server('a_b'), server('bare', ''), server('long', 'x'.repeat(32))]
  const name = fc.oneof(
    fc.string({ minLength: 1, maxLength: 100 }),
    fc.stringMatching(/^(a_|a_b_|b_)?[a-z_.-]{1,80}$/),
    fc.stringMatching(/^[a-z]{1,8}-x[0-9a-f]{8}$/),
  )
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(fc.nat(3), name), { selector: ([s, n]) => `${s} ${n}`, maxLength: 30 }),
      (all) => {
        const names = new Names(servers)
        const shown = new Map<string, string>()
        for (const [index, own] of all) {
          const outward = names.outward(servers[index]!.name, own)
          expect(outward).toMatch(/^[a-zA-Z0-9_-]{1,64}$/)
          expect(shown.has(outward)).toBe(false)
          shown.set(outward, own)
          expect(names.inward(outward)).toEqual({ server: servers[index]!.name, name: own })
          // Another replica, which has not shown it, knows the server at least.
          const other = new Names(servers)
          expect(other.outward(servers[index]!.name, own)).toBe(outward)
          const meant = new Names(servers).inward(outward)
          if (meant && 'candidates' in meant) expect(meant.candidates).toContain(servers[index]!.name)
          else expect(meant).toEqual({ server: servers[index]!.name, name: own })
        }
      },
    ),
    { numRuns: 300 },
  )
})

test('renamed tools have their new names only', () => {
  const names = new Names([server('github', 'gh', { search_repositories: 'find' })])
  expect(names.outward('github', 'search_repositories')).toBe('gh_find')
  expect(names.inward('gh_find')).toEqual({ server: 'github', name: 'search_repositories' })
})

test('a tool that has the new name of another is told apart', () => {
  const names = new Names([server('s', '', { a: 'b' })])
  expect(names.outward('s', 'a')).toBe('b')
  expect(names.outward('s', 'b')).toMatch(/^b-x[0-9a-f]{8}$/)
  expect(names.inward(names.outward('s', 'b'))).toEqual({ server: 's', name: 'b' })
})

describe('URIs', () => {
  const names = new Names([server('my_files'), server('9lives'), server('bare', '')])
  test.each([
    ['my_files', 'file:///a', 'my-files+file:///a'],
    ['my_files', 'file:///{path}', 'my-files+file:///{path}'],
    ['9lives', 'x:1', 's9lives+x:1'],
    ['bare', 'https://example.com/', 'https://example.com/'],
  ])('of %s: %s is %s', (owner, own, outward) => {
    expect(names.uriOutward(owner, own)).toBe(outward)
    expect(names.uriInward(outward)).toEqual({ server: owner, uri: own })
  })
})

test('without a bare server, names without a prefix are nobody’s', () => {
  const names = new Names([server('a')])
  expect(names.inward('search')).toBeUndefined()
  expect(names.uriInward('file:///a')).toBeUndefined()
})

test('servers that cannot be told apart are refused', () => {
  expect(() => new Names([server('a', ''), server('b', '')])).toThrow('only one server')
  expect(() => new Names([server('a', 'x'), server('b', 'x')])).toThrow('same prefix')
})
