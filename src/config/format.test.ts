import { describe, expect, test } from 'vitest'
import type { Diagnostic } from './diagnostic.ts'
import { formatDiagnostics } from './format.ts'

const finding = (change: Partial<Diagnostic> = {}): Diagnostic => ({
  file: 'r.yaml',
  line: 2,
  column: 3,
  path: 'a.b',
  message: 'must be at most 5',
  ...change,
})

test('place, path, message, and the line with a caret', () => {
  expect(formatDiagnostics([finding()], 'a:\n  b: 7\n')).toBe(
    'r.yaml:2:3 a.b: must be at most 5\n  2 |   b: 7\n    |   ^',
  )
})

test('what was meant is asked, and a file as a whole has no path', () => {
  expect(formatDiagnostics([finding({ suggestion: 'c' })], '')).toBe(
    'r.yaml:2:3 a.b: must be at most 5; did you mean "c"?',
  )
  expect(formatDiagnostics([finding({ path: '', line: 1 })], '')).toBe('r.yaml:1:3 must be at most 5')
})

test('several stand apart, and the caret keeps its place under long numbers of lines', () => {
  const text = `${'\n'.repeat(99)}x: 1\r\ny: 2`
  expect(formatDiagnostics([finding({ line: 100, column: 4 }), finding({ line: 101, column: 1 })], text)).toBe(
    [
      'r.yaml:100:4 a.b: must be at most 5',
      '  100 | x: 1',
      '      |    ^',
      '',
      'r.yaml:101:1 a.b: must be at most 5',
      '  101 | y: 2',
      '      | ^',
    ].join('\n'),
  )
})

test('each line is of the file that the finding is in', () => {
  const files = [
    { name: 'a.yaml', text: 'x: 1' },
    { name: 'b.yaml', text: '\uFEFFy: 2' },
  ]
  const findings = ['a.yaml', 'b.yaml', 'c.yaml'].map((file) => finding({ file, line: 1, column: 4 }))
  expect(formatDiagnostics(findings, files).split('\n')).toEqual([
    'a.yaml:1:4 a.b: must be at most 5',
    '  1 | x: 1',
    '    |    ^',
    '',
    'b.yaml:1:4 a.b: must be at most 5',
    '  1 | y: 2',
    '    |    ^',
    '',
    'c.yaml:1:4 a.b: must be at most 5',
  ])
})

test('a line that is blank, very long or not there is left out', () => {
  for (const text of ['a:\n   \n', `a:\n${'x'.repeat(301)}`, 'a:'])
    expect(formatDiagnostics([finding()], text)).toBe('r.yaml:2:3 a.b: must be at most 5')
})

test('tabs keep the caret in its place', () => {
  expect(formatDiagnostics([finding({ column: 4 })], 'a:\n\tb:\tx')).toMatch(/\| \tb:\tx\n {4}\| \t {2}\^$/)
})

test('a terminal is not told what to do', () => {
  const shown = formatDiagnostics(
    [finding({ message: 'there is no model "\x1b[2J"', path: 'a["\n"]', file: 'r\x07.yaml' })],
    'a:\n  \x1b]0;title\x07\x9b\0',
  )
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  expect(shown).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/)
  expect(shown.split('\n')).toHaveLength(3)
})

describe('credentials in the shown line are covered', () => {
  test.each([
    ['apiKey: plain-secret-value', 'apiKey: ******************'],
    ['{ type: openai, apiKey: "s3cr3t-value" }', '{ type: openai, apiKey: "************" }'],
    ['{"apiKey":"s3cr3t-value"}', '{"apiKey":"************"}'],
    ["secretAccessKey: 'abc/def+ghi='", "secretAccessKey: '************'"],
    ['bearerToken: abcdefgh', 'bearerToken: ********'],
    ['x: sk-proj-abc_123', 'x: ***************'],
    ['x: AKIAABCDEFGHIJKLMNOP', 'x: ********************'],
  ])('%s', (line, shown) => {
    expect(formatDiagnostics([finding({ line: 1 })], line).split('\n')[1]).toBe(`  1 | ${shown}`)
  })

  test.each([
    'apiKey: ${env:OPENAI_API_KEY}',
    'apiKey: "${file:/run/secrets/openai}"',
    'keyFile: test/tls/listener-1-key.pem',
    'limits: { l: { tokens: 1000000, by: [key, user] } }',
    'detect: [secret, email]',
    'models: { skylark-large: {} }',
  ])('%s is none', (line) => {
    expect(formatDiagnostics([finding({ line: 1 })], line).split('\n')[1]).toBe(`  1 | ${line}`)
  })
})
