import type { MessageCreateParams, MessageParam } from '@anthropic-ai/sdk/resources/messages'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Answer, JsonObject } from '../../conversation.ts'
import type { ProviderDialect } from '../../dialect.ts'
import { ApiError } from '../../errors.ts'
import { chat } from '../chat/index.ts'
import { converse } from '../converse/index.ts'
import { gemini } from '../gemini/index.ts'
import { responses } from '../responses/index.ts'
import { messages } from './index.ts'
import { answerContext, requestContext } from './testing.ts'

/** Whole requests of a client of Claude's, beside what other providers are asked. */

const schema = { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] }
const request: MessageCreateParams = {
  model: 'smart',
  max_tokens: 500,
  system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
  messages: [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is here, and how is the weather?' },
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
      ],
    },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Rome, then.', signature: 'EqQB' },
        { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Rome' } },
        { type: 'tool_use', id: 'toolu_2', name: 'weather', input: { city: 'Paris' } },
      ],
    },
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'toolu_1', content: 'Sunny' },
        { type: 'tool_result', tool_use_id: 'toolu_2', content: 'No such city', is_error: true },
        { type: 'text', text: 'Go on.' },
      ],
    },
  ],
  tools: [{ name: 'weather', description: 'The weather of a city', input_schema: schema }],
  tool_choice: { type: 'auto', disable_parallel_tool_use: true },
  metadata: { user_id: 'u-1' },
}

function asked(provider: ProviderDialect, body: object, model: string) {
  const context = requestContext(model)
  return { body: provider.writeRequest(messages.readRequest({ ...body }), context), dropped: context.dropped }
}

test('chat completions', () => {
  const { body, dropped } = asked(chat, request, 'gpt-4.1')
  const call = (id: string, city: string) => ({
    id,
    type: 'function',
    function: { name: 'weather', arguments: JSON.stringify({ city }) },
  })
  expect(body).toEqual({
    model: 'gpt-4.1',
    max_tokens: 500,
    messages: [
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is here, and how is the weather?' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
        ],
      },
      { role: 'assistant', content: null, tool_calls: [call('toolu_1', 'Rome'), call('toolu_2', 'Paris')] },
      { role: 'tool', tool_call_id: 'toolu_1', content: 'Sunny' },
      { role: 'tool', tool_call_id: 'toolu_2', content: 'No such city' },
      { role: 'user', content: 'Go on.' },
    ],
    tools: [
      {
        type: 'function',
        function: { name: 'weather', description: 'The weather of a city', parameters: schema },
      },
    ],
    tool_choice: 'auto',
    parallel_tool_calls: false,
    user: 'u-1',
  })
  expect(dropped.toSorted()).toEqual(['cache', 'tool_result.is_error'])
})

test('generateContent', () => {
  const { tool_choice: _, ...rest } = request
  const { body } = asked(gemini, { ...rest, thinking: { type: 'enabled', budget_tokens: 2048 } }, 'gemini-2.5-flash')
  expect(body).toMatchObject({
    systemInstruction: { parts: [{ text: 'Be brief.' }] },
    contents: [
      {
        role: 'user',
        parts: [
          { text: 'What is here, and how is the weather?' },
          { inlineData: { mimeType: 'image/png', data: 'AAAA' } },
        ],
      },
      {
        role: 'model',
        parts: [
          { functionCall: { name: 'weather', args: { city: 'Rome' } } },
          { functionCall: { name: 'weather', args: { city: 'Paris' } } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { name: 'weather', response: { output: 'Sunny' } } },
          { functionResponse: { name: 'weather', response: { error: 'No such city' } } },
          { text: 'Go on.' },
        ],
      },
    ],
    generationConfig: { maxOutputTokens: 500, thinkingConfig: { thinkingBudget: 2048, includeThoughts: true } },
  })
})

test("Claude on Bedrock, which knows Anthropic's settings but not its signatures", () => {
  const { tool_choice: _, ...rest } = request
  const settings = { thinking: { type: 'adaptive', display: 'summarized' }, output_config: { effort: 'high' } }
  const { body } = asked(converse, { ...rest, ...settings }, 'anthropic.claude-opus-4-7')
  expect(body).toMatchObject({
    system: [{ text: 'Be brief.' }, { cachePoint: { type: 'default' } }],
    additionalModelRequestFields: { thinking: { type: 'adaptive', display: 'summarized' } },
  })
  expect(JSON.stringify(body)).not.toContain('EqQB')
})

describe('proof of thinking goes back to who gave it, and to nobody else', () => {
  const call = { type: 'tool_call' as const, id: 'functions.weather:0', name: 'weather', arguments: '{"city":"Rome"}' }
  const providers: Record<string, [ProviderDialect, model: string]> = {
    openai: [responses, 'gpt-5'],
    gemini: [gemini, 'gemini-3-pro'],
    bedrock: [converse, 'anthropic.claude-sonnet-4-5'],
    anthropic: [messages, 'claude-sonnet-4-5'],
  }
  const given: Record<string, Answer['choices'][number]['parts']> = {
    openai: [
      { type: 'reasoning', text: 'A summary.', summary: true, redacted: { origin: 'openai', value: 'PROOF' } },
      call,
    ],
    gemini: [{ ...call, signature: { origin: 'gemini', value: 'PROOF' } }],
    bedrock: [{ type: 'reasoning', text: 'Rome.', signature: { origin: 'bedrock', value: 'PROOF' } }, call],
    anthropic: [{ type: 'reasoning', text: 'Rome.', signature: { origin: 'anthropic', value: 'PROOF' } }, call],
  }

  /** The conversation goes on after this provider's answer. */
  function next(origin: string): JsonObject {
    const choices = [{ parts: given[origin]!, finish: 'tool_calls' as const }]
    const { content } = messages.writeAnswer({ id: '', model: '', choices }, answerContext())
    const blocks = content as Extract<MessageParam['content'], unknown[]>
    const [id] = blocks.flatMap((block) => (block.type === 'tool_use' ? [block.id] : []))
    return {
      model: 'smart',
      max_tokens: 5000,
      messages: [
        { role: 'user', content: 'Weather?' },
        { role: 'assistant', content: blocks },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: 'Sunny' }] },
      ],
      tools: request.tools,
    }
  }

  const pairs = Object.keys(given).flatMap((from) => Object.keys(providers).map((to) => [from, to] as const))
  test.each(pairs)('from %s on to %s', (from, to) => {
    const [provider, model] = providers[to]!
    const body = JSON.stringify(asked(provider, next(from), model).body)
    expect(body.includes('PROOF')).toBe(from === to)
    expect(body).not.toContain('chaperone.')
  })

  test("Gemini's stands on its call again, under the id that it had", () => {
    const { body } = asked(gemini, next('gemini'), 'gemini-3-pro')
    expect(body.contents).toMatchObject([
      {},
      { parts: [{ functionCall: { id: 'functions.weather:0' }, thoughtSignature: 'PROOF' }] },
      { parts: [{ functionResponse: { id: 'functions.weather:0', name: 'weather' } }] },
    ])
  })

  test("OpenAI's stands beside its summary again", () => {
    const { body } = asked(responses, next('openai'), 'gpt-5')
    expect(body.input).toContainEqual({
      type: 'reasoning',
      summary: [{ type: 'summary_text', text: 'A summary.' }],
      encrypted_content: 'PROOF',
    })
  })

  test("Anthropic's goes on as the client wrote it, without the others'", () => {
    expect(messages.withoutForeign!(next('anthropic'))).toBeUndefined()
    for (const from of ['openai', 'gemini', 'bedrock']) {
      const cleaned = messages.withoutForeign!(next(from))
      expect(cleaned?.messages).toMatchObject([
        {},
        { content: [{ type: 'tool_use', id: expect.stringMatching(/^[a-zA-Z0-9_-]+$/) }] },
        {},
      ])
    }
  })
})

test('whatever is sent, it is read or refused', () => {
  const value = fc.jsonValue({ maxDepth: 3 })
  const type = fc.constantFrom('text', 'image', 'document', 'thinking', 'redacted_thinking', 'tool_use', 'tool_result')
  const block = fc.record(
    { type, text: value, source: value, content: value, input: value, id: value, signature: value, thinking: value },
    { requiredKeys: ['type'] },
  )
  const message = fc.record({ role: fc.constantFrom('user', 'assistant', 'system'), content: fc.array(block) })
  const body = fc.record(
    {
      max_tokens: fc.constant(10),
      messages: fc.oneof(fc.array(message), value),
      system: value,
      tools: value,
      tool_choice: value,
      thinking: value,
      output_config: value,
      metadata: value,
      context_management: value,
    },
    { requiredKeys: ['max_tokens', 'messages'] },
  )
  fc.assert(
    fc.property(body, (sent) => {
      try {
        expect(messages.readRequest(sent).turns.length).toBeGreaterThan(0)
      } catch (error) {
        expect(error).toBeInstanceOf(ApiError)
        expect(error).toMatchObject({ status: 400, param: expect.stringMatching(/^[a-z_]+/) })
      }
      expect(() => messages.withoutForeign!(sent)).not.toThrow()
    }),
  )
})
