import { describe, expect, test } from 'vitest'
import type { Diagnostic } from './diagnostic.ts'
import { parseYaml, type Source } from './yaml.ts'

const parsed = (text: string) => parseYaml({ name: 'r.yaml', text })

function sourceOf(text: string): Source {
  const source = parsed(text)
  if (Array.isArray(source)) throw new Error(JSON.stringify(source))
  return source
}

function findingsIn(text: string): Diagnostic[] {
  const findings = parsed(text)
  if (!Array.isArray(findings)) throw new Error(`taken as ${JSON.stringify(findings.value)}`)
  return findings
}

describe('YAML 1.2', () => {
  test.each([
    ['yes and no are text', 'a: [yes, no, on, off]', { a: ['yes', 'no', 'on', 'off'] }],
    ['a leading zero means nothing', 'a: [010, 0o10, 0x10]', { a: [10, 8, 16] }],
    ['times and dates are text', 'a: [12:30:45, 2020-01-01]', { a: ['12:30:45', '2020-01-01'] }],
    ['keys are text', '1: a\ntrue: b\nnull: c\n', { '1': 'a', true: 'b', null: 'c' }],
    ['JSON', '{"a": {"b": [1, true, null, "x\\u00e9"]}}', { a: { b: [1, true, null, 'xé'] } }],
    ['a byte order mark', '\uFEFFa: 1', { a: 1 }],
    ['Windows’ ends of lines', 'a: 1\r\nb:\r\n  - x\r\n', { a: 1, b: ['x'] }],
    ['the marks of a document', '%YAML 1.2\n---\na: 1\n...\n', { a: 1 }],
    ['tags of its own types', 'a: !!str 1\nb: !!int "2"\nc: !!map {}', { a: '1', b: 2, c: {} }],
    ['an alias for a whole value', 'a: &t [1]\nb: *t', { a: [1], b: [1] }],
    ['an alias used often', `a: &t 1\nb: [${'*t, '.repeat(1000)}]`, { a: 1, b: Array(1000).fill(1) }],
    ['nothing', '', null],
    ['only comments', '# nothing\n', null],
    ['null', '~', null],
  ])('%s', (_, text, value) => {
    expect(sourceOf(text).value).toEqual(value)
  })
})

describe('what is refused, and where', () => {
  test.each([
    ['a tab as indentation', 'a:\n\tb: 1', 2, 1, 'lines must be indented with spaces, not with tabs'],
    ['a second document', 'a: 1\n---\nb: 2', 2, 1, /^a second document begins here; .* leave out the ---$/],
    ['half a file', 'a: {', 1, 5, /end with a }$/],
    ['a key twice', 'a: 1\nb:\n  c: 1\n  c: 2\n', 4, 3, '"c" must stand here once only (line 3 has it already)'],
    ['a key twice, once in quotes', 'a: 1\n"a": 2', 2, 1, '"a" must stand here once only (line 1 has it already)'],
    ['a list as a key', 'a: 1\n[b, c]: 2', 2, 1, 'keys must be plain names, not lists or mappings'],
    [
      'a merge key',
      'a: &a {x: 1}\nb: {<<: *a}',
      2,
      5,
      /^merge keys \(<<\) are not part of YAML 1\.2; write the keys out/,
    ],
    ['a tag of someone', 'a: !env KEY', 1, 9, 'must be written without the tag !env'],
    ['a tag of another type', 'a: !!binary aGk=', 1, 13, 'must be written without the tag !!binary'],
    ['another version', '%YAML 1.1\n---\na: yes', 1, 1, 'must be YAML 1.2; leave out the %YAML line'],
    ['an alias of nothing', 'a: 1\nb: *nope', 2, 4, 'there is no anchor &nope before this'],
    ['an alias before its anchor', 'a: *later\nb: &later 1', 1, 4, 'there is no anchor &later before this'],
    ['no number', 'a: .nan', 1, 4, 'must be a finite number'],
    ['a number that is too large', 'a: [1, 1e999]', 1, 8, 'must be a finite number'],
    ['a name that is no name in JavaScript', 'a:\n  __proto__: {}', 2, 3, '"__proto__" must not be used as a name'],
  ])('%s', (_, text, line, column, message) => {
    expect(findingsIn(text)).toEqual([
      {
        file: 'r.yaml',
        line,
        column,
        path: '',
        message: message instanceof RegExp ? expect.stringMatching(message) : message,
      },
    ])
  })

  test('only the first of many errors are told', () => {
    const text = Array.from({ length: 100 }, (_, index) => `k${index}: *nope`).join('\n')
    expect(findingsIn(text).map(({ line }) => line)).toEqual([1, 2, 3, 4, 5])
  })
})

describe('a small file is never a large value', () => {
  const bomb = (levels: number) =>
    Array.from(
      { length: levels },
      (_, level) => `a${level}: &a${level} [${Array(10).fill(level === 0 ? 'x' : `*a${level - 1}`)}]`,
    ).join('\n')

  test.each([
    ['aliases that multiply', bomb(30), /more than 500000 values, those of aliases included/],
    ['an alias inside its own anchor', 'a: &a { b: *a }', /nested more than 64 levels/],
    ['an alias often inside its own anchor', 'a: &a [1, *a, *a, *a]', /nested more than 64 levels/],
    ['many lists in each other', `a: ${'['.repeat(100)}${']'.repeat(100)}`, /nested more than 64 levels/],
    ['very many lists in each other', `a: ${'['.repeat(100_000)}`, /nested more than 64 levels/],
    ['very many aliases', `a: &a 1\nb: [${'*a, '.repeat(100_000)}]`, /^is one alias too many: .* at most 1000$/],
    ['aliases that nest', `a: &a ${'['.repeat(40)}${']'.repeat(40)}\nb: ${'['.repeat(40)}*a${']'.repeat(40)}`, /64/],
  ])('%s', (_, text, message) => {
    const began = performance.now()
    const findings = findingsIn(text)
    expect(findings).toHaveLength(1)
    expect(findings[0]!.message).toMatch(message)
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  test('aliases that multiply a little are taken', () => {
    const { value } = sourceOf(bomb(4))
    expect((value as { a3: unknown[] }).a3.flat(3)).toHaveLength(10_000)
  })

  test('a map with very many keys is read in a moment', () => {
    const text = Array.from({ length: 50_000 }, (_, index) => `key-${index}: 1`).join('\n')
    const began = performance.now()
    expect(Object.keys(sourceOf(text).value as object)).toHaveLength(50_000)
    expect(performance.now() - began).toBeLessThan(5_000)
  })
})

describe('places', () => {
  const source = sourceOf('a:\n  b: [10, { c: 20 }]\n  "d e": &t { f: 1 }\ng: *t\n')

  test.each([
    [['a', 'b', 0], false, 2, 7],
    [['a', 'b', 1, 'c'], false, 2, 16],
    [['a', 'b', 1, 'c'], true, 2, 13],
    [['a', 'd e'], true, 3, 3],
    [['a', 'd e', 'f'], false, 3, 18],
    // What is not there is at what is above it.
    [['a', 'x'], true, 1, 1],
    [['a', 'b', 7, 'c'], false, 2, 3],
    [['x'], true, 1, 1],
    [[], false, 1, 1],
    // What an alias stands for is where the alias is.
    [['g', 'f'], false, 4, 1],
  ])('%j, of the key: %s', (path, ofKey, line, column) => {
    expect(source.at(path, ofKey)).toEqual({ file: 'r.yaml', line, column })
  })

  test('a byte order mark takes no column', () => {
    expect(sourceOf('\uFEFFa: 1').at(['a'], false)).toEqual({ file: 'r.yaml', line: 1, column: 4 })
  })
})
