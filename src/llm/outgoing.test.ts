import { describe, expect, test } from 'vitest'
import { ParsedRequest } from './client-request.ts'
import type { JsonObject } from './conversation.ts'
import { type Call, endpointOf } from './endpoints.ts'
import { ApiError } from './errors.ts'
import { asksForUsage, type Outgoing, writeOutgoing } from './outgoing.ts'
import type { Provider } from './providers/provider.ts'
import { agentRequest, clientRequest, providerOf } from './testing.ts'

const openai = providerOf({ type: 'openai', apiKey: '${env:A}' })
const anthropic = providerOf({ type: 'anthropic', apiKey: '${env:A}' })
const gemini = providerOf({ type: 'gemini', apiKey: '${env:A}' })
const compatible = (more: JsonObject) =>
  providerOf({ type: 'openai-compatible', baseUrl: 'https://llm.example/v1', ...more })

const textOf = ({ body }: Outgoing) => Buffer.from(body).toString('utf8')
const jsonOf = (outgoing: Outgoing) => JSON.parse(textOf(outgoing)) as JsonObject

function send(path: string, body: JsonObject | string, provider: Provider, model: string): Outgoing {
  return writeOutgoing(clientRequest(path, body), provider, model)
}

const chat = '/v1/chat/completions'
const user = { role: 'user', content: 'Hi' }

describe('a body in the target’s own format', () => {
  test('goes as it came where the model has the same name', () => {
    const text = '{ "temperature": 1.0, "model":"gpt-4o",\n"big": 12345678901234567890, "messages":[] }'
    const outgoing = send(chat, text, openai, 'gpt-4o')
    expect(textOf(outgoing)).toBe(text)
    expect(outgoing).toMatchObject({ unchanged: true, hideUsage: false, drops: [] })
  })

  test('changes in the name of the model only', () => {
    const text = '{ "model" : "fast" , "big": 12345678901234567890, "n": 1.0, "x": {"model": "fast"} }'
    const outgoing = send(chat, text, openai, 'gpt-"4o"')
    expect(textOf(outgoing)).toBe(text.replace('"fast"', '"gpt-\\"4o\\""'))
    expect(outgoing.unchanged).toBe(false)
  })

  test.each([
    '{"model":"cheap","messages":[],"model":"fast"}',
    '{"model":"cheap","messages":[],"mod\\u0065l":"fast"}',
    '{"mod\\u0065l":"cheap","messages":[],"model":"fast"}',
  ])('names one model only, whichever reader comes: %s', (text) => {
    for (const model of ['fast', 'gpt-4o']) {
      const written = textOf(send(chat, text, openai, model))
      expect(written.match(/mod(?:e|\\u0065)l/g)).toHaveLength(1)
      expect(JSON.parse(written)).toEqual({ model, messages: [] })
    }
  })

  test('a key named __proto__ goes on as a key', () => {
    const text = '{"__proto__":{"stream_options":{"include_usage":true}},"model":"a","model":"b"}'
    expect(textOf(send(chat, text, openai, 'm'))).toBe(
      '{"__proto__":{"stream_options":{"include_usage":true}},"model":"m"}',
    )
  })
})

describe('usage that is asked for on the client’s behalf', () => {
  test.each([
    ['none', {}],
    ['null', { stream_options: null }],
    ['false', { stream_options: { include_usage: false } }],
    ['null inside', { stream_options: { include_usage: null, include_obfuscation: false } }],
    ['no object', { stream_options: 'yes' }],
    ['a list', { stream_options: [true] }],
    ['a text that says true', { stream_options: { include_usage: 'true' } }],
  ])('where the client’s options are %s', (_, options) => {
    for (const path of [chat, '/v1/completions']) {
      const outgoing = send(path, { model: 'm', stream: true, ...options }, openai, 'm')
      expect(outgoing.hideUsage).toBe(true)
      expect(jsonOf(outgoing).stream_options).toMatchObject({ include_usage: true })
      expect(textOf(outgoing).match(/"stream_options"/g)).toHaveLength(1)
    }
  })

  test('other options stay', () => {
    const body = { model: 'm', stream: true, stream_options: { include_obfuscation: false } }
    expect(jsonOf(send(chat, body, openai, 'm')).stream_options).toEqual({
      include_obfuscation: false,
      include_usage: true,
    })
  })

  test.each([
    ['the client asked itself', { stream: true, stream_options: { include_usage: true } }, openai],
    ['there is no stream', {}, openai],
    ['the server does not know it', { stream: true }, compatible({ quirks: { streamUsage: false } })],
  ])('is not where %s', (_, body, provider) => {
    expect(send(chat, { model: 'm', ...body }, provider, 'm')).toMatchObject({ unchanged: true, hideUsage: false })
  })

  test('asksForUsage takes a true only', () => {
    expect(asksForUsage({ stream_options: { include_usage: true } })).toBe(true)
    for (const stream_options of [undefined, null, true, [], {}, { include_usage: 1 }])
      expect(asksForUsage({ stream_options })).toBe(false)
  })
})

describe('what other providers made is taken out, though the format is the target’s', () => {
  const thinking = (signature: string) => ({ type: 'thinking', thinking: 'Hm.', signature })
  const proof = (text: string) => Buffer.from(text).toString('base64')
  const foreign = 'secret-proof'
  const marked = proof(`chaperone.openai.signature:${foreign}`)
  const contents = [
    { role: 'user', parts: [{ text: 'Hi' }] },
    { role: 'model', parts: [{ thought: true, text: 'Hm.', thoughtSignature: marked }, { text: 'Yes.' }] },
  ]
  const messages = (signature: string) => [
    user,
    { role: 'assistant', content: [thinking(signature), { type: 'text', text: 'Yes.' }] },
    user,
  ]

  const bodies: [name: string, path: string, body: JsonObject, provider: Provider][] = [
    ['messages', '/v1/messages', { messages: messages(`chaperone.openai.${foreign}`) }, anthropic],
    [
      'a count of messages',
      '/v1/messages/count_tokens',
      { messages: messages(`chaperone.gemini.${foreign}`) },
      anthropic,
    ],
    [
      'messages in Vertex’s form',
      '/v1/messages/count_tokens',
      { messages: messages(`chaperone.gemini.${foreign}`) },
      providerOf({ type: 'vertex', project: 'p', location: 'global' }),
    ],
    [
      'a count of messages elsewhere',
      '/v1/messages/count_tokens',
      { messages: messages(`chaperone.openai.${foreign}`) },
      compatible({ apis: ['messages'] }),
    ],
    [
      'responses',
      '/v1/responses',
      { input: [{ type: 'reasoning', summary: [], encrypted_content: `chaperone.anthropic.${foreign}` }, user] },
      openai,
    ],
    [
      'chat',
      chat,
      {
        messages: [
          user,
          {
            role: 'assistant',
            content: 'Yes.',
            reasoning_details: [{ type: 'reasoning.encrypted', data: `chaperone.anthropic.${foreign}` }],
          },
        ],
      },
      compatible({}),
    ],
    ['generateContent', '/v1beta/models/m:generateContent', { contents }, gemini],
    ['countTokens', '/v1beta/models/m:countTokens', { contents }, gemini],
    [
      'countTokens of a whole request',
      '/v1beta/models/m:countTokens',
      { generateContentRequest: { contents } },
      gemini,
    ],
    [
      'countTokens, in the other spelling',
      '/v1beta/models/m:countTokens',
      { generate_content_request: { contents } },
      providerOf({ type: 'vertex', project: 'p', location: 'global' }),
    ],
  ]
  test.each(bodies)('%s', (_, path, body, provider) => {
    const model = path.includes('/messages') ? 'claude-sonnet-4-5' : 'gemini-2.5-pro'
    const request = { model: 'm', ...body }
    const outgoing = send(path, request, provider, model)
    expect(outgoing.unchanged).toBe(false)
    for (const hidden of [foreign, marked, 'chaperone']) expect(textOf(outgoing)).not.toContain(hidden)
    expect(textOf(outgoing)).toContain('Hi')
    // The client's own body is left alone: another target may be next.
    expect(request).toEqual({ model: 'm', ...body })
  })

  test('the target’s own proofs stay, byte for byte, beside words like the mark', () => {
    const text = JSON.stringify({ model: 'm', messages: messages('own'), system: 'You are chaperone.openai.' })
    for (const path of ['/v1/messages', '/v1/messages/count_tokens'])
      expect(textOf(send(path, text, anthropic, 'm'))).toBe(text)
  })
})

describe('Gemini’s own format', () => {
  test('goes as it came: the path names the model', () => {
    const text = '{"contents": [ ], "model":"anything"}'
    const outgoing = send('/v1beta/models/m:generateContent', text, gemini, 'gemini-2.5-pro')
    expect(textOf(outgoing)).toBe(text)
    expect(outgoing.unchanged).toBe(true)
    expect(outgoing.route.path).toContain('/models/gemini-2.5-pro:generateContent')
  })

  test('a count names the target’s model, not the client’s', () => {
    const body = { generateContentRequest: { model: 'models/m', contents: [] } }
    expect(jsonOf(send('/v1beta/models/m:countTokens', body, gemini, 'gemini-2.5-pro'))).toEqual({
      generateContentRequest: { model: 'models/gemini-2.5-pro', contents: [] },
    })
  })
})

describe('a body in another format', () => {
  test('is written anew, with the target’s model and its documented drops', () => {
    const outgoing = send(chat, { model: 'm', messages: [user], seed: 1, max_tokens: 5 }, anthropic, 'claude')
    expect(jsonOf(outgoing)).toMatchObject({ model: 'claude', max_tokens: 5, messages: [{ role: 'user' }] })
    expect(outgoing).toMatchObject({ unchanged: false, hideUsage: false, drops: ['seed'] })
  })

  test('is refused by name where the target cannot say it', () => {
    const write = () => send(chat, { model: 'm', messages: [user], n: 3 }, anthropic, 'claude')
    expect(write).toThrow(ApiError)
    expect(write).toThrow(expect.objectContaining({ status: 400, code: 'unsupported_field', param: 'n' }))
  })

  test('an operation the provider lacks is a 400', () => {
    expect(() => send('/v1/embeddings', { model: 'm', input: 'a' }, anthropic, 'claude')).toThrow(
      expect.objectContaining({ status: 400, code: 'unsupported_operation' }),
    )
  })

  test('embeddings and counts have their own forms', () => {
    expect(jsonOf(send('/v1/embeddings', { model: 'm', input: 'a' }, gemini, 'e'))).toMatchObject({
      requests: [{ model: 'models/e', content: { parts: [{ text: 'a' }] } }],
    })
    const count = send('/v1/messages/count_tokens', { model: 'm', messages: [user] }, gemini, 'g')
    expect(count.route.path).toContain('g:countTokens')
    expect(jsonOf(count)).toMatchObject({ generateContentRequest: { model: 'models/g' } })
  })
})

test.each([
  ['/v1/chat/completions', openai],
  ['/v1beta/models/m:generateContent', gemini],
] as const)('%s: a body that the rules changed is never the client’s own', (path, provider) => {
  const json = { model: 'm', messages: [], contents: [] }
  const asked = agentRequest(path, json)
  const call = endpointOf('POST', path, false) as Call
  expect(writeOutgoing(new ParsedRequest(call, 'm', asked, json), provider, 'm').unchanged).toBe(true)
  const edited = writeOutgoing(new ParsedRequest(call, 'm', asked, json, { ...json, temperature: 0 }), provider, 'm')
  expect(edited.unchanged).toBe(false)
  expect(jsonOf(edited)).toHaveProperty('temperature')
})
