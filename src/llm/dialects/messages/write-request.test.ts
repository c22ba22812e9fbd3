import { describe, expect, test } from 'vitest'
import type { Conversation } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { conversation, requestContext } from '../chat/testing.ts'
import { drops, writeRequest } from './write-request.ts'

const model = 'claude-sonnet-4-5'

function write(fields: Partial<Conversation>, name = model) {
  return writeRequest(conversation(fields), requestContext({}, name))
}

function dropped(fields: Partial<Conversation>): string[] {
  const context = requestContext({}, model)
  writeRequest(conversation(fields), context)
  return context.dropped
}

/** The field that a refusal names. */
function refused(fields: Partial<Conversation>, name = model): string | undefined {
  try {
    write(fields, name)
  } catch (error) {
    if (error instanceof ApiError && error.status === 400) return error.param
    throw error
  }
  throw new Error('was not refused')
}

test('the least there is', () => {
  expect(write({})).toEqual({
    model,
    max_tokens: 4096,
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }],
  })
})

test('all that the API has a field for', () => {
  const schema = { type: 'object', properties: { answer: { type: 'string' } }, additionalProperties: false }
  const request = write({
    turns: [
      { role: 'system', parts: [{ type: 'text', text: 'Be brief.', cache: { ttl: '1h' } }] },
      { role: 'user', parts: [{ type: 'text', text: 'Hello' }] },
    ],
    tools: [{ name: 'look', parameters: { type: 'object' } }],
    toolChoice: { type: 'tool', name: 'look' },
    output: { type: 'json_schema', name: 'answer', description: 'The answer', schema, strict: true },
    maxTokens: 100,
    temperature: 0.2,
    topP: 0.9,
    topK: 5,
    stop: ['END'],
    user: 'user-1',
    serviceTier: 'default',
    n: 1,
    presencePenalty: 0,
    frequencyPenalty: 0,
    logitBias: {},
    logprobs: false,
    stream: true,
  })
  expect(request).toEqual({
    model,
    max_tokens: 100,
    system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral', ttl: '1h' } }],
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }],
    tools: [{ name: 'look', input_schema: { type: 'object' } }],
    tool_choice: { type: 'tool', name: 'look' },
    output_config: { format: { type: 'json_schema', schema: { ...schema, description: 'The answer' } } },
    temperature: 0.2,
    top_p: 0.9,
    top_k: 5,
    stop_sequences: ['END'],
    metadata: { user_id: 'user-1' },
    service_tier: 'standard_only',
    stream: true,
  })
})

test("a schema's own description stays", () => {
  const request = write({
    output: { type: 'json_schema', name: 'a', description: 'outer', schema: { type: 'object', description: 'inner' } },
  })
  expect(request.output_config).toEqual({
    format: { type: 'json_schema', schema: { type: 'object', description: 'inner' } },
  })
})

test('what is so anyway stays unsaid', () => {
  const request = write({ temperature: 1, topP: 1, output: { type: 'text' }, stop: [] })
  expect(Object.keys(request)).toEqual(['model', 'max_tokens', 'messages'])
  expect(write({ temperature: 0 })).toHaveProperty('temperature', 0)
})

describe('service tiers', () => {
  test.each([
    ['auto', 'auto', []],
    ['default', 'standard_only', []],
    ['standard_only', 'standard_only', []],
    ['flex', undefined, ['serviceTier']],
    ['priority', undefined, ['serviceTier']],
  ])('%s', (serviceTier, written, drop) => {
    expect(write({ serviceTier }).service_tier).toBe(written)
    expect(dropped({ serviceTier })).toEqual(drop)
  })
})

describe('the end user', () => {
  test.each(['someone@example.com', 'x'.repeat(257)])('%s goes as a hash, always the same', (user) => {
    const { metadata } = write({ user })
    expect(metadata).toEqual({ user_id: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect(write({ user }).metadata).toEqual(metadata)
    expect(write({ user: `${user}.` }).metadata).not.toEqual(metadata)
  })
})

describe('refusals', () => {
  test.each<[string, Partial<Conversation>]>([
    ['n', { n: 2 }],
    ['logprobs', { logprobs: true }],
    ['logprobs', { topLogprobs: 3 }],
    ['presence_penalty', { presencePenalty: 0.5 }],
    ['frequency_penalty', { frequencyPenalty: -1 }],
    ['logit_bias', { logitBias: { '50256': -100 } }],
    ['temperature', { temperature: 1.2 }],
    ['response_format', { output: { type: 'json_object' } }],
    ['stop', { stop: ['END', '\n'] }],
    ['web_search_options', { extra: { web_search_options: {} } }],
    ['modalities', { extra: { modalities: ['text', 'audio'] } }],
  ])('%s', (field, fields) => {
    expect(refused(fields)).toBe(field)
  })
})

describe('drops', () => {
  const turns: Conversation['turns'] = [
    {
      role: 'user',
      name: 'Ada',
      parts: [{ type: 'image', media: { kind: 'url', url: 'https://example.com/a.png' }, detail: 'low' }],
    },
  ]

  test.each<[string[], Partial<Conversation>]>([
    [['metadata'], { metadata: { run: '1' } }],
    [['promptCacheKey'], { promptCacheKey: 'k' }],
    [['verbosity'], { verbosity: 'low' }],
    [['seed'], { seed: 1 }],
    [['turn.name', 'image.detail'], { turns }],
    [
      ['store', 'truncation', 'prompt_cache_retention', 'prompt_cache_options', 'safety_identifier'],
      {
        extra: {
          store: true,
          truncation: 'auto',
          prompt_cache_retention: '24h',
          prompt_cache_options: {},
          safety_identifier: 'x',
        },
      },
    ],
    [['reasoning.summary'], { reasoning: { summary: 'auto' } }],
  ])('%j', (fields, request) => {
    expect(dropped(request)).toEqual(fields)
    for (const field of fields) expect(drops).toHaveProperty([field])
  })

  test('each has a reason that is a sentence', () => {
    for (const reason of Object.values(drops)) expect(reason).toMatch(/^[A-Z].*[^.]\.$/)
  })
})

describe('cache markers', () => {
  const marked = (text: string) => ({ type: 'text', text, cache: { ttl: '5m' } }) as const
  const many: Partial<Conversation> = {
    tools: [{ name: 'look', cache: { ttl: '1h' } }],
    turns: [
      { role: 'system', parts: [marked('a'), marked('b')] },
      { role: 'user', parts: [marked('c'), marked('d')] },
    ],
  }

  test('of more than four the last four stay, which is noted', () => {
    const { tools, system, messages } = write(many)
    const control = { type: 'ephemeral' }
    expect(tools).toEqual([{ name: 'look', input_schema: { type: 'object', properties: {} } }])
    expect(system).toEqual([
      { type: 'text', text: 'a', cache_control: control },
      { type: 'text', text: 'b', cache_control: control },
    ])
    expect(messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'c', cache_control: control },
          { type: 'text', text: 'd', cache_control: control },
        ],
      },
    ])
    expect(dropped(many)).toEqual(['cache'])
  })

  test('four stay', () => {
    const four = { ...many, tools: [{ name: 'look' }] }
    expect(JSON.stringify(write(four)).match(/cache_control/g)).toHaveLength(4)
    expect(dropped(four)).toEqual([])
  })
})
