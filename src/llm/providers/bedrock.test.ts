import { describe, expect, test } from 'vitest'
import { bedrock } from './bedrock.ts'
import { CredentialError } from './provider.ts'
import { env, requestTo, ruleOf, secretsOf } from './testing.ts'

const secrets = secretsOf({
  [env('KEY')]: 'bedrock-key',
  [env('ID')]: 'AKIA',
  [env('SECRET')]: 's',
  [env('TOKEN')]: 't',
})
const make = (more: Record<string, unknown> = {}) =>
  bedrock('b', ruleOf({ type: 'bedrock', region: 'us-east-1', apiKey: env('KEY'), ...more }), secrets)

const sonnet = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'
const arn = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc'

describe('routes', () => {
  test.each([
    ['chat', sonnet, false, 'converse', '/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse'],
    ['messages', sonnet, true, 'converse', '/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream'],
    [
      'responses',
      arn,
      false,
      'converse',
      '/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc/converse',
    ],
    ['completions', 'amazon.nova-pro-v1:0', false, 'converse', '/model/amazon.nova-pro-v1%3A0/converse'],
    [
      'embeddings',
      'amazon.titan-embed-text-v2:0',
      false,
      'titan-embeddings',
      '/model/amazon.titan-embed-text-v2%3A0/invoke',
    ],
    ['embeddings', 'us.cohere.embed-v4:0', false, 'cohere-embeddings', '/model/us.cohere.embed-v4%3A0/invoke'],
    [
      'embeddings',
      'arn:aws:bedrock:us-east-1::foundation-model/cohere.embed-english-v3',
      false,
      'cohere-embeddings',
      '/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Fcohere.embed-english-v3/invoke',
    ],
    ['count_tokens', sonnet, false, 'converse', '/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens'],
    [
      'count_tokens',
      `arn:aws:bedrock:us-east-1:1:inference-profile/${sonnet}`,
      false,
      'converse',
      '/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens',
    ],
    [
      'count_tokens',
      arn,
      false,
      'converse',
      '/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc/count-tokens',
    ],
  ] as const)('%s of %s (stream: %s) is %s at %s', (operation, model, stream, dialect, path) => {
    expect(make().route(operation, model, stream)).toMatchObject({ operation, dialect, path })
  })

  test.each([
    ['embeddings', 'amazon.nova-pro-v1:0'],
    ['embeddings', arn],
    ['embeddings', 'not-amazon.titan-embed-text-v2:0'],
    ['chat', '..'],
    ['chat', 'x/../../y'],
    ['count_tokens', 'us.'],
  ] as const)('has no %s of %s', (operation, model) => {
    expect(make().route(operation, model, false)).toBeUndefined()
  })
})

test.each([
  ['us-east-1', undefined, 'bedrock-runtime.us-east-1.amazonaws.com', ''],
  ['us-gov-west-1', undefined, 'bedrock-runtime.us-gov-west-1.amazonaws.com', ''],
  ['cn-north-1', undefined, 'bedrock-runtime.cn-north-1.amazonaws.com.cn', ''],
  ['eu-west-1', 'http://127.0.0.1:9/base', '127.0.0.1:9', '/base'],
])('the address in %s', (region, baseUrl, authority, base) => {
  const provider = make({ region, ...(baseUrl && { baseUrl }) })
  expect(provider.authority).toBe(authority)
  expect(provider.route('chat', 'm', false)?.path).toBe(`${base}/model/m/converse`)
})

test('a region that could change the host is refused', () => {
  expect(() => make({ region: 'evil.example/' })).toThrow(/^providers\.b\.region: /)
})

describe('shape', () => {
  const body = { messages: [], inferenceConfig: { maxTokens: 5 } }

  test.each([
    ['a known flag', sonnet, 'context-1m-2025-08-07', ['context-1m-2025-08-07']],
    [
      'known flags among others',
      sonnet,
      'claude-code-20250219, interleaved-thinking-2025-05-14,context-1m-2025-08-07',
      ['interleaved-thinking-2025-05-14', 'context-1m-2025-08-07'],
    ],
    ['flags Bedrock does not know', sonnet, 'claude-code-20250219,oauth-2025-04-20', undefined],
    ['a flag this model refuses', 'anthropic.claude-opus-4-1-20250805-v1:0', 'context-1m-2025-08-07', undefined],
    ['a model that is not Claude', 'amazon.nova-pro-v1:0', 'interleaved-thinking-2025-05-14', undefined],
    ['the name of an object’s own method', sonnet, 'constructor,toString', undefined],
    ['no header', sonnet, undefined, undefined],
  ])('beta flags: %s', (_, model, header, expected) => {
    const provider = make()
    const shaped = provider.shape?.(body, provider.route('messages', model, false)!, { 'anthropic-beta': header })
    if (expected === undefined) expect(shaped).toBe(body)
    else expect(shaped).toEqual({ ...body, additionalModelRequestFields: { anthropic_beta: expected } })
    expect(body).not.toHaveProperty('additionalModelRequestFields')
  })

  test('beta flags join the fields that are there', () => {
    const provider = make()
    const thinking = { type: 'enabled', budget_tokens: 1024 }
    const full = { messages: [], additionalModelRequestFields: { thinking, anthropic_beta: ['x'] } }
    const shaped = provider.shape?.(full, provider.route('messages', sonnet, false)!, {
      'anthropic-beta': 'interleaved-thinking-2025-05-14',
    })
    expect(shaped).toEqual({
      messages: [],
      additionalModelRequestFields: { thinking, anthropic_beta: ['x', 'interleaved-thinking-2025-05-14'] },
    })
  })

  test('counting wraps what CountTokens takes', () => {
    const provider = make()
    const full = { ...body, system: [], toolConfig: { tools: [] } }
    expect(provider.shape?.(full, provider.route('count_tokens', sonnet, false)!)).toEqual({
      input: { converse: { messages: [], system: [], toolConfig: { tools: [] } } },
    })
  })

  test('an embedding model’s own body stays', () => {
    const provider = make()
    const titan = { inputText: 'a' }
    expect(provider.shape?.(titan, provider.route('embeddings', 'amazon.titan-embed-text-v2:0', false)!)).toBe(titan)
  })
})

describe('authorize', () => {
  test('with an API key, at once', () => {
    const provider = make()
    const request = requestTo(provider, '/model/m/converse')
    expect(provider.authorize(request, { 'anthropic-beta': 'x' })).toBeUndefined()
    expect(request.headers).toEqual({ authorization: 'Bearer bedrock-key' })
  })

  test('with the rule’s own keys, signed for the region', async () => {
    const provider = make({
      apiKey: undefined,
      region: 'eu-central-1',
      accessKeyId: env('ID'),
      secretAccessKey: env('SECRET'),
      sessionToken: env('TOKEN'),
    })
    const request = requestTo(provider, provider.route('chat', sonnet, false)!.path)
    await provider.authorize(request, {})
    expect(Object.keys(request.headers).sort()).toEqual([
      'authorization',
      'x-amz-content-sha256',
      'x-amz-date',
      'x-amz-security-token',
    ])
    expect(request.headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIA\/\d{8}\/eu-central-1\/bedrock\/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=[0-9a-f]{64}$/,
    )
  })

  test('a missing key is named', async () => {
    const provider = make({ apiKey: undefined, accessKeyId: env('ABSENT'), secretAccessKey: env('SECRET') })
    const failing = Promise.resolve(provider.authorize(requestTo(provider, '/'), {}))
    await expect(failing).rejects.toThrow(CredentialError)
    await expect(failing).rejects.toThrow(`provider b: ${env('ABSENT')} is not set`)
  })

  test('one key without the other is refused with the rules', () => {
    expect(() => make({ apiKey: undefined, accessKeyId: env('ID') })).toThrow(/^providers\.b: .*belong together/)
  })
})
