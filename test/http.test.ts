import { request } from 'node:http'
import { connect } from 'node:http2'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'
import { type Answer, ask, type EchoServer, echoServer } from './http/echo.ts'

/** Plain HTTP through a real Envoy: which route takes a request, and what becomes of it. */

let a: EchoServer
let b: EchoServer
let gateway: TestGateway
const deadPort = await freePort()
const plainPort = await freePort()

beforeAll(async () => {
  a = await echoServer('a')
  b = await echoServer('b')
  const at = (port: number) => ({ address: '127.0.0.1', port })
  gateway = await startGateway({
    listeners: { default: { port: await freePort() }, plain: { port: plainPort, serves: ['http'] } },
    providers: { own: { type: 'openai-compatible', baseUrl: `${a.url}/llm` } },
    models: { m: { targets: [{ provider: 'own' }] } },
    http: {
      services: {
        a: { url: a.url },
        b: { url: b.url },
        both: { endpoints: [at(a.port), at(b.port)], balance: 'round-robin' },
        'half-dead': { endpoints: [at(deadPort), at(a.port)], balance: 'round-robin' },
        failing: {
          endpoints: [at(a.port), at(b.port)],
          balance: 'round-robin',
          outlier: { consecutive5xx: 2, interval: '100ms', ejectFor: '60s' },
        },
        checked: {
          endpoints: [at(a.port), at(b.port)],
          balance: 'round-robin',
          panicPercent: 0,
          health: { path: '/healthz', interval: '100ms', timeout: '1s', healthyAfter: 1, unhealthyAfter: 1 },
        },
        ring: { endpoints: [at(a.port), at(b.port)], balance: 'ring-hash', hashOn: [{ header: 'x-user' }] },
        maglev: {
          endpoints: [at(a.port), at(b.port)],
          balance: 'maglev',
          hashOn: [{ cookie: { name: 'who', ttl: '1h' } }],
        },
        narrow: { url: a.url, breaker: { connections: 1, pending: 1, requests: 1 } },
        dead: { url: `http://127.0.0.1:${deadPort}` },
      },
      routes: [
        { name: 'exact', match: { path: '/exact' }, service: 'a' },
        { name: 'pattern', match: { regex: '/n/[0-9]+' }, service: 'a' },
        {
          name: 'template',
          match: { template: '/users/{id}/files/{rest=**}' },
          service: 'a',
          rewrite: { template: '/v2/{rest}/of/{id}' },
        },
        { name: 'method', match: { path: '/method', methods: ['PUT', 'DELETE'] }, service: 'b' },
        { name: 'method-else', match: { path: '/method' }, service: 'a' },
        { name: 'beta', match: { path: '/pick', headers: { 'x-beta': '1' } }, service: 'b' },
        { name: 'begins', match: { path: '/pick', headers: { 'x-tag': { prefix: 'pre' } } }, service: 'b' },
        { name: 'query', match: { path: '/pick', query: { v: { regex: '2|3' } } }, service: 'b' },
        { name: 'absent', match: { path: '/pick', headers: { 'x-not': { present: false } } }, service: 'a' },
        { name: 'host', hosts: ['shop.test'], match: { prefix: '/' }, service: 'b' },
        { name: 'wild', hosts: ['*.shop.test'], match: { prefix: '/where' }, service: 'a' },
        {
          name: 'split',
          match: { path: '/split' },
          services: [
            { service: 'a', weight: 80 },
            { service: 'b', weight: 20 },
          ],
        },
        { name: 'prefix-to-other', match: { prefix: '/old' }, service: 'a', rewrite: { prefix: '/new/' } },
        { name: 'prefix-to-root', match: { prefix: '/strip' }, service: 'a', rewrite: { prefix: '/' } },
        {
          name: 'whole-path',
          match: { prefix: '/whole' },
          service: 'a',
          rewrite: { path: '/one\\1', host: 'inside.test' },
        },
        {
          name: 'replace',
          match: { prefix: '/replace' },
          service: 'a',
          rewrite: { replace: { regex: '^/replace/(\\w+)/(\\w+)$', with: '/\\2/\\1' }, hostFrom: 'service' },
        },
        {
          name: 'redirect-prefix',
          match: { prefix: '/go' },
          redirect: { prefix: '/went', host: 'there.test', scheme: 'https', port: 8443, status: 308 },
        },
        { name: 'redirect-path', match: { path: '/gone' }, redirect: { path: '/here', dropQuery: true } },
        {
          name: 'respond',
          match: { path: '/robots.txt' },
          respond: { status: 203, body: 'User-agent: *\n', contentType: 'text/x-robots' },
          responseHeaders: { set: { 'cache-control': 'max-age=60' } },
        },
        {
          name: 'headers',
          match: { path: '/headers' },
          service: 'a',
          requestHeaders: {
            set: { 'x-set': 'route=%ROUTE_NAME%', 'x-empty': '' },
            add: { 'x-add': 'two' },
            remove: ['x-gone'],
          },
          responseHeaders: { set: { 'x-server': 'hidden' }, add: { 'x-more': '1' }, remove: ['content-type'] },
        },
        { name: 'mirror', match: { path: '/mirror' }, service: 'a', mirror: [{ service: 'b' }] },
        { name: 'mirror-none', match: { path: '/mirror-none' }, service: 'a', mirror: [{ service: 'b', percent: 0 }] },
        { name: 'slow', match: { path: '/slow' }, service: 'a', timeout: '1s' },
        {
          name: 'retry',
          match: { prefix: '/retry' },
          service: 'a',
          retry: { attempts: 3, on: ['5xx'], statuses: [409], backoff: { base: '1ms', max: '5ms' } },
        },
        { name: 'retry-safe', match: { prefix: '/safe' }, service: 'half-dead', retry: {} },
        { name: 'no-retry', match: { prefix: '/once' }, service: 'a' },
        { name: 'outlier', match: { prefix: '/outlier' }, service: 'failing' },
        { name: 'checked', match: { prefix: '/checked' }, service: 'checked' },
        { name: 'ring', match: { prefix: '/ring' }, service: 'ring' },
        { name: 'maglev', match: { prefix: '/maglev' }, service: 'maglev' },
        {
          name: 'sticky-cookie',
          match: { prefix: '/sticky' },
          service: 'both',
          affinity: { cookie: { name: 'stay', ttl: '1h', path: '/sticky' } },
        },
        { name: 'sticky-header', match: { prefix: '/stuck' }, service: 'both', affinity: { header: 'x-stay' } },
        { name: 'narrow', match: { path: '/narrow' }, service: 'narrow' },
        { name: 'dead', match: { path: '/dead' }, service: 'dead' },
        {
          name: 'faulty',
          match: { path: '/faulty' },
          service: 'a',
          fault: { abort: { status: 418 }, headers: { 'x-chaos': 'yes' } },
        },
        { name: 'delayed', match: { path: '/delayed' }, service: 'a', fault: { delay: { time: '1s' } } },
        { name: 'small', match: { path: '/small' }, service: 'a', maxRequestBytes: 100 },
        {
          name: 'compressed',
          match: { path: '/compressed' },
          service: 'a',
          compression: { algorithms: ['zstd', 'brotli', 'gzip'], minBytes: 100 },
        },
        { name: 'rate', match: { path: '/rate' }, service: 'a', rateLimit: { requests: 2, per: '1h', headers: true } },
        {
          name: 'rate-by',
          match: { path: '/rate-by' },
          service: 'a',
          rateLimit: { requests: 2, per: '1h', by: { header: 'x-user' } },
        },
        { name: 'socket', match: { path: '/socket' }, service: 'a', upgrades: ['websocket'] },
        { name: 'plain-only', listeners: ['plain'], match: { path: '/plain' }, service: 'b' },
        { name: 'rest', match: { prefix: '/' }, service: 'a', responseHeaders: { set: { 'x-route': 'rest' } } },
      ],
    },
  })
})

afterAll(async () => {
  await gateway?.stop()
  await Promise.all([a?.close(), b?.close()])
})

beforeEach(() => {
  for (const server of [a, b]) {
    server.seen.length = 0
    server.behave.clear()
  }
})

const get = (path: string, options: Parameters<typeof ask>[2] = {}) => ask(gateway.url, path, options)
const serverOf = (answer: Answer) => answer.json().server
const times = (count: number) => Array.from({ length: count }, (_, index) => index)

describe('which route takes a request', () => {
  test.each([
    ['/exact', {}, 'a', undefined],
    ['/exact/', {}, 'a', 'rest'],
    ['/n/42?x=1', {}, 'a', undefined],
    ['/n/42x', {}, 'a', 'rest'],
    ['/method', { method: 'PUT' }, 'b', undefined],
    ['/method', { method: 'DELETE' }, 'b', undefined],
    ['/method', { method: 'POST', body: 'x' }, 'a', undefined],
    ['/pick', { headers: { 'x-beta': '1', 'x-not': 'y' } }, 'b', undefined],
    ['/pick', { headers: { 'x-beta': '2', 'x-not': 'y' } }, 'a', 'rest'],
    ['/pick', { headers: { 'x-tag': 'prefixed', 'x-not': 'y' } }, 'b', undefined],
    ['/pick?v=3', { headers: { 'x-not': 'y' } }, 'b', undefined],
    ['/pick?v=4', {}, 'a', undefined],
    ['/anything', { host: 'shop.test' }, 'b', undefined],
    ['/anything', { host: 'shop.test:8080' }, 'b', undefined],
    ['/where/x', { host: 'eu.shop.test' }, 'a', undefined],
    ['/elsewhere', { host: 'eu.shop.test' }, 'a', 'rest'],
    ['/exact', { host: 'eu.shop.test' }, 'a', undefined],
    ['/older', {}, 'a', 'rest'],
  ] as const)('%s %j goes to %s', async (path, options, server, rest) => {
    const answer = await get(path, options)
    expect(answer.status).toBe(200)
    expect(serverOf(answer)).toBe(server)
    expect(answer.headers['x-route']).toBe(rest)
  })

  test('shares are kept', async () => {
    const answers = await Promise.all(times(400).map(() => get('/split')))
    const share = answers.filter((answer) => serverOf(answer) === 'b').length
    // 80 are expected; five standard deviations are 40.
    expect(share).toBeGreaterThan(40)
    expect(share).toBeLessThan(120)
  })

  test('AI paths stay the gateway’s own, also behind a route for everything', async () => {
    const models = await get('/v1/models')
    expect(models.json()).toMatchObject({ object: 'list', data: [{ id: 'm' }] })
    const chat = await get('/v1/chat/completions', {
      headers: { 'content-type': 'application/json' },
      body: '{"model":"none","messages":[]}',
    })
    expect(chat.status).toBe(404)
    expect(chat.json()).toMatchObject({ error: { code: 'model_not_found' } })
    expect(await get('/v1/orders')).toMatchObject({ status: 200, headers: { 'x-route': 'rest' } })
  })

  test('a host that routes name is theirs, AI paths included', async () => {
    expect(serverOf(await get('/v1/models', { host: 'shop.test' }))).toBe('b')
  })

  test('a listener that serves http has no AI paths; a route is only on its listeners', async () => {
    const plain = `http://127.0.0.1:${plainPort}`
    expect(serverOf(await ask(plain, '/plain'))).toBe('b')
    expect((await get('/plain')).headers['x-route']).toBe('rest')
    expect((await ask(plain, '/v1/models')).headers['x-route']).toBe('rest')
  })

  test('what a client says of routes of the gateway’s own leads nowhere', async () => {
    const answer = await get('/exact', {
      headers: { 'x-chaperone-route': 'responder', 'x-chaperone-cluster': 'service/b' },
    })
    expect(answer.status === 404 || serverOf(answer) === 'a').toBe(true)
    expect(b.seen).toEqual([])
  })
})

describe('what is changed', () => {
  test.each([
    ['/users/7/files/x/y.txt?q=1', '/v2/x/y.txt/of/7?q=1'],
    ['/old', '/new'],
    ['/old/x?q=1', '/new/x?q=1'],
    ['/strip/x?q=1', '/x?q=1'],
    ['/strip', '/'],
    ['/whole/x?q=1', '/one\\1?q=1'],
    ['/replace/one/two', '/two/one'],
  ])('%s becomes %s', async (path, there) => {
    expect((await get(path)).json().path).toBe(there)
  })

  test('the host', async () => {
    expect((await get('/whole')).json().headers.host).toBe('inside.test')
    expect((await get('/replace/a/b')).json().headers.host).toMatch(/^127\.0\.0\.1/)
    expect((await get('/exact', { host: 'kept.test' })).json().headers.host).toBe('kept.test')
  })

  test('headers', async () => {
    const answer = await get('/headers', { headers: { 'x-set': 'mine', 'x-add': 'one', 'x-gone': 'secret' } })
    const { headers } = answer.json()
    expect(headers['x-set']).toBe('route=http/headers')
    expect(headers['x-empty']).toBe('')
    expect(headers['x-add']).toBe('one, two')
    expect(headers).not.toHaveProperty('x-gone')
    expect(answer.headers).toMatchObject({ 'x-server': 'hidden', 'x-more': '1' })
    expect(answer.headers).not.toHaveProperty('content-type')
  })

  test('redirects', async () => {
    const away = await get('/go/on?q=1', { host: 'here.test' })
    expect(away).toMatchObject({ status: 308, headers: { location: 'https://there.test:8443/went/on?q=1' } })
    const near = await get('/gone?q=1', { host: 'here.test' })
    expect(near).toMatchObject({ status: 302, headers: { location: 'http://here.test/here' } })
    expect([...a.seen, ...b.seen]).toEqual([])
  })

  test('direct answers are as the rules write them', async () => {
    expect(await get('/robots.txt')).toMatchObject({
      status: 203,
      text: 'User-agent: *\n',
      headers: { 'content-type': 'text/x-robots', 'cache-control': 'max-age=60' },
    })
  })

  test('copies go to another service, whose answers are thrown away', async () => {
    b.behave.set('/mirror', { status: 500 })
    const answer = await get('/mirror', { body: 'hello' })
    expect(answer.status).toBe(200)
    expect(serverOf(answer)).toBe('a')
    await eventually(() => expect(b.seen).toMatchObject([{ path: '/mirror', body: 'hello' }]))
    expect((await get('/mirror-none')).status).toBe(200)
    expect(b.seen).toHaveLength(1)
  })

  test('answers are compressed for clients that accept it', async () => {
    const padding = 'x'.repeat(500)
    for (const [accept, encoding] of [
      ['gzip', 'gzip'],
      ['br', 'br'],
      ['br, gzip, zstd', 'zstd'],
    ]) {
      const answer = await get('/compressed', { headers: { 'accept-encoding': accept!, 'x-padding': padding } })
      expect(answer.headers['content-encoding']).toBe(encoding)
    }
    expect((await get('/compressed', { headers: { 'x-padding': padding } })).headers).not.toHaveProperty(
      'content-encoding',
    )
    const other = await get('/exact', { headers: { 'accept-encoding': 'gzip', 'x-padding': padding } })
    expect(other.headers).not.toHaveProperty('content-encoding')
  })
})

describe('when services fail', () => {
  const failure = (status: number, message: RegExp | string, rule: string) => ({
    error: {
      status,
      message: message instanceof RegExp ? expect.stringMatching(message) : message,
      rule: `http/${rule}`,
    },
    request_id: expect.any(String),
  })

  test('a timeout is 504', async () => {
    a.behave.set('/slow', { waitMs: 5_000 })
    const answer = await get('/slow')
    expect(answer.status).toBe(504)
    expect(answer.headers['content-type']).toBe('application/json')
    expect(answer.json()).toEqual(failure(504, /timeout/, 'slow'))
  })

  test('what cannot be reached is 503', async () => {
    const answer = await get('/dead')
    expect(answer.status).toBe(503)
    expect(answer.json()).toEqual(failure(503, /connect/, 'dead'))
  })

  test('attempts are repeated where the rules say so', async () => {
    a.behave.set('/retry/5xx', { status: 500, times: 2 })
    expect((await get('/retry/5xx', { body: 'once more' })).status).toBe(200)
    expect(a.seen.map(({ body }) => body)).toEqual(['once more', 'once more', 'once more'])
    a.behave.set('/retry/409', { status: 409, times: 3 })
    expect((await get('/retry/409')).status).toBe(200)
    a.seen.length = 0
    a.behave.set('/retry/always', { status: 502 })
    expect((await get('/retry/always')).status).toBe(502)
    expect(a.seen).toHaveLength(4)
  })

  test('and not where they do not', async () => {
    a.behave.set('/once', { status: 503 })
    expect((await get('/once')).status).toBe(503)
    expect(a.seen).toHaveLength(1)
    // A default retry asks again only for what has reached no server.
    const answers = await Promise.all(times(20).map((index) => get(`/safe/${index}`, { body: 'x' })))
    expect(answers.map(({ status }) => status)).toEqual(times(20).map(() => 200))
    a.seen.length = 0
    a.behave.set('/safe', { status: 503 })
    expect((await get('/safe')).status).toBe(503)
    expect(a.seen).toHaveLength(1)
  })

  test('a server that fails again and again is left out', async () => {
    b.behave.set('/outlier', { status: 500 })
    await eventually(async () => {
      const answers = await Promise.all(times(10).map(() => get('/outlier')))
      expect(answers.map(({ status }) => status)).toEqual(times(10).map(() => 200))
    })
    expect(b.seen.length).toBeGreaterThanOrEqual(2)
  })

  test('a server that says it is not well gets no requests until it is', async () => {
    const servers = async () => new Set((await Promise.all(times(20).map(() => get('/checked')))).map(serverOf))
    await eventually(async () => expect(await servers()).toEqual(new Set(['a', 'b'])))
    b.behave.set('/healthz', { status: 503 })
    await eventually(async () => expect(await servers()).toEqual(new Set(['a'])))
    b.behave.clear()
    await eventually(async () => expect(await servers()).toEqual(new Set(['a', 'b'])))
    a.behave.set('/healthz', { status: 503 })
    b.behave.set('/healthz', { status: 503 })
    await eventually(async () => expect((await get('/checked')).json()).toEqual(failure(503, /no healthy/, 'checked')))
  })

  test('circuit breakers refuse what is too much', async () => {
    a.behave.set('/narrow', { waitMs: 1_000 })
    const answers = await Promise.all(times(6).map(() => get('/narrow')))
    const statuses = answers.map(({ status }) => status)
    expect(statuses).toContain(200)
    expect(statuses).toContain(503)
  })

  test('faults on purpose', async () => {
    expect((await get('/faulty')).status).toBe(200)
    const answer = await get('/faulty', { headers: { 'x-chaos': 'yes' } })
    expect(answer.status).toBe(418)
    expect(answer.json()).toEqual(failure(418, /fault/, 'faulty'))
    const started = performance.now()
    expect((await get('/delayed')).status).toBe(200)
    expect(performance.now() - started).toBeGreaterThan(950)
  })
})

describe('limits of Envoy’s own', () => {
  test('the size of bodies', async () => {
    expect((await get('/small', { body: 'x'.repeat(100) })).status).toBe(200)
    const answer = await get('/small', { body: 'x'.repeat(101) })
    expect(answer.status).toBe(413)
    expect(answer.json()).toMatchObject({ error: { status: 413, rule: 'http/small' } })
    expect(a.seen).toHaveLength(1)
    // Others have none, nor that of AI traffic.
    expect((await get('/exact', { body: 'x'.repeat(3_000_000) })).json().body).toHaveLength(3_000_000)
  })

  test('rates', async () => {
    const first = await get('/rate')
    expect(first).toMatchObject({ status: 200, headers: { 'x-ratelimit-limit': '2', 'x-ratelimit-remaining': '1' } })
    expect((await get('/rate')).status).toBe(200)
    const third = await get('/rate')
    expect(third.status).toBe(429)
    expect(third.json()).toMatchObject({ error: { status: 429, rule: 'http/rate' } })
  })

  test('rates by a header', async () => {
    const by = async (user?: string) =>
      (await get('/rate-by', { headers: user === undefined ? {} : { 'x-user': user } })).status
    expect([await by('ann'), await by('ann'), await by('ann')]).toEqual([200, 200, 429])
    expect([await by('bob'), await by('bob'), await by('bob')]).toEqual([200, 200, 429])
    expect([await by(), await by(), await by()]).toEqual([200, 200, 429])
  })
})

describe('who serves a client', () => {
  test.each(['/ring', '/maglev'])('%s: the same key, the same server; other keys, other servers', async (path) => {
    const headers = (user: string): Record<string, string> =>
      path === '/ring' ? { 'x-user': user } : { cookie: `who=${user}` }
    const servers = new Set<string>()
    for (const user of times(20).map(String)) {
      const answers = await Promise.all(times(3).map(() => get(path, { headers: headers(user) })))
      expect(new Set(answers.map(serverOf)).size).toBe(1)
      servers.add(serverOf(answers[0]!))
    }
    expect(servers).toEqual(new Set(['a', 'b']))
  })

  test('a cookie that is missing is made', async () => {
    const first = await get('/maglev')
    const [cookie] = first.headers['set-cookie'] ?? []
    expect(cookie).toMatch(/^who="?[0-9a-f]+"?; Max-Age=3600; HttpOnly/)
    const again = await Promise.all(times(5).map(() => get('/maglev', { headers: { cookie: cookie!.split(';')[0]! } })))
    expect(new Set(again.map(serverOf))).toEqual(new Set([serverOf(first)]))
  })

  test('affinity by a cookie, and by a header', async () => {
    const servers = new Set<string>()
    for (const _ of times(8)) {
      const byCookie = await get('/sticky')
      const [cookie] = byCookie.headers['set-cookie'] ?? []
      expect(cookie).toMatch(/^stay="[^"]+"; Max-Age=3600; Path=\/sticky; HttpOnly/)
      const again = await Promise.all(
        times(4).map(() => get('/sticky/again', { headers: { cookie: cookie!.split(';')[0]! } })),
      )
      expect(new Set(again.map(serverOf))).toEqual(new Set([serverOf(byCookie)]))
      const byHeader = await get('/stuck')
      servers.add(serverOf(byCookie)).add(serverOf(byHeader))
      const stay = byHeader.headers['x-stay'] as string
      const stuck = await Promise.all(times(4).map(() => get('/stuck', { headers: { 'x-stay': stay } })))
      expect(new Set(stuck.map(serverOf))).toEqual(new Set([serverOf(byHeader)]))
    }
    expect(servers).toEqual(new Set(['a', 'b']))
  })
})

/** Asks for an upgrade. @returns what came back for `hello`, or the status that refused it */
function upgrade(path: string): Promise<string | number> {
  const { hostname, port } = new URL(gateway.url)
  return new Promise((resolve, reject) => {
    const call = request({
      hostname,
      port,
      path,
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      },
    })
    call.on('upgrade', (_, socket) => {
      socket.once('data', (data: Buffer) => {
        resolve(data.toString())
        socket.destroy()
      })
      socket.write('hello')
    })
    call.on('response', (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    call.on('error', reject)
    call.end()
  })
}

test('WebSockets are let through where the rules say so', async () => {
  expect(await upgrade('/socket')).toBe('hello')
  expect(await upgrade('/exact')).toBe(403)
})

test('and over HTTP/2 (RFC 8441)', async () => {
  const session = connect(gateway.url)
  await new Promise<void>((resolve) => session.once('remoteSettings', () => resolve()))
  expect(session.remoteSettings.enableConnectProtocol).toBe(true)
  const open = (path: string) =>
    new Promise<string | number>((resolve, reject) => {
      const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': path })
      stream.on('error', reject)
      stream.on('response', ({ ':status': status }) => {
        if (status !== 200) return resolve(Number(status))
        stream.write('hello')
        stream.once('data', (data) => resolve(String(data)))
      })
    })
  expect(await open('/socket')).toBe('hello')
  expect(await open('/exact')).toBe(403)
  session.destroy()
})

test('the service decides about none of it', async () => {
  const { body } = await gateway.envoy.admin('/stats?filter=ext_authz&format=json')
  const before = JSON.stringify(JSON.parse(body).stats.filter(({ value }: { value?: number }) => value))
  await get('/exact')
  const after = (await gateway.envoy.admin('/stats?filter=ext_authz&format=json')).body
  expect(JSON.stringify(JSON.parse(after).stats.filter(({ value }: { value?: number }) => value))).toBe(before)
  expect(gateway.reports).toEqual([])
})
