import { describe, expect, test } from 'vitest'
import type { Conversation, JsonObject, Part } from '../../conversation.ts'
import { readRequest } from './read-request.ts'

const hello = [{ role: 'user', content: 'Hello' }]
const read = (fields: JsonObject = {}) => readRequest({ model: 'smart', max_tokens: 100, messages: hello, ...fields })
const plain = {
  turns: [{ role: 'user', parts: [{ type: 'text', text: 'Hello' }] }],
  tools: [],
  maxTokens: 100,
  stream: false,
  extra: {},
}

/** The parts of one message. */
const parts = (content: unknown, role = 'user') => read({ messages: [{ role, content }] }).turns[0]!.parts
/** A message's only part, of one block. */
const part = (block: JsonObject, role = 'user') => parts([block], role)[0]

describe('settings', () => {
  test.each<[string, JsonObject, Partial<Conversation>]>([
    ['none', {}, {}],
    ['null for absent', { system: null, tools: null, thinking: null, metadata: null, temperature: null }, {}],
    ['sampling', { temperature: 0.5, top_p: 0.9, top_k: 40 }, { temperature: 0.5, topP: 0.9, topK: 40 }],
    ['stop sequences', { stop_sequences: ['END', '\n\n'] }, { stop: ['END', '\n\n'] }],
    ['stream', { stream: true }, { stream: true }],
    ['the end user', { metadata: { user_id: 'u1' } }, { user: 'u1' }],
    ['the tier', { service_tier: 'standard_only' }, { serviceTier: 'standard_only' }],
    ['thinking with a budget', { thinking: { type: 'enabled', budget_tokens: 4096 } }, { reasoning: { budget: 4096 } }],
    [
      'thinking that is shown',
      { thinking: { type: 'enabled', budget_tokens: 4096, display: 'summarized' } },
      { reasoning: { budget: 4096, summary: 'auto' } },
    ],
    [
      'adaptive thinking that is not',
      { thinking: { type: 'adaptive', display: 'omitted' }, output_config: { effort: 'xhigh' } },
      { reasoning: { adaptive: true, effort: 'xhigh', summary: 'none' } },
    ],
    ['effort alone', { output_config: { effort: 'low' } }, { reasoning: { effort: 'low' } }],
    ['no thinking', { thinking: { type: 'disabled' } }, { reasoning: { effort: 'none' } }],
    [
      'no thinking at some effort',
      { thinking: { type: 'disabled' }, output_config: { effort: 'high' } },
      { reasoning: { effort: 'none' } },
    ],
    ['thinking between tools only', { thinking: { type: 'between_tools' } }, { reasoning: { effort: 'none' } }],
    [
      'a schema',
      { output_config: { format: { type: 'json_schema', schema: { type: 'object', properties: { a: {} } } } } },
      { output: { type: 'json_schema', name: 'answer', schema: { type: 'object', properties: { a: {} } } } },
    ],
    [
      "a schema that OpenAI's strict mode takes",
      {
        output_config: {
          format: { type: 'json_schema', schema: { type: 'object', properties: {}, additionalProperties: false } },
        },
      },
      {
        output: {
          type: 'json_schema',
          name: 'answer',
          schema: { type: 'object', properties: {}, additionalProperties: false },
          strict: true,
        },
      },
    ],
    [
      'what has no neutral place',
      { container: 'c1', inference_geo: 'us', speed: 'fast', user_profile_id: null },
      { extra: { container: 'c1', inference_geo: 'us', speed: 'fast' } },
    ],
    [
      'what says nothing elsewhere',
      {
        speed: 'standard',
        diagnostics: { previous_message_id: 'msg_1' },
        context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
      },
      {},
    ],
    [
      'what clears the prompt',
      { context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] } },
      { extra: { context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] } } },
    ],
  ])('%s', (_, fields, expected) => {
    expect(read(fields)).toEqual({ ...plain, ...expected })
  })
})

describe('system prompts', () => {
  test.each<[string, unknown, Part[]]>([
    ['a string', 'Be brief.', [{ type: 'text', text: 'Be brief.' }]],
    [
      'blocks, with a cache marker',
      [
        { type: 'text', text: 'Be brief.' },
        { type: 'text', text: 'Be kind.', cache_control: { type: 'ephemeral', ttl: '1h' } },
      ],
      [
        { type: 'text', text: 'Be brief.' },
        { type: 'text', text: 'Be kind.', cache: { ttl: '1h' } },
      ],
    ],
  ])('%s', (_, system, expected) => {
    expect(read({ system }).turns).toEqual([{ role: 'system', parts: expected }, ...plain.turns])
  })

  test.each([[''], [[]]])('%j is none', (system) => {
    expect(read({ system })).toEqual(plain)
  })

  test('may stand among the messages', () => {
    const messages = [...hello, { role: 'system', content: [{ type: 'text', text: 'Now be brief.' }] }]
    expect(read({ messages }).turns[1]).toEqual({ role: 'system', parts: [{ type: 'text', text: 'Now be brief.' }] })
  })
})

describe('content', () => {
  const marked = { cache_control: { type: 'ephemeral' } }
  const cache = { ttl: '5m' }

  test.each<[string, JsonObject, unknown]>([
    ['text', { type: 'text', text: 'a', ...marked }, { type: 'text', text: 'a', cache }],
    [
      'an image',
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=' }, ...marked },
      { type: 'image', media: { kind: 'base64', mediaType: 'image/png', data: 'aGk=' }, cache },
    ],
    [
      'an image elsewhere',
      { type: 'image', source: { type: 'url', url: 'https://a.example/b.png' } },
      { type: 'image', media: { kind: 'url', url: 'https://a.example/b.png' } },
    ],
    [
      'a stored image',
      { type: 'image', source: { type: 'file', file_id: 'file_1' } },
      { type: 'image', media: { kind: 'file', id: 'file_1' } },
    ],
    [
      'a PDF',
      {
        type: 'document',
        source: { type: 'base64', media_type: 'application/pdf', data: 'aGk=' },
        title: 'Report',
        context: 'Of last year.',
        citations: { enabled: true },
        ...marked,
      },
      {
        type: 'document',
        media: { kind: 'base64', mediaType: 'application/pdf', data: 'aGk=' },
        name: 'Report',
        context: 'Of last year.',
        citations: true,
        cache,
      },
    ],
    [
      'a plain document',
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'words' }, citations: null },
      { type: 'document', media: { kind: 'text', text: 'words' } },
    ],
    [
      'a document elsewhere',
      { type: 'document', source: { type: 'url', url: 'https://a.example/b.pdf' } },
      { type: 'document', media: { kind: 'url', url: 'https://a.example/b.pdf' } },
    ],
    [
      'a stored document',
      { type: 'document', source: { type: 'file', file_id: 'file_1' } },
      { type: 'document', media: { kind: 'file', id: 'file_1' } },
    ],
    [
      'a document of one piece',
      { type: 'document', source: { type: 'content', content: 'one' } },
      { type: 'document', media: { kind: 'text', text: 'one' } },
    ],
    [
      'a document in pieces',
      {
        type: 'document',
        source: {
          type: 'content',
          content: [
            { type: 'text', text: 'one' },
            { type: 'text', text: 'two' },
          ],
        },
      },
      { type: 'document', media: { kind: 'text', text: 'one\ntwo' } },
    ],
    [
      "a tool's result",
      { type: 'tool_result', tool_use_id: 'toolu_1', content: 'Sunny', is_error: false, ...marked },
      { type: 'tool_result', id: 'toolu_1', content: [{ type: 'text', text: 'Sunny' }], isError: false, cache },
    ],
    [
      "a tool's result without content",
      { type: 'tool_result', tool_use_id: 'toolu_1', is_error: true },
      { type: 'tool_result', id: 'toolu_1', content: [], isError: true },
    ],
    [
      "a tool's result of all kinds",
      {
        type: 'tool_result',
        tool_use_id: 'toolu_1',
        content: [
          { type: 'text', text: 'Here:' },
          { type: 'image', source: { type: 'url', url: 'https://a.example/b.png' } },
          { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'words' } },
        ],
      },
      {
        type: 'tool_result',
        id: 'toolu_1',
        content: [
          { type: 'text', text: 'Here:' },
          { type: 'image', media: { kind: 'url', url: 'https://a.example/b.png' } },
          { type: 'document', media: { kind: 'text', text: 'words' } },
        ],
      },
    ],
  ])('%s', (_, block, expected) => {
    expect(part(block)).toEqual(expected)
  })

  test('of the assistant', () => {
    const content = [
      { type: 'thinking', thinking: 'Hm.', signature: 'sig' },
      { type: 'redacted_thinking', data: 'x' },
      { type: 'text', text: 'Let me see.', citations: [{ type: 'char_location' }] },
      { type: 'tool_use', id: 'toolu_1', name: 'f', input: { a: [1] }, caller: { type: 'direct' }, ...marked },
    ]
    expect(parts(content, 'assistant')).toEqual([
      { type: 'reasoning', text: 'Hm.', signature: { origin: 'anthropic', value: 'sig' } },
      { type: 'reasoning', text: '', redacted: { origin: 'anthropic', value: 'x' } },
      { type: 'text', text: 'Let me see.' },
      { type: 'tool_call', id: 'toolu_1', name: 'f', arguments: '{"a":[1]}', cache },
    ])
  })

  test('thinking that Claude hid stays where it stood', () => {
    const content = [
      { type: 'thinking', thinking: '', signature: 'sig' },
      { type: 'tool_use', id: 'toolu_1', name: 'f', input: {} },
    ]
    expect(parts(content, 'assistant')).toEqual([
      { type: 'reasoning', text: '', signature: { origin: 'anthropic', value: 'sig' } },
      { type: 'tool_call', id: 'toolu_1', name: 'f', arguments: '{}' },
    ])
  })
})

describe("the request's own cache marker", () => {
  const own = { cache_control: { type: 'ephemeral', ttl: '1h' } }
  const last = (messages: unknown) => read({ messages, ...own }).turns.flatMap((turn) => turn.parts)

  test('is that of the last block', () => {
    expect(last(hello)).toEqual([{ type: 'text', text: 'Hello', cache: { ttl: '1h' } }])
  })

  test('does not replace another', () => {
    const content = [{ type: 'text', text: 'a', cache_control: { type: 'ephemeral' } }]
    expect(last([{ role: 'user', content }])).toEqual([{ type: 'text', text: 'a', cache: { ttl: '5m' } }])
  })

  test('is not on thinking', () => {
    const thinking = { role: 'assistant', content: [{ type: 'thinking', thinking: 'Hm.', signature: 's' }] }
    expect(last([...hello, thinking])[0]).toHaveProperty('cache', { ttl: '1h' })
  })
})

describe('tools', () => {
  const schema = { type: 'object', properties: { city: { type: 'string' } } }
  const tool = { name: 'f', input_schema: schema }

  test('of the client', () => {
    const tools = [
      { ...tool, type: 'custom', description: 'Does.', strict: true, cache_control: { type: 'ephemeral' } },
      { ...tool, type: null, allowed_callers: ['direct'], defer_loading: false },
    ]
    expect(read({ tools }).tools).toEqual([
      { name: 'f', description: 'Does.', parameters: schema, strict: true, cache: { ttl: '5m' } },
      { name: 'f', parameters: schema },
    ])
  })

  test.each<[JsonObject, Partial<Conversation>]>([
    [{ type: 'auto' }, { toolChoice: { type: 'auto' } }],
    [{ type: 'any' }, { toolChoice: { type: 'required' } }],
    [{ type: 'none' }, { toolChoice: { type: 'none' } }],
    [{ type: 'tool', name: 'f' }, { toolChoice: { type: 'tool', name: 'f' } }],
    [{ type: 'auto', disable_parallel_tool_use: false }, { toolChoice: { type: 'auto' } }],
    [
      { type: 'any', disable_parallel_tool_use: true },
      { toolChoice: { type: 'required' }, parallelToolCalls: false },
    ],
  ])('the choice %j', (choice, expected) => {
    expect(read({ tool_choice: choice })).toEqual({ ...plain, ...expected })
  })

  test.each<[string, JsonObject, string]>([
    ["Anthropic's own", { type: 'web_search_20250305', name: 'web_search' }, 'tools[0].type'],
    ["of Anthropic's make", { type: 'bash_20250124', name: 'bash' }, 'tools[0].type'],
    ['loaded later', { ...tool, defer_loading: true }, 'tools[0].defer_loading'],
    ['called from code', { ...tool, allowed_callers: ['code_execution_20260120'] }, 'tools[0].allowed_callers'],
  ])('%s are refused', (_, refused, param) => {
    expect(() => read({ tools: [refused] })).toThrow(
      expect.objectContaining({
        status: 400,
        code: 'unsupported_field',
        param,
        message: expect.stringContaining(param),
      }),
    )
  })
})

describe('a wrong request is told where it is wrong', () => {
  const inMessage = (block: unknown, role = 'user') => ({ messages: [{ role, content: [block] }] })

  test.each<[string, JsonObject]>([
    ['max_tokens', { max_tokens: undefined }],
    ['max_tokens', { max_tokens: 0 }],
    ['max_tokens', { max_tokens: '100' }],
    ['messages', { messages: [] }],
    ['messages', { messages: undefined }],
    ['messages', { messages: 'Hello' }],
    ['messages[0]', { messages: ['Hello'] }],
    ['messages[0].role', { messages: [{ content: 'Hello' }] }],
    ['messages[0].role', { messages: [{ role: 'tool', content: 'Hello' }] }],
    ['messages[0].content', { messages: [{ role: 'user' }] }],
    ['messages[0].content', { messages: [{ role: 'user', content: 7 }] }],
    ['messages[1].content[0]', { messages: [...hello, { role: 'user', content: ['Hello'] }] }],
    ['messages[0].content[0].type', inMessage({ text: 'a' })],
    ['messages[0].content[0].type', inMessage({ type: 'search_result', source: 's', title: 't', content: [] })],
    ['messages[0].content[0].type', inMessage({ type: 'thinking', thinking: 'a', signature: 'b' })],
    ['messages[0].content[0].type', inMessage({ type: 'server_tool_use', id: 's', name: 'web_search' }, 'assistant')],
    ['messages[0].content[0].type', inMessage({ type: 'image', source: {} }, 'assistant')],
    ['messages[0].content[0].type', inMessage({ type: 'image', source: {} }, 'system')],
    ['messages[0].content[0].text', inMessage({ type: 'text' })],
    ['messages[0].content[0].cache_control.type', inMessage({ type: 'text', text: 'a', cache_control: {} })],
    [
      'messages[0].content[0].cache_control.ttl',
      inMessage({ type: 'text', text: 'a', cache_control: { type: 'ephemeral', ttl: '2h' } }),
    ],
    ['messages[0].content[0].source', inMessage({ type: 'image' })],
    ['messages[0].content[0].source.type', inMessage({ type: 'image', source: { type: 'text', data: 'a' } })],
    ['messages[0].content[0].source.data', inMessage({ type: 'image', source: { type: 'base64', media_type: 'a' } })],
    ['messages[0].content[0].source.type', inMessage({ type: 'document', source: { type: 'mail' } })],
    [
      'messages[0].content[0].source.content[0].type',
      inMessage({ type: 'document', source: { type: 'content', content: [{ type: 'image' }] } }),
    ],
    ['messages[0].content[0].tool_use_id', inMessage({ type: 'tool_result', content: 'a' })],
    [
      'messages[0].content[0].content[0].type',
      inMessage({ type: 'tool_result', tool_use_id: 'a', content: [{ type: 'tool_reference', tool_name: 'f' }] }),
    ],
    ['messages[0].content[0].input', inMessage({ type: 'tool_use', id: 'a', name: 'f' }, 'assistant')],
    ['messages[0].content[0].input', inMessage({ type: 'tool_use', id: 'a', name: 'f', input: '{}' }, 'assistant')],
    ['messages[0].content[0].signature', inMessage({ type: 'thinking', thinking: 'a' }, 'assistant')],
    ['system', { system: 7 }],
    ['system[0].type', { system: [{ type: 'image' }] }],
    ['tools[0].name', { tools: [{ input_schema: {} }] }],
    ['tools[0].input_schema', { tools: [{ name: 'f' }] }],
    ['tool_choice', { tool_choice: 'auto' }],
    ['tool_choice.type', { tool_choice: { type: 'required' } }],
    ['tool_choice.name', { tool_choice: { type: 'tool' } }],
    ['stop_sequences[1]', { stop_sequences: ['a', 7] }],
    ['top_k', { top_k: 1.5 }],
    ['stream', { stream: 'yes' }],
    ['metadata.user_id', { metadata: { user_id: 7 } }],
    ['thinking.type', { thinking: { type: 'on' } }],
    ['thinking.budget_tokens', { thinking: { type: 'enabled' } }],
    ['thinking.budget_tokens', { thinking: { type: 'enabled', budget_tokens: 10.5 } }],
    ['thinking.display', { thinking: { type: 'adaptive', display: 'all' } }],
    ['output_config.effort', { output_config: { effort: 'none' } }],
    ['output_config.format.type', { output_config: { format: { type: 'json' } } }],
    ['output_config.format.schema', { output_config: { format: { type: 'json_schema' } } }],
    ['cache_control.type', { cache_control: { type: 'permanent' } }],
  ])('%s', (param, fields) => {
    expect(() => read(fields)).toThrow(
      expect.objectContaining({ status: 400, param, message: expect.stringContaining(param) }),
    )
  })
})
