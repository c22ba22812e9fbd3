import { describe, expect, test } from 'vitest'
import { GuardDenied, type GuardSession } from '../../guards/guards.ts'
import type { JsonObject } from '../../json.ts'
import { guardEvents, guardParams, guardResult } from './guarded.ts'

/** A guard that masks the word `secret`, wherever pieces are cut, and lets no `bomb` pass. */
const look = (text: string) => {
  if (text.includes('bomb')) throw new GuardDenied('safety', 'No bombs here.')
  return text.replaceAll('secret', '######')
}
const session: GuardSession = {
  onRequest: true,
  onResponse: true,
  findings: [],
  request: (texts) => texts.map(look),
  response: async (texts) => texts.map(look),
  stream() {
    let held = ''
    return {
      push(piece) {
        held = look(held + piece)
        const out = held.slice(0, Math.max(0, held.length - 5))
        held = held.slice(out.length)
        return out
      },
      end: () => held,
    }
  },
}

test('a message: texts and data, and nothing else of it', async () => {
  const message = {
    messageId: 'secret',
    parts: [
      { text: 'a secret' },
      { data: { secret: ['secret', 1, { deep: 'my secret' }] } },
      { url: 'https://secret' },
    ],
  }
  expect(await guardParams(session, { message, tenant: 'secret' })).toEqual({
    message: {
      messageId: 'secret',
      parts: [
        { text: 'a ######' },
        { data: { secret: ['######', 1, { deep: 'my ######' }] } },
        { url: 'https://secret' },
      ],
    },
    tenant: 'secret',
  })
  const params = { id: 'secret' }
  expect(await guardParams(session, params)).toBe(params)
})

describe('a file', () => {
  const base64 = (text: string | Uint8Array) => Buffer.from(text).toString('base64')
  const guarded = async (part: JsonObject) => {
    const { message } = (await guardParams(session, { message: { parts: [part] } })) as {
      message: { parts: [{ raw: string }] }
    }
    return message.parts[0].raw
  }

  test.each([
    undefined,
    'text/plain',
    'text/csv; charset=utf-8',
    'application/json',
    'application/ld+json',
    'application/yaml',
  ])('that is text is looked at like one: %s', async (mediaType) => {
    const part = { raw: base64('a secret ä'), ...(mediaType !== undefined && { mediaType }) }
    expect(await guarded(part)).toBe(base64('a ###### ä'))
    await expect(guarded({ ...part, raw: base64('a bomb') })).rejects.toMatchObject({ kind: 'permissionDenied' })
  })

  test('that is none goes on as it is', async () => {
    const bytes = base64(Buffer.concat([Buffer.from([0xff, 0xd8]), Buffer.from('secret')]))
    for (const mediaType of [undefined, 'text/plain', 'image/jpeg'])
      expect(await guarded({ raw: bytes, ...(mediaType !== undefined && { mediaType }) })).toBe(bytes)
    const picture = { raw: base64('secret'), mediaType: 'image/svg' }
    expect(await guarded(picture)).toBe(picture.raw)
  })
})

test('what is not let through is the caller’s error, with the guard that said so', async () => {
  const params = { message: { parts: [{ text: 'a bomb' }] } }
  await expect(guardParams(session, params)).rejects.toMatchObject({
    kind: 'permissionDenied',
    rule: 'guards.safety',
    message: 'No bombs here.',
  })
})

test('a task: its status, artifacts and history, alone, in a list and in an answer', async () => {
  const parts = [{ text: 'secret' }]
  const masked = [{ text: '######' }]
  const task = {
    id: 'secret',
    status: { state: 's', message: { parts } },
    artifacts: [{ parts }],
    history: [{ parts }],
  }
  const expected = {
    id: 'secret',
    status: { state: 's', message: { parts: masked } },
    artifacts: [{ parts: masked }],
    history: [{ parts: masked }],
  }
  expect(await guardResult(session, task)).toEqual(expected)
  expect(await guardResult(session, { task })).toEqual({ task: expected })
  expect(await guardResult(session, { tasks: [task], totalSize: 1 })).toEqual({ tasks: [expected], totalSize: 1 })
  expect(await guardResult(session, { message: { parts } })).toEqual({ message: { parts: masked } })
  expect(await guardResult(session, { statusUpdate: { status: task.status } })).toEqual({
    statusUpdate: { status: expected.status },
  })
})

const piece = (text: string, more: JsonObject = {}): JsonObject => ({
  artifactUpdate: { taskId: 't', artifact: { artifactId: 'a', parts: [{ text }] }, append: true, ...more },
})
const done = { statusUpdate: { taskId: 't', status: { state: 'TASK_STATE_COMPLETED' } } }

async function guarded(events: JsonObject[]): Promise<JsonObject[]> {
  async function* source() {
    yield* events
  }
  const out: JsonObject[] = []
  for await (const event of guardEvents(session, source())) out.push(event)
  return out
}

const textOf = (events: JsonObject[]) =>
  events
    .map((event) => event.artifactUpdate as { artifact: { parts: { text: string }[] } } | undefined)
    .flatMap((update) => update?.artifact.parts.map(({ text }) => text) ?? [])
    .join('')

test('an artifact in pieces is one text, cut wherever it may be', async () => {
  const text = 'it is a secret, a very secret one'
  for (let at = 1; at < text.length; at++) {
    const events = await guarded([
      piece(text.slice(0, at), { append: false }),
      piece(text.slice(at), { lastChunk: true }),
      done,
    ])
    expect(textOf(events)).toBe('it is a ######, a very ###### one')
    expect(events.at(-1)).toEqual(done)
  }
})

test('without a last piece nothing is held back beyond the end of the task, or of the stream', async () => {
  for (const end of [[done], []]) {
    const events = await guarded([piece('a sec', { append: false }), piece('ret'), ...end])
    expect(textOf(events)).toBe('a ######')
    expect(events.slice(-end.length || undefined).at(-1)).toEqual(end[0] ?? expect.anything())
  }
})

test('an artifact that begins anew is another text', async () => {
  const events = await guarded([
    piece('a sec', { append: false }),
    piece('ret things', { append: false, lastChunk: true }),
  ])
  expect(textOf(events)).not.toContain('######')
})
