import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { loadRules } from './load.ts'
import { inWords } from './wording.ts'

const good = `providers:
  main: { type: openai, apiKey: "\${env:KEY}" }
models:
  fast: { targets: [{ provider: main }] }
`

/** `path: message`, and what was meant. */
function findingsIn(text: string): string[] {
  const loaded = loadRules(text, 'r.yaml')
  if ('rules' in loaded) throw new Error('the rules are taken')
  return loaded.diagnostics.map(
    ({ path, message, suggestion }) => `${path}: ${message}${suggestion === undefined ? '' : ` → ${suggestion}`}`,
  )
}

const types = 'one of openai, azure-openai, anthropic, gemini, vertex, bedrock, openai-compatible'
const detectors = 'one of card, iban, email, phone, secret, or a mapping with regex, label'
const dimensions = 'one of organization, team, user, key, model, listener, tree, or a mapping with expression'

describe('each mistake is one sentence that says what to write', () => {
  test.each([
    // Numbers
    ['telemetry: { port: 70000 }', 'telemetry.port: must be at most 65535'],
    ['telemetry: { port: 0 }', 'telemetry.port: must be at least 1'],
    ['telemetry: { port: 1.5 }', 'telemetry.port: must be a whole number, not 1.5'],
    ['telemetry: { port: "80" }', 'telemetry.port: must be a number: leave out the quotes'],
    ['telemetry: { port: many }', 'telemetry.port: must be a number, not text'],
    ['telemetry: { port: [80] }', 'telemetry.port: must be a number, not a list'],
    ['telemetry: { port: true }', 'telemetry.port: must be a number, not true'],
    ['budgets: { b: { usd: 1, alerts: [0] } }', 'budgets.b.alerts[0]: must be more than 0'],
    // Words and text
    ['telemetry: { accessLog: yes }', /^telemetry\.accessLog: must be true or false, not text: YAML 1\.2 knows no yes/],
    ['telemetry: { accessLog: 1 }', 'telemetry.accessLog: must be true or false, not 1'],
    ['telemetry: { logLevel: wran }', 'telemetry.logLevel: must be one of trace, debug, info, warn, error → warn'],
    ['telemetry: { logLevel: 3 }', 'telemetry.logLevel: must be one of trace, debug, info, warn, error'],
    ['telemetry: { otlpEndpoint: "host:1" }', 'telemetry.otlpEndpoint: must be an http:// or https:// URL'],
    ['telemetry: { address: localhost }', /^telemetry\.address: must be an IP address such as 127\.0\.0\.1/],
    ['telemetry: { address: 1 }', /^telemetry\.address: must be an IP address such as 127\.0\.0\.1/],
    ['aliases: { a: 3 }', 'aliases.a: must be text, not a number: put it in quotes'],
    ['aliases: { a: true }', 'aliases.a: must be text, not true: put it in quotes'],
    ['aliases: { "": fast }', 'aliases[""]: must not be empty'],
    ['policies: { rules: { a: { effect: deny, when: true } } }', /when: must be a CEL expression in quotes, such as/],
    // Lists and mappings
    ['telemetry:', 'telemetry: must be a mapping, but nothing is written here'],
    ['telemetry: []', 'telemetry: must be a mapping, not a list'],
    ['limits: { l: { requests: 1, by: user } }', 'limits.l.by: must be a list, not text'],
    ['limits: { l: { requests: 1, by: {} } }', 'limits.l.by: must be a list, not a mapping'],
    ['guards: { g: { action: deny, detect: [] } }', 'guards.g.detect: must have at least one item'],
    [
      'limits: { l: { requests: 1, by: [user, team, key, model, listener] } }',
      'limits.l.by: must have at most 4 items',
    ],
    ['listeners: {}', 'listeners: needs at least one listener'],
    // What may have several forms
    ['guards: { g: { action: deny, detect: [emial] } }', `guards.g.detect[0]: must be ${detectors} → email`],
    ['guards: { g: { action: deny, detect: [3] } }', `guards.g.detect[0]: must be ${detectors}`],
    [
      'guards: { g: { action: deny, detect: [{ regx: a }] } }',
      'guards.g.detect[0].regx: there is no such key here → regex',
    ],
    [
      'guards: { g: { action: deny, detect: [{ regex: a, label: low }] } }',
      'guards.g.detect[0].label: must be capitals, digits and underscores',
    ],
    ['limits: { l: { requests: 1, by: [usr] } }', `limits.l.by[0]: must be ${dimensions} → user`],
    ['limits: { l: { requests: 1, by: [{}] } }', /^limits\.l\.by\[0\]\.expression: is missing; it must be a CEL/],
    ['budgets: { b: { usd: 1, atEnd: dney } }', 'budgets.b.atEnd: must be deny, or a mapping with downgrade → deny'],
    [
      'budgets: { b: { usd: 1, atEnd: { downgrade: 1 } } }',
      /^budgets\.b\.atEnd\.downgrade: must be text, not a number/,
    ],
    // Keys
    ['modles: {}', 'modles: there is no such key here → models'],
    ['telemetry: { xyzzy: 1 }', /^telemetry\.xyzzy: there is no such key here; the keys are address, port, logLevel, /],
    [
      'limits: { l: { requests: 1, by: [{ expression: "1", x: 1 }] } }',
      /x: there is no such key here; the only key is expression$/,
    ],
    ['limits: { "-": { requests: 1 } }', /^limits\.-: must be 1 to 63 letters, digits, dots, dashes or underscores/],
    ['guards: { g: { detect: [email] } }', 'guards.g.action: is missing; it must be one of deny, mask, alert'],
    ['limits: { l: {} }', 'limits.l: needs exactly one of requests, tokens and concurrent'],
  ])('%s', (text, finding) => {
    expect(findingsIn(`${good}${text}\n`)).toEqual([
      finding instanceof RegExp ? expect.stringMatching(finding) : finding,
    ])
  })

  test.each([
    ['type: openai', 'type: opnai', `providers.main.type: must be ${types} → openai`],
    ['type: openai', 'type: 3', `providers.main.type: must be ${types}`],
    ['type: openai, ', '', `providers.main.type: is missing; it must be ${types}`],
    ['{ type: openai', '{ typ: openai', `providers.main.type: is missing; it must be ${types}`],
    ['apiKey:', 'apikey:', 'providers.main.apikey: there is no such key here → apiKey'],
    [
      '"${env:KEY}"',
      'sk-123',
      /^providers\.main\.apiKey: must be a reference, \$\{env:NAME\} or \$\{file:\/path\}; a secret/,
    ],
    ['"${env:KEY}"', '123', /^providers\.main\.apiKey: must be a reference, /],
    [', apiKey: "${env:KEY}"', '', /^providers\.main\.apiKey: is missing; it must be a reference, /],
    ['fast: {', 'fast: { timeouts: { total: 10 },', /total: must be a duration such as 500ms, 30s, 10m or 1h$/],
    ['fast: {', 'fast: { timeouts: { total: 1d },', /total: must be a duration such as 500ms, 30s, 10m or 1h$/],
    ['fast:', '"f*t":', 'models["f*t"]: must be a model name without blanks; a * may stand at its end'],
    ['{ provider: main }', 'main', 'models.fast.targets[0]: must be a mapping, not text'],
    ['[{ provider: main }]', '', 'models.fast.targets: must be a list, but nothing is written here'],
    ['provider: main', 'model: x', 'models.fast.targets[0].provider: is missing; it must be text'],
  ])('%s as %s', (right, wrong, finding) => {
    const text = good.replace(right, () => wrong)
    expect(text).not.toBe(good)
    expect(findingsIn(text)).toEqual([finding instanceof RegExp ? expect.stringMatching(finding) : finding])
  })
})

test('text that is too long', () => {
  const when = 'x'.repeat(5000)
  expect(findingsIn(`${good}policies: { rules: { a: { effect: deny, when: ${when} } } }`)).toEqual([
    'policies.rules.a.when: must have at most 4096 characters',
  ])
})

test('a required key that is only misspelt is not missing as well, and one that is missing besides is', () => {
  expect(findingsIn(`${good}mcp: { servers: { s: { type: http, ulr: "http://x" } } }\n`)).toEqual([
    'mcp.servers.s.ulr: there is no such key here → url',
  ])
  expect(findingsIn(`${good}mcp: { servers: { s: { type: stdio, comand: a, agrs: [] } } }\n`)).toEqual([
    'mcp.servers.s.comand: there is no such key here → command',
    'mcp.servers.s.agrs: there is no such key here → args',
  ])
})

test('findings come in the order of the file', () => {
  expect(
    findingsIn(`telemetry: { port: 0 }\nxyzzy: 1\n${good}listeners: []\n`).map((finding) => finding.split(':')[0]),
  ).toEqual(['telemetry.port', 'xyzzy', 'listeners'])
})

test('of very many findings a hundred are told', () => {
  expect(findingsIn(good + Array.from({ length: 5000 }, (_, index) => `k${index}: 1\n`).join(''))).toHaveLength(100)
})

test('what the rules do not use yet has words as well', () => {
  const wordsFor = (schema: z.ZodType, value: unknown) =>
    schema.safeParse(value, { error: inWords }).error?.issues.map(({ message }) => message)
  expect(wordsFor(z.number().multipleOf(5), 3)).toEqual(['must be a multiple of 5'])
  expect(wordsFor(z.number().lt(5), 5)).toEqual(['must be less than 5'])
  expect(wordsFor(z.string().min(3), 'a')).toEqual(['must have at least 3 characters'])
  expect(wordsFor(z.email(), 'a')).toEqual([expect.stringMatching(/^must be /)])
  expect(wordsFor(z.null(), 1)).toEqual(['must be null, not 1'])
  expect(wordsFor(z.tuple([z.string()]), ['a', 'b'])).toEqual(['must have at most 1 items'])
})
