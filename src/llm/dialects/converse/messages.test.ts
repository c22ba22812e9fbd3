import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CacheMarker, Part, ToolResultPart, Turn } from '../../conversation.ts'
import { writeMessages } from './messages.ts'
import { context, conversation, errorOf, models } from './testing.ts'

const text = (value: string, cache?: CacheMarker): Part & { type: 'text' } => ({
  type: 'text',
  text: value,
  ...(cache && { cache }),
})
const user = (...parts: Part[]): Turn => ({ role: 'user', parts })
const assistant = (...parts: Part[]): Turn => ({ role: 'assistant', parts })
const system = (...parts: Part[]): Turn => ({ role: 'system', parts })
const call = (id: string, args: string): Part => ({ type: 'tool_call', id, name: 'weather', arguments: args })
const result = (id: string, ...content: ToolResultPart['content']): ToolResultPart => ({
  type: 'tool_result',
  id,
  content,
})
const png = { type: 'image', media: { kind: 'base64', mediaType: 'image/png', data: 'iVBO' } } as const
const pngBlock = { image: { format: 'png', source: { bytes: 'iVBO' } } }
const fiveMinutes = { ttl: '5m' } as const
const point = { cachePoint: { type: 'default' } }

const write = (...turns: Turn[]) => writeMessages(conversation({ turns }), context())
const contentOf = (...parts: Part[]) => write(user(...parts)).messages[0]!.content
const refused = (...turns: Turn[]) => errorOf(() => write(...turns))

describe('system', () => {
  test('and developer turns, wherever they stand, become system blocks in their order', () => {
    expect(
      write(
        system(text('Be brief.')),
        user(text('Hi')),
        { role: 'developer', parts: [text('Be kind.'), text('Be true.')] },
        assistant(text('Yes?')),
        system(text('Be quick.')),
        user(text('Bye')),
      ),
    ).toEqual({
      system: [{ text: 'Be brief.' }, { text: 'Be kind.' }, { text: 'Be true.' }, { text: 'Be quick.' }],
      messages: [
        { role: 'user', content: [{ text: 'Hi' }] },
        { role: 'assistant', content: [{ text: 'Yes?' }] },
        { role: 'user', content: [{ text: 'Bye' }] },
      ],
    })
  })

  test('cache points stand behind what they close', () => {
    expect(write(system(text('Long.', fiveMinutes), text('Short.')), user(text('Hi'))).system).toEqual([
      { text: 'Long.' },
      point,
      { text: 'Short.' },
    ])
  })

  test('of blank texts is left out, with the cache points that would close nothing', () => {
    expect(write(system(text(' \n', fiveMinutes)), user(text('Hi')))).not.toHaveProperty('system')
    expect(write(system(text('', fiveMinutes), text('Brief.')), user(text('Hi'))).system).toEqual([{ text: 'Brief.' }])
  })

  test('holds text only', () => {
    expect(refused(system(png), user(text('Hi')))).toMatchObject({ code: 'unsupported_field', param: 'system' })
  })
})

describe('messages', () => {
  test('alternate', () => {
    expect(
      write(user(text('a')), user(text('b')), assistant(text('c')), assistant(text('d')), user(text('e'))).messages,
    ).toEqual([
      { role: 'user', content: [{ text: 'a' }, { text: 'b' }] },
      { role: 'assistant', content: [{ text: 'c' }, { text: 'd' }] },
      { role: 'user', content: [{ text: 'e' }] },
    ])
  })

  test('of blank texts are left out, and their neighbours are one', () => {
    expect(
      write(user(text('a')), assistant(text(' '), { type: 'refusal', text: '' }), user(text('b'))).messages,
    ).toEqual([{ role: 'user', content: [{ text: 'a' }, { text: 'b' }] }])
  })

  test('are needed: a request that has none with some content is refused', () => {
    for (const turns of [[], [system(text('Hi'))], [user(text(''))], [user(text('', fiveMinutes))]])
      expect(refused(...turns)).toMatchObject({ status: 400, param: 'messages' })
  })

  test('never begin with a cache point', () => {
    expect(contentOf(text('', fiveMinutes), text('a', fiveMinutes), text('b'))).toEqual([
      { text: 'a' },
      point,
      { text: 'b' },
    ])
    // Behind another message of the role, there is something to close.
    expect(contentOf(text('a'), text('', fiveMinutes))).toEqual([{ text: 'a' }, point])
  })

  test('of the user hold media, each with its cache point', () => {
    const pdf = { type: 'document', media: { kind: 'base64', mediaType: 'application/pdf', data: 'JVBE' } } as const
    expect(
      contentOf(
        { ...png, cache: fiveMinutes },
        { ...pdf, cache: fiveMinutes },
        { type: 'audio', format: 'wav', data: 'UklG' },
        text('What?', { ttl: '1h' }),
      ),
    ).toEqual([
      pngBlock,
      point,
      { document: { format: 'pdf', name: 'document', source: { bytes: 'JVBE' } } },
      point,
      { audio: { format: 'wav', source: { bytes: 'UklG' } } },
      { text: 'What?' },
      { cachePoint: { type: 'default', ttl: '1h' } },
    ])
  })

  test.each<[Turn]>([[user(call('a', '{}'))], [user({ type: 'refusal', text: 'No.' })], [assistant(png)]])(
    'of a role hold what the role may say: not %j',
    (turn) => {
      expect(refused(turn)).toMatchObject({ code: 'unsupported_field', param: 'messages' })
    },
  )

  test('what the model refused was said', () => {
    expect(write(user(text('a')), assistant({ type: 'refusal', text: 'No.' })).messages[1]).toEqual({
      role: 'assistant',
      content: [{ text: 'No.' }],
    })
  })
})

describe('thinking goes back', () => {
  const contentOf = (...parts: Part[]) => write(user(text('a')), assistant(...parts, text('b'))).messages[1]!.content

  test("with Bedrock's own proof", () => {
    expect(
      contentOf(
        { type: 'reasoning', text: 'Hm.', signature: { origin: 'bedrock', value: 'sig' } },
        { type: 'reasoning', text: '', redacted: { origin: 'bedrock', value: 'cmVk' } },
      ),
    ).toEqual([
      { reasoningContent: { reasoningText: { text: 'Hm.', signature: 'sig' } } },
      { reasoningContent: { redactedContent: 'cmVk' } },
      { text: 'b' },
    ])
  })

  test.each<Part>([
    { type: 'reasoning', text: 'Hm.' },
    { type: 'reasoning', text: 'Hm.', signature: { origin: 'anthropic', value: 'sig' } },
    { type: 'reasoning', text: 'Hm.', summary: true, redacted: { origin: 'openai', value: 'enc' } },
  ])('with no other, or none: %j', (part) => {
    expect(contentOf(part)).toEqual([{ text: 'b' }])
  })
})

describe('calls', () => {
  const inputOf = (args: string) => write(user(text('a')), assistant(call('a', args))).messages[1]!.content

  test.each([
    ['{"city":"Århus"}', { city: 'Århus' }],
    ['{}', {}],
    ['', {}],
    [' \n', {}],
  ])('with the arguments %j', (args, input) => {
    expect(inputOf(args)).toEqual([{ toolUse: { toolUseId: 'a', name: 'weather', input } }])
  })

  test.each([
    '{"city":',
    '[]',
    'null',
    '"{}"',
    '7',
    // JSON.parse reads it, but nobody can write it.
    `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
  ])('with arguments that are no object are refused: %.20s', (args) => {
    expect(errorOf(() => inputOf(args))).toMatchObject({ code: 'unsupported_field', param: 'tool_calls' })
  })

  test('have a cache point behind them', () => {
    const cached = { ...call('a', '{}'), cache: fiveMinutes } as Part
    expect(write(user(text('a')), assistant(cached)).messages[1]!.content).toEqual([
      { toolUse: { toolUseId: 'a', name: 'weather', input: {} } },
      point,
    ])
  })

  test('and their results have ids that Bedrock takes, the same on both sides', () => {
    const kept = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/)
    fc.assert(
      fc.property(fc.oneof(fc.string(), kept), (id) => {
        const { messages } = write(user(text('a')), assistant(call(id, '{}')), user(result(id, text('b'))))
        const [asked, answered] = messages.slice(1).map(({ content }) => content[0]!)
        const { toolUseId } = (asked as { toolUse: { toolUseId: string } }).toolUse
        expect(toolUseId).toMatch(/^[A-Za-z0-9_-]{1,64}$/)
        expect(answered).toMatchObject({ toolResult: { toolUseId } })
        if (/^[A-Za-z0-9_-]{1,64}$/.test(id)) expect(toolUseId).toBe(id)
      }),
    )
    const ids = ['functions.search:0', 'functions.search:1', 'x'.repeat(65)].map((id) =>
      JSON.stringify(write(user(text('a')), assistant(call(id, '{}'))).messages[1]),
    )
    expect(new Set(ids).size).toBe(3)
  })
})

describe('results', () => {
  const asked = [user(text('a')), assistant(call('a', '{}'))]
  const written = (part: ToolResultPart, model?: string) => {
    const target = context(model)
    const { messages } = writeMessages(conversation({ turns: [...asked, user(part)] }), target)
    return { content: messages[2]!.content, dropped: target.dropped }
  }

  test('of texts, images and documents', () => {
    const part = result('a', text('Rain.'), text(' '), png, { type: 'document', media: { kind: 'text', text: 'x' } })
    expect(written(part).content).toEqual([
      {
        toolResult: {
          toolUseId: 'a',
          content: [
            { text: 'Rain.' },
            pngBlock,
            { document: { format: 'txt', name: 'document', source: { bytes: 'eA==' } } },
          ],
        },
      },
    ])
  })

  test('of nothing stay, for their calls wait for them', () => {
    expect(written(result('a')).content).toEqual([{ toolResult: { toolUseId: 'a', content: [] } }])
  })

  test('have their cache points behind them', () => {
    const toolResult = { toolUseId: 'a', content: [{ text: 'b' }, { text: 'c' }] }
    const inside = result('a', text('b', { ttl: '1h' }), text('c', fiveMinutes))
    expect(written(inside).content).toEqual([{ toolResult }, point])
    expect(written({ ...inside, cache: { ttl: '1h' } }).content).toEqual([
      { toolResult },
      { cachePoint: { type: 'default', ttl: '1h' } },
    ])
  })

  test.each([
    [models.sonnet45, { status: 'error' }, []],
    [models.nova, { status: 'error' }, []],
    [models.profile, { status: 'error' }, []],
    [models.llama, {}, ['tool_result.is_error']],
  ])('that failed, at %s', (model, status, dropped) => {
    expect(written({ ...result('a', text('No.')), isError: true }, model)).toEqual({
      content: [{ toolResult: { toolUseId: 'a', content: [{ text: 'No.' }], ...status } }],
      dropped,
    })
    expect(written({ ...result('a', text('No.')), isError: false }, model).dropped).toEqual([])
  })
})

test('the documents of all messages and results have names of their own', () => {
  const pdf = (name: string) => ({ type: 'document', media: { kind: 'text', text: 'x' }, name }) as const
  const { messages } = write(user(pdf('a.txt'), pdf('a.md')), assistant(call('a', '{}')), user(result('a', pdf('a'))))
  expect(JSON.stringify(messages).match(/"name":"a[^"]*"/g)).toEqual(['"name":"a"', '"name":"a (2)"', '"name":"a (3)"'])
})

test('the turns stay as they were', () => {
  const turns = [user(text('a')), user(text('b'))]
  const before = structuredClone(turns)
  write(...turns)
  expect(turns).toEqual(before)
})
