import { describe, expect, test } from 'vitest'
import type { JsonObject, Part, Turn } from '../../conversation.ts'
import { writeProof } from './proof.ts'
import { readTurns } from './read-contents.ts'

const user = (...parts: JsonObject[]) => ({ role: 'user', parts })
const model = (...parts: JsonObject[]) => ({ role: 'model', parts })
const turnsOf = (...contents: JsonObject[]) => readTurns({ contents })
const userParts = (...parts: JsonObject[]): Part[] => turnsOf(user(...parts))[0]!.parts
const modelParts = (...contents: JsonObject[]): Part[] => turnsOf(user({ text: 'x' }), ...contents)[1]!.parts

describe('what a user says', () => {
  const cases: [part: JsonObject, read: Part][] = [
    [{ text: 'Hello' }, { type: 'text', text: 'Hello' }],
    [
      { inlineData: { mimeType: 'image/png', data: 'aW1n' } },
      { type: 'image', media: { kind: 'base64', mediaType: 'image/png', data: 'aW1n' } },
    ],
    [
      { inline_data: { mime_type: 'application/pdf', data: 'cGRm', display_name: 'a.pdf' } },
      { type: 'document', media: { kind: 'base64', mediaType: 'application/pdf', data: 'cGRm' }, name: 'a.pdf' },
    ],
    [
      { inlineData: { mimeType: 'text/csv', data: 'w6QsYg==' } },
      { type: 'document', media: { kind: 'text', text: 'ä,b' } },
    ],
    [{ inlineData: { mimeType: 'audio/mpeg', data: 'bXAz' } }, { type: 'audio', format: 'mp3', data: 'bXAz' }],
    [{ inlineData: { mimeType: 'audio/x-wav; rate=1', data: 'd2F2' } }, { type: 'audio', format: 'wav', data: 'd2F2' }],
    [
      { fileData: { fileUri: 'https://a.example/b', mimeType: 'image/png' } },
      { type: 'image', media: { kind: 'url', url: 'https://a.example/b', mediaType: 'image/png' } },
    ],
    [
      { fileData: { fileUri: 'https://a.example/b.pdf' } },
      { type: 'document', media: { kind: 'url', url: 'https://a.example/b.pdf', mediaType: 'application/pdf' } },
    ],
  ]
  test.each(cases)('%j', (part, read) => {
    expect(userParts(part)).toEqual([read])
  })

  test('a content without a role is the user’s, one without parts is none', () => {
    expect(turnsOf({ parts: [{ text: 'a' }] }, user(), user({ text: '' }), model())).toEqual([
      { role: 'user', parts: [{ type: 'text', text: 'a' }] },
    ])
  })
})

describe('what a model said', () => {
  const gemini = { origin: 'gemini', value: 'c2ln' } as const
  const claude = { origin: 'anthropic', value: 'sig' } as const
  const openai = { origin: 'openai', value: 'enc' } as const
  const claudeProof = writeProof({ kind: 'signature', opaque: claude })
  const cases: [name: string, parts: JsonObject[], read: Part[]][] = [
    ['text', [{ text: 'a' }, { text: '' }, { text: 'b' }], [{ type: 'text', text: 'ab' }]],
    ['a thought', [{ text: 'Hm', thought: true }], [{ type: 'reasoning', text: 'Hm' }]],
    [
      'a signed thought',
      [{ text: 'Hm', thought: true, thoughtSignature: 'c2ln' }],
      [{ type: 'reasoning', text: 'Hm', signature: gemini }],
    ],
    [
      'a signed text',
      [{ text: 'a', thoughtSignature: 'c2ln' }],
      [
        { type: 'reasoning', text: '', signature: gemini },
        { type: 'text', text: 'a' },
      ],
    ],
    ['a signature alone', [{ thoughtSignature: 'c2ln' }], [{ type: 'reasoning', text: '', signature: gemini }]],
    [
      'a thought of Claude’s',
      [{ text: 'Hm', thought: true, thoughtSignature: claudeProof }],
      [{ type: 'reasoning', text: 'Hm', signature: claude }],
    ],
    [
      'encrypted thinking',
      [{ text: '', thought: true, thoughtSignature: writeProof({ kind: 'redacted', opaque: openai }) }],
      [{ type: 'reasoning', text: '', redacted: openai }],
    ],
    [
      'a call',
      [{ functionCall: { id: '1', name: 'f', args: { a: 1 } }, thoughtSignature: 'c2ln' }],
      [{ type: 'tool_call', id: '1', name: 'f', arguments: '{"a":1}', signature: gemini }],
    ],
    [
      'a call that nobody signed',
      [
        {
          functionCall: { id: '1', name: 'f' },
          thoughtSignature: writeProof({ kind: 'signature', opaque: { origin: 'openai', value: '' } }),
        },
      ],
      [{ type: 'tool_call', id: '1', name: 'f', arguments: '{}' }],
    ],
    [
      'an image',
      [{ inlineData: { mimeType: 'image/png', data: 'aW1n' } }],
      [{ type: 'image', media: { kind: 'base64', mediaType: 'image/png', data: 'aW1n' } }],
    ],
  ]
  test.each(cases)('%s', (_, parts, read) => {
    expect(modelParts(model(...parts))).toEqual(read)
  })

  test('the pieces of a stream are one turn, with one text, and a thought is one up to its proof', () => {
    expect(
      modelParts(
        model({ text: 'H', thought: true }),
        model({ text: 'm', thought: true }),
        model({ text: '', thought: true, thoughtSignature: claudeProof }),
        model({ text: 'More', thought: true, thoughtSignature: claudeProof }),
        model({ text: 'Hel' }),
        model({ text: 'lo' }),
        model({ text: '' }),
      ),
    ).toEqual([
      { type: 'reasoning', text: 'Hm', signature: claude },
      { type: 'reasoning', text: 'More', signature: claude },
      { type: 'text', text: 'Hello' },
    ])
  })
})

describe('calls and their results', () => {
  const call = (name: string, args: JsonObject, id?: string) => ({ functionCall: { name, args, ...(id && { id }) } })
  const result = (name: string, output: string, id?: string) => ({
    functionResponse: { name, response: { output }, ...(id && { id }) },
  })
  const idsOf = (turns: Turn[]) =>
    turns.flatMap(({ parts }) => parts.flatMap((part) => ('id' in part && part.id !== undefined ? [part.id] : [])))

  test('results find their calls by id, whatever their order', () => {
    const turns = turnsOf(
      user({ text: 'x' }),
      model(call('f', { a: 1 }, '1'), call('f', { a: 2 }, '2')),
      user(result('f', 'two', '2'), result('f', 'one', '1')),
    )
    expect(turns[2]!.parts).toEqual([
      { type: 'tool_result', id: '2', name: 'f', content: [{ type: 'text', text: 'two' }] },
      { type: 'tool_result', id: '1', name: 'f', content: [{ type: 'text', text: 'one' }] },
    ])
  })

  test('without ids they find the calls of their name, in order, and the ids are the same in every request', () => {
    const contents = [
      user({ text: 'x' }),
      model(call('f', { a: 1 }), call('g', {}), call('f', { a: 1 })),
      { role: 'function', parts: [result('g', 'g'), result('f', 'first'), result('f', 'second')] },
    ]
    const turns = turnsOf(...contents)
    const [f, g, again, ...results] = idsOf(turns)
    expect(new Set([f, g, again]).size).toBe(3)
    expect(results).toEqual([g, f, again])
    expect(f).toMatch(/^[a-zA-Z0-9_-]{1,40}$/)
    expect(idsOf(turnsOf(...contents, model({ text: 'done' }), user({ text: 'more' })))).toEqual(idsOf(turns))
  })

  test('a result with an id of the client’s own finds the call of its name that has none', () => {
    const turns = turnsOf(user({ text: 'x' }), model(call('f', {})), user(result('f', 'y', 'mine')))
    const [called, answered] = idsOf(turns)
    expect(answered).toBe(called)
  })

  test('a call of an earlier turn is not answered by a later result', () => {
    const turns = turnsOf(
      user({ text: 'x' }),
      model(call('f', { a: 1 })),
      user({ text: 'never mind' }),
      model(call('f', { a: 2 })),
      user(result('f', 'y')),
    )
    const [, later, answered] = idsOf(turns)
    expect(answered).toBe(later)
  })

  test.each([
    [{ output: 'text' }, 'text', false],
    [{ output: { a: 1 } }, '{"a":1}', false],
    [{ result: 'text' }, '{"result":"text"}', false],
    [{ error: 'broke' }, 'broke', true],
    [{ error: { code: 1 } }, '{"code":1}', true],
    [{ output: 'text', error: '' }, '{"output":"text","error":""}', false],
    [{}, '{}', false],
  ])('the response %j is %s', (response, text, failed) => {
    const [, , answer] = turnsOf(
      user({ text: 'x' }),
      model(call('f', {}, '1')),
      user({ functionResponse: { id: '1', name: 'f', response } }),
    )
    expect(answer!.parts).toEqual([
      { type: 'tool_result', id: '1', name: 'f', content: [{ type: 'text', text }], ...(failed && { isError: true }) },
    ])
  })

  test('media of a result', () => {
    const parts = [{ inlineData: { mimeType: 'image/png', data: 'aW1n' } }]
    const [, , answer] = turnsOf(
      user({ text: 'x' }),
      model(call('f', {}, '1')),
      user({ functionResponse: { id: '1', name: 'f', response: { output: 'see' }, parts } }),
    )
    expect(answer!.parts).toEqual([
      {
        type: 'tool_result',
        id: '1',
        name: 'f',
        content: [
          { type: 'text', text: 'see' },
          { type: 'image', media: { kind: 'base64', mediaType: 'image/png', data: 'aW1n' } },
        ],
      },
    ])
  })
})
