import { describe, expect, test } from 'vitest'
import type { Conversation, JsonObject } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { drops, readRequest, writeRequest } from './request.ts'
import { conversation, requestContext } from './testing.ts'

const hello = [{ role: 'user', content: 'Hello' }]
const weather = { type: 'object', properties: { city: { type: 'string' } } }
const tool = { type: 'function', function: { name: 'weather', parameters: weather } }

function errorOf(run: () => unknown): ApiError {
  try {
    run()
  } catch (error) {
    if (error instanceof ApiError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** What a request's fields are read as, the one message apart. */
function fieldsOf(body: JsonObject): Partial<Conversation> {
  const { turns: _, stream: __, tools: ___, extra, ...fields } = readRequest({ model: 'm', messages: hello, ...body })
  return Object.keys(extra).length > 0 ? { ...fields, extra } : fields
}

describe('fields', () => {
  test.each<[JsonObject, Partial<Conversation>]>([
    [{}, {}],
    [{ max_tokens: 5 }, { maxTokens: 5 }],
    [{ max_tokens: 5, max_completion_tokens: 7 }, { maxTokens: 7 }],
    [
      { temperature: 0.5, top_p: 0.9, top_k: 40 },
      { temperature: 0.5, topP: 0.9, topK: 40 },
    ],
    [
      { presence_penalty: 1, frequency_penalty: -1 },
      { presencePenalty: 1, frequencyPenalty: -1 },
    ],
    [{ logit_bias: { '50256': -100 } }, { logitBias: { '50256': -100 } }],
    [{ logit_bias: {} }, {}],
    [
      { seed: 7, n: 2 },
      { seed: 7, n: 2 },
    ],
    [{ stop: 'END' }, { stop: ['END'] }],
    [{ stop: ['a', 'b'] }, { stop: ['a', 'b'] }],
    [{ stop: null, n: null, temperature: null, tools: null, response_format: null }, {}],
    [
      { logprobs: true, top_logprobs: 3 },
      { logprobs: true, topLogprobs: 3 },
    ],
    [{ reasoning_effort: 'xhigh' }, { reasoning: { effort: 'xhigh' } }],
    [{ reasoning: { max_tokens: 2000, exclude: true } }, { reasoning: { budget: 2000, summary: 'none' } }],
    [{ reasoning: { enabled: true } }, { reasoning: { adaptive: true } }],
    [{ reasoning: { enabled: false } }, { reasoning: { effort: 'none' } }],
    [{ thinking: { type: 'enabled', budget_tokens: 1024 } }, { reasoning: { budget: 1024 } }],
    [{ thinking: { type: 'disabled' } }, { reasoning: { effort: 'none' } }],
    [{ thinking: { type: 'adaptive' }, reasoning_effort: 'high' }, { reasoning: { effort: 'high', adaptive: true } }],
    [
      { verbosity: 'low', service_tier: 'flex' },
      { verbosity: 'low', serviceTier: 'flex' },
    ],
    [{ user: 'u' }, { user: 'u' }],
    [{ user: 'u', safety_identifier: 's' }, { user: 's' }],
    [
      { metadata: { a: 'b' }, prompt_cache_key: 'k' },
      { metadata: { a: 'b' }, promptCacheKey: 'k' },
    ],
    [{ response_format: { type: 'json_object' } }, { output: { type: 'json_object' } }],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'w', schema: weather, strict: true } } },
      { output: { type: 'json_schema', name: 'w', schema: weather, strict: true } },
    ],
    [{ tool_choice: 'required' }, { toolChoice: { type: 'required' } }],
    [{ tool_choice: { type: 'function', function: { name: 'f' } } }, { toolChoice: { type: 'tool', name: 'f' } }],
    [
      {
        tool_choice: {
          type: 'allowed_tools',
          allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'f' } }] },
        },
      },
      { toolChoice: { type: 'allowed', mode: 'required', names: ['f'] } },
    ],
    [{ function_call: { name: 'f' } }, { toolChoice: { type: 'tool', name: 'f' } }],
    [{ stream_options: { include_usage: true } }, {}],
    [{ store: false, modalities: ['text'] }, {}],
    [
      { store: true, modalities: ['text', 'audio'], audio: { voice: 'ash' }, prediction: { type: 'content' }, xyz: 0 },
      {
        extra: {
          store: true,
          modalities: ['text', 'audio'],
          audio: { voice: 'ash' },
          prediction: { type: 'content' },
          xyz: 0,
        },
      },
    ],
    [{ web_search_options: {} }, { extra: { web_search_options: {} } }],
  ])('%j', (body, fields) => {
    expect(fieldsOf(body)).toEqual(fields)
  })

  test.each<[JsonObject, string]>([
    [{ max_tokens: '5' }, 'max_tokens'],
    [{ max_completion_tokens: 0 }, 'max_completion_tokens'],
    [{ n: 1.5 }, 'n'],
    [{ seed: 0.5 }, 'seed'],
    [{ stop: [1] }, 'stop[0]'],
    [{ stream: 'yes' }, 'stream'],
    [{ stream_options: true }, 'stream_options'],
    [{ logit_bias: { '1': 'x' } }, 'logit_bias.1'],
    [{ reasoning_effort: 'a lot' }, 'reasoning_effort'],
    [{ thinking: { type: 'enabled', budget_tokens: -1 } }, 'thinking.budget_tokens'],
    [{ metadata: { a: 1 } }, 'metadata.a'],
    [{ response_format: {} }, 'response_format.type'],
    [{ response_format: { type: 'json_schema' } }, 'response_format.json_schema'],
    [{ response_format: { type: 'json_schema', json_schema: { name: 'w' } } }, 'response_format.json_schema.schema'],
    [{ tools: [{ type: 'custom', custom: { name: 'c' } }] }, 'tools[0].type'],
    [{ tools: [{ type: 'function' }] }, 'tools[0].function'],
    [{ tools: [tool, { type: 'function', function: {} }] }, 'tools[1].function.name'],
    [{ tool_choice: 'any' }, 'tool_choice'],
    [{ tool_choice: { type: 'custom', custom: { name: 'c' } } }, 'tool_choice.type'],
    [{ messages: undefined }, 'messages'],
    [{ messages: [] }, 'messages'],
    [{ messages: 'hi' }, 'messages'],
    [{ messages: ['hi'] }, 'messages[0]'],
    [{ messages: [{ content: 'hi' }] }, 'messages[0].role'],
    [{ messages: [{ role: 'bot', content: 'hi' }] }, 'messages[0].role'],
    [{ messages: [{ role: 'user' }] }, 'messages[0].content'],
    [{ messages: [{ role: 'user', content: [] }] }, 'messages[0].content'],
    [{ messages: [{ role: 'user', content: 5 }] }, 'messages[0].content'],
    [{ messages: [{ role: 'user', content: [{ type: 'video_url' }] }] }, 'messages[0].content[0].type'],
    [{ messages: [...hello, { role: 'system', content: [{ type: 'image_url' }] }] }, 'messages[1].content[0].type'],
    [
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:,x' } }] }] },
      'messages[0].content[0].image_url.url',
    ],
    [
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
      'messages[0].content[0].image_url.url',
    ],
    [{ messages: [{ role: 'user', content: [{ type: 'file', file: {} }] }] }, 'messages[0].content[0].file'],
    [
      { messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'x' } }] }] },
      'messages[0].content[0].input_audio.format',
    ],
    [{ messages: [{ role: 'assistant', audio: { id: 'a' } }] }, 'messages[0].audio'],
    [
      { messages: [{ role: 'assistant', tool_calls: [{ type: 'custom', id: 'c' }] }] },
      'messages[0].tool_calls[0].type',
    ],
    [{ messages: [{ role: 'assistant', tool_calls: [{ id: 'c' }] }] }, 'messages[0].tool_calls[0].function'],
    [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].tool_call_id'],
    [{ messages: [{ role: 'function', name: 'f', content: 'x' }] }, 'messages[0].name'],
  ])('a wrong one is named: %j', (body, param) => {
    const error = errorOf(() => readRequest({ model: 'm', messages: hello, ...body }))
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error', param })
  })
})

describe('messages', () => {
  const image = { type: 'image_url', image_url: { url: 'https://x.test/a.png', detail: 'low' } }

  test.each<[string, JsonObject[], Conversation['turns']]>([
    [
      'roles and names',
      [
        { role: 'system', content: 'S' },
        { role: 'developer', content: [{ type: 'text', text: 'D' }] },
        { role: 'user', content: 'U', name: 'Ann' },
      ],
      [
        { role: 'system', parts: [{ type: 'text', text: 'S' }] },
        { role: 'developer', parts: [{ type: 'text', text: 'D' }] },
        { role: 'user', parts: [{ type: 'text', text: 'U' }], name: 'Ann' },
      ],
    ],
    [
      'content of all kinds',
      [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Look' },
            image,
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
            { type: 'input_audio', input_audio: { data: 'BBBB', format: 'wav' } },
            { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,CCCC' } },
            { type: 'file', file: { filename: 'a.csv', file_data: 'DDDD' } },
            { type: 'file', file: { file_id: 'file-1' } },
          ],
        },
      ],
      [
        {
          role: 'user',
          parts: [
            { type: 'text', text: 'Look' },
            { type: 'image', media: { kind: 'url', url: 'https://x.test/a.png' }, detail: 'low' },
            { type: 'image', media: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' } },
            { type: 'audio', format: 'wav', data: 'BBBB' },
            {
              type: 'document',
              media: { kind: 'base64', mediaType: 'application/pdf', data: 'CCCC' },
              name: 'a.pdf',
            },
            { type: 'document', media: { kind: 'base64', mediaType: 'text/csv', data: 'DDDD' }, name: 'a.csv' },
            { type: 'document', media: { kind: 'file', id: 'file-1' } },
          ],
        },
      ],
    ],
    [
      'parallel calls and their results, in one turn',
      [
        ...hello,
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
            { id: 'b', type: 'function', function: { name: 'g', arguments: '' } },
          ],
        },
        { role: 'tool', tool_call_id: 'a', content: '1' },
        { role: 'tool', tool_call_id: 'b', content: [{ type: 'text', text: '2' }, image] },
        { role: 'user', content: 'And?' },
      ],
      [
        { role: 'user', parts: [{ type: 'text', text: 'Hello' }] },
        {
          role: 'assistant',
          parts: [
            { type: 'tool_call', id: 'a', name: 'f', arguments: '{"x":1}' },
            { type: 'tool_call', id: 'b', name: 'g', arguments: '' },
          ],
        },
        {
          role: 'user',
          parts: [
            { type: 'tool_result', id: 'a', name: 'f', content: [{ type: 'text', text: '1' }] },
            {
              type: 'tool_result',
              id: 'b',
              name: 'g',
              content: [
                { type: 'text', text: '2' },
                { type: 'image', media: { kind: 'url', url: 'https://x.test/a.png' }, detail: 'low' },
              ],
            },
          ],
        },
        { role: 'user', parts: [{ type: 'text', text: 'And?' }] },
      ],
    ],
    [
      'the deprecated function_call, answered by name',
      [
        ...hello,
        { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } },
        { role: 'function', name: 'f', content: '1' },
      ],
      [
        { role: 'user', parts: [{ type: 'text', text: 'Hello' }] },
        { role: 'assistant', parts: [{ type: 'tool_call', id: 'call_function_0', name: 'f', arguments: '{}' }] },
        {
          role: 'user',
          parts: [{ type: 'tool_result', id: 'call_function_0', name: 'f', content: [{ type: 'text', text: '1' }] }],
        },
      ],
    ],
    [
      'refusals',
      [
        { role: 'assistant', content: null, refusal: 'No.' },
        { role: 'assistant', content: [{ type: 'refusal', refusal: 'No!' }] },
      ],
      [
        { role: 'assistant', parts: [{ type: 'refusal', text: 'No.' }] },
        { role: 'assistant', parts: [{ type: 'refusal', text: 'No!' }] },
      ],
    ],
    [
      'cache markers on messages, parts and results',
      [
        { role: 'system', content: 'S', cache_control: { type: 'ephemeral', ttl: '1h' } },
        { role: 'user', content: [{ type: 'text', text: 'U', cache_control: { type: 'ephemeral' } }] },
        { role: 'user', content: [{ type: 'text', text: 'V', prompt_cache_breakpoint: { mode: 'explicit' } }] },
        { role: 'tool', tool_call_id: 'a', content: 'R', cache_control: { type: 'ephemeral' } },
      ],
      [
        { role: 'system', parts: [{ type: 'text', text: 'S', cache: { ttl: '1h' } }] },
        { role: 'user', parts: [{ type: 'text', text: 'U', cache: { ttl: '5m' } }] },
        { role: 'user', parts: [{ type: 'text', text: 'V', cache: { ttl: '5m' } }] },
        {
          role: 'user',
          parts: [{ type: 'tool_result', id: 'a', content: [{ type: 'text', text: 'R' }], cache: { ttl: '5m' } }],
        },
      ],
    ],
    [
      'thinking as plain text, under both names',
      [
        { role: 'assistant', content: 'A', reasoning_content: 'T' },
        { role: 'assistant', content: 'A', reasoning: 'T' },
      ],
      [
        {
          role: 'assistant',
          parts: [
            { type: 'reasoning', text: 'T' },
            { type: 'text', text: 'A' },
          ],
        },
        {
          role: 'assistant',
          parts: [
            { type: 'reasoning', text: 'T' },
            { type: 'text', text: 'A' },
          ],
        },
      ],
    ],
    [
      'OpenRouter’s reasoning_details: the format tells whose they are, else the mark',
      [
        {
          role: 'assistant',
          content: 'A',
          reasoning: 'not told twice',
          reasoning_details: [
            { type: 'reasoning.text', text: 'T', signature: 'sig', format: 'anthropic-claude-v1', index: 0 },
            { type: 'reasoning.encrypted', data: 'red', format: 'anthropic-claude-v1', index: 1 },
            { type: 'reasoning.summary', summary: 'S', id: 'rs_1', format: 'openai-responses-v1', index: 2 },
            { type: 'reasoning.encrypted', data: 'enc', id: 'rs_1', format: 'openai-responses-v1', index: 2 },
            { type: 'reasoning.text', text: 'B', signature: 'chaperone.bedrock.q', index: 3 },
            { type: 'reasoning.text', text: 'X', signature: 'nobody’s', format: 'xai-responses-v1', index: 4 },
            { type: 'unknown' },
          ],
        },
      ],
      [
        {
          role: 'assistant',
          parts: [
            { type: 'reasoning', text: 'T', signature: { origin: 'anthropic', value: 'sig' } },
            { type: 'reasoning', text: '', redacted: { origin: 'anthropic', value: 'red' } },
            {
              type: 'reasoning',
              text: 'S',
              summary: true,
              redacted: { origin: 'openai', value: 'enc' },
              id: 'rs_1',
            },
            { type: 'reasoning', text: 'B', signature: { origin: 'bedrock', value: 'q' } },
            { type: 'reasoning', text: 'X' },
            { type: 'text', text: 'A' },
          ],
        },
      ],
    ],
    [
      'reasoning_details in the pieces of a stream',
      [
        {
          role: 'assistant',
          content: 'A',
          reasoning_details: [
            { type: 'reasoning.text', text: 'T', index: 0 },
            { type: 'reasoning.text', text: 'U', index: 0 },
            { type: 'reasoning.text', signature: 'chaperone.anthropic.s', index: 0 },
            { type: 'reasoning.text', text: 'V', index: 1 },
          ],
        },
      ],
      [
        {
          role: 'assistant',
          parts: [
            { type: 'reasoning', text: 'TU', signature: { origin: 'anthropic', value: 's' } },
            { type: 'reasoning', text: 'V' },
            { type: 'text', text: 'A' },
          ],
        },
      ],
    ],
    [
      'LiteLLM’s thinking_blocks',
      [
        {
          role: 'assistant',
          content: 'A',
          reasoning_content: 'T',
          thinking_blocks: [
            { type: 'thinking', thinking: 'T', signature: 's' },
            { type: 'redacted_thinking', data: 'd' },
          ],
        },
      ],
      [
        {
          role: 'assistant',
          parts: [
            { type: 'reasoning', text: 'T', signature: { origin: 'anthropic', value: 's' } },
            { type: 'reasoning', text: '', redacted: { origin: 'anthropic', value: 'd' } },
            { type: 'text', text: 'A' },
          ],
        },
      ],
    ],
    [
      'Gemini’s signatures, in Google’s field and in OpenRouter’s',
      [
        {
          role: 'assistant',
          tool_calls: [
            {
              id: 'a',
              type: 'function',
              function: { name: 'f', arguments: '{}' },
              extra_content: { google: { thought_signature: 'g1' } },
            },
            { id: 'b', type: 'function', function: { name: 'f', arguments: '{}' } },
          ],
          reasoning_details: [{ type: 'reasoning.encrypted', data: 'g2', id: 'b', format: 'google-gemini-v1' }],
        },
      ],
      [
        {
          role: 'assistant',
          parts: [
            { type: 'tool_call', id: 'a', name: 'f', arguments: '{}', signature: { origin: 'gemini', value: 'g1' } },
            { type: 'tool_call', id: 'b', name: 'f', arguments: '{}', signature: { origin: 'gemini', value: 'g2' } },
          ],
        },
      ],
    ],
  ])('%s', (_, messages, turns) => {
    expect(readRequest({ model: 'm', messages }).turns).toEqual(turns)
  })

  test('tools, deprecated functions, and their markers', () => {
    const read = (body: JsonObject) => readRequest({ model: 'm', messages: hello, ...body })
    expect(read({ tools: [{ ...tool, cache_control: { type: 'ephemeral' } }] }).tools).toEqual([
      { name: 'weather', parameters: weather, cache: { ttl: '5m' } },
    ])
    const legacy = read({ functions: [{ name: 'f', description: 'd' }] })
    expect(legacy).toMatchObject({ tools: [{ name: 'f', description: 'd' }], parallelToolCalls: false })
  })
})

describe('writing', () => {
  const write = (fields: Partial<Conversation>, context = requestContext()) =>
    writeRequest(conversation(fields), context)

  test('a request of all that the API has', () => {
    const context = requestContext()
    const written = write(
      {
        turns: [
          {
            role: 'system',
            parts: [
              { type: 'text', text: 'A' },
              { type: 'text', text: 'B', cache: { ttl: '5m' } },
            ],
          },
          { role: 'developer', parts: [{ type: 'text', text: 'D' }] },
          {
            role: 'user',
            name: 'Ann',
            parts: [
              { type: 'text', text: 'Look' },
              { type: 'image', media: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' }, detail: 'high' },
              { type: 'audio', format: 'mp3', data: 'BBBB' },
              { type: 'document', media: { kind: 'base64', mediaType: 'application/pdf', data: 'CCCC' } },
              { type: 'document', media: { kind: 'file', id: 'file-1' } },
              { type: 'document', media: { kind: 'text', text: 'plain' }, context: 'About:' },
            ],
          },
          {
            role: 'assistant',
            parts: [
              { type: 'reasoning', text: 'T', signature: { origin: 'anthropic', value: 's' } },
              { type: 'text', text: 'Hm.' },
              { type: 'tool_call', id: 'a', name: 'f', arguments: '' },
            ],
          },
          {
            role: 'user',
            parts: [
              {
                type: 'tool_result',
                id: 'a',
                isError: true,
                content: [
                  { type: 'text', text: 'R' },
                  { type: 'image', media: { kind: 'url', url: 'https://x.test/a.png' } },
                ],
              },
              { type: 'text', text: 'And?' },
            ],
          },
          { role: 'assistant', parts: [{ type: 'refusal', text: 'No.' }] },
          { role: 'assistant', parts: [{ type: 'reasoning', text: 'alone' }] },
        ],
        tools: [{ name: 'f', description: 'd', parameters: weather, strict: true }],
        toolChoice: { type: 'allowed', mode: 'auto', names: ['f'] },
        parallelToolCalls: false,
        output: { type: 'json_schema', name: 'w', schema: weather, strict: true },
        maxTokens: 100,
        stop: ['END'],
        n: 2,
        seed: 1,
        logprobs: true,
        topLogprobs: 2,
        reasoning: { budget: 5000, summary: 'auto' },
        stream: true,
        user: 'u',
        metadata: { a: 'b' },
        serviceTier: 'standard_only',
        promptCacheKey: 'k',
        extra: { store: true, prompt_cache_retention: '24h' },
      },
      context,
    )
    expect(written).toEqual({
      model: 'gpt-4.1',
      messages: [
        { role: 'system', content: 'A\n\nB' },
        { role: 'developer', content: 'D' },
        {
          role: 'user',
          name: 'Ann',
          content: [
            { type: 'text', text: 'Look' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'high' } },
            { type: 'input_audio', input_audio: { data: 'BBBB', format: 'mp3' } },
            { type: 'file', file: { filename: 'document.pdf', file_data: 'data:application/pdf;base64,CCCC' } },
            { type: 'file', file: { file_id: 'file-1' } },
            { type: 'text', text: 'About:' },
            { type: 'text', text: 'plain' },
          ],
        },
        {
          role: 'assistant',
          content: 'Hm.',
          tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'a', content: 'R' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Content of the result of the tool call a:' },
            { type: 'image_url', image_url: { url: 'https://x.test/a.png' } },
          ],
        },
        { role: 'user', content: 'And?' },
        { role: 'assistant', content: null, refusal: 'No.' },
      ],
      tools: [{ type: 'function', function: { name: 'f', description: 'd', parameters: weather, strict: true } }],
      tool_choice: {
        type: 'allowed_tools',
        allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'f' } }] },
      },
      parallel_tool_calls: false,
      response_format: { type: 'json_schema', json_schema: { name: 'w', schema: weather, strict: true } },
      max_completion_tokens: 100,
      stop: ['END'],
      n: 2,
      seed: 1,
      logprobs: true,
      top_logprobs: 2,
      reasoning_effort: 'medium',
      stream: true,
      stream_options: { include_usage: true },
      user: 'u',
      prompt_cache_key: 'k',
      prompt_cache_retention: '24h',
    })
    expect(new Set(context.dropped)).toEqual(
      new Set(['store', 'metadata', 'cache', 'tool_result.is_error', 'reasoning.summary', 'serviceTier']),
    )
    for (const field of context.dropped) expect(drops).toHaveProperty([field])
  })

  test('servers in OpenAI’s likeness', () => {
    const quirks = { maxTokensField: 'max_tokens', developerRole: false, streamUsage: false } as const
    expect(
      write(
        { turns: [{ role: 'developer', parts: [{ type: 'text', text: 'D' }] }], maxTokens: 9, stream: true },
        requestContext(quirks, 'llama'),
      ),
    ).toEqual({ model: 'llama', messages: [{ role: 'system', content: 'D' }], max_tokens: 9, stream: true })
  })

  const thought: Conversation['turns'] = [
    {
      role: 'assistant',
      parts: [
        { type: 'reasoning', text: 'T', signature: { origin: 'anthropic', value: 's' } },
        { type: 'reasoning', text: 'U', signature: { origin: 'bedrock', value: 'b' } },
        { type: 'reasoning', text: '', redacted: { origin: 'openai', value: 'e' }, id: 'rs_1' },
        { type: 'text', text: 'A' },
        { type: 'tool_call', id: 'c', name: 'f', arguments: '{}', signature: { origin: 'gemini', value: 'g' } },
      ],
    },
  ]
  const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }

  test.each<[Parameters<typeof requestContext>[0], JsonObject]>([
    [{}, { tool_calls: [call] }],
    [{ reasoningContent: true }, { tool_calls: [call], reasoning_content: 'T\n\nU' }],
    [
      { thinkingProof: 'reasoning_details' },
      {
        tool_calls: [call],
        reasoning_details: [
          { type: 'reasoning.text', text: 'T', signature: 's', format: 'anthropic-claude-v1', index: 0 },
          { type: 'reasoning.encrypted', data: 'e', id: 'rs_1', format: 'openai-responses-v1', index: 1 },
        ],
      },
    ],
    [
      { thinkingProof: 'extra_content' },
      { tool_calls: [{ ...call, extra_content: { google: { thought_signature: 'g' } } }] },
    ],
  ])('earlier thinking to a server with %j', (quirks, rest) => {
    expect(write({ turns: thought }, requestContext(quirks)).messages).toEqual([
      { role: 'assistant', content: 'A', ...rest },
    ])
  })

  test('effort none is left unsaid to models that do not think', () => {
    const none = { reasoning: { effort: 'none' } as const }
    const context = requestContext({}, 'openai/gpt-4o-mini')
    expect(write(none, context)).not.toHaveProperty('reasoning_effort')
    expect(context.dropped).toEqual(['reasoning.effort'])
    expect(write(none, requestContext({}, 'gpt-5.1'))).toMatchObject({ reasoning_effort: 'none' })
    expect(write({ reasoning: { adaptive: true } })).not.toHaveProperty('reasoning_effort')
  })

  test('ids of calls beyond OpenAI’s length agree in call and result', () => {
    const id = 'x'.repeat(41)
    const { messages } = write({
      turns: [
        { role: 'assistant', parts: [{ type: 'tool_call', id, name: 'f', arguments: '{}' }] },
        { role: 'user', parts: [{ type: 'tool_result', id, content: [] }] },
      ],
    }) as { messages: [{ tool_calls: [{ id: string }] }, { tool_call_id: string }] }
    expect(messages[0].tool_calls[0].id).toMatch(/^call_[\w-]{24}$/)
    expect(messages[1].tool_call_id).toBe(messages[0].tool_calls[0].id)
  })

  const user = (part: Conversation['turns'][number]['parts'][number]): Partial<Conversation> => ({
    turns: [{ role: 'user', parts: [part] }],
  })
  test.each<[string, Partial<Conversation>]>([
    ['top_k', { topK: 5 }],
    ['suffix', { extra: { suffix: 'x' } }],
    ['audio', { extra: { audio: {} } }],
    ['messages', { turns: [] }],
    ['tool_choice', { toolChoice: { type: 'required' } }],
    ['image', user({ type: 'image', media: { kind: 'file', id: 'f' } })],
    ['document', user({ type: 'document', media: { kind: 'url', url: 'https://x.test/a.pdf' } })],
    ['citations', user({ type: 'document', media: { kind: 'text', text: 'x' }, citations: true })],
    [
      'system',
      { turns: [{ role: 'system', parts: [{ type: 'image', media: { kind: 'url', url: 'https://x.test' } }] }] },
    ],
  ])('%s is refused', (param, fields) => {
    expect(errorOf(() => write(fields))).toMatchObject({ status: 400, param })
  })

  test('a schema is refused where the server knows none', () => {
    const output = { type: 'json_schema', name: 'w', schema: weather } as const
    expect(errorOf(() => write({ output }, requestContext({ jsonSchema: false })))).toMatchObject({
      param: 'response_format',
    })
    expect(write({ output: { type: 'json_object' } }, requestContext({ jsonSchema: false }))).toMatchObject({
      response_format: { type: 'json_object' },
    })
  })

  test.each<JsonObject>([
    { messages: hello, temperature: 0, stop: ['x'], n: 3, logprobs: true, top_logprobs: 2 },
    {
      messages: [
        { role: 'system', content: 'S' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a' },
            { type: 'image_url', image_url: { url: 'https://x.test' } },
          ],
        },
        { role: 'assistant', content: 'B', tool_calls: [call] },
        { role: 'tool', tool_call_id: 'c', content: 'R' },
      ],
      tools: [tool],
      tool_choice: 'auto',
      parallel_tool_calls: true,
      response_format: { type: 'json_object' },
      reasoning_effort: 'low',
    },
  ])('what is read is written back the same: %#', (body) => {
    expect(writeRequest(readRequest(body), requestContext())).toEqual({ model: 'gpt-4.1', ...body })
  })
})
