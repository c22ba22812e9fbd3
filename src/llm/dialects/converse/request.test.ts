import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Conversation, JsonObject, Part } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { drops, writeRequest } from './request.ts'
import { context, conversation, errorOf, models } from './testing.ts'
import type { Message } from './wire.ts'

const write = (fields: Partial<Conversation>, model?: string) => {
  const target = context(model)
  return { body: writeRequest(conversation(fields), target), dropped: target.dropped }
}
const messages = [{ role: 'user', content: [{ text: 'Hello' }] }]

test('a plain request says nothing but its messages', () => {
  expect(write({})).toEqual({ body: { messages }, dropped: [] })
  expect(write({ stream: true })).toEqual({ body: { messages }, dropped: [] })
})

describe('fields', () => {
  test.each<[Partial<Conversation>, JsonObject]>([
    [
      { maxTokens: 100, temperature: 0, topP: 0.9, stop: ['END'] },
      {
        inferenceConfig: { maxTokens: 100, temperature: 0, topP: 0.9, stopSequences: ['END'] },
        additionalModelResponseFieldPaths: ['/stop_sequence'],
      },
    ],
    [{ stop: [] }, {}],
    [{ n: 1, logprobs: false, topLogprobs: 0, presencePenalty: 0, frequencyPenalty: 0, logitBias: {} }, {}],
    [{ output: { type: 'text' } }, {}],
    [
      { output: { type: 'json_schema', name: 'w', description: 'Weather.', schema: { type: 'object' }, strict: true } },
      {
        outputConfig: {
          textFormat: {
            type: 'json_schema',
            structure: { jsonSchema: { schema: '{"type":"object"}', name: 'w', description: 'Weather.' } },
          },
        },
      },
    ],
    [
      { output: { type: 'json_schema', name: 'w', schema: {} } },
      { outputConfig: { textFormat: { type: 'json_schema', structure: { jsonSchema: { schema: '{}', name: 'w' } } } } },
    ],
    [{ metadata: { team: 'a b', 'cost:centre': '' } }, { requestMetadata: { team: 'a b', 'cost:centre': '' } }],
    [{ metadata: {} }, {}],
    [{ serviceTier: 'auto' }, {}],
    [{ serviceTier: 'default' }, { serviceTier: { type: 'default' } }],
    [{ serviceTier: 'standard_only' }, { serviceTier: { type: 'default' } }],
    [{ serviceTier: 'flex' }, { serviceTier: { type: 'flex' } }],
    [{ serviceTier: 'priority' }, { serviceTier: { type: 'priority' } }],
    [{ serviceTier: 'reserved' }, { serviceTier: { type: 'reserved' } }],
    // Bedrock's own, by their own names.
    [
      { extra: { guardrailConfig: { guardrailIdentifier: 'g', guardrailVersion: '1' } } },
      { guardrailConfig: { guardrailIdentifier: 'g', guardrailVersion: '1' } },
    ],
    [{ extra: { performanceConfig: { latency: 'optimized' } } }, { performanceConfig: { latency: 'optimized' } }],
  ])('%j', (fields, written) => {
    expect(write(fields)).toEqual({ body: { messages, ...written }, dropped: [] })
  })

  test.each([
    [models.sonnet45, { top_k: 40 }],
    [models.llama, { top_k: 40 }],
    [models.profile, { top_k: 40 }],
    [models.nova, { inferenceConfig: { topK: 40 } }],
    [models.cohere, { k: 40 }],
  ])("top_k is the model maker's own: %s", (model, additionalModelRequestFields) => {
    expect(write({ topK: 40 }, model).body).toEqual({ messages, additionalModelRequestFields })
  })

  test("a schema and an effort are both of the answer's form", () => {
    const output = { type: 'json_schema', name: 'w', schema: {} } as const
    expect(write({ output, reasoning: { effort: 'low' } }, models.opus47).body).toEqual({
      messages,
      additionalModelRequestFields: { thinking: { type: 'adaptive' } },
      outputConfig: {
        effort: 'low',
        textFormat: { type: 'json_schema', structure: { jsonSchema: { schema: '{}', name: 'w' } } },
      },
    })
  })

  test("what goes to the model's maker stands together", () => {
    const fields: Partial<Conversation> = {
      topK: 5,
      reasoning: { budget: 2000 },
      tools: [{ name: 'f' }],
      parallelToolCalls: false,
    }
    expect(write(fields).body.additionalModelRequestFields).toEqual({
      top_k: 5,
      thinking: { type: 'enabled', budget_tokens: 2000 },
      tool_choice: { type: 'auto', disable_parallel_tool_use: true },
    })
  })
})

describe('what has no place is', () => {
  test.each<[string, Partial<Conversation>]>([
    ['user', { user: 'u' }],
    ['seed', { seed: 7 }],
    ['verbosity', { verbosity: 'low' }],
    ['promptCacheKey', { promptCacheKey: 'k' }],
    ['serviceTier', { serviceTier: 'scale' }],
    ['store', { extra: { store: true } }],
    ['truncation', { extra: { truncation: 'auto' } }],
    ['safety_identifier', { extra: { safety_identifier: 's' } }],
    ['prompt_cache_retention', { extra: { prompt_cache_retention: '24h' } }],
    ['prompt_cache_options', { extra: { prompt_cache_options: {} } }],
    ['metadata', { metadata: { team: 'é' } }],
    ['metadata', { metadata: { '': 'a' } }],
    ['metadata', { metadata: { a: 'x'.repeat(257) } }],
    ['turn.name', { turns: [{ role: 'user', name: 'Ada', parts: [{ type: 'text', text: 'Hello' }] }] }],
  ])('dropped: %s of %j', (field, fields) => {
    expect(write(fields)).toEqual({ body: { messages }, dropped: [field] })
    expect(drops).toHaveProperty([field])
  })

  test('dropped once for many images', () => {
    const image = {
      type: 'image',
      media: { kind: 'base64', mediaType: 'image/png', data: 'AA==' },
      detail: 'low',
    } as const
    const call = { type: 'tool_call', id: 'a', name: 'f', arguments: '{}' } as const
    const turns: Conversation['turns'] = [
      { role: 'user', parts: [image] },
      { role: 'assistant', parts: [call] },
      { role: 'user', parts: [{ type: 'tool_result', id: 'a', content: [image] }] },
    ]
    expect(write({ turns, tools: [{ name: 'f' }] }).dropped).toEqual(['image.detail'])
  })

  test('of many pairs of metadata, Bedrock takes 16', () => {
    const metadata = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`k${at}`, 'v']))
    const { body, dropped } = write({ metadata: { ä: 'left out', ...metadata } })
    expect(Object.keys(body.requestMetadata as JsonObject)).toEqual(Object.keys(metadata).slice(0, 16))
    expect(dropped).toEqual(['metadata'])
  })

  test.each<[string, Partial<Conversation>]>([
    ['n', { n: 2 }],
    ['logprobs', { logprobs: true }],
    ['logprobs', { topLogprobs: 3 }],
    ['presence_penalty', { presencePenalty: 0.1 }],
    ['frequency_penalty', { frequencyPenalty: -0.1 }],
    ['logit_bias', { logitBias: { '1': 5 } }],
    ['response_format', { output: { type: 'json_object' } }],
    ['prediction', { extra: { prediction: {} } }],
    ['constructor', { extra: { constructor: true } }],
  ])('refused: %s of %j', (field, fields) => {
    const error = errorOf(() => write(fields))
    expect(error).toMatchObject({ status: 400, code: 'unsupported_field', param: field })
  })

  test.each(['guardrailConfig', 'performanceConfig'])('an error where %s has another form', (field) => {
    for (const value of ['optimized', [], null]) {
      const error = errorOf(() => write({ extra: { [field]: value } }))
      expect(error).toMatchObject({ status: 400, code: 'invalid_value', param: field })
    }
  })
})

describe('whatever a conversation holds', () => {
  const words = fc.oneof(fc.string(), fc.constantFrom('', ' '))
  const cache = fc.constantFrom(undefined, { ttl: '5m' as const }, { ttl: '1h' as const })
  const png = { kind: 'base64', mediaType: 'image/png', data: 'AA==' }
  const media = fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(png, { kind: 'url', url: 's3://b/a.png' }) },
    fc.record({ kind: fc.constant('base64'), mediaType: words, data: words }),
    fc.record({ kind: fc.constant('url'), url: words }),
  )
  const text = fc.record({ type: fc.constant('text'), text: words, cache })
  const content = fc.oneof(
    text,
    fc.record({ type: fc.constant('image'), media, cache }),
    fc.record({ type: fc.constant('document'), media: fc.record({ kind: fc.constant('text'), text: words }), cache }),
  )
  const result = fc.array(content, { maxLength: 2 })
  const args = fc.oneof({ weight: 9, arbitrary: fc.constantFrom('', '{}', '{"a":1}') }, words)
  const signature = fc.record({ origin: fc.constantFrom('bedrock', 'anthropic'), value: words })
  const call = fc.record({ type: fc.constant('tool_call'), id: words, name: words, arguments: args, cache })
  const said = {
    system: text,
    user: fc.oneof(content, fc.record({ type: fc.constant('tool_result'), id: words, content: result, cache })),
    assistant: fc.oneof(
      text,
      call,
      fc.record({ type: fc.constant('reasoning'), text: words, signature }),
      fc.record({ type: fc.constant('refusal'), text: words }),
    ),
  }
  const turn = fc.constantFrom('system' as const, 'user' as const, 'assistant' as const).chain((role) => {
    const parts = fc.oneof({ weight: 19, arbitrary: said[role] }, said.user) as unknown as fc.Arbitrary<Part>
    return fc.record({ role: fc.constant(role), parts: fc.array(parts, { maxLength: 3 }) })
  })
  const field = fc.constantFrom('guardrailConfig', 'performanceConfig', 'store', 'xyz')
  const extra = fc.oneof(
    { weight: 9, arbitrary: fc.constant({}) },
    fc.dictionary(field, fc.jsonValue(), { noNullPrototype: true }),
  )
  const model = fc.constantFrom(...Object.values(models))

  test('it is written as Bedrock takes it, or an error names what it does not', () => {
    let written = 0
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 4 }), extra, model, (turns, extra, model) => {
        let messages: Message[]
        try {
          messages = write({ turns, extra }, model).body.messages as Message[]
        } catch (error) {
          expect(error).toBeInstanceOf(ApiError)
          expect(error).toMatchObject({ status: 400, type: 'invalid_request_error', param: expect.stringMatching(/./) })
          return
        }
        written++
        for (const [at, { role, content }] of messages.entries()) {
          expect(role).not.toBe(messages[at - 1]?.role)
          expect(content[0]).not.toHaveProperty('cachePoint')
          for (const block of content) if ('text' in block) expect(block.text.trim()).not.toBe('')
        }
      }),
      { numRuns: 500 },
    )
    // Were all refused, the rules above would not have been looked at.
    expect(written).toBeGreaterThan(100)
  })
})
