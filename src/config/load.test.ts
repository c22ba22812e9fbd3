import { describe, expect, test } from 'vitest'
import { formatDiagnostics } from './format.ts'
import { type Diagnostic, loadRuleSet, loadRules } from './load.ts'

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
      /^must be a number, not text$/,
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
    ['the same key twice', `${good}models: {}\n`, '', /^"models" must stand here once only \(line 3 has it already\)$/],
    ['no mapping', '- a\n- b\n', '', /must be a mapping, not a list/],
    ['a tab', 'providers:\n\tmain: {}\n', '', /tab/i],
    ['half a file', 'providers: {', '', /./],
  ])('%s', (_, text, path, message) => {
    const found = diagnosticsOf(text).filter((diagnostic) => diagnostic.path === path)
    expect(found.map((diagnostic) => diagnostic.message).join('\n')).toMatch(message)
  })
})

test('two listeners with one port are refused, at other addresses as well: the port tells who may ask', () => {
  const two = 'listeners: { a: { address: 127.0.0.1, port: 9000 }, b: { address: 127.0.0.2, port: 9000 } }\n'
  expect(diagnosticsOf(good + two)).toMatchObject([{ path: 'listeners.b.port', line: 5 }])
})

test('an empty file is told what is missing', () => {
  expect(diagnosticsOf('')).toMatchObject([{ path: '', message: expect.stringContaining('nothing to serve') }])
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
  expect(performance.now() - began).toBeLessThan(5_000)
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

describe('rules in several files', () => {
  const providers = { name: 'a.yaml', text: 'providers:\n  main: { type: openai, apiKey: "${env:KEY}" }\n' }
  const models = { name: 'b.yaml', text: 'models:\n  fast: { targets: [{ provider: main }] }\n' }
  const loadedFrom = (...files: { name: string; text: string }[]) => {
    const loaded = loadRuleSet(files)
    return 'diagnostics' in loaded ? loaded.diagnostics : loaded.rules
  }

  test('are joined', () => {
    const more = {
      name: 'c.yaml',
      text: 'models: { slow: { targets: [{ provider: main }] } }\npolicies: { default: deny }\n',
    }
    const policies = { name: 'd.yaml', text: 'policies: { rules: { all: { effect: allow, when: "true" } } }\n' }
    expect(loadedFrom(providers, models, more, policies)).toMatchObject({
      models: { fast: {}, slow: {} },
      policies: { default: 'deny', rules: { all: { effect: 'allow' } } },
    })
  })

  test('an empty file among them is none', () => {
    expect(loadedFrom(providers, { name: 'empty.yaml', text: '# nothing\n' }, models)).toMatchObject({
      models: { fast: {} },
    })
  })

  test.each([
    ['models: { fast: { targets: [{ provider: main }] } }', 'models.fast', 11],
    ['telemetry: { port: 1 }', 'telemetry', 1],
    ['policies: { default: deny }', 'policies.default', 13],
  ])('%s said twice is refused, and both places are named', (text, path, column) => {
    const first = { name: 'b.yaml', text }
    const second = { name: 'c.yaml', text }
    const rest = path === 'models.fast' ? [providers] : [providers, models]
    expect(loadedFrom(...rest, first, second)).toEqual([
      { file: 'c.yaml', line: 1, column, path, message: 'is said in b.yaml as well; say it in one file' },
    ])
  })

  test('a mistake is told with the file it is in', () => {
    const wrong = { name: 'b.yaml', text: '# first line\nmodels:\n  fast: { targets: [{ provider: mian }] }\n' }
    expect(loadedFrom(providers, wrong)).toMatchObject([{ file: 'b.yaml', line: 3, suggestion: 'main' }])
    expect(loadedFrom(providers, models, { name: 'c.yaml', text: 'limits:\n  l: { reqests: 1 }\n' })).toContainEqual(
      expect.objectContaining({ file: 'c.yaml', line: 2, path: 'limits.l.reqests' }),
    )
  })
})
