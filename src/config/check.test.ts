import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { checkRules } from './check.ts'
import { pathText } from './path.ts'
import { rulesSchema } from './schema.ts'

const base = {
  providers: { main: { type: 'openai', apiKey: '${env:KEY}' } },
  models: { fast: { targets: [{ provider: 'main' }] }, 'gpt-*': { targets: [{ provider: 'main' }] } },
}

/** `path: message → suggestion` of what is wrong where `text` is added to good rules. */
function findingsIn(text: string, kind: 'errors' | 'warnings' = 'errors'): string[] {
  const added = parse(text) as Record<string, object>
  const rules: Record<string, unknown> = { ...base, ...added }
  rules.providers = { ...base.providers, ...added.providers }
  rules.models = { ...base.models, ...added.models }
  return checkRules(rulesSchema.parse(rules))[kind].map(
    ({ path, message, suggestion }) =>
      `${pathText(path)}: ${message}${suggestion === undefined ? '' : ` → ${suggestion}`}`,
  )
}

const azure = 'type: azure-openai, baseUrl: "https://r.openai.azure.com"'
const key = '"${env:K}"'

const notes = 'notes: { type: http, url: "http://notes/mcp" }'

describe('what is wrong', () => {
  test.each([
    // MCP
    [
      `mcp: { servers: { ${notes} }, endpoints: { default: { servers: [nots] } } }`,
      'mcp.endpoints.default.servers[0]: there is no server "nots" → notes',
    ],
    [
      `mcp: { servers: { ${notes}, a: { type: stdio, command: a, prefix: notes } } }`,
      'mcp.servers: notes and a have the same prefix notes; their tools could not be told apart',
    ],
    [
      'mcp: { servers: { a: { type: stdio, command: a, prefix: "" }, b: { type: stdio, command: b, prefix: "" } }, endpoints: { all: {} } }',
      'mcp.endpoints.all.servers: a and b have no prefix; their tools could not be told apart',
    ],
    [
      'mcp: { servers: { a: { type: http, url: "http://a/mcp", replicas: ["10.0.0.1:80", "b:80"] } } }',
      /^mcp\.servers\.a\.replicas: must be either all IP addresses or all names/,
    ],
    // Listeners
    [
      'listeners: { a: { port: 1 }, b: { port: 1, address: "::1" } }',
      /^listeners\.b\.port: listeners\.a has the port 1 as/,
    ],
    [
      'telemetry: { port: 10000 }',
      'listeners.default.port: must be another one: telemetry has the port 10000 at 127.0.0.1',
    ],
    ['telemetry: { port: 10000, address: 0.0.0.0 }', /^listeners\.default\.port: must be another one: /],
    ['listeners: { a: { port: 10001, address: "::" } }', /^listeners\.a\.port: must be another one: /],
    [
      'listeners: { a: { identity: { accept: [pod, anonymous] } } }',
      /^listeners\.a\.identity\.accept: takes only one of pod/,
    ],
    [
      'listeners: { a: { identity: { accept: [mtls] } } }',
      /^listeners\.a\.identity\.accept: mtls needs tls\.clientCaFile/,
    ],
    [
      'listeners: { a: { tls: { certificateFile: a, keyFile: b }, identity: { accept: [mtls] } } }',
      /^listeners\.a\.identity\.accept: mtls needs tls\.clientCaFile/,
    ],
    ['listeners: { a: { identity: { accept: [jwt] } } }', /^listeners\.a\.identity\.accept: jwt needs at least one of/],
    // Providers
    ...['user@', 'user:password@', ':password@'].map((login): [string, RegExp] => [
      `providers: { main: { type: openai, apiKey: ${key}, baseUrl: "https://${login}h/v1" } }`,
      /^providers\.main\.baseUrl: must not hold a user name/,
    ]),
    ...['?a=1', '#a'].map((tail): [string, RegExp] => [
      `providers: { main: { type: openai, apiKey: ${key}, baseUrl: "https://h/v1${tail}" } }`,
      /^providers\.main\.baseUrl: must not hold .* a query or a fragment/,
    ]),
    [`providers: { main: { ${azure} } }`, 'providers.main.type: needs exactly one of apiKey and bearerToken'],
    [
      `providers: { main: { ${azure}, apiKey: ${key}, bearerToken: ${key} } }`,
      'providers.main.bearerToken: needs exactly one of apiKey and bearerToken',
    ],
    [
      'providers: { main: { type: bedrock, region: EU_1 } }',
      /^providers\.main\.region: must be lower-case .* such as eu-c/,
    ],
    [
      `providers: { main: { type: bedrock, region: r, accessKeyId: ${key} } }`,
      'providers.main.accessKeyId: needs accessKeyId and secretAccessKey together',
    ],
    [
      `providers: { main: { type: bedrock, region: r, secretAccessKey: ${key} } }`,
      'providers.main.secretAccessKey: needs accessKeyId and secretAccessKey together',
    ],
    [
      `providers: { main: { type: bedrock, region: r, sessionToken: ${key} } }`,
      'providers.main.sessionToken: needs accessKeyId and secretAccessKey as well',
    ],
    [
      `providers: { main: { type: bedrock, region: r, profile: p, apiKey: ${key} } }`,
      'providers.main.type: takes only one of apiKey, accessKeyId and profile',
    ],
    [
      'providers: { main: { type: vertex, project: p, location: a/../b } }',
      /^providers\.main\.location: must be lower-case/,
    ],
    [
      `providers: { main: { type: openai, apiKey: ${key}, project: "a b" } }`,
      /^providers\.main\.project: must be visible/,
    ],
    [
      `providers: { main: { type: openai, apiKey: ${key}, organization: é } }`,
      /^providers\.main\.organization: must be/,
    ],
    [
      `providers: { main: { type: anthropic, apiKey: ${key}, version: "1\\n" } }`,
      /^providers\.main\.version: must be visible/,
    ],
    // Models
    [
      'models: { m: { targets: [{ provider: mian }] } }',
      'models.m.targets[0].provider: there is no provider "mian" → main',
    ],
    [
      'models: { m: { targets: [{ provider: xyzzy }] } }',
      'models.m.targets[0].provider: there is no provider "xyzzy"; the only provider is main',
    ],
    [
      'models: { m: { targets: [{ provider: main, model: a }, { provider: main }, { provider: main, model: a }] } }',
      'models.m.targets[2]: this provider and model stand here twice; leave one out',
    ],
    ['models: { m: { targets: [{ provider: constructor }] } }', /there is no provider "constructor"/],
    // Aliases
    ['aliases: { a: fsat }', 'aliases.a: there is no model "fsat" → fast'],
    ['aliases: { fast: gpt-4 }', 'aliases.fast: there is a model of this name already; choose another'],
    // Identities
    [
      'identities: { issuers: { i: { issuer: a, audiences: [b] } } }',
      'identities.issuers.i: needs exactly one of jwksUri and jwksFile',
    ],
    [
      'identities: { issuers: { i: { issuer: a, audiences: [b], jwksUri: "https://a", jwksFile: b } } }',
      'identities.issuers.i: needs exactly one of jwksUri and jwksFile',
    ],
    // Budgets
    [
      'budgets: { b: { usd: 1, atEnd: { downgrade: fsat } } }',
      'budgets.b.atEnd.downgrade: there is no model "fsat" → fast',
    ],
    // Guards
    ['guards: { g: { action: deny } }', 'guards.g: needs exactly one of detect, webhook and moderation'],
    [
      'guards: { g: { action: deny, detect: [email], webhook: { url: "https://a" } } }',
      'guards.g: needs exactly one of detect, webhook and moderation',
    ],
    [`guards: { g: { action: mask, moderation: { apiKey: ${key} } } }`, /^guards\.g\.action: must be deny or alert: /],
    ['guards: { g: { action: deny, detect: [email], restore: true } }', /^guards\.g\.restore: needs the action mask/],
    ['guards: { g: { action: mask, on: [response], detect: [email], restore: true } }', /^guards\.g\.restore: needs/],
  ])('%s', (text, finding) => {
    expect(findingsIn(text)).toEqual([finding instanceof RegExp ? expect.stringMatching(finding) : finding])
  })
})

describe('what is right', () => {
  test.each([
    ['listeners: { a: { port: 1 }, b: { port: 2 } }'],
    ['telemetry: { port: 10000, address: "::1" }'],
    ['listeners: { a: { identity: { accept: [mtls], trustForwardedClientCert: true } } }'],
    [
      'listeners: { a: { tls: { certificateFile: a, keyFile: b, clientCaFile: c }, identity: { accept: [key, mtls, pod] } } }',
    ],
    [
      'listeners: { a: { identity: { accept: [jwt] } } }\nidentities: { issuers: { i: { issuer: a, audiences: [b], jwksFile: c } } }',
    ],
    [`providers: { main: { ${azure}, bearerToken: ${key} } }`],
    ['providers: { main: { type: bedrock, region: eu-central-1 } }'],
    [
      `providers: { main: { type: bedrock, region: r, accessKeyId: ${key}, secretAccessKey: ${key}, sessionToken: ${key} } }`,
    ],
    ['models: { m: { targets: [{ provider: main, model: a }, { provider: main, model: b }] } }'],
    ['aliases: { a: gpt-4, b: fast }'],
    ['budgets: { b: { usd: 1, atEnd: { downgrade: gpt-4 } } }'],
    ['guards: { g: { action: mask, detect: [email], restore: true } }'],
    [`guards: { g: { action: deny, moderation: { apiKey: ${key} } } }`],
  ])('%s', (text) => {
    expect(findingsIn(text)).toEqual([])
    expect(findingsIn(text, 'warnings')).toEqual([])
  })
})

test('a provider that no model uses is a warning', () => {
  const spare = `providers: { spare: { type: gemini, apiKey: ${key} } }`
  expect(findingsIn(spare)).toEqual([])
  expect(findingsIn(spare, 'warnings')).toEqual([
    'providers.spare: no model uses this provider; name it in a target, or leave it out',
  ])
})
