import { createHmac } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect as inspectObject } from 'node:util'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { guards as schema } from '../config/guards.ts'
import { factsOf } from '../policy/facts-of.ts'
import { GuardSet } from './guard-set.ts'
import { GuardDenied, type GuardSession } from './guards.ts'

const card = '4111 1111 1111 1111'
const found: string[] = []
const reports: unknown[] = []
const setOf = (rules: Parameters<typeof schema.parse>[0]) =>
  new GuardSet(schema.parse(rules), {
    condition:
      (source) =>
      ({ identity }) =>
        identity.team === source,
    resolve: () => 'the-secret',
    alert: (guard, label, action) => found.push(`${guard} ${label} ${action}`),
    report: (error) => reports.push(error),
  })
const sessionOf = (rules: Parameters<typeof schema.parse>[0], facts = factsOf()): GuardSession =>
  setOf(rules).session(facts)!

let servers: Server[] = []
afterEach(() => {
  found.length = 0
  reports.length = 0
  for (const server of servers) server.close()
  servers = []
})

describe('what is found', () => {
  test('is masked, the same value by the same name, in all texts of a request', () => {
    const session = sessionOf({ pii: { detect: ['card', 'email'], action: 'mask' } })
    expect(session.request([`${card} and ann@example.com`, `again ${card}, bob@example.com`])).toEqual([
      '[CARD_1] and [EMAIL_1]',
      'again [CARD_1], [EMAIL_2]',
    ])
    expect(found).toEqual(['pii CARD mask', 'pii EMAIL mask'])
  })

  test('is refused by name and kind, without the text', () => {
    const session = sessionOf({ pii: { detect: ['card'], action: 'deny', message: 'Use the payment tool.' } })
    let error: unknown
    try {
      void session.request([`my card: ${card}`])
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(GuardDenied)
    expect((error as GuardDenied).message).toBe(
      'The guard pii of this gateway lets no card numbers pass. Use the payment tool.',
    )
  })

  test('is only told where the guard says so; of several guards the strictest holds', () => {
    expect(sessionOf({ watch: { detect: ['card'], action: 'alert' } }).request([card])).toEqual([card])
    expect(found).toEqual(['watch CARD alert'])
    const both = sessionOf({ watch: { detect: ['card'], action: 'alert' }, no: { detect: ['card'], action: 'deny' } })
    expect(() => both.request([card])).toThrow(GuardDenied)
  })

  test('a guard is for the requests and phases it names', () => {
    const rules = {
      pii: { detect: ['card' as const], action: 'mask' as const, on: ['request' as const], when: 'research' },
    }
    expect(setOf(rules).session(factsOf())).toBeUndefined()
    const session = sessionOf(rules, factsOf({ identity: { team: 'research' } }))
    expect(session.onResponse).toBe(false)
    expect(session.response([card])).toEqual([card])
  })

  test('a wrong pattern is told with its guard', () => {
    expect(() => setOf({ x: { detect: [{ regex: '(' }], action: 'mask' } })).toThrow(
      /guards\.x\.detect: the pattern is wrong/,
    )
  })
})

describe('restoring', () => {
  const rules = {
    pii: {
      detect: ['card' as const, 'email' as const],
      action: 'mask' as const,
      on: ['request' as const],
      restore: true,
    },
  }

  test('the answer has the originals again, and nothing else changes', () => {
    const session = sessionOf(rules)
    expect(session.onResponse).toBe(false)
    void session.request([`charge ${card} of ann@example.com`])
    expect(session.onResponse).toBe(true)
    expect(session.response(['I charged [CARD_1]; [EMAIL_1] knows. [CARD_2] is none.'])).toEqual([
      `I charged ${card}; ann@example.com knows. [CARD_2] is none.`,
    ])
  })

  test('in a stream, wherever it is split', () => {
    const answer = 'I charged [CARD_1]; tell [EMAIL_1] [or not].'
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1 }), (sizes) => {
        const session = sessionOf(rules)
        void session.request([`${card} ann@example.com`])
        expect(streamed(session, answer, sizes)).toBe(`I charged ${card}; tell ann@example.com [or not].`)
      }),
    )
  })

  test('what the model says by itself stays masked where the guard looks at answers too', () => {
    const session = sessionOf({ pii: { detect: ['card'], action: 'mask', restore: true } })
    void session.request([`charge ${card}`])
    const answer = `Charged [CARD_1], not 5555 5555 5555 4444, and not ${card}.`
    const expected = `Charged ${card}, not [CARD_2], and not ${card}.`
    expect(session.response([answer])).toEqual([expected])
    expect(streamed(session, answer, [3])).toBe(expected)
  })

  test('JSON stays JSON: what is put back is escaped as it must be, and was kept as it means', () => {
    const quote = 'say "hi"\n'
    const session = sessionOf({
      quotes: {
        detect: [{ regex: 'say \\\\?"[a-z]+\\\\?"(?:\\n|\\\\n)', label: 'QUOTE' }],
        action: 'mask',
        on: ['request'],
        restore: true,
      },
    })
    expect(session.request([quote, JSON.stringify({ quote })])).toEqual(['[QUOTE_1]', '{"quote":"[QUOTE_1]"}'])
    for (const answer of ['{"a":"[QUOTE_1]"}', ' {"a":"[QUOTE_1]"}'])
      for (const written of [(session.response([answer]) as string[])[0]!, streamed(session, answer, [2])])
        expect(JSON.parse(written)).toEqual({ a: quote })
    expect(session.response(['It was [QUOTE_1]'])).toEqual([`It was ${quote}`])
  })

  test('names that are in the request already are not given again', () => {
    const session = sessionOf(rules)
    expect(session.request(['earlier: [CARD_1]', `now ${card}`])).toEqual(['earlier: [CARD_1]', 'now [CARD_2]'])
    expect(session.response(['[CARD_1] and [CARD_2]'])).toEqual([`[CARD_1] and ${card}`])
  })

  test('another request’s placeholders mean nothing', () => {
    void sessionOf(rules).request([card])
    expect(sessionOf(rules).response(['[CARD_1]'])).toEqual(['[CARD_1]'])
  })
})

/** A text through a session's stream, in pieces of these sizes, again and again. */
function streamed(session: GuardSession, text: string, sizes: readonly number[]): string {
  const guarded = session.stream()
  let written = ''
  for (let at = 0, i = 0; at < text.length; i++) {
    const size = sizes[i % sizes.length]!
    written += guarded.push(text.slice(at, at + size))
    at += size
  }
  return written + guarded.end()
}

describe('streams', () => {
  test('let no character of what is refused out', () => {
    const guarded = sessionOf({ pii: { detect: ['card'], action: 'deny' } }).stream()
    let written = ''
    expect(() => {
      for (const sign of `${'before '.repeat(30)}${card}${' after'.repeat(30)}`) written += guarded.push(sign)
    }).toThrow(GuardDenied)
    expect(written).not.toMatch(/\d/)
  })

  test('go on at once where guards only alert', () => {
    const guarded = sessionOf({ watch: { detect: ['card'], action: 'alert' } }).stream()
    for (const sign of card) expect(guarded.push(sign)).toBe(sign)
    expect(guarded.end()).toBe('')
    expect(found).toEqual(['watch CARD alert'])
  })
})

describe('services that are asked', () => {
  async function serve(
    answer: (body: string, headers: Record<string, unknown>) => unknown | Promise<unknown>,
  ): Promise<string> {
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (piece) => {
        body += piece
      })
      request.on('end', async () => {
        const made = await answer(body, request.headers)
        response.statusCode = made === undefined ? 500 : 200
        response.end(typeof made === 'string' ? made : JSON.stringify(made))
      })
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  test('a webhook is told the texts, signed, and its masks are taken', async () => {
    let seen = ''
    const url = await serve((body, headers) => {
      seen = body
      expect(headers['x-chaperone-signature']).toBe(
        `sha256=${createHmac('sha256', 'the-secret').update(body).digest('hex')}`,
      )
      return { action: 'mask', texts: ['masked'] }
    })
    const session = sessionOf(
      { ask: { webhook: { url, secret: '${env:X}' }, action: 'mask' } },
      factsOf({ model: 'm' }),
    )
    expect(await session.request(['words'])).toEqual(['masked'])
    expect(JSON.parse(seen)).toEqual({
      phase: 'request',
      texts: ['words'],
      request: { id: 'test', model: 'm', operation: 'chat', identity: {} },
    })
  })

  test('a refusal comes with its reason, an alert lets pass', async () => {
    const url = await serve(() => ({ action: 'deny', message: 'It names a project.' }))
    await expect(sessionOf({ ask: { webhook: { url }, action: 'deny' } }).request(['x'])).rejects.toThrow(
      'The guard ask of this gateway does not let this pass. It names a project. Change it and try again.',
    )
  })

  test('nothing waits for one that only alerts, and nothing is refused where it fails', async () => {
    const asked: string[] = []
    const url = await serve((body) => {
      asked.push(...JSON.parse(body).texts)
      return asked.length > 2 ? undefined : { action: 'deny' }
    })
    const session = sessionOf({ ask: { webhook: { url }, action: 'alert' } })
    expect(session.request(['x'])).toEqual(['x'])
    const guarded = session.stream()
    expect(guarded.push('some ')).toBe('some ')
    expect(guarded.push('words')).toBe('words')
    expect(guarded.end()).toBe('')
    await vi.waitFor(() => expect(asked.sort()).toEqual(['some words', 'x']))
    await vi.waitFor(() => expect(found).toEqual(['ask FLAGGED alert']))
    void session.request(['y'])
    await vi.waitFor(() => expect(reports).toHaveLength(1))
  })

  test.each([
    ['an error', undefined],
    ['no JSON', 'quoted words'],
    ['another form', { action: 'quoted' }],
    ['another number of texts', { action: 'mask', texts: [] }],
  ])('%s is a failure, and the rule says what holds then', async (_, answer) => {
    const url = await serve(() => answer)
    await expect(sessionOf({ ask: { webhook: { url }, action: 'mask' } }).request(['x'])).rejects.toThrow(
      /does not answer/,
    )
    expect(await sessionOf({ ask: { webhook: { url, onFailure: 'allow' }, action: 'mask' } }).request(['x'])).toEqual([
      'x',
    ])
    expect(reports).toHaveLength(2)
    expect(inspectObject(reports)).not.toContain('quoted')
  })

  test('an answer that is too long is a failure, and so is one that sends elsewhere', async () => {
    const endless = await serve(() => `"${'x'.repeat(1_100_000)}"`)
    const elsewhere = createServer((_, response) => response.writeHead(307, { location: endless }).end())
    servers.push(elsewhere)
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
    const { port } = elsewhere.address() as AddressInfo
    for (const url of [endless, `http://127.0.0.1:${port}`])
      await expect(sessionOf({ ask: { webhook: { url }, action: 'deny' } }).request(['x'])).rejects.toThrow(GuardDenied)
    expect(String((reports[0] as Error).cause)).toContain('its answer is too long')
  })

  test('what guards have masked, those that are asked do not see', async () => {
    let seen: unknown
    const url = await serve((body) => {
      seen = JSON.parse(body).texts
      return { action: 'pass' }
    })
    const session = sessionOf({ ask: { webhook: { url }, action: 'deny' }, pii: { detect: ['card'], action: 'mask' } })
    expect(await session.request([card])).toEqual(['[CARD_1]'])
    expect(seen).toEqual(['[CARD_1]'])
  })

  test('one that is slow has its time', async () => {
    const url = await serve(() => new Promise<never>(() => {}))
    await expect(
      sessionOf({ ask: { webhook: { url, timeout: '20ms' }, action: 'deny' } }).request(['x']),
    ).rejects.toThrow()
  })

  test('a stream is asked about window by window, and none of one goes on before its verdict', async () => {
    const asked: string[] = []
    const url = await serve((body) => {
      const [text] = JSON.parse(body).texts
      asked.push(text)
      return text.includes('bad') ? { action: 'deny' } : { action: 'pass' }
    })
    const guarded = sessionOf({ ask: { webhook: { url }, action: 'deny', on: ['response'] } }).stream()
    let written = ''
    const push = async (piece: string) => {
      written += await guarded.push(piece)
    }
    for (let i = 0; i < 60; i++) await push('A good sentence. ')
    expect(asked.length).toBeGreaterThan(1)
    expect(asked.join('')).toBe(written)
    await expect(
      (async () => {
        for (let i = 0; i < 60; i++) await push('A bad sentence. ')
      })(),
    ).rejects.toThrow(GuardDenied)
    expect(written).not.toContain('bad')
  })

  test('moderation: what is flagged, or what has the score that the rule names', async () => {
    const url = await serve((body) => {
      const { input, model } = JSON.parse(body)
      expect(model).toBe('omni-moderation-latest')
      return {
        results: input.map((text: string) => ({
          flagged: text.includes('hit'),
          categories: { violence: text.includes('hit'), hate: false },
          category_scores: { violence: text.includes('hit') ? 0.9 : 0.1, hate: 0.4 },
        })),
      }
    })
    const moderation = { baseUrl: url, apiKey: '${env:X}' }
    const plain = sessionOf({ mod: { moderation, action: 'deny' } })
    expect(await plain.request(['hello', ''])).toEqual(['hello', ''])
    await expect(plain.request(['hello', 'hit'])).rejects.toThrow(/It is about: violence\./)
    await expect(
      sessionOf({ mod: { moderation: { ...moderation, categories: { hate: 0.3 } }, action: 'deny' } }).request([
        'hello',
      ]),
    ).rejects.toThrow(/hate/)
  })
})
