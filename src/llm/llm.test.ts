import { describe, expect, test } from 'vitest'
import type { Identity } from '../identity/identity.ts'
import { deepest } from '../json.ts'
import type { Admission, Use } from '../limits/admission.ts'
import type { Decision, LocalAnswer } from '../protocol.ts'
import type { JsonObject } from './conversation.ts'
import { agentRequest, anyone, Bench } from './testing.ts'

const providers = {
  a: { type: 'openai-compatible', baseUrl: 'http://a.example/v1' },
  c: { type: 'anthropic', apiKey: '${env:C}' },
}
const rules = {
  providers,
  models: {
    m: { targets: [{ provider: 'a' }] },
    claude: { targets: [{ provider: 'c' }] },
    mixed: { targets: [{ provider: 'c' }, { provider: 'a', priority: 1 }] },
  },
  aliases: { fast: 'm' },
}
const chat = '/v1/chat/completions'
const messages = [{ role: 'user', content: 'Hi' }]

function answerOf(decision: Decision): LocalAnswer & { json: JsonObject } {
  if (decision.type !== 'answer') throw new Error('a plan, where an answer was expected')
  return { ...decision.answer, json: JSON.parse(decision.answer.body) }
}

const get = (path: string) => ({ ...agentRequest(path, ''), method: 'GET' })
const only = (...models: string[]): Identity => ({ ...anyone, mayUseModel: (model) => models.includes(model) })

describe('a request that cannot be served is an answer, and is told once', () => {
  const cases: [
    what: string,
    path: string,
    body: JsonObject | string,
    headers: Record<string, string>,
    status: number,
    code: string,
  ][] = [
    ['no JSON', chat, '{', {}, 400, 'invalid_json'],
    ['a JSON list', chat, '[]', {}, 400, 'invalid_json'],
    ['nothing', chat, '', {}, 400, 'empty_body'],
    [
      'a body nested too deep',
      chat,
      `{"model":"m","x":${'['.repeat(deepest)}${']'.repeat(deepest)}}`,
      {},
      400,
      'invalid_json',
    ],
    [
      'a body nested by the hundred thousand',
      chat,
      `{"model":"m","x":${'{"x":'.repeat(200_000)}1${'}'.repeat(200_000)}}`,
      {},
      400,
      'invalid_json',
    ],
    ['compressed', chat, '{}', { 'content-encoding': 'gzip' }, 415, 'unsupported_content_encoding'],
    ['a form', chat, '{}', { 'content-type': 'multipart/form-data' }, 415, 'unsupported_content_type'],
    ['no model', chat, {}, {}, 400, 'missing_model'],
    ['an empty model', chat, { model: '' }, {}, 400, 'missing_model'],
    ['a model that is no text', chat, { model: ['m'] }, {}, 400, 'missing_model'],
    ['an unknown model', chat, { model: 'x' }, {}, 404, 'model_not_found'],
    ['a model by a name that all objects have', chat, { model: 'constructor' }, {}, 404, 'model_not_found'],
    ['a model named __proto__', chat, { model: '__proto__' }, {}, 404, 'model_not_found'],
    [
      'an operation that the model has not',
      '/v1/embeddings',
      { model: 'claude', input: 'a' },
      {},
      400,
      'unsupported_operation',
    ],
    ['what no target can express', chat, { model: 'claude', messages, n: 2 }, {}, 400, 'unsupported_field'],
    ['an unknown path', '/v1/other', {}, {}, 404, 'unknown_endpoint'],
  ]
  test.each(cases)('%s', async (_, path, body, headers, status, code) => {
    const bench = new Bench(rules)
    const request = agentRequest(path, body, headers)
    const answer = answerOf(await bench.decide(request))
    expect(answer).toMatchObject({ status, json: { error: { code }, request_id: request.id } })
    expect(bench.refusals).toEqual([
      expect.objectContaining({ requestId: request.id, status, code, identity: 'anonymous', listener: 'default' }),
    ])
    expect([bench.records, bench.reports, bench.inFlight]).toEqual([[], [], 0])
  })

  test('with a long name, the answer and its message are short', async () => {
    const bench = new Bench(rules)
    const { body } = answerOf(await bench.decide(agentRequest(chat, { model: 'x'.repeat(1_000_000) })))
    expect(body.length).toBeLessThan(1_000)
  })

  test('another method: the answer says which', async () => {
    const answer = answerOf(await new Bench(rules).decide(get(chat)))
    expect(answer.status).toBe(405)
    expect(new Map(answer.headers).get('allow')).toBe('POST')
  })

  test('in the format of the API that was called', async () => {
    const bench = new Bench(rules)
    const of = async (path: string) => answerOf(await bench.decide(agentRequest(path, { model: 'x' }))).json
    expect(await of('/v1/messages')).toMatchObject({ type: 'error', error: { type: 'not_found_error' } })
    expect(await of('/v1beta/models/x:generateContent')).toMatchObject({ error: { code: 404, status: 'NOT_FOUND' } })
  })
})

describe('who asks', () => {
  const stranger = { status: 401 as const, code: 'invalid_key', message: 'Who?', cause: new Error('why') }

  test('a stranger gets no further, and learns nothing but that', async () => {
    for (const identity of [stranger, Promise.resolve(stranger)]) {
      const bench = new Bench(rules, { identity })
      for (const request of [agentRequest(chat, { model: 'm', messages }), get('/v1/models'), get('/v1/other')]) {
        const answer = answerOf(await bench.decide(request))
        expect(answer).toMatchObject({ status: 401, json: { error: { code: 'invalid_key' } } })
        expect(answer.body).not.toContain('why')
      }
      expect(bench.refusals.map((refusal) => refusal.identity)).toEqual(['none', 'none', 'none'])
      expect(bench.reports).toEqual([stranger.cause, stranger.cause, stranger.cause])
    }
  })

  test('a model is for those who may use it, by its alias too', async () => {
    const bench = new Bench(rules, { identity: only('claude', 'fast') })
    for (const model of ['m', 'fast'])
      expect(answerOf(await bench.decide(agentRequest(chat, { model, messages })))).toMatchObject({
        status: 403,
        json: { error: { code: 'model_not_allowed', param: 'model' } },
      })
    expect(await bench.plan(chat, { model: 'claude', messages })).toBeDefined()
  })
})

describe('the list of models', () => {
  test('has what the caller may use', async () => {
    const bench = new Bench(rules, { identity: only('m') })
    const { data } = answerOf(await bench.decide(get('/v1/models'))).json as { data: JsonObject[] }
    expect(data.map(({ id }) => id)).toEqual(['fast', 'm'])
  })

  test('every name of it can be asked for, and no other', async () => {
    const bench = new Bench(rules, { identity: only('m') })
    const status = async (path: string) => answerOf(await bench.decide(get(path))).status
    for (const name of ['fast', 'm']) {
      expect(await status(`/v1/models/${name}`)).toBe(200)
      expect(await status(`/v1beta/models/${name}`)).toBe(200)
    }
    for (const name of ['claude', 'x', 'constructor', '__proto__']) expect(await status(`/v1/models/${name}`)).toBe(404)
  })
})

describe('the plan', () => {
  test('of an alias asks for the model that it means', async () => {
    const bench = new Bench(rules)
    const plan = await bench.plan(chat, { model: 'fast', messages })
    const transform = await plan.attempt(bench.upstream('a'), new Map()).request()
    if (transform.type !== 'forward') throw new Error('not sent')
    expect(JSON.parse(Buffer.from(transform.body!).toString())).toMatchObject({ model: 'm' })
    plan.close()
    expect(bench.records[0]).toMatchObject({ model: 'm', requestModel: 'fast' })
  })

  test('begins at a target that can express the request, where the first choice cannot', async () => {
    const bench = new Bench(rules)
    const plan = await bench.plan(chat, { model: 'mixed', messages, n: 2 })
    expect((await plan.attempt(bench.upstream('a'), new Map()).request()).type).toBe('forward')
  })

  test('has a pool and a route class that Envoy knows', async () => {
    const bench = new Bench(rules)
    const { pool, routeClass } = await bench.plan(chat, { model: 'mixed', messages })
    expect(bench.rules.topology.pools.map(({ id }) => id)).toContain(pool)
    expect(bench.rules.topology.routeClasses.map(({ id }) => id)).toContain(routeClass)
  })
})

describe('room', () => {
  const settled: Use[] = []
  const admitted = (): Admission => ({
    type: 'admitted',
    ticket: { rules: [], settle: (use) => void settled.push(use) },
    headers: [],
  })
  const downgrade: Admission = { type: 'downgrade', model: 'm', budget: 'monthly' }

  test('what was reserved is given back where no plan comes of it', async () => {
    settled.length = 0
    for (const admit of [admitted, () => Promise.resolve(admitted())]) {
      const bench = new Bench(rules, { admit })
      expect(answerOf(await bench.decide(agentRequest(chat, { model: 'claude', messages, n: 2 }))).status).toBe(400)
    }
    expect(settled).toEqual([
      { tokens: 0, nanoUsd: 0 },
      { tokens: 0, nanoUsd: 0 },
    ])
  })

  test('a budget may put another model in the place, once, and the answer says so', async () => {
    const asked: [string, boolean][] = []
    const bench = new Bench(rules, {
      admit: (model, _, mayDowngrade) => {
        asked.push([model, mayDowngrade])
        return mayDowngrade ? downgrade : admitted()
      },
    })
    const plan = await bench.plan(chat, { model: 'claude', messages })
    expect(asked).toEqual([
      ['claude', true],
      ['m', false],
    ])
    expect(new Map((await plan.exhausted()).headers).get('x-chaperone-downgraded')).toBe('monthly')
    plan.close()
    expect(bench.records[0]).toMatchObject({ requestModel: 'claude', model: 'm', downgraded: 'monthly' })
  })

  test('but not one that the caller may not use', async () => {
    const bench = new Bench(rules, { identity: only('claude'), admit: (_, __, may) => (may ? downgrade : admitted()) })
    expect(answerOf(await bench.decide(agentRequest(chat, { model: 'claude', messages }))).status).toBe(403)
  })

  test('a refusal says whose rule it was, and when to come back', async () => {
    const refusal: Admission = {
      type: 'refused',
      rule: 'team',
      kind: 'limit',
      unit: 'requests',
      subject: 't1',
      capacity: 5,
      opensInMs: 1_500,
      why: 'used_up',
      headers: [['x-ratelimit-remaining', '0']],
    }
    const bench = new Bench(rules, { admit: () => refusal })
    const answer = answerOf(await bench.decide(agentRequest(chat, { model: 'm', messages })))
    expect(answer).toMatchObject({ status: 429, json: { error: { code: 'rate_limit_exceeded' } } })
    expect(Object.fromEntries(answer.headers)).toMatchObject({ 'retry-after': '2', 'x-ratelimit-remaining': '0' })
    expect(bench.refusals).toEqual([expect.objectContaining({ status: 429, rule: 'limits.team' })])
  })
})
