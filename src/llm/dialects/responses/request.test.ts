import type { ResponseCreateParams } from 'openai/resources/responses/responses'
import { describe, expect, test } from 'vitest'
import type { Conversation, JsonObject, Part, Turn } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { wrapOpaque } from '../../opaque.ts'
import { drops, readRequest, writeRequest } from './request.ts'
import { conversation, requestContext } from './testing.ts'

const read = (fields: JsonObject) => readRequest({ model: 'smart', input: 'Hello', ...fields })
const write = (fields: Partial<Conversation>, model?: string) =>
  writeRequest(conversation(fields), requestContext(model))
const text = (value: string): Part => ({ type: 'text', text: value })
const turn = (role: Turn['role'], ...parts: Part[]): Turn => ({ role, parts })

function errorOf(run: () => unknown): ApiError {
  try {
    run()
  } catch (error) {
    if (error instanceof ApiError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

const weather = {
  type: 'function',
  name: 'weather',
  description: 'Looks it up',
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
  strict: false,
}

describe('readRequest: input', () => {
  test.each<[string, unknown, Turn[]]>([
    ['a string', 'Hello', [turn('user', text('Hello'))]],
    ['easy messages', [{ role: 'user', content: 'Hi' }], [turn('user', text('Hi'))]],
    [
      'every role, in place',
      [
        { type: 'message', role: 'system', content: 'Be brief.' },
        { role: 'developer', content: [{ type: 'input_text', text: 'In Norwegian.' }] },
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Hei' },
      ],
      [
        turn('system', text('Be brief.')),
        turn('developer', text('In Norwegian.')),
        turn('user', text('Hi')),
        turn('assistant', text('Hei')),
      ],
    ],
    [
      'images by URL, data URL and file id',
      [
        {
          role: 'user',
          content: [
            { type: 'input_image', image_url: 'https://example.com/a.png', detail: 'low' },
            { type: 'input_image', image_url: 'data:image/png;base64,AAAA' },
            { type: 'input_image', file_id: 'file-1', detail: null },
          ],
        },
      ],
      [
        turn(
          'user',
          { type: 'image', media: { kind: 'url', url: 'https://example.com/a.png' }, detail: 'low' },
          { type: 'image', media: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' } },
          { type: 'image', media: { kind: 'file', id: 'file-1' } },
        ),
      ],
    ],
    [
      'files inline (with and without a type), by URL and by id, and sound',
      [
        {
          role: 'user',
          content: [
            { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBE' },
            { type: 'input_file', filename: 'a.CSV', file_data: 'YSxi' },
            { type: 'input_file', filename: 'a.xyz', file_data: 'YSxi' },
            { type: 'input_file', file_url: 'https://example.com/a.pdf' },
            { type: 'input_file', file_id: 'file-2' },
            { type: 'input_audio', input_audio: { format: 'mp3', data: 'SUQz' } },
          ],
        },
      ],
      [
        turn(
          'user',
          {
            type: 'document',
            media: { kind: 'base64', mediaType: 'application/pdf', data: 'JVBE' },
            name: 'a.pdf',
          },
          { type: 'document', media: { kind: 'base64', mediaType: 'text/csv', data: 'YSxi' }, name: 'a.CSV' },
          {
            type: 'document',
            media: { kind: 'base64', mediaType: 'application/octet-stream', data: 'YSxi' },
            name: 'a.xyz',
          },
          { type: 'document', media: { kind: 'url', url: 'https://example.com/a.pdf' } },
          { type: 'document', media: { kind: 'file', id: 'file-2' } },
          { type: 'audio', format: 'mp3', data: 'SUQz' },
        ),
      ],
    ],
    [
      'the items of the model are one turn, outputs of its calls another',
      [
        { role: 'user', content: 'Weather?' },
        {
          type: 'reasoning',
          id: 'rs_1',
          summary: [{ type: 'summary_text', text: 'Look it up.' }],
          encrypted_content: 'gAAA',
        },
        {
          type: 'message',
          id: 'msg_1',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: 'One moment.', annotations: [] }],
        },
        { type: 'function_call', id: 'fc_1', call_id: 'c1', name: 'weather', arguments: '{"city":"Oslo"}' },
        { type: 'function_call', call_id: 'c2', name: 'weather', arguments: '{"city":"Rome"}' },
        { type: 'function_call_output', call_id: 'c1', output: 'Rain' },
        {
          type: 'function_call_output',
          call_id: 'c2',
          output: [
            { type: 'input_text', text: 'Sun' },
            { type: 'input_image', image_url: 'https://example.com/sun.png' },
          ],
        },
        { role: 'user', content: 'Thanks' },
        { type: 'message', role: 'assistant', content: [{ type: 'refusal', refusal: 'No.' }] },
      ],
      [
        turn('user', text('Weather?')),
        turn(
          'assistant',
          {
            type: 'reasoning',
            text: 'Look it up.',
            summary: true,
            id: 'rs_1',
            redacted: { origin: 'openai', value: 'gAAA' },
          },
          text('One moment.'),
          { type: 'tool_call', id: 'c1', name: 'weather', arguments: '{"city":"Oslo"}' },
          { type: 'tool_call', id: 'c2', name: 'weather', arguments: '{"city":"Rome"}' },
        ),
        turn(
          'user',
          { type: 'tool_result', id: 'c1', name: 'weather', content: [{ type: 'text', text: 'Rain' }] },
          {
            type: 'tool_result',
            id: 'c2',
            name: 'weather',
            content: [
              { type: 'text', text: 'Sun' },
              { type: 'image', media: { kind: 'url', url: 'https://example.com/sun.png' } },
            ],
          },
        ),
        turn('user', text('Thanks')),
        turn('assistant', { type: 'refusal', text: 'No.' }),
      ],
    ],
    [
      'a summary of several sections; thinking shown as it was is a part of its own',
      [
        {
          type: 'reasoning',
          id: 'rs_1',
          summary: [
            { type: 'summary_text', text: 'First.' },
            { type: 'summary_text', text: 'Second.' },
          ],
          content: [{ type: 'reasoning_text', text: 'Hm.' }],
        },
      ],
      [
        turn(
          'assistant',
          { type: 'reasoning', text: 'First.\n\nSecond.', summary: true, id: 'rs_1' },
          { type: 'reasoning', text: 'Hm.' },
        ),
      ],
    ],
    [
      'a cache breakpoint',
      [
        {
          role: 'user',
          content: [{ type: 'input_text', text: 'Long', prompt_cache_breakpoint: { mode: 'explicit' } }],
        },
      ],
      [turn('user', { type: 'text', text: 'Long', cache: { ttl: '5m' } })],
    ],
  ])('%s', (_, input, turns) => {
    expect(read({ input }).turns).toEqual(turns)
  })

  test('instructions come first', () => {
    expect(read({ instructions: 'Be brief.' }).turns).toEqual([
      turn('system', text('Be brief.')),
      turn('user', text('Hello')),
    ])
    expect(read({ instructions: '' }).turns).toHaveLength(1)
  })

  test("another provider's signatures and redacted thinking are told apart; OpenAI's own ids are kept, ours are not", () => {
    const item = (encrypted: string, content: string[] = []) => ({
      type: 'reasoning',
      id: 'rs_chaperone_abc_0',
      summary: [],
      content: content.map((value) => ({ type: 'reasoning_text', text: value })),
      encrypted_content: encrypted,
    })
    const anthropic = (value: string) => wrapOpaque({ origin: 'anthropic', value }, 'openai')
    const { turns } = read({
      input: [
        item(anthropic('signature:Sig=='), ['Hm.']),
        item(anthropic('signature:Empty')),
        item(anthropic('redacted:Red')),
        item(anthropic('of no known kind')),
      ],
    })
    expect(turns).toEqual([
      turn(
        'assistant',
        { type: 'reasoning', text: 'Hm.', signature: { origin: 'anthropic', value: 'Sig==' } },
        { type: 'reasoning', text: '', signature: { origin: 'anthropic', value: 'Empty' } },
        { type: 'reasoning', text: '', redacted: { origin: 'anthropic', value: 'Red' } },
        { type: 'reasoning', text: '' },
      ),
    ])
  })

  test.each(['before', 'after'])('the signature of a call finds its call where the item stands %s it', (where) => {
    const signature = {
      type: 'reasoning',
      summary: [],
      encrypted_content: wrapOpaque({ origin: 'gemini', value: 'call:c%3A1:Sig:x' }, 'openai'),
    }
    const calls = ['c:1', 'c2'].map((id) => ({ type: 'function_call', call_id: id, name: 'f', arguments: '{}' }))
    const { turns } = read({ input: where === 'before' ? [signature, ...calls] : [...calls, signature] })
    expect(turns).toEqual([
      turn(
        'assistant',
        { type: 'tool_call', id: 'c:1', name: 'f', arguments: '{}', signature: { origin: 'gemini', value: 'Sig:x' } },
        { type: 'tool_call', id: 'c2', name: 'f', arguments: '{}' },
      ),
    ])
  })
})

describe('readRequest: the other fields', () => {
  test.each<[string, JsonObject, Partial<Conversation>]>([
    ['nothing else', {}, {}],
    [
      'nulls are as absent',
      { instructions: null, tools: null, text: null, reasoning: null, store: null, top_p: null },
      {},
    ],
    [
      'numbers',
      { max_output_tokens: 100, temperature: 0.5, top_p: 0.9 },
      { maxTokens: 100, temperature: 0.5, topP: 0.9 },
    ],
    [
      'streaming, with options that change no meaning',
      { stream: true, stream_options: { include_obfuscation: false } },
      { stream: true },
    ],
    [
      'hints',
      { user: 'u', metadata: { a: 'b' }, service_tier: 'flex', prompt_cache_key: 'k' },
      { user: 'u', metadata: { a: 'b' }, serviceTier: 'flex', promptCacheKey: 'k' },
    ],
    ['the newer name of the user first', { user: 'u', safety_identifier: 's' }, { user: 's' }],
    ['what is so anyway', { truncation: 'disabled', store: false, background: false, max_tool_calls: 3 }, {}],
    [
      'reasoning',
      { reasoning: { effort: 'xhigh', summary: 'detailed', context: 'auto', mode: 'standard' } },
      { reasoning: { effort: 'xhigh', summary: 'detailed' } },
    ],
    [
      'the older name of the summary',
      { reasoning: { generate_summary: 'concise' } },
      { reasoning: { summary: 'concise' } },
    ],
    ['an empty wish for reasoning', { reasoning: {} }, {}],
    [
      'log probabilities',
      { include: ['message.output_text.logprobs', 'reasoning.encrypted_content'], top_logprobs: 5 },
      { logprobs: true, topLogprobs: 5 },
    ],
    ['alternatives alone ask for log probabilities, too', { top_logprobs: 2 }, { logprobs: true, topLogprobs: 2 }],
    ['text', { text: { format: { type: 'text' }, verbosity: 'low' } }, { output: { type: 'text' }, verbosity: 'low' }],
    ['JSON', { text: { format: { type: 'json_object' } } }, { output: { type: 'json_object' } }],
    [
      'JSON by schema',
      {
        text: {
          format: { type: 'json_schema', name: 'n', description: 'd', schema: { type: 'object' }, strict: true },
        },
      },
      { output: { type: 'json_schema', name: 'n', description: 'd', schema: { type: 'object' }, strict: true } },
    ],
    [
      'what has no neutral form',
      {
        truncation: 'auto',
        store: true,
        context_management: [],
        new_field: 1,
        reasoning: { mode: 'pro', context: 'all_turns' },
      },
      {
        extra: {
          truncation: 'auto',
          store: true,
          context_management: [],
          new_field: 1,
          'reasoning.mode': 'pro',
          'reasoning.context': 'all_turns',
        },
      },
    ],
  ])('%s', (_, fields, expected) => {
    expect(read(fields)).toEqual(conversation(expected))
  })

  test('a breakpoint with a longer life', () => {
    const content = [{ type: 'input_text', text: 'Long', prompt_cache_breakpoint: { mode: 'explicit' } }]
    const { turns } = read({ input: [{ role: 'user', content }], prompt_cache_options: { ttl: '30m' } })
    expect(turns).toEqual([turn('user', { type: 'text', text: 'Long', cache: { ttl: '1h' } })])
  })

  const closed = {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  }
  test.each<[string, JsonObject, JsonObject]>([
    ['said to be loose', weather, { strict: false }],
    [
      'strict by default where the schema allows it',
      { ...weather, strict: null, parameters: closed },
      { strict: true, parameters: closed },
    ],
    ['left open where it does not', { ...weather, strict: undefined }, {}],
    ['said to be strict', { ...weather, strict: true }, { strict: true }],
    [
      'without parameters',
      { type: 'function', name: 'weather', parameters: null, strict: null },
      { description: undefined, parameters: undefined },
    ],
  ])('a function %s', (_, tool, expected) => {
    const { name, description, parameters } = weather
    expect(read({ tools: [tool] }).tools).toEqual([{ name, description, parameters, ...expected }])
  })

  test.each<[unknown, Conversation['toolChoice']]>([
    ['auto', { type: 'auto' }],
    ['none', { type: 'none' }],
    ['required', { type: 'required' }],
    [
      { type: 'function', name: 'weather' },
      { type: 'tool', name: 'weather' },
    ],
    [
      { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'weather' }] },
      { type: 'allowed', mode: 'required', names: ['weather'] },
    ],
  ])('tool_choice %j', (tool_choice, toolChoice) => {
    expect(read({ tools: [weather], tool_choice, parallel_tool_calls: false })).toMatchObject({
      toolChoice,
      parallelToolCalls: false,
    })
  })
})

describe('readRequest: what is wrong is named', () => {
  const message = (part: JsonObject) => ({ input: [{ role: 'user', content: [part] }] })
  test.each<[string, JsonObject]>([
    ['input', { input: null }],
    ['input', { input: 5 }],
    ['input[0]', { input: ['Hello'] }],
    ['input[0].type', { input: [{}] }],
    ['input[0].role', { input: [{ type: 'message', content: 'x' }] }],
    ['input[0].role', { input: [{ role: 'tool', content: 'x' }] }],
    ['input[0].content', { input: [{ role: 'user' }] }],
    ['input[0].content', { input: [{ role: 'user', content: 5 }] }],
    ['input[0].content[0]', { input: [{ role: 'user', content: ['x'] }] }],
    ['input[0].content[0].type', message({ type: 'text', text: 'x' })],
    ['input[0].content[0].text', message({ type: 'input_text' })],
    ['input[0].content[0]', message({ type: 'input_image' })],
    ['input[0].content[0].image_url', message({ type: 'input_image', image_url: 'data:image/png,abc' })],
    ['input[0].content[0]', message({ type: 'input_file', filename: 'a.pdf' })],
    ['input[0].content[0].input_audio', message({ type: 'input_audio' })],
    ['input[0].content[0].input_audio.data', message({ type: 'input_audio', input_audio: { format: 'wav' } })],
    ['input[0].content[0].type', { input: [{ role: 'assistant', content: [{ type: 'input_image' }] }] }],
    ['input[0].call_id', { input: [{ type: 'function_call', name: 'f', arguments: '{}' }] }],
    ['input[0].arguments', { input: [{ type: 'function_call', call_id: 'c', name: 'f', arguments: {} }] }],
    ['input[0].output', { input: [{ type: 'function_call_output', call_id: 'c' }] }],
    ['input[0].output[0].type', { input: [{ type: 'function_call_output', call_id: 'c', output: [{ type: 'x' }] }] }],
    ['input[0].summary[0].text', { input: [{ type: 'reasoning', summary: [{ type: 'summary_text' }] }] }],
    ['input[0].encrypted_content', { input: [{ type: 'reasoning', encrypted_content: {} }] }],
    ['instructions', { instructions: [] }],
    ['temperature', { temperature: '1' }],
    ['max_output_tokens', { max_output_tokens: 1.5 }],
    ['max_output_tokens', { max_output_tokens: 0 }],
    ['stream', { stream: 'yes' }],
    ['metadata.a', { metadata: { a: 1 } }],
    ['include[0]', { include: ['everything'] }],
    ['text.format.type', { text: { format: {} } }],
    ['text.format.name', { text: { format: { type: 'json_schema', schema: {} } } }],
    ['text.format.schema', { text: { format: { type: 'json_schema', name: 'n' } } }],
    ['reasoning.effort', { reasoning: { effort: 'some' } }],
    ['tools', { tools: {} }],
    ['tools[0].type', { tools: [{ name: 'f' }] }],
    ['tools[0].name', { tools: [{ type: 'function' }] }],
    ['tools[0].parameters', { tools: [{ ...weather, parameters: 'x' }] }],
    ['tool_choice', { tool_choice: 'any' }],
    ['tool_choice.name', { tool_choice: { type: 'function' } }],
    ['tool_choice.mode', { tool_choice: { type: 'allowed_tools', mode: 'none', tools: [] } }],
  ])('%s', (param, fields) => {
    expect(errorOf(() => read(fields))).toMatchObject({ status: 400, code: 'invalid_value', param })
  })

  test.each<[string, JsonObject, RegExp]>([
    ['previous_response_id', { previous_response_id: 'resp_1' }, /Send the whole conversation as input/],
    ['conversation', { conversation: { id: 'conv_1' } }, /Send the whole conversation as input/],
    ['prompt', { prompt: { id: 'pmpt_1' } }, /Send the prompt itself/],
    ['background', { background: true }, /send the whole input/],
    ['input[0]', { input: [{ type: 'item_reference', id: 'msg_1' }] }, /Send the item itself/],
    [
      'input[1].type',
      {
        input: [
          { role: 'user', content: 'x' },
          { type: 'web_search_call', id: 'ws_1' },
        ],
      },
      /web_search_call/,
    ],
    ['tools[0].type', { tools: [{ type: 'web_search' }] }, /web_search/],
    ['tools[1].type', { tools: [weather, { type: 'custom', name: 'c' }] }, /custom/],
    ['tools[0].defer_loading', { tools: [{ ...weather, defer_loading: true }] }, /defer_loading/],
    ['tool_choice.type', { tool_choice: { type: 'mcp', server_label: 'x' } }, /mcp/],
    [
      'tool_choice.tools[0].type',
      { tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'image_generation' }] } },
      /image_generation/,
    ],
  ])('%s is beyond other providers', (param, fields, message) => {
    const error = errorOf(() => read(fields))
    expect(error).toMatchObject({ status: 400, code: 'unsupported_field', param })
    expect(error.message).toMatch(message)
  })

  test('a field named like a prototype does no harm', () => {
    const body = JSON.parse('{"input":"x","__proto__":{"stream":true},"metadata":{"__proto__":"y"}}')
    const { extra, stream } = readRequest(body)
    expect(Object.keys(extra)).toEqual(['__proto__'])
    expect(stream).toBe(false)
  })
})

describe('writeRequest', () => {
  test('is stateless and as the SDK types it', () => {
    const body = write(
      {
        stream: true,
        turns: [turn('developer', text('Be brief.')), turn('user', text('Hello'))],
        tools: [{ name: 'weather', parameters: { type: 'object' }, strict: true }, { name: 'now' }],
        toolChoice: { type: 'allowed', mode: 'auto', names: ['now'] },
        parallelToolCalls: false,
        maxTokens: 100,
        temperature: 1,
        topP: 0.5,
        output: { type: 'json_schema', name: 'n', schema: {}, strict: true },
        verbosity: 'high',
        logprobs: true,
        topLogprobs: 3,
        reasoning: { budget: 3000, summary: 'auto' },
        user: 'someone',
        metadata: { a: 'b' },
        promptCacheKey: 'k',
        serviceTier: 'priority',
        extra: { prompt_cache_retention: '24h' },
      },
      'gpt-5.2',
    )
    const expected: ResponseCreateParams = {
      model: 'gpt-5.2',
      input: [
        { type: 'message', role: 'developer', content: 'Be brief.' },
        { type: 'message', role: 'user', content: 'Hello' },
      ],
      stream: true,
      store: false,
      include: ['reasoning.encrypted_content', 'message.output_text.logprobs'],
      tools: [
        { type: 'function', name: 'weather', parameters: { type: 'object' }, strict: true },
        {
          type: 'function',
          name: 'now',
          parameters: { type: 'object', properties: {}, required: [], additionalProperties: false },
          strict: false,
        },
      ],
      tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'now' }] },
      parallel_tool_calls: false,
      max_output_tokens: 100,
      temperature: 1,
      top_p: 0.5,
      text: { format: { type: 'json_schema', name: 'n', schema: {}, strict: true }, verbosity: 'high' },
      top_logprobs: 3,
      reasoning: { effort: 'medium', summary: 'auto' },
      safety_identifier: 'someone',
      metadata: { a: 'b' },
      prompt_cache_key: 'k',
      service_tier: 'priority',
      prompt_cache_retention: '24h',
    }
    expect(body).toEqual(expected)
  })

  test('says nothing that was not asked', () => {
    expect(write({})).toEqual({
      model: 'gpt-4.1',
      input: [{ type: 'message', role: 'user', content: 'Hello' }],
      store: false,
    })
  })

  test.each<[string, boolean]>([
    ['o3', true],
    ['o4-mini', true],
    ['gpt-5.2', true],
    ['gpt-5-codex', true],
    ['openai/gpt-5', true],
    ['gpt-5-chat-latest', false],
    ['gpt-4.1', false],
    ['gpt-4o', false],
    ['my-deployment', false],
  ])('%s is asked for encrypted reasoning: %s', (model, asked) => {
    expect(write({}, model).include).toEqual(asked ? ['reasoning.encrypted_content'] : undefined)
  })

  test('so is any model that the client wants to reason', () => {
    expect(write({ reasoning: { effort: 'low' } }, 'my-deployment').include).toEqual(['reasoning.encrypted_content'])
    expect(write({ reasoning: { effort: 'none' } }, 'my-deployment').include).toBeUndefined()
  })

  const user = turn('user', text('Hello'))
  test.each<[string, Turn[], JsonObject[]]>([
    [
      'content of several kinds',
      [
        turn(
          'user',
          text('Look'),
          { type: 'image', media: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' }, detail: 'low' },
          { type: 'image', media: { kind: 'url', url: 'https://example.com/a.png' } },
          { type: 'image', media: { kind: 'file', id: 'file-1' } },
          { type: 'document', media: { kind: 'base64', mediaType: 'application/pdf', data: 'JVBE' } },
          { type: 'document', media: { kind: 'base64', mediaType: 'text/csv', data: 'YSxi' }, name: 'a.csv' },
          { type: 'document', media: { kind: 'url', url: 'https://example.com/a.pdf' }, context: 'Old.' },
          { type: 'document', media: { kind: 'file', id: 'file-2' } },
          { type: 'document', media: { kind: 'text', text: 'Plain' } },
        ),
      ],
      [
        {
          type: 'message',
          role: 'user',
          content: [
            { type: 'input_text', text: 'Look' },
            { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'low' },
            { type: 'input_image', image_url: 'https://example.com/a.png', detail: 'auto' },
            { type: 'input_image', file_id: 'file-1', detail: 'auto' },
            { type: 'input_file', filename: 'document.pdf', file_data: 'data:application/pdf;base64,JVBE' },
            { type: 'input_file', filename: 'a.csv', file_data: 'data:text/csv;base64,YSxi' },
            { type: 'input_text', text: 'Old.' },
            { type: 'input_file', file_url: 'https://example.com/a.pdf' },
            { type: 'input_file', file_id: 'file-2' },
            { type: 'input_text', text: 'Plain' },
          ],
        },
      ],
    ],
    [
      'a turn of the model, with parallel calls and their results before more text',
      [
        turn(
          'assistant',
          text('One moment.'),
          { type: 'tool_call', id: 'c1', name: 'f', arguments: '{}' },
          { type: 'tool_call', id: 'c2', name: 'f', arguments: '{"a":1}' },
        ),
        turn(
          'user',
          { type: 'tool_result', id: 'c1', content: [{ type: 'text', text: 'one' }] },
          {
            type: 'tool_result',
            id: 'c2',
            content: [
              { type: 'text', text: 'two' },
              { type: 'image', media: { kind: 'url', url: 'https://example.com/2.png' } },
            ],
          },
          text('And?'),
        ),
      ],
      [
        { type: 'message', role: 'assistant', content: 'One moment.' },
        { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{}' },
        { type: 'function_call', call_id: 'c2', name: 'f', arguments: '{"a":1}' },
        { type: 'function_call_output', call_id: 'c1', output: 'one' },
        {
          type: 'function_call_output',
          call_id: 'c2',
          output: [
            { type: 'input_text', text: 'two' },
            { type: 'input_image', image_url: 'https://example.com/2.png', detail: 'auto' },
          ],
        },
        { type: 'message', role: 'user', content: 'And?' },
      ],
    ],
    [
      'text and refusal in one message, empty text in none; an empty result',
      [
        turn('assistant', text(''), { type: 'tool_call', id: 'c0', name: 'f', arguments: '{}' }),
        turn('assistant', text('Well,'), text('so.'), { type: 'refusal', text: 'No.' }),
        turn('user', { type: 'tool_result', id: 'c1', content: [] }),
      ],
      [
        { type: 'function_call', call_id: 'c0', name: 'f', arguments: '{}' },
        {
          type: 'message',
          role: 'assistant',
          content: [
            { type: 'output_text', text: 'Well,', annotations: [] },
            { type: 'output_text', text: 'so.', annotations: [] },
            { type: 'refusal', refusal: 'No.' },
          ],
        },
        { type: 'function_call_output', call_id: 'c1', output: '' },
      ],
    ],
    [
      "OpenAI's own reasoning, however it came back; no other, none unproven",
      [
        turn(
          'assistant',
          { type: 'reasoning', text: 'Sum', summary: true, id: 'rs_1', redacted: { origin: 'openai', value: 'E1' } },
          { type: 'reasoning', text: 'Thought', signature: { origin: 'openai', value: 'E2' } },
          { type: 'reasoning', text: '', redacted: { origin: 'openai', value: 'E3' } },
          { type: 'reasoning', text: 'x', signature: { origin: 'anthropic', value: 'A' } },
          { type: 'reasoning', text: '', redacted: { origin: 'anthropic', value: 'A' } },
          { type: 'reasoning', text: 'unproven' },
          text('Done'),
        ),
      ],
      [
        {
          type: 'reasoning',
          id: 'rs_1',
          summary: [{ type: 'summary_text', text: 'Sum' }],
          encrypted_content: 'E1',
        },
        { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Thought' }], encrypted_content: 'E2' },
        { type: 'reasoning', summary: [], encrypted_content: 'E3' },
        { type: 'message', role: 'assistant', content: 'Done' },
      ],
    ],
    [
      'reasoning that nothing came of is left out',
      [turn('assistant', { type: 'reasoning', text: '', redacted: { origin: 'openai', value: 'E' } }), user],
      [{ type: 'message', role: 'user', content: 'Hello' }],
    ],
  ])('%s', (_, turns, input) => {
    expect(write({ turns }).input).toEqual(input)
  })

  test('developer turns become system turns where the server knows no other', () => {
    const turns = [turn('developer', text('Be brief.')), user]
    expect(writeRequest(conversation({ turns }), requestContext('m', false)).input).toMatchObject([
      { role: 'system' },
      { role: 'user' },
    ])
  })

  test.each<[string, Partial<Conversation>]>([
    ['n', { n: 2 }],
    ['stop', { stop: ['END'] }],
    ['top_k', { topK: 5 }],
    ['presence_penalty', { presencePenalty: 1 }],
    ['frequency_penalty', { frequencyPenalty: -1 }],
    ['logit_bias', { logitBias: { '50256': -100 } }],
    ['tool_choice', { toolChoice: { type: 'required' } }],
    ['modalities', { extra: { modalities: ['audio'] } }],
    ['citations', { turns: [turn('user', { type: 'document', media: { kind: 'file', id: 'f' }, citations: true })] }],
    ['audio', { turns: [turn('user', { type: 'audio', format: 'wav', data: 'AAAA' })] }],
    ['image', { turns: [turn('assistant', { type: 'image', media: { kind: 'file', id: 'f' } }, text('x'))] }],
    ['messages', { turns: [] }],
  ])('refuses %s', (param, fields) => {
    expect(errorOf(() => write(fields))).toMatchObject({ status: 400, param })
  })

  test('takes for unsaid what says nothing', () => {
    const fields = {
      n: 1,
      stop: [],
      presencePenalty: 0,
      frequencyPenalty: 0,
      logitBias: {},
      toolChoice: { type: 'auto' },
    } as const
    expect(write({ ...fields, stop: [] })).toEqual(write({}))
  })

  test('notes what it leaves out, each with a documented reason', () => {
    const context = requestContext()
    const cache = { ttl: '5m' } as const
    writeRequest(
      conversation({
        turns: [
          { ...turn('user', { ...(text('x') as { type: 'text'; text: string }), cache }), name: 'ann' },
          turn('user', { type: 'document', media: { kind: 'url', url: 'https://example.com/a' }, name: 'a' }),
          turn('assistant', { type: 'tool_call', id: 'c', name: 'f', arguments: '{}' }),
          turn('user', { type: 'tool_result', id: 'c', content: [], isError: true }),
        ],
        seed: 1,
        serviceTier: 'standard_only',
        extra: { store: true },
      }),
      context,
    )
    expect(context.dropped.toSorted()).toEqual(Object.keys(drops).toSorted())
  })

  test('a long user id is hashed to the length the API takes', () => {
    const { safety_identifier } = write({ user: 'u'.repeat(65) })
    expect(safety_identifier).toMatch(/^[0-9a-f]{64}$/)
  })
})

test('a long conversation of one kind of item takes no longer than it must', () => {
  const many = 200_000
  const reasoning = Array.from({ length: many }, () => ({ type: 'reasoning', encrypted_content: 'E' }))
  const content = Array.from({ length: many }, () => ({ type: 'output_text', text: '' }))
  const conversationIn = read({
    input: [...reasoning, { role: 'assistant', content }, { role: 'user', content: 'Hi' }],
  })
  expect(conversationIn.turns.map(({ parts }) => parts.length)).toEqual([2 * many, 1])
  expect(write(conversationIn).input).toEqual([{ type: 'message', role: 'user', content: 'Hi' }])
})

test('what this API writes, it reads again', () => {
  const conversationIn = conversation({
    turns: [
      turn('system', text('Be brief.')),
      turn('user', text('Look'), {
        type: 'image',
        media: { kind: 'url', url: 'https://example.com/a' },
        detail: 'low',
      }),
      turn(
        'assistant',
        { type: 'reasoning', text: 'Hm.', summary: true, id: 'rs_1', redacted: { origin: 'openai', value: 'E' } },
        text('One moment.'),
        { type: 'tool_call', id: 'c1', name: 'f', arguments: '{}' },
      ),
      turn('user', { type: 'tool_result', id: 'c1', name: 'f', content: [{ type: 'text', text: 'one' }] }),
    ],
    tools: [{ name: 'f', description: 'd', parameters: { type: 'object' }, strict: false }],
    toolChoice: { type: 'tool', name: 'f' },
    output: { type: 'json_schema', name: 'n', schema: { type: 'object' } },
    reasoning: { effort: 'high', summary: 'auto' },
    maxTokens: 50,
    stream: true,
  })
  expect(readRequest(writeRequest(conversationIn, requestContext()))).toEqual(conversationIn)
})
