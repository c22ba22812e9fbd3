import type { MessageCreateParams } from '@anthropic-ai/sdk/resources/messages'
import { expect, test } from 'vitest'
import type { JsonObject } from '../../conversation.ts'
import { chat } from '../chat/index.ts'
import { responses } from '../responses/index.ts'
import { requestContext } from './testing.ts'
import { writeRequest } from './write-request.ts'

/** Whole requests of OpenAI's two APIs, beside what Claude is asked. */
function asked(read: (body: JsonObject) => Parameters<typeof writeRequest>[0], body: JsonObject, model: string) {
  const context = requestContext(model)
  return { body: writeRequest(read(body), context), dropped: context.dropped }
}

test('a chat completion in the middle of parallel calls', () => {
  const { body, dropped } = asked(
    (body) => chat.readRequest(body),
    {
      model: 'smart',
      messages: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is here, and how is the weather?' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'high' } },
          ],
        },
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } },
            { id: 'call_2', type: 'function', function: { name: 'weather', arguments: '{"city":"Paris"}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'call_1', content: 'Sunny' },
        { role: 'tool', tool_call_id: 'call_2', content: 'Rain' },
        { role: 'developer', content: 'Metric units.' },
      ],
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            description: 'The weather of a city',
            parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
            strict: true,
          },
        },
      ],
      tool_choice: 'auto',
      parallel_tool_calls: false,
      max_completion_tokens: 500,
      temperature: 0.3,
      top_p: 1,
      stop: 'END',
      seed: 7,
      user: 'u-1',
      store: true,
      stream: true,
      stream_options: { include_usage: true },
    },
    'claude-sonnet-4-5',
  )
  // Earlier models have a temperature, the SDK's types have none any more.
  const expected: MessageCreateParams & { temperature: number } = {
    model: 'claude-sonnet-4-5',
    max_tokens: 500,
    system: [
      { type: 'text', text: 'Be brief.' },
      { type: 'text', text: 'Metric units.' },
    ],
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
          { type: 'tool_use', id: 'call_1', name: 'weather', input: { city: 'Rome' } },
          { type: 'tool_use', id: 'call_2', name: 'weather', input: { city: 'Paris' } },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'call_1', content: [{ type: 'text', text: 'Sunny' }] },
          { type: 'tool_result', tool_use_id: 'call_2', content: [{ type: 'text', text: 'Rain' }] },
        ],
      },
    ],
    tools: [
      {
        name: 'weather',
        description: 'The weather of a city',
        input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
        strict: true,
      },
    ],
    tool_choice: { type: 'auto', disable_parallel_tool_use: true },
    temperature: 0.3,
    stop_sequences: ['END'],
    metadata: { user_id: 'u-1' },
    stream: true,
  }
  expect(body).toEqual(expected)
  expect(dropped.toSorted()).toEqual(['image.detail', 'seed', 'store'])
})

test('a response that shall think and keep to a schema', () => {
  const schema = {
    type: 'object',
    properties: { n: { type: 'integer' } },
    required: ['n'],
    additionalProperties: false,
  }
  const { body, dropped } = asked(
    (body) => responses.readRequest(body),
    {
      model: 'smart',
      instructions: 'Count.',
      input: [{ role: 'user', content: [{ type: 'input_text', text: 'How many?' }] }],
      reasoning: { effort: 'medium', summary: 'auto' },
      text: { format: { type: 'json_schema', name: 'count', schema, strict: true }, verbosity: 'low' },
      truncation: 'auto',
      service_tier: 'flex',
    },
    'claude-opus-4-7',
  )
  const expected: MessageCreateParams = {
    model: 'claude-opus-4-7',
    max_tokens: 8192 + 4096,
    system: [{ type: 'text', text: 'Count.' }],
    messages: [{ role: 'user', content: [{ type: 'text', text: 'How many?' }] }],
    thinking: { type: 'adaptive', display: 'summarized' },
    output_config: { effort: 'medium', format: { type: 'json_schema', schema } },
  }
  expect(body).toEqual(expected)
  expect(dropped.toSorted()).toEqual(['serviceTier', 'truncation', 'verbosity'])
})
