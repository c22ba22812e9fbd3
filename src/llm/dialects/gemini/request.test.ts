import type * as sdk from '@google/genai'
import { describe, expect, test } from 'vitest'
import type { Conversation, JsonObject, Opaque, Part, Turn } from '../../conversation.ts'
import { drops, writeRequest } from './request.ts'
import { context, conversation } from './testing.ts'
import type * as wire from './wire.ts'

const hello = { role: 'user', parts: [{ text: 'Hello' }] }
const user = (...parts: Part[]): Turn => ({ role: 'user', parts })
const assistant = (...parts: Part[]): Turn => ({ role: 'assistant', parts })
const text = (value: string): Part => ({ type: 'text', text: value })
const signed = (value: string): Opaque => ({ origin: 'gemini', value })
const call = (id: string, name: string, fields: Partial<Extract<Part, { type: 'tool_call' }>> = {}): Part => ({
  type: 'tool_call',
  id,
  name,
  arguments: '{"city":"Oslo"}',
  ...fields,
})
const result = (id: string, value: string): Part => ({
  type: 'tool_result',
  id,
  content: [{ type: 'text', text: value }],
})
const weather = { name: 'weather', description: 'Looks it up', parameters: { type: 'object', properties: {} } }

const write = (fields: Partial<Conversation>, model?: string) => writeRequest(conversation(fields), context(model))

/** Field names that this dialect writes and the SDK does not know: none, or this file does not compile. */
type Unknown<Ours, Theirs> = Exclude<keyof Ours, keyof Theirs>
const spelling: [
  Unknown<wire.Part, sdk.Part>,
  Unknown<wire.GenerationConfig, sdk.GenerationConfig>,
  Unknown<wire.ThinkingConfig, sdk.ThinkingConfig>,
  Unknown<wire.FunctionDeclaration, sdk.FunctionDeclaration>,
  Unknown<wire.FunctionCallingConfig, sdk.FunctionCallingConfig>,
  Unknown<wire.FunctionResponse, sdk.FunctionResponse>,
  Unknown<wire.FileData, sdk.FileData>,
][] = []

test('field names are those of the SDK (checked by the compiler)', () => {
  expect(spelling).toEqual([])
})

describe('turns', () => {
  test.each<[string, Turn[], JsonObject]>([
    [
      'system and developer turns become the instruction, in order, wherever they stand',
      [
        { role: 'system', parts: [text('Be brief.')] },
        user(text('Hello')),
        { role: 'developer', parts: [text('In Norwegian.')] },
      ],
      { systemInstruction: { parts: [{ text: 'Be brief.' }, { text: 'In Norwegian.' }] }, contents: [hello] },
    ],
    [
      'neighbours of one role are joined, empty texts left out',
      [user(text('Hello')), user(text(''), text('there')), assistant(text('Hi')), assistant(text('!'))],
      {
        contents: [
          { role: 'user', parts: [{ text: 'Hello' }, { text: 'there' }] },
          { role: 'model', parts: [{ text: 'Hi' }, { text: '!' }] },
        ],
      },
    ],
    [
      'a turn that comes to nothing leaves no hole in the alternation',
      [user(text('Hello')), assistant({ type: 'reasoning', text: 'hm' }), user(text('there'))],
      { contents: [{ role: 'user', parts: [{ text: 'Hello' }, { text: 'there' }] }] },
    ],
    [
      'parallel calls and their results, named by the calls',
      [
        user(text('Hello')),
        assistant(text('Looking.'), call('a', 'weather'), call('b', 'time', { arguments: '' })),
        user(
          result('a', '4°'),
          { type: 'tool_result', id: 'b', isError: true, content: [{ type: 'text', text: 'no clock' }] },
          text('Well?'),
        ),
      ],
      {
        contents: [
          hello,
          {
            role: 'model',
            parts: [
              { text: 'Looking.' },
              { functionCall: { id: 'a', name: 'weather', args: { city: 'Oslo' } } },
              { functionCall: { id: 'b', name: 'time', args: {} } },
            ],
          },
          {
            role: 'user',
            parts: [
              { functionResponse: { id: 'a', name: 'weather', response: { output: '4°' } } },
              { functionResponse: { id: 'b', name: 'time', response: { error: 'no clock' } } },
              { text: 'Well?' },
            ],
          },
        ],
      },
    ],
    [
      'images, documents and sound',
      [
        user(
          { type: 'image', media: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' } },
          { type: 'image', media: { kind: 'url', url: 'https://example.com/a/cat.JPG?x=1.png' } },
          { type: 'image', media: { kind: 'url', url: 'https://example.com/cat', mediaType: 'image/webp' } },
          {
            type: 'document',
            media: { kind: 'base64', mediaType: 'application/pdf', data: 'BBBB' },
            context: 'From 2020.',
          },
          { type: 'document', media: { kind: 'text', text: 'né' } },
          { type: 'document', media: { kind: 'file', id: 'gs://bucket/a.pdf' } },
          {
            type: 'document',
            media: { kind: 'file', id: 'https://generativelanguage.googleapis.com/v1beta/files/abc' },
          },
          { type: 'audio', format: 'mp3', data: 'CCCC' },
        ),
      ],
      {
        contents: [
          {
            role: 'user',
            parts: [
              { inlineData: { mimeType: 'image/png', data: 'AAAA' } },
              { fileData: { fileUri: 'https://example.com/a/cat.JPG?x=1.png', mimeType: 'image/jpeg' } },
              { fileData: { fileUri: 'https://example.com/cat', mimeType: 'image/webp' } },
              { text: 'From 2020.' },
              { inlineData: { mimeType: 'application/pdf', data: 'BBBB' } },
              { inlineData: { mimeType: 'text/plain', data: 'bsOp' } },
              { fileData: { fileUri: 'gs://bucket/a.pdf', mimeType: 'application/pdf' } },
              { fileData: { fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/abc' } },
              { inlineData: { mimeType: 'audio/mp3', data: 'CCCC' } },
            ],
          },
        ],
      },
    ],
  ])('%s', (_, turns, body) => {
    expect(write({ turns })).toEqual(body)
  })

  const picture: Part = {
    type: 'tool_result',
    id: 'a',
    content: [
      { type: 'text', text: 'Here:' },
      { type: 'image', media: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' } },
    ],
  }
  const image = { inlineData: { mimeType: 'image/png', data: 'AAAA' } }

  test.each([
    [
      'gemini-3-flash-preview',
      [
        {
          functionResponse: { id: 'a', name: 'photo', response: { output: 'Here:' }, parts: [image] },
        },
        { functionResponse: { id: 'b', name: 'weather', response: { output: '4°' } } },
        { text: 'Well?' },
      ],
    ],
    [
      'gemini-2.5-flash',
      [
        { functionResponse: { id: 'a', name: 'photo', response: { output: 'Here:' } } },
        { functionResponse: { id: 'b', name: 'weather', response: { output: '4°' } } },
        image,
        { text: 'Well?' },
      ],
    ],
  ])('a picture in a tool result, for %s', (model, parts) => {
    const turns = [
      user(text('Hello')),
      assistant(call('a', 'photo', { signature: signed('S') }), call('b', 'weather')),
      user(picture, result('b', '4°'), text('Well?')),
    ]
    expect((write({ turns }, model).contents as wire.Content[])[2]).toEqual({ role: 'user', parts })
  })
})

describe('thought signatures', () => {
  const parts = (turn: Turn, model?: string) =>
    (write({ turns: [user(text('Hello')), turn, user(text('And?'))] }, model).contents as wire.Content[])[1]?.parts

  test.each<[string, Part[], wire.Part[]]>([
    [
      'on a call, a thought and a text, each on its own part',
      [
        { type: 'reasoning', text: 'Hm.', signature: signed('T') },
        { type: 'reasoning', text: '', signature: signed('V') },
        text('Looking.'),
        call('a', 'weather', { signature: signed('C') }),
        call('b', 'weather'),
      ],
      [
        { text: 'Hm.', thought: true, thoughtSignature: 'T' },
        { text: 'Looking.', thoughtSignature: 'V' },
        { functionCall: { id: 'a', name: 'weather', args: { city: 'Oslo' } }, thoughtSignature: 'C' },
        { functionCall: { id: 'b', name: 'weather', args: { city: 'Oslo' } } },
      ],
    ],
    [
      'with no text after it: an empty text of its own, as streams end',
      [text('Hi'), { type: 'reasoning', text: '', signature: signed('V') }],
      [{ text: 'Hi' }, { text: '', thoughtSignature: 'V' }],
    ],
    [
      'two in a row keep apart',
      [
        { type: 'reasoning', text: '', signature: signed('V') },
        { type: 'reasoning', text: '', signature: signed('W') },
        text('Hi'),
      ],
      [
        { text: '', thoughtSignature: 'V' },
        { text: 'Hi', thoughtSignature: 'W' },
      ],
    ],
    [
      'foreign and unsigned thinking is left out',
      [
        { type: 'reasoning', text: 'Hm.', signature: { origin: 'anthropic', value: 'X' } },
        { type: 'reasoning', text: 'Hm.' },
        { type: 'reasoning', text: '', redacted: { origin: 'openai', value: 'Y' } },
        text('Hi'),
        call('a', 'weather', { signature: { origin: 'bedrock', value: 'Z' } }),
      ],
      [{ text: 'Hi' }, { functionCall: { id: 'a', name: 'weather', args: { city: 'Oslo' } } }],
    ],
  ])('%s', (_, given, written) => {
    expect(parts(assistant(...given))).toEqual(written)
  })

  const steps = [
    user(text('Hello')),
    assistant(call('a', 'weather')),
    user(result('a', '4°')),
    assistant(text('Cold.')),
    user(text('And Bergen?')),
    assistant(call('b', 'weather'), call('c', 'weather')),
    user(result('b', '6°'), result('c', '7°')),
    assistant(call('d', 'weather', { signature: signed('D') })),
    user(result('d', '8°')),
  ]
  const signatures = (model: string) =>
    (write({ turns: steps }, model).contents as wire.Content[])
      .flatMap(({ parts }) => parts)
      .filter((part) => part.functionCall)
      .map((part) => part.thoughtSignature)

  test.each([
    ['gemini-3.1-pro-preview', [undefined, 'skip_thought_signature_validator', undefined, 'D']],
    ['gemini-flash-latest', [undefined, 'skip_thought_signature_validator', undefined, 'D']],
    ['gemini-2.5-pro', [undefined, undefined, undefined, 'D']],
  ])('%s: calls of the running turn that Gemini did not make are marked so where it must be', (model, expected) => {
    expect(signatures(model)).toEqual(expected)
  })
})

describe('tools', () => {
  test('schemas go as they came', () => {
    const parameters = {
      type: 'object',
      $defs: { a: { type: 'string' } },
      properties: { x: { $ref: '#/$defs/a' } },
      additionalProperties: false,
    }
    expect(
      write({
        tools: [
          { name: 'f', parameters },
          { name: 'g', description: 'G' },
        ],
      }),
    ).toEqual({
      contents: [hello],
      tools: [
        {
          functionDeclarations: [
            { name: 'f', parametersJsonSchema: parameters },
            { name: 'g', description: 'G' },
          ],
        },
      ],
    })
  })

  test.each<[Conversation['toolChoice'], boolean, wire.FunctionCallingConfig | undefined]>([
    [undefined, false, undefined],
    [undefined, true, { mode: 'VALIDATED' }],
    [{ type: 'auto' }, false, { mode: 'AUTO' }],
    [{ type: 'auto' }, true, { mode: 'VALIDATED' }],
    [{ type: 'none' }, true, { mode: 'NONE' }],
    [{ type: 'required' }, true, { mode: 'ANY' }],
    [{ type: 'tool', name: 'weather' }, false, { mode: 'ANY', allowedFunctionNames: ['weather'] }],
    [
      { type: 'allowed', mode: 'required', names: ['weather'] },
      false,
      { mode: 'ANY', allowedFunctionNames: ['weather'] },
    ],
    [
      { type: 'allowed', mode: 'auto', names: ['weather'] },
      false,
      { mode: 'VALIDATED', allowedFunctionNames: ['weather'] },
    ],
  ])('choice %j, strict %j', (toolChoice, strict, expected) => {
    const body = write({ tools: [{ ...weather, strict }], ...(toolChoice && { toolChoice }) })
    expect((body.toolConfig as JsonObject | undefined)?.functionCallingConfig).toEqual(expected)
  })
})

describe('generation config', () => {
  const schema = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] }

  test.each<[Partial<Conversation>, wire.GenerationConfig | undefined]>([
    [{}, undefined],
    [{ n: 1, logprobs: false, output: { type: 'text' } }, undefined],
    [
      {
        n: 2,
        maxTokens: 100,
        temperature: 0,
        topP: 0.9,
        topK: 40,
        seed: 7,
        stop: ['END'],
        presencePenalty: 0.5,
        frequencyPenalty: -0.5,
        logprobs: true,
        topLogprobs: 3,
      },
      {
        candidateCount: 2,
        maxOutputTokens: 100,
        temperature: 0,
        topP: 0.9,
        topK: 40,
        seed: 7,
        stopSequences: ['END'],
        presencePenalty: 0.5,
        frequencyPenalty: -0.5,
        responseLogprobs: true,
        logprobs: 3,
      },
    ],
    [{ output: { type: 'json_object' } }, { responseMimeType: 'application/json' }],
    [
      { output: { type: 'json_schema', name: 'answer', schema, strict: true } },
      { responseMimeType: 'application/json', responseJsonSchema: schema },
    ],
    [
      { output: { type: 'json_schema', name: 'answer', description: 'An answer', schema } },
      { responseMimeType: 'application/json', responseJsonSchema: { ...schema, description: 'An answer' } },
    ],
  ])('%j', (fields, config) => {
    expect(write(fields).generationConfig).toEqual(config)
  })
})

describe('what Gemini cannot say', () => {
  test.each<[string, Partial<Conversation>]>([
    ['logit_bias', { logitBias: { '50256': -100 } }],
    ['prediction', { extra: { prediction: {} } }],
    ['parallel_tool_calls', { tools: [weather], parallelToolCalls: false }],
    ['tool_choice', { toolChoice: { type: 'required' } }],
    ['messages', { turns: [] }],
    ['messages', { turns: [{ role: 'system', parts: [text('Be brief.')] }] }],
    ['messages', { turns: [user(call('a', 'weather'))] }],
    ['messages', { turns: [assistant(result('a', 'x'))] }],
    [
      'system',
      {
        turns: [
          user(text('Hello')),
          { role: 'system', parts: [{ type: 'image', media: { kind: 'url', url: 'https://x/a.png' } }] },
        ],
      },
    ],
    ['tool_call_id', { turns: [user(result('gone', 'x'))] }],
    ['tool_calls', { turns: [assistant(call('a', 'weather', { arguments: '{"city":' }))] }],
    ['tool_calls', { turns: [assistant(call('a', 'weather', { arguments: '[1]' }))] }],
    ['image', { turns: [user({ type: 'image', media: { kind: 'url', url: 'https://example.com/cat' } })] }],
    ['image', { turns: [user({ type: 'image', media: { kind: 'url', url: 'https://example.md' } })] }],
    ['image', { turns: [user({ type: 'image', media: { kind: 'url', url: 'cat.png' } })] }],
    ['image', { turns: [user({ type: 'image', media: { kind: 'file', id: 'file-abc' } })] }],
    ['citations', { turns: [user({ type: 'document', media: { kind: 'text', text: 'x' }, citations: true })] }],
    ['audio', { turns: [user({ type: 'audio', format: 'pcm16', data: 'AAAA' })] }],
  ])('%s is refused: %j', (param, fields) => {
    expect(() => write(fields)).toThrow(expect.objectContaining({ status: 400, param }))
  })

  test('hints are dropped, each noted by a documented name', () => {
    const noted = context()
    writeRequest(
      conversation({
        turns: [
          {
            role: 'user',
            name: 'ann',
            parts: [
              { type: 'image', detail: 'low', media: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' } },
              {
                type: 'document',
                name: 'a.pdf',
                cache: { ttl: '5m' },
                media: { kind: 'base64', mediaType: 'application/pdf', data: 'AAAA' },
              },
            ],
          },
        ],
        user: 'u',
        metadata: { a: 'b' },
        serviceTier: 'flex',
        promptCacheKey: 'k',
        verbosity: 'low',
        extra: { store: true, safety_identifier: 's' },
      }),
      noted,
    )
    expect(noted.dropped.toSorted()).toEqual([
      'cache',
      'document.name',
      'image.detail',
      'metadata',
      'promptCacheKey',
      'safety_identifier',
      'serviceTier',
      'store',
      'turn.name',
      'user',
      'verbosity',
    ])
    for (const field of noted.dropped) expect(drops).toHaveProperty([field])
  })

  test('cache markers are seen on tools and inside tool results too', () => {
    const noted = context()
    writeRequest(conversation({ tools: [{ ...weather, cache: { ttl: '1h' } }] }), noted)
    expect(noted.dropped).toEqual(['cache'])
  })
})
