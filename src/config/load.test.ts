import { describe, expect, test } from 'vitest'
import { formatDiagnostics } from './format.ts'
import { type Diagnostic, loadRules } from './load.ts'

const good = `providers:
  main: { type: openai, apiKey: "\${env:KEY}" }
models:
  fast: { targets: [{ provider: main }] }
`

function diagnosticsOf(text: string): Diagnostic[] {
  const loaded = loadRules(text, 'rules.yaml')
  return 'diagnostics' in loaded ? loaded.diagnostics : []
}

test('good rules get every default', () => {
  const loaded = loadRules(good, 'rules.yaml')
  if ('diagnostics' in loaded) throw new Error(formatDiagnostics(loaded.diagnostics, good))
  expect(loaded.rules.listeners.default).toMatchObject({ address: '127.0.0.1', port: 10000 })
  expect(loaded.rules.models.fast?.targets[0]).toEqual({ provider: 'main', weight: 1, priority: 0 })
  expect(loaded.warnings).toEqual([])
})

describe('mistakes are told with file, line, column, path and what was meant', () => {
  test.each([
    ['an unknown key', good.replace('apiKey', 'apikey'), 2, 25, 'providers.main.apikey', 'apiKey'],
    [
      'an unknown provider',
      good.replace('provider: main', 'provider: mian'),
      4,
      33,
      'models.fast.targets[0].provider',
      'main',
    ],
    ['an unknown type', good.replace('type: openai', 'type: opnai'), 2, 17, 'providers.main.type', 'openai'],
    ['an unknown section', `${good}modles: {}\n`, 5, 1, 'modles', 'models'],
  ])('%s', (_, text, line, column, path, suggestion) => {
    expect(diagnosticsOf(text)).toContainEqual(
      expect.objectContaining({ file: 'rules.yaml', line, column, path, suggestion }),
    )
  })

  test.each([
    [
      'a wrong type',
      good.replace('fast: {', 'fast: { maxAttempts: many,'),
      'models.fast.maxAttempts',
      /must be a (whole )?number, not a string/,
    ],
    ['too much', `${good}telemetry: { port: 70000 }\n`, 'telemetry.port', /65535/],
    [
      'a secret in the open',
      good.replace('"${env:KEY}"', 'sk-123'),
      'providers.main.apiKey',
      /never written into the rules/,
    ],
    [
      'something missing',
      good.replace('{ type: openai, apiKey: "${env:KEY}" }', '{ type: openai }'),
      'providers.main.apiKey',
      /is missing/,
    ],
    ['the same key twice', `${good}models: {}\n`, '', /unique/],
    ['no mapping', '- a\n- b\n', '', /must be a mapping, not a list/],
    ['a tab', 'providers:\n\tmain: {}\n', '', /tab/i],
    ['half a file', 'providers: {', '', /./],
  ])('%s', (_, text, path, message) => {
    const found = diagnosticsOf(text).filter((diagnostic) => diagnostic.path === path)
    expect(found.map((diagnostic) => diagnostic.message).join('\n')).toMatch(message)
  })
})

test('an empty file is told what is missing', () => {
  expect(
    diagnosticsOf('')
      .map(({ path }) => path)
      .sort(),
  ).toEqual(['models', 'providers'])
})

test('aliases that multiply are refused rather than unfolded', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
  for (let i = 1; i < 12; i++)
    lines.push(
      `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    )
  const began = performance.now()
  expect(diagnosticsOf(lines.join('\n')).length).toBeGreaterThan(0)
  expect(performance.now() - began).toBeLessThan(2_000)
})

test('a file of many megabytes is refused unread', () => {
  expect(diagnosticsOf(`# ${'x'.repeat(5_000_000)}`)[0]?.message).toMatch(/longer than/)
})

test('names such as __proto__ are names like others', () => {
  expect(() => loadRules(good.replace('fast:', '__proto__:'), 'rules.yaml')).not.toThrow()
  const loaded = loadRules(good.replace('fast:', 'constructor:'), 'rules.yaml')
  expect('rules' in loaded && Object.hasOwn(loaded.rules.models, 'constructor')).toBe(true)
})

test('a finding is shown with its line and a mark under it', () => {
  const text = good.replace('apiKey', 'apikey')
  expect(formatDiagnostics(diagnosticsOf(text).slice(0, 1), text)).toMatch(
    /rules\.yaml:2:\d+ .*\n\s+2 \| .*apikey.*\n\s+\| +\^/,
  )
})
