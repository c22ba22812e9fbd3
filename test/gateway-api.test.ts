import { readFileSync, writeFileSync } from 'node:fs'
import { createServer as createHttp2 } from 'node:http2'
import { Agent, createServer as createHttps, request as httpsRequest } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { create } from '@bufbuild/protobuf'
import { Client, credentials, Metadata, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KubeObject } from '../src/gateway-api/object.ts'
import { Commands, ready } from './command.ts'
import { eventually } from './gateway.ts'
import {
  backend,
  backendTls,
  caConfigMap,
  exact,
  gateway,
  gatewayClass,
  grant,
  grpcRoute,
  httpRoute,
  infra,
  own,
  prefix,
  service,
  tlsSecret,
} from './gateway-api/manifests.ts'
import { freePort } from './harness.ts'
import { type Answer, ask, type EchoServer, echoServer } from './http/echo.ts'
import { type GrpcServer, getRequestSchema, grpcServer, type OrderFields, order, ordersService } from './http/grpc.ts'

/**
 * The Gateway API from files through `chaperone run` and a real Envoy. Each test is named for the feature of upstream's conformance
 * suite whose scenarios it carries out; docs/gateway-api.md lists them.
 */

const file = (name: string) => fileURLToPath(new URL(`./tls/${name}`, import.meta.url))
const commands = new Commands()
const objectsFile = join(commands.directory, 'objects.json')

let v1: EchoServer
let v2: EchoServer
let v3: EchoServer
let grpc: GrpcServer
let secured: ReturnType<typeof createHttps>
let h2c: ReturnType<typeof createHttp2>
const [port, second, secure, mutual, telemetry] = await Promise.all([1, 2, 3, 4, 5].map(() => freePort()))
const deadPort = await freePort()
const url = `http://127.0.0.1:${port}`

const modify = (type: 'Request' | 'Response', changes: object) => ({
  type: `${type}HeaderModifier`,
  [`${type.toLowerCase()}HeaderModifier`]: changes,
})
const redirect = (requestRedirect: object) => ({ type: 'RequestRedirect', requestRedirect })
const rewrite = (urlRewrite: object) => ({ type: 'URLRewrite', urlRewrite })
const mirror = (name: string, more: object = {}) => ({
  type: 'RequestMirror',
  requestMirror: { backendRef: backend(name), ...more },
})
const rule = (matches: object[], name: string, more: object = {}) => ({
  matches,
  backendRefs: [backend(name)],
  ...more,
})

/** Every object but those that tests add. */
function objects(): KubeObject[] {
  const at = (server: { address(): unknown }) => (server.address() as AddressInfo).port
  const certificate = (name: string) => ({ certificateRefs: [{ name }] })
  return [
    gatewayClass,
    gateway('web', [{ name: 'http', port: port! }]),
    gateway('more', [{ name: 'http', port: second! }]),
    gateway('isolated', [
      { name: 'empty', port: second!, hostname: 'nothing.test' },
      { name: 'wild', port: second!, hostname: '*.example.test' },
      { name: 'wild-foo', port: second!, hostname: '*.foo.example.test' },
      { name: 'abc', port: second!, hostname: 'abc.foo.example.test' },
    ]),
    gateway(
      'secure',
      [
        { name: 'all', port: secure!, protocol: 'HTTPS', tls: certificate('first') },
        { name: 'second', port: secure!, protocol: 'HTTPS', hostname: 'second.test', tls: certificate('second') },
        { name: 'wild', port: secure!, protocol: 'HTTPS', hostname: '*.wild.test', tls: certificate('first') },
        { name: 'fourth', port: secure!, protocol: 'HTTPS', hostname: 'fourth.wild.test', tls: certificate('second') },
      ],
      { tls: { backend: { clientCertificateRef: { name: 'client' } } } },
    ),
    gateway('mutual', [{ name: 'https', port: mutual!, protocol: 'HTTPS', tls: certificate('first') }], {
      tls: {
        frontend: {
          default: { validation: { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'client-ca' }] } },
        },
      },
    }),
    tlsSecret('first', 'listener-1'),
    tlsSecret('second', 'listener-2'),
    tlsSecret('client', 'client'),
    caConfigMap('client-ca', 'client-ca'),
    caConfigMap('ca', 'ca'),
    caConfigMap('other-ca', 'other-ca'),
    ...service('v1', [v1.port]),
    ...service('v2', [v2.port]),
    ...service('v3', [v3.port]),
    ...service('dead', [deadPort]),
    ...service('nobody', []),
    ...service('websockets', [v1.port], { appProtocol: 'kubernetes.io/ws' }),
    ...service('plain-h2', [at(h2c)], { appProtocol: 'kubernetes.io/h2c' }),
    ...service('elsewhere', [v3.port], { namespace: 'other' }),
    ...service('hidden', [v3.port], { namespace: 'other' }),
    ...['tls-good', 'tls-other-ca', 'tls-other-name', 'tls-san', 'tls-no-ca', 'tls-mutual'].flatMap((name) =>
      service(name, [at(secured)]),
    ),
    ...service('orders', [Number(new URL(grpc.url).port)]),
    backendTls('good', 'tls-good', { ...ca('ca'), hostname: 'provider.test' }),
    backendTls('other-ca', 'tls-other-ca', { ...ca('other-ca'), hostname: 'provider.test' }),
    backendTls('other-name', 'tls-other-name', { ...ca('ca'), hostname: 'wrong.test' }),
    backendTls('san', 'tls-san', {
      ...ca('ca'),
      hostname: 'asked.test',
      subjectAltNames: [{ type: 'Hostname', hostname: 'provider.test' }],
    }),
    backendTls('no-ca', 'tls-no-ca', { ...ca('nowhere'), hostname: 'provider.test' }),
    backendTls('mutual', 'tls-mutual', { ...ca('ca'), hostname: 'provider.test' }),
    grant('elsewhere', 'other', [{ kind: 'HTTPRoute', namespace: infra }], [{ kind: 'Service', name: 'elsewhere' }]),
    ...routes(),
  ]
}

const ca = (name: string) => ({ caCertificateRefs: [{ group: '', kind: 'ConfigMap', name }] })

function routes(): KubeObject[] {
  const of = (gateway: string, sectionName?: string) => ({
    parentRefs: [{ name: gateway, ...(sectionName && { sectionName }) }],
  })
  return [
    httpRoute('precedence', {
      hostnames: ['precedence.test'],
      rules: [
        rule([prefix('/')], 'v1'),
        rule([prefix('/match'), { ...prefix('/match'), headers: [{ name: 'version', value: 'two' }] }], 'v2'),
        rule([exact('/match/exact')], 'v3'),
        rule([{ ...prefix('/match'), method: 'PATCH' }], 'v3'),
        rule([prefix('/match/long/')], 'v1'),
        rule([{ path: { type: 'RegularExpression', value: '/n[0-9]+' } }], 'v2'),
      ],
    }),
    httpRoute(
      'older',
      { hostnames: ['age.test'], rules: [rule([prefix('/')], 'v1')] },
      { created: '2026-01-02T00:00:00Z' },
    ),
    httpRoute(
      'a-younger',
      { hostnames: ['age.test'], rules: [rule([prefix('/')], 'v2')] },
      { created: '2026-01-03T00:00:00Z' },
    ),
    httpRoute('hosts-exact', { hostnames: ['a.hosts.test', 'c.d.hosts.test'], rules: [rule([prefix('/')], 'v1')] }),
    httpRoute('hosts-wild', { hostnames: ['*.hosts.test'], rules: [rule([exact('/')], 'v2')] }),
    httpRoute('headers', {
      hostnames: ['headers.test'],
      rules: [
        rule([{ headers: [{ name: 'Version', value: 'one' }] }], 'v1'),
        rule(
          [
            {
              headers: [
                { name: 'version', value: 'two' },
                { name: 'color', value: 'blue' },
              ],
            },
          ],
          'v2',
        ),
        rule([{ headers: [{ name: 'color', type: 'RegularExpression', value: 'gr[ea]y' }] }], 'v3'),
      ],
    }),
    httpRoute('query', {
      hostnames: ['query.test'],
      rules: [
        rule([{ queryParams: [{ name: 'animal', value: 'whale' }] }], 'v1'),
        rule(
          [
            {
              queryParams: [
                { name: 'animal', value: 'dolphin' },
                { name: 'color', value: 'blue' },
              ],
            },
          ],
          'v2',
        ),
        rule([{ ...prefix('/path'), queryParams: [{ name: 'animal', value: 'dolphin' }] }], 'v3'),
      ],
    }),
    httpRoute('methods', {
      hostnames: ['methods.test'],
      rules: [
        rule([{ method: 'POST' }], 'v1'),
        rule([{ method: 'GET' }, { method: 'HEAD' }], 'v2'),
        rule([{ ...prefix('/p'), method: 'DELETE' }], 'v3'),
      ],
    }),
    httpRoute('modifiers', {
      hostnames: ['modifiers.test'],
      rules: [
        rule([prefix('/')], 'v1', {
          filters: [
            modify('Request', {
              set: [{ name: 'X-Set', value: '100%' }],
              add: [{ name: 'X-Add', value: 'added' }],
              remove: ['X-Remove'],
            }),
            modify('Response', {
              set: [{ name: 'X-Server', value: 'hidden' }],
              add: [{ name: 'X-New', value: 'new' }],
            }),
          ],
        }),
      ],
    }),
    httpRoute('backends', {
      hostnames: ['backends.test'],
      rules: [
        {
          backendRefs: [
            backend('v1', { weight: 1, filters: [modify('Request', { set: [{ name: 'X-Backend', value: 'one' }] })] }),
            backend('v2', { weight: 1, filters: [modify('Request', { set: [{ name: 'X-Backend', value: 'two' }] })] }),
          ],
        },
        {
          matches: [prefix('/rewrite')],
          backendRefs: [
            backend('v1', {
              filters: [
                rewrite({ hostname: 'inside.test', path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/in' } }),
              ],
            }),
          ],
        },
        {
          matches: [prefix('/redirect')],
          backendRefs: [backend('v1', { filters: [redirect({ hostname: 'there.test' })] })],
        },
      ],
    }),
    httpRoute('redirects', {
      hostnames: ['redirects.test'],
      rules: [
        { matches: [prefix('/scheme')], filters: [redirect({ scheme: 'https', hostname: 'there.test' })] },
        { matches: [prefix('/port')], filters: [redirect({ port: 8443, hostname: 'there.test' })] },
        { matches: [prefix('/same')], filters: [redirect({ hostname: 'there.test', statusCode: 301 })] },
        ...[303, 307, 308].map((statusCode) => ({
          matches: [prefix(`/${statusCode}`)],
          filters: [redirect({ statusCode })],
        })),
        {
          matches: [prefix('/full')],
          filters: [redirect({ path: { type: 'ReplaceFullPath', replaceFullPath: '/all' } })],
        },
        {
          matches: [prefix('/prefix')],
          filters: [redirect({ path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' } })],
        },
        {
          matches: [prefix('/root')],
          filters: [redirect({ path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } })],
        },
      ],
    }),
    httpRoute('rewrites', {
      hostnames: ['rewrites.test'],
      rules: [
        rule([prefix('/host')], 'v1', { filters: [rewrite({ hostname: 'one.example.org' })] }),
        rule([prefix('/full')], 'v1', {
          filters: [rewrite({ path: { type: 'ReplaceFullPath', replaceFullPath: '/one' } })],
        }),
        rule([prefix('/prefix')], 'v1', {
          filters: [rewrite({ path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/one' } })],
        }),
        rule([prefix('/strip')], 'v1', {
          filters: [rewrite({ path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } })],
        }),
      ],
    }),
    httpRoute('mirrors', {
      hostnames: ['mirrors.test'],
      rules: [
        rule([prefix('/one')], 'v1', { filters: [mirror('v2')] }),
        rule([prefix('/two')], 'v1', { filters: [mirror('v2'), mirror('v3')] }),
        rule([prefix('/some')], 'v1', { filters: [mirror('v2', { percent: 20 })] }),
        rule([prefix('/half')], 'v1', { filters: [mirror('v2', { fraction: { numerator: 1, denominator: 2 } })] }),
      ],
    }),
    httpRoute('weights', {
      hostnames: ['weights.test'],
      rules: [
        {
          matches: [prefix('/')],
          backendRefs: [backend('v1', { weight: 70 }), backend('v2', { weight: 30 }), backend('v3', { weight: 0 })],
        },
        { matches: [prefix('/half-wrong')], backendRefs: [backend('v1'), backend('not-there')] },
        { matches: [prefix('/zero')], backendRefs: [backend('v1', { weight: 0 })] },
      ],
    }),
    httpRoute('wrong', {
      hostnames: ['wrong.test'],
      rules: [
        rule([prefix('/not-there')], 'not-there'),
        { matches: [prefix('/no-refs')] },
        { matches: [prefix('/kind')], backendRefs: [{ ...backend('v1'), kind: 'Nonsense', group: 'x.test' }] },
        { matches: [prefix('/hidden')], backendRefs: [{ ...backend('hidden'), namespace: 'other' }] },
        rule([prefix('/nobody')], 'nobody'),
        rule([prefix('/filter')], 'v1', { filters: [{ type: 'Nonsense' }] }),
        rule([{ path: { type: 'RegularExpression', value: '/(' } }], 'v1'),
        rule([prefix('/host-header')], 'v1', { filters: [modify('Request', { set: [{ name: 'Host', value: 'x' }] })] }),
        rule([prefix('/good')], 'v1'),
      ],
    }),
    httpRoute('granted', {
      hostnames: ['granted.test'],
      rules: [{ backendRefs: [{ ...backend('elsewhere'), namespace: 'other' }] }],
    }),
    httpRoute('timeouts', {
      hostnames: ['timeouts.test'],
      rules: [
        rule([prefix('/request')], 'v1', { timeouts: { request: '500ms' } }),
        rule([prefix('/backend')], 'v1', { timeouts: { backendRequest: '500ms' } }),
        rule([prefix('/never')], 'v1', { timeouts: { request: '0s' } }),
        rule([prefix('/retry-backend')], 'v1', {
          timeouts: { backendRequest: '300ms', request: '5s' },
          retry: { attempts: 2, backoff: '10ms' },
        }),
      ],
    }),
    httpRoute('retries', {
      hostnames: ['retries.test'],
      rules: [
        rule([prefix('/codes')], 'v1', { retry: { codes: [500, 503], attempts: 2, backoff: '10ms' } }),
        {
          matches: [prefix('/connection')],
          backendRefs: [backend('half-dead')],
          retry: { attempts: 3, backoff: '5ms' },
        },
      ],
    }),
    ...service('half-dead', [deadPort, v1.port]),
    httpRoute('cors', {
      hostnames: ['cors.test'],
      rules: [
        rule([prefix('/')], 'v1', {
          filters: [
            {
              type: 'CORS',
              cors: {
                allowOrigins: ['https://www.foo.test', 'https://*.bar.test'],
                allowMethods: ['GET', 'OPTIONS'],
                allowHeaders: ['x-header-1', 'x-header-2'],
                exposeHeaders: ['x-header-3'],
                allowCredentials: true,
                maxAge: 3600,
              },
            },
          ],
        }),
      ],
    }),
    httpRoute('protocols', {
      hostnames: ['protocols.test'],
      rules: [rule([prefix('/ws')], 'websockets'), rule([prefix('/h2c')], 'plain-h2')],
    }),
    httpRoute('tls', {
      hostnames: ['tls.test'],
      rules: ['good', 'other-ca', 'other-name', 'san', 'no-ca'].map((name) =>
        rule([prefix(`/${name}`)], `tls-${name}`),
      ),
    }),
    httpRoute('secure-all', { hostnames: ['first.test'], ...of('secure', 'all'), rules: [rule([prefix('/')], 'v1')] }),
    httpRoute('secure-second', { ...of('secure', 'second'), rules: [rule([prefix('/')], 'v2')] }),
    httpRoute('secure-wild', { ...of('secure', 'wild'), rules: [rule([prefix('/')], 'v3')] }),
    httpRoute('secure-fourth', {
      ...of('secure', 'fourth'),
      rules: [rule([prefix('/')], 'v1'), rule([prefix('/mutual')], 'tls-mutual')],
    }),
    httpRoute('mutual', { ...of('mutual'), rules: [rule([prefix('/')], 'v1')] }),
    httpRoute('port-only', {
      parentRefs: [{ name: 'more', port: second }],
      hostnames: ['port.test'],
      rules: [rule([prefix('/')], 'v2')],
    }),
    httpRoute('more-redirects', {
      ...of('more'),
      hostnames: ['redirects.test'],
      rules: [{ filters: [redirect({ hostname: 'there.test' })] }],
    }),
    ...['empty', 'wild', 'wild-foo', 'abc'].map((name) =>
      httpRoute(`isolated-${name}`, { ...of('isolated', name), rules: [rule([prefix(`/${name}`)], 'v1')] }),
    ),
    grpcRoute('orders', {
      hostnames: ['orders.test'],
      rules: [
        {
          matches: [
            { method: { service: 'shop.v1.Orders', method: 'Get' }, headers: [{ name: 'version', value: 'two' }] },
          ],
          filters: [modify('Request', { set: [{ name: 'x-route', value: 'two' }] })],
          backendRefs: [backend('orders')],
        },
        {
          name: 'by-name',
          matches: [{ method: { service: 'shop.v1.Orders' } }],
          filters: [modify('Request', { set: [{ name: 'x-route', value: 'service' }] })],
          backendRefs: [backend('orders')],
        },
      ],
    }),
    grpcRoute('orders-wrong', {
      hostnames: ['wrong-orders.test'],
      rules: [{ backendRefs: [backend('not-there')] }],
    }),
  ]
}

const write = (more: readonly KubeObject[] = []) =>
  writeFileSync(objectsFile, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...objects(), ...more] }))

beforeAll(async () => {
  ;[v1, v2, v3] = await Promise.all([echoServer('v1'), echoServer('v2'), echoServer('v3')])
  v1.behave.set('/slow', { waitMs: 2_000 })
  grpc = await grpcServer(ordersService, {
    Get: (call: ServerUnaryCall<unknown, unknown>, done: sendUnaryData<unknown>) =>
      done(
        null,
        order({
          id: (call.request as OrderFields).id,
          items: 1,
          seenPath: String(call.metadata.get('x-route')[0] ?? ''),
        }),
      ),
    Watch: () => undefined,
  })
  secured = createHttps(
    {
      key: readFileSync(file('provider-key.pem')),
      cert: readFileSync(file('provider.pem')),
      ca: readFileSync(file('client-ca.pem')),
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => {
      const socket = request.socket as TLSSocket
      const { subjectaltname } = socket.getPeerCertificate() ?? {}
      response.end(JSON.stringify({ sni: socket.servername, client: subjectaltname }))
    },
  )
  h2c = createHttp2((request, response) => response.end(JSON.stringify({ version: request.httpVersion })))
  await Promise.all(
    [secured, h2c].map((server) => new Promise<void>((done) => server.listen(0, '127.0.0.1', () => done()))),
  )
  write()
  writeFileSync(join(commands.directory, 'own.yaml'), `telemetry: { port: ${telemetry}, accessLog: false }\n`)
  const running = await commands.start(['run', '--file', 'own.yaml', '--gateway-api', objectsFile])
  await ready(running)
}, 90_000)

afterAll(async () => {
  await commands.end()
  await Promise.all([v1, v2, v3, grpc].map((server) => server?.close()))
  secured?.close()
  h2c?.close()
})

const to = (host: string, path: string, options: Omit<Parameters<typeof ask>[2], 'host'> = {}, base = url) =>
  ask(base, path, { host, ...options })
/** The server that answered, or the status. */
const who = ({ status, headers }: Answer) => (status === 200 ? headers['x-server'] : status)

describe('HTTPRoute', () => {
  test.each([
    ['/', {}, 'v1'],
    ['/matched', {}, 'v1'],
    ['/match', {}, 'v2'],
    ['/match/', {}, 'v2'],
    ['/match/exact', {}, 'v3'],
    ['/match/exact/', {}, 'v2'],
    ['/match/long/x', {}, 'v1'],
    ['/match', { method: 'PATCH' }, 'v3'],
    ['/n42', {}, 'v2'],
    ['/n42/x', {}, 'v1'],
  ])('matches and their precedence: %s %j is for %s', async (path, options, server) => {
    expect(who(await to('precedence.test', path, options))).toBe(server)
  })

  test('of two routes that are the same the older one wins', async () => {
    expect(who(await to('age.test', '/'))).toBe('v1')
  })

  test.each([
    ['a.hosts.test', '/', 'v1'],
    ['c.d.hosts.test', '/', 'v1'],
    ['b.hosts.test', '/', 'v2'],
    ['x.y.hosts.test', '/', 'v2'],
    ['hosts.test', '/', 404],
    ['unknown.test', '/', 404],
  ])('host names: %s%s is for %s', async (host, path, server) => {
    expect(who(await to(host, path))).toBe(server)
  })

  test.each([
    [{ version: 'one' }, 'v1'],
    [{ VERSION: 'two', Color: 'blue' }, 'v2'],
    [{ version: 'two' }, 404],
    [{ color: 'grey' }, 'v3'],
    [{ color: 'greyish' }, 404],
  ])('HTTPRouteHeaderMatching: %j is for %s', async (headers, server) => {
    expect(who(await to('headers.test', '/', { headers: headers as unknown as Record<string, string> }))).toBe(server)
  })

  test.each([
    ['/?animal=whale', 'v1'],
    ['/?animal=dolphin&color=blue', 'v2'],
    ['/path?animal=dolphin', 'v3'],
    ['/path?animal=dolphin&color=blue', 'v3'],
    ['/?animal=dolphin', 404],
    ['/?animal=whales', 404],
  ])('HTTPRouteQueryParamMatching: %s is for %s', async (path, server) => {
    expect(who(await to('query.test', path))).toBe(server)
  })

  test.each([
    ['POST', '/', 'v1'],
    ['GET', '/', 'v2'],
    ['DELETE', '/p', 'v3'],
    ['PUT', '/', 404],
  ])('HTTPRouteMethodMatching: %s %s is for %s', async (method, path, server) => {
    expect(who(await to('methods.test', path, { method }))).toBe(server)
  })

  test('HTTPRouteRequestHeaderModifier and HTTPRouteResponseHeaderModification', async () => {
    const answer = await to('modifiers.test', '/', { headers: { 'x-set': 'old', 'x-add': 'there', 'x-remove': 'me' } })
    const { headers } = answer.json()
    expect(headers).toMatchObject({ 'x-set': '100%', 'x-add': expect.stringMatching(/^there, ?added$/) })
    expect(headers).not.toHaveProperty('x-remove')
    expect(answer.headers).toMatchObject({ 'x-server': 'hidden', 'x-new': 'new' })
  })

  test('HTTPRouteBackendRequestHeaderModification', async () => {
    const answers = await Promise.all(Array.from({ length: 60 }, () => to('backends.test', '/')))
    const pairs = new Set(
      answers.map((answer) => `${answer.headers['x-server']} ${answer.json().headers['x-backend']}`),
    )
    expect([...pairs].sort()).toEqual(['v1 one', 'v2 two'])
  })

  test('HTTPRouteBackendURLRewrite and HTTPRouteBackendRequestRedirect', async () => {
    const { path, headers } = (await to('backends.test', '/rewrite/x')).json()
    expect([path, headers.host]).toEqual(['/in/x', 'inside.test'])
    const answer = await to('backends.test', '/redirect/x')
    expect([answer.status, answer.headers.location]).toEqual([302, `http://there.test:${port}/redirect/x`])
  })

  test.each([
    ['/scheme', 302, 'https://there.test:443/scheme'],
    ['/port', 302, 'http://there.test:8443/port'],
    ['/same', 301, `http://there.test:${port}/same`],
    ['/303', 303, `http://redirects.test:${port}/303`],
    ['/307', 307, `http://redirects.test:${port}/307`],
    ['/308', 308, `http://redirects.test:${port}/308`],
    ['/full/x?y=1', 302, `http://redirects.test:${port}/all?y=1`],
    ['/prefix/x', 302, `http://redirects.test:${port}/new/x`],
    ['/root/x', 302, `http://redirects.test:${port}/x`],
  ])(
    'HTTPRouteSchemeRedirect, HTTPRoutePortRedirect, HTTPRoutePathRedirect, HTTPRoute303/307/308RedirectStatusCode: %s is %s to %s',
    async (path, status, location) => {
      const answer = await to('redirects.test', path)
      expect([answer.status, answer.headers.location]).toEqual([status, location])
    },
  )

  test.each([
    ['/host/x', '/host/x', 'one.example.org'],
    ['/full/x?y=1', '/one?y=1', 'rewrites.test'],
    ['/prefix/x', '/one/x', 'rewrites.test'],
    ['/prefix', '/one', 'rewrites.test'],
    ['/strip/x', '/x', 'rewrites.test'],
    ['/strip', '/', 'rewrites.test'],
  ])('HTTPRouteHostRewrite and HTTPRoutePathRewrite: %s becomes %s of %s', async (from, path, host) => {
    const echo = (await to('rewrites.test', from)).json()
    expect([echo.path, echo.headers.host]).toEqual([path, host])
  })

  test('HTTPRouteRequestMirror and HTTPRouteRequestMultipleMirrors', async () => {
    expect(who(await to('mirrors.test', '/one/a'))).toBe('v1')
    await eventually(() => expect(v2.seen.some(({ path }) => path === '/one/a')).toBe(true))
    expect(who(await to('mirrors.test', '/two/b'))).toBe('v1')
    await eventually(() => expect([v2, v3].every(({ seen }) => seen.some(({ path }) => path === '/two/b'))).toBe(true))
  })

  test('HTTPRouteRequestPercentageMirror', async () => {
    const count = (path: string) => v2.seen.filter((echo) => echo.path === path).length
    await Promise.all(Array.from({ length: 100 }, () => to('mirrors.test', '/some')))
    await Promise.all(Array.from({ length: 100 }, () => to('mirrors.test', '/half')))
    await eventually(() => expect(count('/half')).toBeGreaterThan(25))
    expect(count('/half')).toBeLessThan(75)
    expect(count('/some')).toBeGreaterThan(4)
    expect(count('/some')).toBeLessThan(45)
  })

  test('HTTPRouteWeight', async () => {
    const answers = await Promise.all(Array.from({ length: 200 }, () => to('weights.test', '/')))
    const first = answers.filter((answer) => who(answer) === 'v1').length
    expect(first).toBeGreaterThan(110)
    expect(first).toBeLessThan(170)
    expect(answers.every((answer) => who(answer) !== 'v3')).toBe(true)
    expect((await to('weights.test', '/zero')).status).toBe(500)
  })

  test('a share of requests that is for a backend that is not there gets 500', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => to('weights.test', '/half-wrong')))
    const failed = answers.filter(({ status }) => status === 500).length
    expect(failed).toBeGreaterThan(25)
    expect(failed).toBeLessThan(75)
    expect(answers.every((answer) => [500, 'v1'].includes(who(answer) as never))).toBe(true)
  })

  test.each([
    ['/not-there', 500],
    ['/no-refs', 500],
    ['/kind', 500],
    ['/hidden', 500],
    ['/nobody', 503],
    ['/filter', 500],
    ['/host-header', 500],
    ['/good', 'v1'],
  ])('what is wrong with one rule leaves the others: %s is %s', async (path, server) => {
    expect(who(await to('wrong.test', path))).toBe(server)
  })

  test('ReferenceGrant', async () => {
    expect(who(await to('granted.test', '/'))).toBe('v3')
  })

  test('HTTPRouteRequestTimeout and HTTPRouteBackendTimeout', async () => {
    for (const path of ['/request', '/backend']) v1.behave.set(path, { waitMs: 3_000 })
    v1.behave.set('/never', { waitMs: 800 })
    const statuses = await Promise.all(['/request', '/backend', '/never'].map((path) => to('timeouts.test', path)))
    expect(statuses.map(({ status }) => status)).toEqual([504, 504, 200])
  })

  test('HTTPRouteRetryBackendTimeout', async () => {
    v1.behave.set('/retry-backend', { waitMs: 1_000, times: 2 })
    expect(who(await to('timeouts.test', '/retry-backend'))).toBe('v1')
    expect(v1.seen.filter(({ path }) => path === '/retry-backend')).toHaveLength(3)
  })

  test('HTTPRouteRetry', async () => {
    v1.behave.set('/codes', { status: 503, times: 2 })
    expect(who(await to('retries.test', '/codes'))).toBe('v1')
    v1.behave.set('/codes', { status: 503, times: 9 })
    expect((await to('retries.test', '/codes')).status).toBe(503)
    expect(v1.seen.filter(({ path }) => path === '/codes')).toHaveLength(6)
    v1.behave.set('/codes', { status: 501, times: 1 })
    expect((await to('retries.test', '/codes')).status).toBe(501)
  })

  test('HTTPRouteRetryConnectionError', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => to('retries.test', '/connection')))
    expect(answers.map(who)).toEqual(answers.map(() => 'v1'))
  })

  test('HTTPRouteCORS', async () => {
    const preflight = (origin: string) =>
      to('cors.test', '/', { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'GET' } })
    for (const origin of ['https://www.foo.test', 'https://a.b.bar.test'])
      expect((await preflight(origin)).headers).toMatchObject({
        'access-control-allow-origin': origin,
        'access-control-allow-methods': expect.stringMatching(/GET, ?OPTIONS/),
        'access-control-allow-headers': expect.stringMatching(/x-header-1, ?x-header-2/),
        'access-control-allow-credentials': 'true',
        'access-control-max-age': '3600',
      })
    expect((await preflight('https://evil.test')).headers).not.toHaveProperty('access-control-allow-origin')
    const simple = await to('cors.test', '/', { headers: { origin: 'https://www.foo.test' } })
    expect(simple.headers).toMatchObject({
      'access-control-allow-origin': 'https://www.foo.test',
      'access-control-expose-headers': 'x-header-3',
    })
  })

  test('HTTPRouteBackendProtocolH2C', async () => {
    expect((await to('protocols.test', '/h2c')).json()).toEqual({ version: '2.0' })
  })

  test('HTTPRouteBackendProtocolWebSocket', async () => {
    const socket = connect(port!, '127.0.0.1')
    let text = ''
    socket.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
    })
    socket.write(
      'GET /ws HTTP/1.1\r\nhost: protocols.test\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: x\r\nsec-websocket-version: 13\r\n\r\n',
    )
    await eventually(() => expect(text).toContain('101 Switching Protocols'))
    socket.write('hello')
    await eventually(() => expect(text).toContain('hello'))
    socket.destroy()
  })
})

describe('Gateway', () => {
  const at = (port: number) => `http://127.0.0.1:${port}`

  test('HTTPRouteParentRefPort, HTTPRouteDestinationPortMatching: a route is on the listeners that it names only', async () => {
    expect(who(await to('port.test', '/', {}, at(second!)))).toBe('v2')
    expect(who(await to('port.test', '/'))).toBe(404)
  })

  test('a redirect keeps the port of the listener', async () => {
    const answer = await to('redirects.test', '/x', {}, at(second!))
    expect(answer.headers.location).toBe(`http://there.test:${second}/x`)
  })

  test.each([
    ['nothing.test', '/empty', 'v1'],
    ['bar.example.test', '/wild', 'v1'],
    ['bar.example.test', '/empty', 404],
    ['bar.foo.example.test', '/wild-foo', 'v1'],
    ['bar.foo.example.test', '/wild', 404],
    ['abc.foo.example.test', '/abc', 'v1'],
    ['abc.foo.example.test', '/wild-foo', 404],
    ['abc.foo.example.test', '/wild', 404],
  ])('GatewayHTTPListenerIsolation: %s%s is for %s', async (host, path, server) => {
    expect(who(await to(host, path, {}, at(second!)))).toBe(server)
  })

  test.each([
    ['first.test', 'first.test', 'v1'],
    ['first.test', 'second.test', 421],
    ['first.test', 'unknown.test', 404],
    ['second.test', 'second.test', 'v2'],
    ['second.test', 'first.test', 421],
    ['third.wild.test', 'fifth.wild.test', 'v3'],
    ['third.wild.test', 'fourth.wild.test', 421],
    ['fourth.wild.test', 'fourth.wild.test', 'v1'],
    ['fourth.wild.test', 'fifth.wild.test', 421],
    ['unknown.test', 'first.test', 'v1'],
  ])('GatewayHTTPSListenerDetectMisdirectedRequests: for %s asked for %s is for %s', async (name, host, server) => {
    expect(await overTls(secure!, name, host)).toMatchObject({ who: server })
  })

  test('each listener has its own certificate', async () => {
    expect((await overTls(secure!, 'second.test', 'second.test')).names).toContain('second.test')
    expect((await overTls(secure!, 'first.test', 'first.test')).names).not.toContain('second.test')
  })

  test('GatewayFrontendClientCertificateValidation', async () => {
    const certificate = { cert: readFileSync(file('client.pem')), key: readFileSync(file('client-key.pem')) }
    expect(await overTls(mutual!, 'gateway.test', 'gateway.test', '/', certificate)).toMatchObject({ who: 'v1' })
    await expect(overTls(mutual!, 'gateway.test', 'gateway.test')).rejects.toThrow()
  })

  test('GatewayBackendClientCertificate', async () => {
    const { text } = await overTls(secure!, 'fourth.wild.test', 'fourth.wild.test', '/mutual')
    expect(JSON.parse(text)).toMatchObject({ client: 'URI:spiffe://corp/ns/agents/sa/client', sni: 'provider.test' })
  })
})

describe('BackendTLSPolicy', () => {
  test('BackendTLSPolicy: the host name is asked for and verified', async () => {
    expect((await to('tls.test', '/good')).json()).toMatchObject({ sni: 'provider.test' })
    for (const path of ['/other-ca', '/other-name', '/no-ca']) expect((await to('tls.test', path)).status).toBe(503)
  })

  test('BackendTLSPolicySANValidation', async () => {
    expect((await to('tls.test', '/san')).json()).toMatchObject({ sni: 'asked.test' })
  })
})

describe('GRPCRoute', () => {
  const call = (host: string, headers: Record<string, string> = {}) =>
    new Promise<string>((resolve, reject) => {
      const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { 'grpc.default_authority': host })
      const metadata = new Metadata()
      for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
      const { Get } = ordersService
      client.makeUnaryRequest(
        Get.path,
        Get.requestSerialize,
        Get.responseDeserialize,
        create(getRequestSchema, { id: 'x' } as never),
        metadata,
        (error, reply) => {
          client.close()
          if (error) reject(error)
          else resolve((reply as unknown as OrderFields).seenPath)
        },
      )
    })

  test('GRPCExactMethodMatching, GRPCRouteHeaderMatching, GRPCRouteNamedRouteRule and request headers', async () => {
    expect(await call('orders.test', { version: 'two' })).toBe('two')
    expect(await call('orders.test')).toBe('service')
  })

  test('no route is UNIMPLEMENTED, no backend UNAVAILABLE', async () => {
    await expect(call('nowhere.test')).rejects.toMatchObject({ code: 12 })
    await expect(call('wrong-orders.test')).rejects.toMatchObject({ code: 14 })
  })
})

test('a changed file is obeyed, and what is wrong with it leaves the rest', async () => {
  write([
    httpRoute('added', { hostnames: ['added.test'], rules: [rule([prefix('/')], 'v2')] }),
    httpRoute('broken', { hostnames: ['broken.test'], rules: 'nonsense' as never }),
    own('TrafficPolicy', 'limited', {
      targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'added' }],
      rateLimit: { requests: 2, per: '60s' },
    }),
  ])
  await eventually(async () => expect(who(await to('added.test', '/'))).toBe('v2'))
  await eventually(async () => expect((await to('added.test', '/')).status).toBe(429))
  expect(who(await to('precedence.test', '/match'))).toBe('v2')
})

/** Asks over TLS for a name, with a Host that may be another. */
function overTls(
  port: number,
  servername: string,
  host: string,
  path = '/',
  certificate: { cert?: Buffer; key?: Buffer } = {},
): Promise<{ who: unknown; names: string; text: string }> {
  return new Promise((resolve, reject) => {
    const call = httpsRequest(
      {
        hostname: '127.0.0.1',
        port,
        path,
        servername,
        headers: { host },
        ca: readFileSync(file('ca.pem')),
        agent: new Agent({ keepAlive: false }),
        checkServerIdentity: () => undefined,
        ...certificate,
      },
      (response) => {
        const { subjectaltname: names = '' } = (response.socket as TLSSocket).getPeerCertificate()
        let text = ''
        response.setEncoding('utf8').on('data', (piece: string) => {
          text += piece
        })
        response.on('error', reject)
        response.on('end', () => {
          const status = response.statusCode ?? 0
          resolve({ who: status === 200 ? response.headers['x-server'] : status, names, text })
        })
      },
    )
    call.on('error', reject)
    call.end()
  })
}
