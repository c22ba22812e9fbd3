import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ProviderRule, ProviderType } from '../../config/schema.ts'
import { createProvider } from './index.ts'
import { credentialHeaders, type Operation, type Provider, vendorHeaders } from './provider.ts'
import { env, requestTo, ruleOf, secretsOf } from './testing.ts'
import { vertex } from './vertex.ts'

/** Every way to authorize, with secrets that are easy to find again. */
const rules: Record<string, { type: ProviderType } & Record<string, unknown>> = {
  openai: { type: 'openai', apiKey: env('SECRET'), organization: 'org', project: 'proj' },
  'azure-openai, key': { type: 'azure-openai', baseUrl: 'https://r.openai.azure.com', apiKey: env('SECRET') },
  'azure-openai, token': { type: 'azure-openai', baseUrl: 'https://r.openai.azure.com', bearerToken: env('SECRET') },
  'azure-openai, dated': {
    type: 'azure-openai',
    baseUrl: 'https://r.openai.azure.com',
    apiKey: env('SECRET'),
    apiVersion: '2024-10-21',
  },
  anthropic: { type: 'anthropic', apiKey: env('SECRET') },
  gemini: { type: 'gemini', apiKey: env('SECRET') },
  vertex: { type: 'vertex', project: 'proj' },
  'bedrock, key': { type: 'bedrock', region: 'us-east-1', apiKey: env('SECRET') },
  'bedrock, signed': {
    type: 'bedrock',
    region: 'us-east-1',
    accessKeyId: env('SECRET'),
    secretAccessKey: env('SECRET'),
    sessionToken: env('SECRET'),
  },
  'openai-compatible': {
    type: 'openai-compatible',
    baseUrl: 'https://llm.example/v1',
    apiKey: env('SECRET'),
    apis: ['chat', 'messages'],
  },
}

const secrets = secretsOf({ [env('SECRET')]: 'the-secret' })
const operations: Operation[] = [
  'chat',
  'completions',
  'messages',
  'responses',
  'generate_content',
  'embeddings',
  'count_tokens',
]

function make(rule: { type: ProviderType } & Record<string, unknown>): Provider {
  if (rule.type !== 'vertex') return createProvider('p', ruleOf(rule) as ProviderRule, secrets)
  const headers = () => ({ authorization: 'Bearer the-secret', 'x-goog-user-project': 'quota' })
  return vertex('p', ruleOf({ ...rule, type: 'vertex' }), secrets, { headers })
}

describe.each(Object.entries(rules))('%s', (_, rule) => {
  test('keeps its name and type', () => {
    expect(createProvider('p', ruleOf(rule) as ProviderRule, secrets)).toMatchObject({ name: 'p', type: rule.type })
  })

  test('every header it sets is removed before the next attempt, those with credentials as credentials', async () => {
    const provider = make(rule)
    for (const operation of operations) {
      const path = provider.route(operation, 'claude-opus-4-6', true)?.path
      if (path === undefined) continue
      const request = requestTo(provider, path)
      await provider.authorize(request, {
        'anthropic-version': '2023-06-01',
        'anthropic-beta': 'flag',
        'openai-beta': 'flag',
      })
      const names = Object.keys(request.headers)
      expect(names.filter((name) => ![...credentialHeaders, ...vendorHeaders].includes(name))).toEqual([])
      expect(names.filter((name) => !vendorHeaders.includes(name)).length).toBeGreaterThan(0)
      for (const [name, value] of Object.entries(request.headers)) {
        expect(name).toBe(name.toLowerCase())
        if (value.includes('the-secret')) expect(credentialHeaders).toContain(name)
      }
    }
  })

  test('a model’s name, whatever the client wrote, changes neither host, path nor query', () => {
    const provider = make(rule)
    const nasty = fc.constantFrom(
      '../',
      '?',
      '#',
      '/',
      '\\',
      '@',
      ':',
      '%2e%2e%2f',
      '//evil.example',
      '..',
      ';',
      '&',
      ' ',
    )
    const model = fc
      .array(
        fc.oneof(nasty, fc.string({ unit: 'binary', maxLength: 4 }), fc.constantFrom('claude', 'models/', 'google/')),
      )
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(model, fc.constantFrom(...operations), fc.boolean(), (model, operation, stream) => {
        const path = provider.route(operation, model, stream)?.path
        if (path === undefined) return
        const url = new URL(`https://${provider.authority}${path}`)
        expect(url.host).toBe(provider.authority)
        expect(url.pathname + url.search).toBe(path)
        expect(url.hash).toBe('')
        expect(skeleton(url)).toMatch(shapes[rule.type])
      }),
      { numRuns: 500 },
    )
  })
})

test.each([
  ['openai', 'gpt-4o', 'chat', '/v1/chat/completions'],
  ['azure-openai, key', 'gpt-4o', 'chat', '/openai/v1/chat/completions'],
  ['azure-openai, dated', 'gpt', 'chat', '/openai/deployments/gpt/chat/completions?api-version=2024-10-21'],
  ['anthropic', 'claude-opus-4-6', 'messages', '/v1/messages'],
  ['gemini', 'gemini-3-pro', 'gemini', '/v1beta/models/gemini-3-pro:generateContent'],
  [
    'vertex',
    'claude-opus-4-6',
    'messages',
    '/v1/projects/proj/locations/global/publishers/anthropic/models/claude-opus-4-6:rawPredict',
  ],
  [
    'vertex',
    'gemini-3-pro',
    'gemini',
    '/v1/projects/proj/locations/global/publishers/google/models/gemini-3-pro:generateContent',
  ],
  ['bedrock, key', 'amazon.nova-pro-v1:0', 'converse', '/model/amazon.nova-pro-v1%3A0/converse'],
  ['openai-compatible', 'llama3', 'chat', '/v1/chat/completions'],
])('%s answers generateContent for %s in %s', (name, model, dialect, path) => {
  expect(make(rules[name]!).route('generate_content', model, false)).toMatchObject({
    operation: 'generate_content',
    dialect,
    path,
  })
})

test('a server with neither chat, responses nor messages has no generateContent', () => {
  const rule = { ...rules['openai-compatible']!, apis: ['embeddings'] }
  expect(make(rule).route('generate_content', 'm', false)).toBeUndefined()
})

/** A path with its query, the model's own segment replaced. */
function skeleton(url: URL): string {
  return url.pathname.replace(/(?<=\/(?:model|models|tunedModels|deployments)\/)[^/:]+/, 'M') + url.search
}

const shapes: Record<ProviderType, RegExp> = {
  openai: /^\/v1\/[a-z_/]+$/,
  'azure-openai':
    /^\/openai\/(?:v1\/[a-z_/]+|responses\?api-version=2024-10-21|deployments\/M\/(?:chat\/completions|completions|embeddings)\?api-version=2024-10-21)$/,
  anthropic: /^\/v1\/messages(?:\/count_tokens)?$/,
  gemini:
    /^\/v1beta\/(?:models|tunedModels)\/M:(?:generateContent|streamGenerateContent\?alt=sse|batchEmbedContents|countTokens)$/,
  vertex:
    /^\/v1\/projects\/proj\/locations\/global\/publishers\/(?:google\/models\/M:(?:generateContent|streamGenerateContent\?alt=sse|predict|embedContent|countTokens)|anthropic\/models\/M:(?:rawPredict|streamRawPredict))$/,
  bedrock: /^\/model\/M\/(?:converse|converse-stream|count-tokens|invoke)$/,
  'openai-compatible': /^\/v1\/[a-z_/]+$/,
}

test('the clouds’ libraries are loaded by the first request that needs them, not before', async () => {
  const script = `
    import { createRequire } from 'node:module'
    const cache = createRequire(import.meta.url).cache
    const loaded = () => ['google-auth-library', '@aws-sdk/credential-providers', '@smithy/signature-v4']
      .filter((name) => Object.keys(cache).some((path) => path.includes('/node_modules/' + name + '/')))
    const { createProvider } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)})
    const rules = ${JSON.stringify(Object.values(rules).map((rule) => ruleOf(rule)))}
    const secrets = { resolve: () => 'k' }
    const providers = rules.map((rule, i) => createProvider('p' + i, rule, secrets))
    const before = loaded()
    const request = (p) => ({ method: 'POST', scheme: 'https', authority: p.authority, path: '/', headers: {}, body: new Uint8Array() })
    for (const p of providers) if (p.type !== 'vertex') await p.authorize(request(p), {})
    console.log(JSON.stringify({ before, after: loaded() }))
  `
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--import',
    'tsx',
    '--input-type=module',
    '-e',
    script,
  ])
  // The signed Bedrock rule has its keys itself: the signer is loaded, the credential chain is not.
  expect(JSON.parse(stdout)).toEqual({ before: [], after: ['@smithy/signature-v4'] })
}, 20_000)
