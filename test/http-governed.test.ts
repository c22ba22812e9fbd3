import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'
import { ask, type EchoServer, echoServer } from './http/echo.ts'

/** Governed routes of plain HTTP: identities, policies and limits of the rules hold, beside routes that ask nobody. */

let a: EchoServer
let gateway: TestGateway
let key: string
let other: string

beforeAll(async () => {
  a = await echoServer('a')
  gateway = await startGateway({
    listeners: { default: { port: await freePort(), identity: { accept: ['key'] } } },
    teams: { blue: {} },
    policies: {
      rules: {
        'no-deletes': {
          effect: 'deny',
          when: 'request.operation == "http/governed" && request.method == "DELETE"',
          message: 'Ask the shop.',
        },
      },
    },
    limits: { few: { requests: 3, per: 'day', by: ['user'], when: 'request.path == "/governed/limited"' } },
    budgets: { dear: { usd: 0.004, per: 'day', by: ['user'], when: 'request.operation == "http/dear"' } },
    http: {
      services: { a: { url: a.url } },
      routes: [
        { name: 'governed', match: { prefix: '/governed' }, service: 'a', governed: true },
        { name: 'dear', match: { prefix: '/dear' }, service: 'a', governed: true, costUsd: 0.002 },
        { name: 'open', match: { prefix: '/open' }, service: 'a' },
      ],
    },
  })
  key = (await gateway.keys.create({ name: 'one', user: 'ann', team: 'blue' })).text
  other = (await gateway.keys.create({ name: 'two', user: 'bob' })).text
})

afterAll(async () => {
  await gateway?.stop()
  await a?.close()
})

beforeEach(() => {
  a.seen.length = 0
})

const get = (path: string, options: Parameters<typeof ask>[2] = {}) => ask(gateway.url, path, options)

test('a caller is known to the service, and the key is not', async () => {
  const answer = await get('/governed/x?y=1', {
    headers: { authorization: `Bearer ${key}`, 'x-chaperone-user': 'root', 'x-mine': 'stays' },
    body: 'the body',
  })
  expect(answer.status).toBe(200)
  const { headers, path, body } = answer.json()
  expect({ path, body }).toEqual({ path: '/governed/x?y=1', body: 'the body' })
  expect(headers).toMatchObject({ 'x-chaperone-user': 'ann', 'x-chaperone-team': 'blue', 'x-mine': 'stays' })
  expect(JSON.stringify(headers)).not.toContain(key)
})

test('what is not known of a caller cannot be said by it', async () => {
  const { headers } = (
    await get('/governed', { headers: { 'x-chaperone-key': other, 'x-chaperone-team': 'blue', authorization: 'mine' } })
  ).json()
  expect(headers).toMatchObject({ 'x-chaperone-user': 'bob', authorization: 'mine' })
  expect(headers).not.toHaveProperty('x-chaperone-team')
  expect(headers).not.toHaveProperty('x-chaperone-key')
})

test('without a key: 401', async () => {
  const answer = await get('/governed')
  expect(answer.status).toBe(401)
  expect(answer.json()).toMatchObject({ error: { status: 401, code: 'missing_credentials', rule: 'http/governed' } })
  expect(a.seen).toEqual([])
})

test('policies', async () => {
  const answer = await get('/governed', { method: 'DELETE', headers: { authorization: `Bearer ${key}` } })
  expect(answer.status).toBe(403)
  expect(answer.json()).toMatchObject({
    error: {
      code: 'policy_denied',
      rule: 'policies.rules.no-deletes',
      message: expect.stringContaining('Ask the shop.'),
    },
    request_id: answer.headers['x-request-id'],
  })
})

test('limits that all gateways share', async () => {
  const status = async (who: string) => (await get('/governed/limited', { headers: { 'x-chaperone-key': who } })).status
  expect([await status(key), await status(key), await status(key), await status(key)]).toEqual([200, 200, 200, 429])
  expect(await status(other)).toBe(200)
  const answer = await get('/governed/limited', { headers: { 'x-chaperone-key': key } })
  expect(answer.json()).toMatchObject({ error: { code: 'rate_limit_exceeded', rule: 'limits.few' } })
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
})

test('budgets, by what the route says that a request costs', async () => {
  const status = async (who: string) => (await get('/dear', { headers: { 'x-chaperone-key': who } })).status
  expect([await status(key), await status(key), await status(key)]).toEqual([200, 200, 402])
  expect(await status(other)).toBe(200)
  const answer = await get('/dear', { headers: { 'x-chaperone-key': key } })
  expect(answer.json()).toMatchObject({ error: { code: 'budget_exceeded', rule: 'budgets.dear' } })
})

test('bodies are not held for the service: they may be larger than the listener’s limit', async () => {
  const body = 'x'.repeat(40 * 1024 * 1024)
  const answer = await get('/governed', { headers: { 'x-chaperone-key': key }, body })
  expect(answer.status).toBe(200)
  expect(a.seen[0]!.body.length).toBe(body.length)
})

test('other routes ask nobody, and let nothing of the gateway’s through', async () => {
  const answer = await get('/open', { headers: { 'x-chaperone-key': key, 'x-chaperone-user': 'root' } })
  expect(answer.status).toBe(200)
  expect(Object.keys(answer.json().headers).filter((name) => name.startsWith('x-chaperone'))).toEqual([])
  expect(gateway.reports).toEqual([])
})
