import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Anthropic from '@anthropic-ai/sdk'
import { LLMock } from '@copilotkit/aimock'
import { ApiError, type Candidate, type GenerateContentResponse, GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'
import { upstream } from './harness.ts'

/** Every chat API against every provider, with the real SDKs in front and aimock's wire protocols behind. */
const mock = new LLMock({ port: 0, logLevel: 'silent' })
const directory = mkdtempSync(join(tmpdir(), 'chaperone-matrix-'))
let tokens: Awaited<ReturnType<typeof upstream>>
let claudeOnVertex: Awaited<ReturnType<typeof upstream>>
let gateway: TestGateway
let openai: OpenAI
let anthropic: Anthropic
let google: GoogleGenAI

const schema = { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] }
const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 }

beforeAll(async () => {
  process.env.TEST_KEY = 'test-key'
  process.env.TEST_AWS_ID = 'AKIATEST'
  process.env.TEST_AWS_SECRET = 'aws-secret'
  const called = { content: '', usage }
  mock.on(
    { userMessage: 'weather', hasToolResult: false },
    {
      ...called,
      toolCalls: [
        { id: 'call_paris', name: 'get_weather', arguments: '{"city":"Paris"}' },
        { id: 'call_rome', name: 'get_weather', arguments: '{"city":"Rome"}' },
      ],
    },
  )
  mock.on({ userMessage: 'weather', hasToolResult: true }, { content: 'Sunny in both.', usage })
  mock.onMessage('hello', { content: 'Grüße, 世界! 👋', usage })
  mock.onMessage('broken', { error: { message: 'scripted refusal', type: 'invalid_request_error' }, status: 400 })
  await mock.start()

  tokens = await upstream((request, response) => {
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({
        access_token: 'google-token',
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        token_type: 'Bearer',
        expires_in: 3600,
      }),
    )
  })
  writeFileSync(join(directory, 'subject'), 'subject-token')
  const credentialsFile = join(directory, 'google.json')
  writeFileSync(
    credentialsFile,
    JSON.stringify({
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/p',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `${tokens.url}/token`,
      credential_source: { file: join(directory, 'subject') },
    }),
  )
  // aimock has Vertex AI's Gemini only. Claude there is the messages API at another path, without a model in the body.
  claudeOnVertex = await upstream(async (request, response) => {
    const model = /models\/([^:]+):(?:streamRawPredict|rawPredict)$/.exec(request.url ?? '')?.[1]
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece as Buffer)
    const body = JSON.parse(Buffer.concat(pieces).toString()) as Record<string, unknown>
    if (!model || 'model' in body || body.anthropic_version !== 'vertex-2023-10-16') {
      response.writeHead(400).end('{}')
      return
    }
    delete body.anthropic_version
    const answer = await fetch(`${mock.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': 'k', 'anthropic-version': '2023-06-01' },
      body: JSON.stringify({ ...body, model }),
    })
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
    for await (const piece of answer.body!) response.write(piece)
    response.end()
  })

  const one = (provider: string, model: string) => ({ targets: [{ provider, model }] })
  gateway = await startGateway({
    providers: {
      openai: { type: 'openai', baseUrl: `${mock.url}/v1`, apiKey: '${env:TEST_KEY}' },
      'openai-responses': {
        type: 'openai',
        baseUrl: `${mock.url}/v1`,
        apiKey: '${env:TEST_KEY}',
        translateTo: 'responses',
      },
      azure: {
        type: 'azure-openai',
        baseUrl: mock.url,
        apiKey: '${env:TEST_KEY}',
        apiVersion: '2024-10-21',
      },
      anthropic: { type: 'anthropic', baseUrl: mock.url, apiKey: '${env:TEST_KEY}' },
      gemini: { type: 'gemini', baseUrl: `${mock.url}/v1beta`, apiKey: '${env:TEST_KEY}' },
      vertex: { type: 'vertex', baseUrl: mock.url, project: 'p', credentialsFile },
      'vertex-claude': { type: 'vertex', baseUrl: claudeOnVertex.url, project: 'p', credentialsFile },
      bedrock: {
        type: 'bedrock',
        baseUrl: mock.url,
        region: 'eu-central-1',
        accessKeyId: '${env:TEST_AWS_ID}',
        secretAccessKey: '${env:TEST_AWS_SECRET}',
      },
      compatible: { type: 'openai-compatible', baseUrl: `${mock.url}/v1` },
    },
    models: {
      openai: one('openai', 'gpt-4o'),
      'openai-responses': one('openai-responses', 'gpt-4o'),
      azure: one('azure', 'my-deployment'),
      anthropic: one('anthropic', 'claude-sonnet-4-5'),
      gemini: one('gemini', 'gemini-2.5-pro'),
      vertex: one('vertex', 'gemini-2.5-pro'),
      'vertex-claude': one('vertex-claude', 'claude-sonnet-4-5@20250929'),
      bedrock: one('bedrock', 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0'),
      compatible: one('compatible', 'llama3.3'),
    },
  })
  openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'unused', maxRetries: 0 })
  anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'unused', maxRetries: 0 })
  google = new GoogleGenAI({ apiKey: 'unused', httpOptions: { baseUrl: gateway.url } })
})

afterAll(async () => {
  await gateway?.stop()
  await mock.stop()
  await tokens?.close()
  await claudeOnVertex?.close()
  rmSync(directory, { recursive: true, force: true })
})

/** One turn with a model: what it said and the calls it made. */
interface Said {
  text: string
  calls: { id: string; name: string; arguments: unknown }[]
  finish: string | null | undefined
  input: number | undefined
  output: number | undefined
}
/** A conversation in neutral words; each client says it in its own API. */
interface Ask {
  user: string
  /** The calls of the turn before and what they gave. */
  results?: { calls: Said['calls']; outputs: string[] }
}
type Client = (model: string, ask: Ask, stream: boolean) => Promise<Said>

const chat: Client = async (model, { user, results }, stream) => {
  const body: Omit<OpenAI.ChatCompletionCreateParamsNonStreaming, 'stream'> = {
    model,
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: user },
      ...(results
        ? [
            {
              role: 'assistant' as const,
              content: null,
              tool_calls: results.calls.map(({ id, name, arguments: value }) => ({
                id,
                type: 'function' as const,
                function: { name, arguments: JSON.stringify(value) },
              })),
            },
            ...results.outputs.map((content, i) => ({
              role: 'tool' as const,
              tool_call_id: results.calls[i]!.id,
              content,
            })),
          ]
        : []),
    ],
    tools: [{ type: 'function', function: { name: 'get_weather', description: 'Weather', parameters: schema } }],
  }
  const completion = stream
    ? await openai.chat.completions.stream({ ...body, stream_options: { include_usage: true } }).finalChatCompletion()
    : await openai.chat.completions.create(body)
  const { message, finish_reason } = completion.choices[0]!
  return {
    text: message.content ?? '',
    calls: (message.tool_calls ?? []).map((call) => {
      if (call.type !== 'function') throw new Error(`a ${call.type} call`)
      return { id: call.id, name: call.function.name, arguments: JSON.parse(call.function.arguments) }
    }),
    finish: finish_reason,
    input: completion.usage?.prompt_tokens,
    output: completion.usage?.completion_tokens,
  }
}

const responses: Client = async (model, { user, results }, stream) => {
  const body: Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, 'stream'> = {
    model,
    store: false,
    instructions: 'Be brief.',
    input: [
      { role: 'user', content: user },
      ...(results
        ? [
            ...results.calls.map(({ id, name, arguments: value }) => ({
              type: 'function_call' as const,
              call_id: id,
              name,
              arguments: JSON.stringify(value),
            })),
            ...results.outputs.map((output, i) => ({
              type: 'function_call_output' as const,
              call_id: results.calls[i]!.id,
              output,
            })),
          ]
        : []),
    ],
    tools: [{ type: 'function', name: 'get_weather', description: 'Weather', parameters: schema, strict: false }],
  }
  const response = stream ? await openai.responses.stream(body).finalResponse() : await openai.responses.create(body)
  return {
    text: response.output_text,
    calls: response.output.flatMap((item) =>
      item.type === 'function_call'
        ? [{ id: item.call_id, name: item.name, arguments: JSON.parse(item.arguments) }]
        : [],
    ),
    finish: response.status,
    input: response.usage?.input_tokens,
    output: response.usage?.output_tokens,
  }
}

const messages: Client = async (model, { user, results }, stream) => {
  const body: Anthropic.MessageCreateParamsNonStreaming = {
    model,
    max_tokens: 1000,
    system: 'Be brief.',
    messages: [
      { role: 'user', content: user },
      ...(results
        ? [
            {
              role: 'assistant' as const,
              content: results.calls.map(({ id, name, arguments: input }) => ({
                type: 'tool_use' as const,
                id,
                name,
                input,
              })),
            },
            {
              role: 'user' as const,
              content: results.outputs.map((content, i) => ({
                type: 'tool_result' as const,
                tool_use_id: results.calls[i]!.id,
                content,
              })),
            },
          ]
        : []),
    ],
    tools: [{ name: 'get_weather', description: 'Weather', input_schema: schema }],
  }
  const message = stream ? await anthropic.messages.stream(body).finalMessage() : await anthropic.messages.create(body)
  return {
    text: message.content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    calls: message.content.flatMap((block) =>
      block.type === 'tool_use' ? [{ id: block.id, name: block.name, arguments: block.input }] : [],
    ),
    finish: message.stop_reason,
    input:
      message.usage.input_tokens +
      (message.usage.cache_read_input_tokens ?? 0) +
      (message.usage.cache_creation_input_tokens ?? 0),
    output: message.usage.output_tokens,
  }
}

const gemini: Client = async (model, { user, results }, stream) => {
  const request: Parameters<GoogleGenAI['models']['generateContent']>[0] = {
    model,
    config: {
      systemInstruction: 'Be brief.',
      tools: [
        { functionDeclarations: [{ name: 'get_weather', description: 'Weather', parametersJsonSchema: schema }] },
      ],
    },
    contents: [
      { role: 'user', parts: [{ text: user }] },
      ...(results
        ? [
            {
              role: 'model',
              parts: results.calls.map(({ id, name, arguments: args }) => ({
                functionCall: { id, name, args: args as Record<string, unknown> },
              })),
            },
            {
              role: 'user',
              parts: results.outputs.map((output, i) => {
                const { id, name } = results.calls[i]!
                return { functionResponse: { id, name, response: { output } } }
              }),
            },
          ]
        : []),
    ],
  }
  const pieces: GenerateContentResponse[] = []
  if (stream) for await (const piece of await google.models.generateContentStream(request)) pieces.push(piece)
  else pieces.push(await google.models.generateContent(request))
  const candidates = pieces.flatMap((piece): Candidate[] => piece.candidates ?? [])
  const parts = candidates.flatMap(({ content }) => content?.parts ?? [])
  const usage = pieces.at(-1)?.usageMetadata
  return {
    text: parts.map(({ text }) => text ?? '').join(''),
    calls: parts.flatMap(({ functionCall: call }) =>
      call ? [{ id: call.id ?? `of ${JSON.stringify(call.args)}`, name: call.name!, arguments: call.args }] : [],
    ),
    // Google says STOP after calls too; aimock, whose answers pass through, has a word of its own.
    finish: candidates.at(-1)?.finishReason?.replace('FUNCTION_CALL', 'STOP'),
    input: usage?.promptTokenCount,
    output: usage?.candidatesTokenCount,
  }
}

const clients = { chat, responses, messages, gemini }
const providers = [
  'openai',
  'openai-responses',
  'azure',
  'anthropic',
  'gemini',
  'vertex',
  'vertex-claude',
  'bedrock',
  'compatible',
]
const ended: Record<keyof typeof clients, [answered: string, called: string]> = {
  chat: ['stop', 'tool_calls'],
  responses: ['completed', 'completed'],
  messages: ['end_turn', 'tool_use'],
  gemini: ['STOP', 'STOP'],
}

describe.each(Object.keys(clients) as (keyof typeof clients)[])('%s', (api) => {
  const client = clients[api]
  const [answered, called] = ended[api]

  describe.each(providers)('→ %s', (provider) => {
    test.each([false, true])('answers, stream: %s', async (stream) => {
      const said = await client(provider, { user: 'hello' }, stream)
      expect(said).toEqual({ text: 'Grüße, 世界! 👋', calls: [], finish: answered, input: 11, output: 7 })
      const { body } = mock.getLastRequest()!
      const { messages: sent } = body as { messages: { role: string; content: unknown }[] }
      expect(sent.map(({ role }) => role)).toEqual(['system', 'user'])
    })

    test.each([false, true])('calls tools in parallel and takes their results, stream: %s', async (stream) => {
      const first = await client(provider, { user: 'weather' }, stream)
      expect(first.calls.map(({ name, arguments: value }) => [name, value])).toEqual([
        ['get_weather', { city: 'Paris' }],
        ['get_weather', { city: 'Rome' }],
      ])
      expect(new Set(first.calls.map(({ id }) => id)).size).toBe(2)
      expect(first.finish).toBe(called)
      const outputs = ['sunny', 'sunny too']
      const second = await client(provider, { user: 'weather', results: { calls: first.calls, outputs } }, stream)
      expect(second).toMatchObject({ text: 'Sunny in both.', calls: [], finish: answered })
    })

    test('errors come in the client’s own form', async () => {
      const error = await client(provider, { user: 'broken' }, false).catch((reason: unknown) => reason)
      if (api === 'messages') {
        expect(error).toBeInstanceOf(Anthropic.BadRequestError)
        expect((error as InstanceType<typeof Anthropic.APIError>).error).toMatchObject({
          type: 'error',
          error: { type: 'invalid_request_error', message: expect.stringContaining('scripted refusal') },
        })
      } else if (api === 'gemini') {
        expect(error).toBeInstanceOf(ApiError)
        const { status, message } = error as ApiError
        expect(status).toBe(400)
        // The SDK's message is the whole body.
        expect(JSON.parse(message)).toMatchObject({
          error: {
            code: 400,
            status: 'INVALID_ARGUMENT',
            message: expect.stringContaining('scripted refusal'),
            details: expect.arrayContaining([
              { '@type': 'type.googleapis.com/google.rpc.RequestInfo', requestId: expect.any(String) },
            ]),
          },
        })
      } else {
        expect(error).toBeInstanceOf(OpenAI.BadRequestError)
        expect(error).toMatchObject({
          type: 'invalid_request_error',
          message: expect.stringContaining('scripted refusal'),
        })
      }
    })
  })
})

test('every request was recorded with the provider’s own figures', () => {
  const good = gateway.records.filter((record) => record.status === 200)
  expect(good.length).toBeGreaterThan(100)
  for (const record of good) expect(record.usage, JSON.stringify(record)).toMatchObject({ output: expect.any(Number) })
  expect(gateway.reports).toEqual([])
})
