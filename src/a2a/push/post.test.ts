import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Poster, retryAfter } from './post.ts'
import { TargetCheck } from './target.ts'

/** Real servers on addresses of this machine: one may be called, the other is inside. */

const outside = '127.0.0.2'
const inside = '127.0.0.3'
let port: number
const asked: string[] = []
const servers: Server[] = []
let answer: { status: number; headers?: Record<string, string> } | 'never'
let addresses: string[][]
let posters: Poster[]

const listen = async (address: string, at: number) => {
  const server = createServer((request, response) => {
    asked.push(`${address} ${request.method} ${request.url} ${request.headers.host}`)
    request.resume()
    if (answer !== 'never') response.writeHead(answer.status, answer.headers).end('x'.repeat(10_000))
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(at, address, resolve))
  return (server.address() as AddressInfo).port
}

beforeEach(async () => {
  asked.length = 0
  answer = { status: 200 }
  posters = []
  port = await listen(outside, 0)
  await listen(inside, port)
})
afterEach(async () => {
  await Promise.all(posters.map((poster) => poster.close()))
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

function posterOf(timeoutMs = 5_000): Poster {
  const rules = { schemes: ['http'] as const, ports: [port], networks: [`${outside}/32`] }
  const poster = new Poster(new TargetCheck(rules, async () => addresses.shift() ?? []), timeoutMs)
  posters.push(poster)
  return poster
}
const go = (poster: Poster, url = `http://hooks.example.org:${port}/hook?x=1`) =>
  poster.post(url, { 'content-type': 'application/json' }, '{}', new AbortController().signal)

test('a name is connected to where it leads at that moment', async () => {
  addresses = [[outside]]
  expect(await go(posterOf())).toEqual({ type: 'delivered', status: 200 })
  expect(asked).toEqual([`${outside} POST /hook?x=1 hooks.example.org:${port}`])
})

test.each([
  ['that leads inside on the second look', [[outside], [inside]]],
  ['with one address inside', [[outside], [outside, inside]]],
  ['that leads nowhere', [[outside], []]],
])('a name %s is not connected to', async (_, answers) => {
  addresses = answers
  expect((await go(posterOf())).type).toBe('delivered')
  const next = await go(posterOf())
  expect(next).toMatchObject({ type: 'failed', reason: expect.stringMatching(/not (public|known)/) })
  expect(asked).toHaveLength(1)
})

test.each([
  `http://${inside}:PORT/`,
  'http://169.254.169.254:PORT/latest/meta-data',
  'http://[::ffff:127.0.0.2]:PORT/',
  'http://2130706434:PORT/',
  'https://hooks.example.org:PORT/',
  'http://hooks.example.org:1/',
])('%s is judged again before it is called', async (url) => {
  addresses = [[outside]]
  expect((await go(posterOf(), url.replace('PORT', String(port)))).type).toBe('failed')
  expect(asked).toEqual([])
})

describe('what the client says', () => {
  test.each([
    [{ status: 302, headers: { location: `http://${inside}/` } }, { status: 302 }],
    [{ status: 410 }, { status: 410, gone: true }],
    [{ status: 404 }, { status: 404, gone: false }],
    [
      { status: 503, headers: { 'retry-after': '7' } },
      { status: 503, retryAfterMs: 7000 },
    ],
  ])('%j is a failure', async (said, outcome) => {
    answer = said
    addresses = [[outside]]
    expect(await go(posterOf())).toMatchObject({ type: 'failed', ...outcome })
    expect(asked).toHaveLength(1)
  })
  test('nothing is one too', async () => {
    answer = 'never'
    addresses = [[outside]]
    expect(await go(posterOf(100))).toEqual({ type: 'failed', reason: 'no answer in time' })
  })
})

test.each([
  ['120', 120_000],
  ['0', 0],
  ['Sun, 29 Nov 2026 06:00:30 GMT', 30_000],
  ['Sun, 29 Nov 2020 06:00:30 GMT', 0],
  ['999999999', 3_600_000],
  ['soon', undefined],
  [undefined, undefined],
])('retry-after: %s', (value, ms) => {
  expect(retryAfter(value, Date.parse('2026-11-29T06:00:00Z'))).toBe(ms)
})
