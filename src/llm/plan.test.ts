import { describe, expect, test } from 'vitest'
import type { Ticket, Use } from '../limits/admission.ts'
import type { Exchange } from '../protocol.ts'
import type { JsonObject } from './conversation.ts'
import { Bench } from './testing.ts'

const providers = {
  one: { type: 'openai-compatible', baseUrl: 'http://one.example/v1', apis: ['chat', 'embeddings', 'messages'] },
  two: { type: 'anthropic', apiKey: '${env:TWO}' },
  three: { type: 'openai', apiKey: '${env:THREE}' },
}
const three = {
  providers,
  models: {
    m: {
      targets: [
        { provider: 'one' },
        { provider: 'two', model: 'claude', priority: 1 },
        { provider: 'three', priority: 2 },
      ],
    },
  },
}
const chat = '/v1/chat/completions'
const body = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] }
const json = new Map([['content-type', 'application/json']])
const events = new Map([['content-type', 'text/event-stream']])
const usage = { prompt_tokens: 3, completion_tokens: 4 }
const good: JsonObject = { id: 'a', model: 'm-1', object: 'chat.completion', choices: [] }

/** A whole answer, to its end. */
async function answer(exchange: Exchange, status: number, json_: JsonObject) {
  await exchange.request()
  const head = exchange.head(status, json)
  const piece = await exchange.data(Buffer.from(JSON.stringify(json_)), true)
  exchange.closed(true)
  return new Map((head ?? piece?.head)?.set)
}

describe('attempt', () => {
  test('the targets come in their order, and each once', async () => {
    const bench = new Bench(three)
    const plan = await bench.plan(chat, body)
    plan.attempt(bench.upstream('one'), new Map())
    expect(() => plan.attempt(bench.upstream('one'), new Map())).toThrow('not among the targets left')
    plan.attempt(bench.upstream('two'), new Map())
    expect(() => plan.attempt(bench.upstream('one'), new Map())).toThrow('not among the targets left')
    plan.attempt(bench.upstream('three'), new Map())
    expect(() => plan.attempt(bench.upstream('three'), new Map())).toThrow('not among the targets left')
  })

  test('a target that Envoy skips is skipped', async () => {
    const bench = new Bench(three)
    const plan = await bench.plan(chat, body)
    const headers = await answer(plan.attempt(bench.upstream('three'), new Map()), 200, good)
    expect(headers.get('x-chaperone-provider')).toBe('three')
    expect(() => plan.attempt(bench.upstream('two'), new Map())).toThrow('not among the targets left')
  })

  test.each(['', '__proto__', 'upstream/one', 'upstream/other@0000000000'])(
    'the upstream “%s” is none of this plan, and nothing has begun',
    async (upstream) => {
      const bench = new Bench(three)
      const plan = await bench.plan(chat, body)
      expect(() => plan.attempt(upstream, new Map())).toThrow('not among the targets left')
      expect(bench.inFlight).toBe(0)
      expect(() => plan.attempt(bench.upstream('one'), new Map())).not.toThrow()
    },
  )

  test('a target that brought nothing is to blame only when the next one is asked', async () => {
    const bench = new Bench(three)
    const plan = await bench.plan(chat, body)
    const { health } = bench.rules.model('m')!.lineup('chat')!.groups[0]![0]!
    plan.attempt(bench.upstream('one'), new Map()).closed(false)
    expect(health.failures).toBe(0)
    plan.attempt(bench.upstream('two'), new Map())
    expect(health.failures).toBe(1)
  })

  test('a target that cannot express the request says so, and no other is asked', async () => {
    const bench = new Bench(three)
    const plan = await bench.plan(chat, { ...body, n: 2 })
    plan.attempt(bench.upstream('one'), new Map()).closed(false)
    const second = plan.attempt(bench.upstream('two'), new Map())
    expect(await second.request()).toMatchObject({
      type: 'answer',
      answer: {
        status: 400,
        headers: expect.arrayContaining([['x-chaperone-tried', 'one/m=no_response, two/claude=unsupported_field']]),
      },
    })
    second.closed(true)
    expect(second.retriable).toBe(false)
    expect(bench.rules.model('m')!.lineup('chat')!.groups[1]![0]!.health).toMatchObject({ inFlight: 0, failures: 0 })
  })
})

describe('exhausted', () => {
  test('where nothing came from any target', async () => {
    const bench = new Bench(three)
    const plan = await bench.plan(chat, body)
    for (const name of ['one', 'two', 'three']) plan.attempt(bench.upstream(name), new Map()).closed(false)
    const { status, headers, body: text } = await plan.exhausted()
    expect(status).toBe(503)
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'upstream_unreachable' }, request_id: plan.id })
    expect(new Map(headers).get('x-chaperone-tried')).toBe(
      'one/m=no_response, two/claude=no_response, three/m=no_response',
    )
    plan.close()
    expect(bench.records).toEqual([expect.objectContaining({ status: 503, aborted: false, provider: 'three' })])
    for (const { health } of bench.rules.model('m')!.lineup('chat')!.groups.flat()) expect(health.failures).toBe(1)
  })

  test('where Envoy found no host at all', async () => {
    const bench = new Bench(three)
    const plan = await bench.plan(chat, body)
    const { status, headers } = await plan.exhausted()
    expect(status).toBe(503)
    expect(new Map(headers).has('x-chaperone-tried')).toBe(false)
    plan.close()
    expect(bench.records).toEqual([expect.objectContaining({ status: 503, attempts: [], provider: undefined })])
  })

  test('an attempt that ends late does not make it an abort', async () => {
    const bench = new Bench(three)
    const plan = await bench.plan(chat, body)
    const first = plan.attempt(bench.upstream('one'), new Map())
    await plan.exhausted()
    first.closed(false)
    plan.close()
    expect(bench.records[0]!.aborted).toBe(false)
    expect(bench.inFlight).toBe(0)
  })
})

describe('the headers of an answer', () => {
  test('say who answered, what it took and what it cost', async () => {
    const cost = () => ({ usd: 0.00000123, source: 'rules' as const })
    const bench = new Bench(three, { cost })
    const plan = await bench.plan(chat, body)
    const details = {
      ...usage,
      prompt_tokens_details: { cached_tokens: 2 },
      completion_tokens_details: { reasoning_tokens: 1 },
    }
    const headers = await answer(plan.attempt(bench.upstream('one'), new Map()), 200, { ...good, usage: details })
    expect(Object.fromEntries([...headers].filter(([name]) => name.startsWith('x-')))).toEqual({
      'x-chaperone-provider': 'one',
      'x-chaperone-model': 'm',
      'x-chaperone-input-tokens': '3',
      'x-chaperone-output-tokens': '4',
      'x-chaperone-cached-input-tokens': '2',
      'x-chaperone-reasoning-tokens': '1',
      'x-chaperone-cost-usd': '0.00000123',
    })
  })

  test('list the targets tried after a failover', async () => {
    const bench = new Bench(three)
    const plan = await bench.plan(chat, body)
    await answer(plan.attempt(bench.upstream('one'), new Map()), 503, {})
    plan.attempt(bench.upstream('two'), new Map()).closed(false)
    const headers = await answer(plan.attempt(bench.upstream('three'), new Map()), 200, good)
    expect(headers.get('x-chaperone-tried')).toBe('one/m=503, two/claude=no_response, three/m=200')
  })

  const open = { providers, models: { '*': { targets: [{ provider: 'one' }, { provider: 'three', priority: 1 }] } } }
  test.each([
    ['a\r\nset-cookie: x', 'a%0D%0Aset-cookie: x'],
    ['\0', '%00'],
    ['é😀', '%C3%A9%F0%9F%98%80'],
    ['\ud800', '%EF%BF%BD'],
    ['m'.repeat(100_000), 'm'.repeat(200)],
  ])('carry a name of the client’s (%j) as plain text, and not at any length', async (model, shown) => {
    const bench = new Bench(open)
    const plan = await bench.plan(chat, { ...body, model })
    await answer(plan.attempt(bench.upstream('one'), new Map()), 503, {})
    const headers = await answer(plan.attempt(bench.upstream('three'), new Map()), 200, good)
    expect(headers.get('x-chaperone-model')).toBe(shown)
    expect(headers.get('x-chaperone-tried')).toBe(`one/${shown}=503, three/${shown}=200`)
  })

  test('carry a provider’s code of an error in the same way', async () => {
    const bench = new Bench(open)
    const plan = await bench.plan(chat, { ...body, stream: true })
    const first = plan.attempt(bench.upstream('one'), new Map())
    await first.request()
    first.head(200, events)
    await first.data(Buffer.from(`data: {"error":{"code":"a\\r\\nb${'c'.repeat(1_000)}","message":"No."}}\n\n`), true)
    first.closed(true)
    plan.attempt(bench.upstream('three'), new Map()).closed(false)
    const tried = new Map((await plan.exhausted()).headers).get('x-chaperone-tried')!
    expect(tried).toMatch(/^one\/m=200\/a%0D%0Abc+, three\/m=no_response$/)
    expect(tried.length).toBeLessThan(300)
  })
})

describe('close', () => {
  test('tells of the request once, however often it is called', async () => {
    const bench = new Bench(three)
    const plan = await bench.plan(chat, body)
    await answer(plan.attempt(bench.upstream('one'), new Map([['traceparent', 'trace-1']])), 200, { ...good, usage })
    plan.close()
    plan.close()
    expect(bench.records).toEqual([
      expect.objectContaining({
        requestId: plan.id,
        status: 200,
        aborted: false,
        provider: 'one',
        targetModel: 'm',
        responseModel: 'm-1',
        usage: { input: 3, output: 4 },
        traceparent: 'trace-1',
        attempts: [expect.objectContaining({ provider: 'one', outcome: '200' })],
      }),
    ])
  })

  test('without any attempt, the client went away', async () => {
    const bench = new Bench(three)
    const plan = await bench.plan(chat, body)
    plan.close()
    expect(bench.records).toEqual([
      expect.objectContaining({ status: 0, aborted: true, attempts: [], usage: undefined, provider: undefined }),
    ])
  })

  test('an attempt that failed before the answer, and ends after it, does not make it an abort', async () => {
    const bench = new Bench(three)
    const plan = await bench.plan(chat, body)
    const first = plan.attempt(bench.upstream('one'), new Map())
    await answer(plan.attempt(bench.upstream('two'), new Map()), 200, {
      id: 'a',
      type: 'message',
      role: 'assistant',
      model: 'claude',
      content: [],
      stop_reason: 'end_turn',
      usage: { input_tokens: 1, output_tokens: 2 },
    })
    first.closed(false)
    plan.close()
    expect(bench.records[0]).toMatchObject({
      aborted: false,
      status: 200,
      provider: 'two',
      usage: { input: 1, output: 2 },
    })
  })
})

describe('what was reserved is settled once', () => {
  /** A plan under a budget, and what it was settled with. */
  async function metered(path: string, request: JsonObject, usd?: (tokens: number) => number) {
    const settled: Use[] = []
    const ticket: Ticket = { rules: ['limits.rpm'], settle: (used) => void settled.push(used) }
    const bench = new Bench(three, {
      admit: () => ({ type: 'admitted', ticket, headers: [['x-ratelimit-limit', '5']] }),
      ...(usd && {
        cost: (_target, _model, { input, output }) => ({ usd: usd(input + output), source: 'rules' as const }),
      }),
    })
    const plan = await bench.plan(path, { model: 'm', ...request })
    return { bench, plan, settled }
  }
  const messages = body.messages

  test('with the provider’s own figures, and the limits are told', async () => {
    const { bench, plan, settled } = await metered(chat, { messages }, (tokens) => tokens / 1e6)
    const headers = await answer(plan.attempt(bench.upstream('one'), new Map()), 200, { ...good, usage })
    plan.close()
    plan.close()
    expect(settled).toEqual([{ tokens: 7, nanoUsd: 7_000 }])
    expect(headers.get('x-ratelimit-limit')).toBe('5')
  })

  test('with nothing where nothing was answered', async () => {
    for (const status of [400, 503]) {
      const { bench, plan, settled } = await metered(chat, { messages })
      await answer(plan.attempt(bench.upstream('one'), new Map()), status, {})
      plan.close()
      expect(settled).toEqual([{ tokens: 0, nanoUsd: 0 }])
    }
  })

  test.each([
    ['cut by the client', false],
    ['that ends without figures', true],
  ])('with an estimate for a stream %s', async (_, complete) => {
    const { bench, plan, settled } = await metered(chat, { messages, stream: true })
    const exchange = plan.attempt(bench.upstream('one'), new Map())
    await exchange.request()
    exchange.head(200, events)
    const text = `data: {"choices":[{"index":0,"delta":{"content":"${'a'.repeat(4_000)}"}}]}\n\n`
    await exchange.data(Buffer.from(text), complete)
    exchange.closed(complete)
    plan.close()
    expect(settled).toEqual([{ tokens: expect.any(Number), nanoUsd: 0 }])
    expect(settled[0]!.tokens).toBeGreaterThan(1_000)
    expect(settled[0]!.tokens).toBeLessThan(1_100)
    expect(bench.records[0]).toMatchObject({ aborted: !complete, usage: { estimated: true } })
  })

  test('a count of tokens takes none', async () => {
    const { bench, plan, settled } = await metered('/v1/messages/count_tokens', { messages })
    await answer(plan.attempt(bench.upstream('two'), new Map()), 200, { input_tokens: 1_000 })
    plan.close()
    expect(settled).toEqual([{ tokens: 0, nanoUsd: 0 }])
    expect(bench.records[0]).toMatchObject({ status: 200, usage: undefined })
  })

  test.each([
    ['endless', 1e300, 1e300],
    ['negative', -5, -5],
  ])('figures that are %s do not get into the counts', async (_, tokens, usd) => {
    const { bench, plan, settled } = await metered(chat, { messages }, () => usd)
    const figures = { prompt_tokens: tokens, completion_tokens: 1 }
    await answer(plan.attempt(bench.upstream('one'), new Map()), 200, { ...good, usage: figures })
    plan.close()
    const [{ tokens: counted, nanoUsd }] = settled as [Use]
    expect(Number.isSafeInteger(counted) && counted >= 0).toBe(true)
    expect(Number.isSafeInteger(nanoUsd * 1_000) && nanoUsd >= 0).toBe(true)
  })
})
