import type { MessageParam, TextBlockParam } from '@anthropic-ai/sdk/resources/messages'
import { describe, expect, test } from 'vitest'
import type { Part, ToolResultPart, Turn } from '../../conversation.ts'
import { conversation, requestContext } from '../chat/testing.ts'
import { writeMessages } from './write-messages.ts'

/** What is written, as the SDK's types have it. */
function write(...turns: Turn[]): { system?: TextBlockParam[]; messages: MessageParam[]; dropped: string[] } {
  const context = requestContext({}, 'claude-sonnet-4-5')
  return { ...writeMessages(conversation({ turns }), context), dropped: context.dropped }
}

/** The blocks of a lone turn. */
function blocks(role: 'user' | 'assistant', ...parts: Part[]): MessageParam['content'] {
  return write({ role, parts }).messages[0]!.content
}

const text = (text: string): Part & { type: 'text' } => ({ type: 'text', text })
const user = (...parts: Part[]): Turn => ({ role: 'user', parts })
const assistant = (...parts: Part[]): Turn => ({ role: 'assistant', parts })
const call = (id: string, args = '{}'): Part => ({ type: 'tool_call', id, name: 'look', arguments: args })
const result = (id: string, fields: Partial<ToolResultPart> = {}): Part => ({
  type: 'tool_result',
  id,
  content: [text('seen')],
  ...fields,
})

describe('turns', () => {
  test('system and developer turns go to the front in their order, neighbours of one role are joined', () => {
    const { system, messages } = write(
      { role: 'system', parts: [text('one')] },
      user(text('a')),
      { role: 'developer', parts: [text('two'), text(' ')] },
      user(text('b')),
      assistant(text('c')),
    )
    expect(system).toEqual([text('one'), text('two')])
    expect(messages).toEqual([
      { role: 'user', content: [text('a'), text('b')] },
      { role: 'assistant', content: [text('c')] },
    ])
  })

  test('what is blank is left out, and the turns around it join', () => {
    expect(write(user(text('a')), assistant(text(' \n')), user(text('b'))).messages).toEqual([
      { role: 'user', content: [text('a'), text('b')] },
    ])
  })

  test('nothing is put before an assistant that begins', () => {
    expect(write(assistant(text('Welcome')), user(text('Hi'))).messages).toMatchObject([
      { role: 'assistant' },
      { role: 'user' },
    ])
  })

  test('a conversation without a word is refused', () => {
    expect(() => write({ role: 'system', parts: [text('Be brief.')] }, user(text('')))).toThrow(
      expect.objectContaining({ param: 'messages' }),
    )
  })

  test('a system prompt holds text only', () => {
    const image: Part = { type: 'image', media: { kind: 'url', url: 'https://example.com/a.png' } }
    expect(() => write({ role: 'system', parts: [image] })).toThrow(expect.objectContaining({ param: 'system' }))
  })
})

describe('images', () => {
  test.each([
    [
      { kind: 'base64', mediaType: 'image/png', data: 'AAAA' },
      { type: 'base64', media_type: 'image/png', data: 'AAAA' },
    ],
    [
      { kind: 'base64', mediaType: 'image/JPG', data: 'AAAA' },
      { type: 'base64', media_type: 'image/jpeg', data: 'AAAA' },
    ],
    [
      { kind: 'url', url: 'https://example.com/a.png' },
      { type: 'url', url: 'https://example.com/a.png' },
    ],
    [
      { kind: 'file', id: 'file_1' },
      { type: 'file', file_id: 'file_1' },
    ],
  ] as const)('%j', (media, source) => {
    expect(blocks('user', { type: 'image', media })).toEqual([{ type: 'image', source }])
  })

  test('of another type are refused where they stand', () => {
    const image: Part = { type: 'image', media: { kind: 'base64', mediaType: 'image/tiff', data: 'AAAA' } }
    expect(() => write(user(text('a')), user(image))).toThrow(expect.objectContaining({ param: 'messages[1].content' }))
  })
})

describe('documents', () => {
  test.each([
    [
      { kind: 'text', text: 'words' },
      { type: 'text', media_type: 'text/plain', data: 'words' },
    ],
    [
      { kind: 'base64', mediaType: 'application/pdf', data: 'JVBE' },
      { type: 'base64', media_type: 'application/pdf', data: 'JVBE' },
    ],
    [
      { kind: 'base64', mediaType: 'text/csv; charset=utf-8', data: Buffer.from('a,ü').toString('base64') },
      { type: 'text', media_type: 'text/plain', data: 'a,ü' },
    ],
    [
      { kind: 'base64', mediaType: 'application/json', data: Buffer.from('{}').toString('base64') },
      { type: 'text', media_type: 'text/plain', data: '{}' },
    ],
    [
      { kind: 'url', url: 'https://example.com/a' },
      { type: 'url', url: 'https://example.com/a' },
    ],
    [
      { kind: 'file', id: 'file_1' },
      { type: 'file', file_id: 'file_1' },
    ],
  ] as const)('%j', (media, source) => {
    expect(blocks('user', { type: 'document', media })).toEqual([{ type: 'document', source }])
  })

  test('with all that is said of them', () => {
    expect(
      blocks('user', {
        type: 'document',
        media: { kind: 'text', text: 'words' },
        name: 'Report',
        context: 'Of last year',
        citations: true,
        cache: { ttl: '5m' },
      }),
    ).toEqual([
      {
        type: 'document',
        source: { type: 'text', media_type: 'text/plain', data: 'words' },
        title: 'Report',
        context: 'Of last year',
        citations: { enabled: true },
        cache_control: { type: 'ephemeral' },
      },
    ])
  })

  test.each([
    { kind: 'base64', mediaType: 'application/msword', data: 'AAAA' },
    { kind: 'url', url: 'https://example.com/a.csv', mediaType: 'text/csv' },
  ] as const)('%j is refused', (media) => {
    expect(() => write(user({ type: 'document', media }))).toThrow(
      expect.objectContaining({ param: 'messages[0].content' }),
    )
  })
})

test('sound is refused where it stands', () => {
  expect(() =>
    write(user(text('a')), assistant(text('b')), user({ type: 'audio', format: 'wav', data: 'AA' })),
  ).toThrow(expect.objectContaining({ param: 'messages[2].content' }))
})

describe('calls and their results', () => {
  test('results come first in the turn, marked where they failed', () => {
    const { messages } = write(
      user(text('go')),
      assistant(text('ok'), call('a', '{"x":1}'), call('b', '')),
      user(text('and'), result('a')),
      user(result('b', { isError: true, content: [] })),
    )
    expect(messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: [
          text('ok'),
          { type: 'tool_use', id: 'a', name: 'look', input: { x: 1 } },
          { type: 'tool_use', id: 'b', name: 'look', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'a', content: [text('seen')] },
          { type: 'tool_result', tool_use_id: 'b', is_error: true },
          text('and'),
        ],
      },
    ])
  })

  test("another provider's ids become ids of the API's form, call and result alike", () => {
    const { messages } = write(
      user(text('go')),
      assistant(call('functions.look:0'), call('functions.look:1'), call('')),
      user(result('functions.look:0'), result('functions.look:1'), result('')),
    )
    const made = messages.flatMap(({ content }) =>
      (content as { id?: string; tool_use_id?: string }[]).flatMap((block) => block.id ?? block.tool_use_id ?? []),
    )
    expect(made.slice(0, 3)).toEqual(made.slice(3))
    expect(new Set(made).size).toBe(3)
    for (const id of made) expect(id).toMatch(/^toolu_[a-zA-Z0-9_-]+$/)
  })

  test.each(['{"x":', '[1]', '"text"', 'null'])('arguments %s are refused where they stand', (args) => {
    expect(() => write(user(text('go')), assistant(call('a', args)))).toThrow(
      expect.objectContaining({ param: 'messages[1].tool_calls' }),
    )
  })

  test('a result may hold images and documents; a marker inside it stands on it', () => {
    const content: ToolResultPart['content'] = [
      { type: 'image', media: { kind: 'url', url: 'https://example.com/a.png' }, cache: { ttl: '5m' } },
      { type: 'document', media: { kind: 'file', id: 'f' }, cache: { ttl: '1h' } },
      text(''),
    ]
    expect(blocks('user', result('a', { content }))).toEqual([
      {
        type: 'tool_result',
        tool_use_id: 'a',
        content: [
          { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
          { type: 'document', source: { type: 'file', file_id: 'f' } },
        ],
        cache_control: { type: 'ephemeral', ttl: '1h' },
      },
    ])
  })
})

describe('thinking', () => {
  const value = 'c2lnbmF0dXJl'

  test("goes back with Anthropic's own proof, byte for byte", () => {
    expect(
      blocks(
        'assistant',
        { type: 'reasoning', text: 'Hm.', signature: { origin: 'anthropic', value } },
        { type: 'reasoning', text: '', redacted: { origin: 'anthropic', value } },
        text('Yes'),
      ),
    ).toEqual([
      { type: 'thinking', thinking: 'Hm.', signature: value },
      { type: 'redacted_thinking', data: value },
      text('Yes'),
    ])
  })

  test('is left out without it', () => {
    expect(
      blocks(
        'assistant',
        { type: 'reasoning', text: 'no proof' },
        { type: 'reasoning', text: 'foreign', signature: { origin: 'gemini', value } },
        { type: 'reasoning', text: '', redacted: { origin: 'openai', value } },
        { type: 'reasoning', text: 'cloud', signature: { origin: 'bedrock', value } },
        text('Yes'),
      ),
    ).toEqual([text('Yes')])
  })
})

test('a refusal goes back as what was said', () => {
  expect(blocks('assistant', { type: 'refusal', text: 'I cannot.' })).toEqual([text('I cannot.')])
})

test('a marker on a blank text is lost, which is noted', () => {
  const { messages, dropped } = write(user(text('a'), { ...text(' '), cache: { ttl: '5m' } }))
  expect(messages).toEqual([{ role: 'user', content: [text('a')] }])
  expect(dropped).toEqual(['cache'])
})

test.each<[Turn['role'], Part]>([
  ['user', call('a')],
  ['user', { type: 'reasoning', text: 'Hm.' }],
  ['assistant', result('a')],
  ['assistant', { type: 'image', media: { kind: 'file', id: 'f' } }],
])('in a turn of the %s, %j has no place', (role, part) => {
  expect(() => write({ role, parts: [part] })).toThrow(expect.objectContaining({ param: 'messages[0].content' }))
})
