import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Exchange, Plan, RequestTransform } from '../protocol.ts'
import { isRetriable } from './attempt.ts'
import { credentialHeaders, vendorHeaders } from './providers/provider.ts'
import { Bench } from './testing.ts'

afterEach(() => vi.restoreAllMocks())

/** One provider of each kind, with all that it can send. */
const providers = {
  openai: { type: 'openai', apiKey: '${env:OPENAI}', organization: 'org', project: 'proj' },
  azure: { type: 'azure-openai', baseUrl: 'https://r.openai.azure.com', apiKey: '${env:AZURE}' },
  entra: { type: 'azure-openai', baseUrl: 'https://s.openai.azure.com', bearerToken: '${env:ENTRA}' },
  anthropic: { type: 'anthropic', apiKey: '${env:ANTHROPIC}' },
  gemini: { type: 'gemini', apiKey: '${env:GEMINI}' },
  bedrock: { type: 'bedrock', region: 'eu-central-1', apiKey: '${env:BEDROCK}' },
  signed: {
    type: 'bedrock',
    region: 'eu-west-1',
    accessKeyId: '${env:KEYID}',
    secretAccessKey: '${env:SECRETKEY}',
    sessionToken: '${env:SESSION}',
  },
  compatible: {
    type: 'openai-compatible',
    baseUrl: 'http://c.example/v1',
    apiKey: '${env:COMPATIBLE}',
    apis: ['chat', 'messages'],
  },
  bare: { type: 'openai-compatible', baseUrl: 'http://b.example/v1' },
}
const names = Object.keys(providers)
const targets = names.map((provider, priority) => ({ provider, model: `model-of-${provider}`, priority }))
const chat = '/v1/chat/completions'
const body = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] }

type Forward = Extract<RequestTransform, { type: 'forward' }>

async function forwarded(exchange: Exchange): Promise<Forward> {
  const transform = await exchange.request()
  if (transform.type === 'forward') return transform
  throw new Error(transform.answer.body)
}

const fail = (exchange: Exchange, status = 503, headers: Record<string, string> = {}) => {
  exchange.head(status, new Map(Object.entries(headers)))
  void exchange.data(new Uint8Array(0), true)
  exchange.closed(true)
}

const whole = (text: unknown) => Buffer.from(JSON.stringify(text))
const good = { id: 'a', object: 'chat.completion', choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } }
const json = new Map([['content-type', 'application/json']])

describe('nothing of one target reaches another', () => {
  test('through all providers in a row', async () => {
    const bench = new Bench({ providers, models: { m: { targets } } })
    const plan = await bench.plan(chat, body, { 'anthropic-beta': 'b1', 'openai-beta': 'b2' })
    const lineup = bench.rules.model('m')!.lineup('chat')!
    /** The headers as they would be if Envoy kept what each attempt did to them. */
    const headers = new Map([
      ['authorization', 'Bearer client'],
      ['x-api-key', 'client'],
      ['cookie', 'client'],
    ])
    for (const name of names) {
      const exchange = plan.attempt(bench.upstream(name), new Map())
      const { set, remove, body: sent } = await forwarded(exchange)
      for (const header of remove) headers.delete(header)
      for (const [header, value] of set) headers.set(header, value)
      const { type } = providers[name as keyof typeof providers]
      const text = `${[...headers.values()].join('\n')}\n${Buffer.from(sent!).toString('utf8')}`

      const secrets = text.match(/secret-\w+/g) ?? []
      const own = new Set(JSON.stringify(providers[name as keyof typeof providers]).match(/(?<=\$\{env:)\w+/g))
      expect(secrets.every((secret) => own.has(secret.replace('secret-', '')))).toBe(true)
      expect(secrets.length > 0).toBe(name !== 'bare')
      expect(text).not.toContain('client')
      expect(text.match(/model-of-\w+/g)?.every((model) => model === `model-of-${name}`)).toBe(true)
      expect(headers.get(':authority')).toBe(lineup.groups[names.indexOf(name)]![0]!.provider.authority)
      expect(headers.has('anthropic-version')).toBe(type === 'anthropic' || name === 'compatible')
      expect(headers.has('openai-organization')).toBe(name === 'openai')
      expect(headers.has('x-amz-security-token')).toBe(name === 'signed')
      fail(exchange)
    }
    expect(bench.inFlight).toBe(0)
  })

  test('every header that a provider sets is one that the next attempt takes off', async () => {
    for (const name of names) {
      const bench = new Bench({ providers, models: { m: { targets: [{ provider: name }] } } })
      for (const path of [chat, '/v1/messages']) {
        const plan = await bench.plan(path, { ...body, max_tokens: 1 }, { 'anthropic-beta': 'b1', 'openai-beta': 'b2' })
        const { set, remove } = await forwarded(plan.attempt(bench.upstream(name), new Map()))
        const rest = set.map(([header]) => header).filter((header) => !remove.includes(header))
        expect(rest.sort()).toEqual([':authority', ':path', 'content-type'])
      }
    }
  })

  test('every header that may carry a credential or a vendor’s wish is taken off', async () => {
    const bench = new Bench({ providers, models: { m: { targets: [{ provider: 'bare' }] } } })
    const plan = await bench.plan(chat, body)
    const { set, remove } = await forwarded(plan.attempt(bench.upstream('bare'), new Map()))
    expect(remove).toEqual(expect.arrayContaining([...credentialHeaders, ...vendorHeaders, 'x-forwarded-client-cert']))
    expect(set).toEqual([
      [':path', '/v1/chat/completions'],
      [':authority', 'b.example'],
      ['content-type', 'application/json'],
    ])
  })

  test('a body that needs no change is left to Envoy, and that of the attempt before is not kept', async () => {
    const bench = new Bench({
      providers,
      models: { m: { targets: [{ provider: 'anthropic' }, { provider: 'bare', priority: 1 }] } },
    })
    const plan = await bench.plan(chat, body)
    const first = plan.attempt(bench.upstream('anthropic'), new Map())
    expect((await forwarded(first)).body).toBeDefined()
    fail(first)
    expect((await forwarded(plan.attempt(bench.upstream('bare'), new Map()))).body).toBeUndefined()
  })
})

describe('a target without credentials', () => {
  test.each([
    [
      'at once',
      () => {
        throw new Error('no key at ${env:X}')
      },
    ],
    ['later', () => Promise.reject(new Error('no key at ${env:X}'))],
  ])('is told so %s, without the reference, and the health of the target stays', async (_, authorize) => {
    const bench = new Bench({ providers, models: { m: { targets: [{ provider: 'bare' }] } } })
    const plan = await bench.plan(chat, body)
    const target = bench.rules.model('m')!.lineup('chat')!.groups[0]![0]!
    vi.spyOn(target.provider, 'authorize').mockImplementation(authorize)
    const exchange = plan.attempt(bench.upstream('bare'), new Map())
    const transform = await exchange.request()
    expect(transform).toMatchObject({ type: 'answer', answer: { status: 502 } })
    expect(JSON.stringify(transform)).not.toContain('no key')
    expect(bench.reports).toEqual([expect.objectContaining({ message: 'no key at ${env:X}' })])
    exchange.closed(true)
    expect(exchange.retriable).toBe(false)
    expect(target.health).toMatchObject({ inFlight: 0, failures: 0 })
    plan.close()
    expect(bench.records).toEqual([
      expect.objectContaining({ status: 502, errorCode: 'provider_credentials', usage: undefined }),
    ])
  })
})

/** A plan with two targets, `bare` first. */
async function twoTargets(): Promise<{ bench: Bench; plan: Plan; first: Exchange }> {
  const bench = new Bench({
    providers,
    models: { m: { targets: [{ provider: 'bare' }, { provider: 'openai', priority: 1 }] } },
  })
  const plan = await bench.plan(chat, body)
  const first = plan.attempt(bench.upstream('bare'), new Map())
  await forwarded(first)
  return { bench, plan, first }
}

describe('the ends of an attempt', () => {
  const ends: [how: string, end: (exchange: Exchange) => void, retriable: boolean, failures: number][] = [
    ['nothing came', (exchange) => exchange.closed(false), true, 0],
    ['the status is the target’s failure', (exchange) => fail(exchange), true, 1],
    [
      'the status is the client’s fault',
      (exchange) => {
        expect(exchange.head(400, json)).toBeUndefined()
        expect(exchange.data(whole({ error: { message: 'No.' } }), true)).toMatchObject({ held: 'drop' })
        exchange.closed(true)
      },
      false,
      0,
    ],
    [
      'a good answer',
      (exchange) => {
        expect(exchange.head(200, json)).toBeUndefined()
        expect(exchange.data(whole(good), true)).toMatchObject({ held: 'keep' })
        exchange.closed(true)
      },
      false,
      0,
    ],
    [
      'reset before the whole answer was there',
      (exchange) => {
        exchange.head(200, json)
        expect(exchange.data(Buffer.from('{"id"'), false)).toBeUndefined()
        exchange.closed(false)
      },
      true,
      0,
    ],
    [
      'an answer that is none',
      (exchange) => {
        exchange.head(200, json)
        expect(exchange.data(Buffer.from('<html>'), true)).toMatchObject({ head: { set: [[':status', '502']] } })
        exchange.closed(true)
      },
      true,
      1,
    ],
    [
      'a stream that nobody asked for',
      (exchange) => {
        exchange.head(200, new Map([['content-type', 'text/event-stream']]))
        void exchange.data(Buffer.from('data: {}\n\n'), false)
        exchange.closed(false)
      },
      true,
      1,
    ],
  ]
  test.each(ends)('%s', async (_, end, retriable, failures) => {
    const { bench, first } = await twoTargets()
    expect(bench.inFlight).toBe(1)
    end(first)
    expect(bench.inFlight).toBe(0)
    expect(first.retriable).toBe(retriable)
    const health = bench.rules.model('m')!.lineup('chat')!.groups[0]![0]!.health
    expect(health.failures).toBe(failures)
    // Closed once more, nothing changes.
    first.closed(true)
    expect(bench.inFlight).toBe(0)
  })

  test('the same provider twice: each of its targets has its own attempts under way', async () => {
    const bench = new Bench({
      providers,
      models: {
        m: {
          targets: [
            { provider: 'bare', model: 'a' },
            { provider: 'bare', model: 'b', priority: 1 },
          ],
        },
      },
    })
    const plan = await bench.plan(chat, body)
    const first = plan.attempt(bench.upstream('bare'), new Map())
    const second = plan.attempt(bench.upstream('bare'), new Map())
    expect([...bench.book.entries()].map(([, { inFlight }]) => inFlight)).toEqual([1, 1])
    second.closed(true)
    first.closed(false)
    expect(bench.inFlight).toBe(0)
    expect(() => plan.attempt(bench.upstream('bare'), new Map())).toThrow('not among the targets left')
    expect(bench.inFlight).toBe(0)
  })
})

describe('a failure before the last target', () => {
  test('goes to Envoy as it is, with nothing of its body', async () => {
    const { first } = await twoTargets()
    expect(first.head(503, json)).toEqual({ set: [], remove: [] })
    expect(first.data(Buffer.from('internal details'), true)).toEqual({ body: new Uint8Array(0) })
  })

  test('with 429 the target is out for as long as it asked; a 500 is only counted', async () => {
    for (const [status, out] of [
      [429, true],
      [503, true],
      [500, false],
    ] as const) {
      const { bench, first } = await twoTargets()
      fail(first, status, { 'retry-after': '30' })
      const { health } = bench.rules.model('m')!.lineup('chat')!.groups[0]![0]!
      const now = performance.now()
      expect(health.isIn(now + 25_000)).toBe(!out)
      expect(health.isIn(now + 30_000)).toBe(true)
      const next = await bench.plan(chat, body)
      expect(() => next.attempt(bench.upstream(out ? 'openai' : 'bare'), new Map())).not.toThrow()
    }
  })

  test('at the last target the client gets the error, in its own format', async () => {
    const { bench, plan, first } = await twoTargets()
    fail(first, 503)
    const last = plan.attempt(bench.upstream('openai'), new Map())
    await forwarded(last)
    expect(last.head(529, json)).toBeUndefined()
    expect(last.data(whole({ error: { message: 'Busy.', type: 'overloaded' } }), true)).toMatchObject({
      head: { set: [[':status', expect.stringMatching(/^5\d\d$/)]] },
      held: 'drop',
      body: new Uint8Array(0),
    })
    last.closed(true)
    expect(last.retriable).toBe(true)
    const { status, body: text } = await plan.exhausted()
    expect(status).toBeGreaterThanOrEqual(500)
    expect(JSON.parse(text)).toMatchObject({ error: { message: expect.stringContaining('Busy.') } })
  })
})

test('headers of the gateway’s own account do not reach the client', async () => {
  const { first } = await twoTargets()
  first.head(200, json)
  const piece = await first.data(whole(good), true)
  expect(piece?.head?.remove).toEqual(
    expect.arrayContaining([
      'set-cookie',
      'openai-organization',
      'anthropic-organization-id',
      'access-control-allow-origin',
    ]),
  )
})

test.each([
  [408, true],
  [429, true],
  [500, true],
  [503, true],
  [529, true],
  [200, false],
  [400, false],
  [401, false],
  [404, false],
  [499, false],
])('%d says something of the target: %s', (status, retriable) => {
  expect(isRetriable(status)).toBe(retriable)
})
