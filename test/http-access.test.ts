import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { create } from '@bufbuild/protobuf'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  type CheckRequest,
  CheckRequestSchema,
  type CheckResponse,
  CheckResponseSchema,
} from '#gen/envoy/service/auth/v3/external_auth_pb.js'
import {
  type ProcessingRequest,
  ProcessingRequestSchema,
  type ProcessingResponse,
  ProcessingResponseSchema,
} from '#gen/envoy/service/ext_proc/v3/external_processor_pb.js'
import { HttpStatusSchema } from '#gen/envoy/type/v3/http_status_pb.js'
import { startGateway, type TestGateway } from './gateway.ts'
import { freePort } from './harness.ts'
import { ask, type EchoServer, echoServer } from './http/echo.ts'
import { type GrpcServer, grpcServer, method } from './http/grpc.ts'

/** Who may use routes of plain HTTP, as Envoy itself can tell. */

const tls = (name: string) => fileURLToPath(new URL(`./tls/${name}`, import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'chaperone-http-'))
const securePort = await freePort()
const keys = await generateKeyPair('ES256', { extractable: true })
const otherKeys = await generateKeyPair('ES256', { extractable: true })
const issuer = 'https://login.test'

let a: EchoServer
let jwks: EchoServer
let checks: GrpcServer
let watcher: GrpcServer
let gateway: TestGateway

beforeAll(async () => {
  a = await echoServer('a')
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'ES256' }
  writeFileSync(join(directory, 'jwks.json'), JSON.stringify({ keys: [jwk] }))
  jwks = await echoServer('jwks', JSON.stringify({ keys: [{ ...(await exportJWK(otherKeys.publicKey)), kid: 'two' }] }))
  process.env.TEST_HTTP_ACME = 'acme-secret'
  process.env.TEST_HTTP_BETA = 'beta-secret'
  checks = await grpcServer(
    { Check: method('/envoy.service.auth.v3.Authorization/Check', CheckRequestSchema, CheckResponseSchema) },
    {
      Check: (call: { request: CheckRequest }, done: (error: null, response: CheckResponse) => void) => {
        const http = call.request.attributes?.request?.http
        const allowed = http?.headers['x-pass'] === 'yes'
        done(
          null,
          create(CheckResponseSchema, {
            status: { code: allowed ? 0 : 7 },
            httpResponse: allowed
              ? { case: 'okResponse', value: { headers: [{ header: { key: 'x-checked', value: http.path } }] } }
              : {
                  case: 'deniedResponse',
                  value: { status: create(HttpStatusSchema, { code: 402 }), body: 'pay first' },
                },
          }),
        )
      },
    },
  )
  watcher = await grpcServer(
    {
      Process: method(
        '/envoy.service.ext_proc.v3.ExternalProcessor/Process',
        ProcessingRequestSchema,
        ProcessingResponseSchema,
        { request: true, response: true },
      ),
    },
    {
      Process: (call: {
        on(event: 'data', listener: (message: ProcessingRequest) => void): void
        on(event: 'end' | 'error', listener: () => void): void
        write(message: ProcessingResponse): void
        end(): void
      }) => {
        call.on('data', ({ request }) => {
          const headerMutation = (value: string) => ({
            response: {
              headerMutation: { setHeaders: [{ header: { key: 'x-watched', rawValue: Buffer.from(value) } }] },
            },
          })
          if (request.case === 'requestHeaders')
            call.write(
              create(ProcessingResponseSchema, {
                response: { case: 'requestHeaders', value: headerMutation('request') },
              }),
            )
          if (request.case === 'responseHeaders')
            call.write(
              create(ProcessingResponseSchema, {
                response: { case: 'responseHeaders', value: headerMutation('response') },
              }),
            )
        })
        call.on('end', () => call.end())
        call.on('error', () => undefined)
      },
    },
  )
  const services = ['a', 'b'] as const
  gateway = await startGateway({
    listeners: {
      default: { port: await freePort() },
      secure: {
        port: securePort,
        tls: {
          certificateFile: tls('listener-1.pem'),
          keyFile: tls('listener-1-key.pem'),
          clientCaFile: tls('client-ca.pem'),
        },
      },
    },
    identities: {
      issuers: {
        file: { issuer, audiences: ['shop'], jwksFile: join(directory, 'jwks.json') },
        remote: { issuer: 'https://other.test', audiences: ['shop'], jwksUri: `${jwks.url}/keys` },
      },
    },
    http: {
      services: {
        ...Object.fromEntries(services.map((name) => [name, { url: a.url }])),
        checks: { url: checks.url, protocol: 'grpc' },
        watcher: { url: watcher.url, protocol: 'grpc' },
        gone: { url: `http://127.0.0.1:${await freePort()}`, protocol: 'grpc' },
      },
      authorizers: {
        grpc: { service: 'checks' },
        http: {
          service: 'b',
          protocol: 'http',
          path: '/check',
          requestHeaders: ['x-pass'],
          responseHeaders: ['x-server'],
        },
        gone: { service: 'gone' },
        'gone-open': { service: 'gone', failOpen: true },
      },
      processors: { watch: { service: 'watcher' } },
      routes: [
        {
          name: 'cors',
          match: { path: '/cors' },
          service: 'a',
          cors: {
            origins: ['https://app.test', { suffix: '.app.test' }],
            methods: ['GET', 'PUT'],
            headers: ['x-one'],
            expose: ['x-server'],
            credentials: true,
            maxAge: '10m',
          },
        },
        { name: 'csrf', match: { path: '/csrf' }, service: 'a', csrf: { origins: ['https://app.test'] } },
        {
          name: 'jwt',
          match: { path: '/jwt' },
          service: 'a',
          jwt: { issuers: ['file'], claims: { 'x-user': 'sub', 'x-team': 'org.team' } },
        },
        {
          name: 'jwt-both',
          match: { path: '/jwt-both' },
          service: 'a',
          jwt: { issuers: ['file', 'remote'], forward: true },
        },
        {
          name: 'jwt-optional',
          match: { path: '/jwt-optional' },
          service: 'a',
          jwt: { issuers: ['file'], optional: true },
        },
        {
          name: 'jwt-cookie',
          match: { path: '/jwt-cookie' },
          service: 'a',
          jwt: { issuers: ['file'], cookie: 'token', query: 'token', header: { name: 'x-token' } },
        },
        {
          name: 'key',
          match: { path: '/key' },
          service: 'a',
          apiKey: { keys: { acme: '${env:TEST_HTTP_ACME}', beta: '${env:TEST_HTTP_BETA}' }, clientHeader: 'x-client' },
        },
        {
          name: 'key-query',
          match: { path: '/key-query' },
          service: 'a',
          apiKey: { keys: { acme: '${env:TEST_HTTP_ACME}' }, query: 'k' },
        },
        {
          name: 'basic',
          match: { path: '/basic' },
          service: 'a',
          basicAuth: { usersFile: fileURLToPath(new URL('./http/users.htpasswd', import.meta.url)) },
        },
        { name: 'near', match: { path: '/near' }, service: 'a', clients: { addresses: ['127.0.0.0/8'] } },
        { name: 'far', match: { path: '/far' }, service: 'a', clients: { addresses: ['10.0.0.0/8', '::1'] } },
        {
          name: 'certified',
          listeners: ['secure'],
          match: { path: '/certified' },
          service: 'a',
          clients: { certificates: ['spiffe://corp/ns/agents/sa/client'] },
        },
        { name: 'checked', match: { path: '/checked' }, service: 'a', authorizers: ['grpc'] },
        { name: 'checked-http', match: { path: '/checked-http' }, service: 'a', authorizers: ['http'] },
        { name: 'checked-gone', match: { path: '/checked-gone' }, service: 'a', authorizers: ['gone'] },
        { name: 'checked-open', match: { path: '/checked-open' }, service: 'a', authorizers: ['gone-open'] },
        { name: 'watched', match: { path: '/watched' }, service: 'a', processors: ['watch'] },
        { name: 'open', match: { prefix: '/open' }, service: 'a' },
      ],
    },
  })
})

afterAll(async () => {
  await gateway?.stop()
  checks?.close()
  watcher?.close()
  await Promise.all([a?.close(), jwks?.close()])
  rmSync(directory, { recursive: true, force: true })
})

beforeEach(() => {
  a.seen.length = 0
  a.behave.clear()
})

const get = (path: string, options: Parameters<typeof ask>[2] = {}) => ask(gateway.url, path, options)
const refused = (status: number, message: string | RegExp, rule: string) => ({
  error: { status, message: expect.stringMatching(message), rule: `http/${rule}` },
  request_id: expect.any(String),
})

describe('browsers', () => {
  const preflight = (origin: string) =>
    get('/cors', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-one' },
    })

  test.each(['https://app.test', 'https://eu.app.test'])('%s may ask', async (origin) => {
    const asked = await preflight(origin)
    expect(asked).toMatchObject({
      status: 200,
      headers: {
        'access-control-allow-origin': origin,
        'access-control-allow-methods': 'GET, PUT',
        'access-control-allow-headers': 'x-one',
        'access-control-allow-credentials': 'true',
        'access-control-max-age': '600',
      },
    })
    expect(a.seen).toEqual([])
    expect((await get('/cors', { headers: { origin } })).headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-expose-headers': 'x-server',
    })
  })

  test('others may not', async () => {
    expect((await preflight('https://evil.test')).headers).not.toHaveProperty('access-control-allow-origin')
    const answer = await get('/cors', { headers: { origin: 'https://evil.test' } })
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
  })

  test('requests that change something must come from a known origin', async () => {
    const post = (origin: string) => get('/csrf', { host: 'shop.test', headers: { origin }, body: 'x' })
    expect((await post('https://shop.test')).status).toBe(200)
    expect((await post('https://app.test')).status).toBe(200)
    const answer = await post('https://evil.test')
    expect(answer.status).toBe(403)
    expect(answer.json()).toEqual(refused(403, /origin/i, 'csrf'))
    expect((await get('/csrf', { host: 'shop.test', headers: { origin: 'https://evil.test' } })).status).toBe(200)
  })
})

describe('JWTs', () => {
  const token = (
    claims: object = {},
    options: { key?: typeof keys.privateKey; kid?: string; iss?: string; aud?: string; exp?: string } = {},
  ) =>
    new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: options.kid ?? 'one' })
      .setIssuer(options.iss ?? issuer)
      .setAudience(options.aud ?? 'shop')
      .setSubject('ann')
      .setExpirationTime(options.exp ?? '5m')
      .sign(options.key ?? keys.privateKey)
  const bearer = (value: string) => ({ authorization: `Bearer ${value}` })

  test('a good one gets through, its claims become headers, and it goes no further', async () => {
    const answer = await get('/jwt', {
      headers: { ...bearer(await token({ org: { team: 'blue' } })), 'x-user': 'root', 'x-team': 'root' },
    })
    expect(answer.status).toBe(200)
    const { headers } = answer.json()
    expect(headers).toMatchObject({ 'x-user': 'ann', 'x-team': 'blue' })
    expect(headers).not.toHaveProperty('authorization')
  })

  test('a claim that a token does not have is no header of the client’s', async () => {
    const answer = await get('/jwt', { headers: { ...bearer(await token()), 'x-team': 'root' } })
    expect(answer.json().headers).not.toHaveProperty('x-team')
  })

  test.each([
    ['none', async () => ({}), /missing/],
    ['another key’s', async () => bearer(await token({}, { key: otherKeys.privateKey })), /verification/],
    ['an old one', async () => bearer(await token({}, { exp: '-5m' })), /expired/],
    ['for somebody else', async () => bearer(await token({}, { aud: 'bank' })), /[Aa]udience/],
    ['of somebody else', async () => bearer(await token({}, { iss: 'https://evil.test' })), /issuer/i],
    ['no token', async () => bearer('x.y.z'), /Jwt/],
  ])('%s: 401', async (_, headers, message) => {
    const answer = await get('/jwt', { headers: await headers() })
    expect([401, 403]).toContain(answer.status)
    expect(answer.json()).toEqual(refused(answer.status, message, 'jwt'))
    expect(a.seen).toEqual([])
  })

  test('several issuers, one whose keys are fetched', async () => {
    const other = { key: otherKeys.privateKey, kid: 'two', iss: 'https://other.test' }
    expect((await get('/jwt-both', { headers: bearer(await token()) })).status).toBe(200)
    const answer = await get('/jwt-both', { headers: bearer(await token({}, other)) })
    expect(answer.status).toBe(200)
    expect(answer.json().headers.authorization).toMatch(/^Bearer ey/)
    expect((await get('/jwt', { headers: bearer(await token({}, other)) })).status).toBe(401)
  })

  test('one that may be missing, but not wrong', async () => {
    expect((await get('/jwt-optional')).status).toBe(200)
    expect((await get('/jwt-optional', { headers: bearer(await token({}, { exp: '-5m' })) })).status).toBe(401)
  })

  test('in a cookie, a header or the query', async () => {
    const good = await token()
    expect((await get('/jwt-cookie', { headers: { cookie: `token=${good}` } })).status).toBe(200)
    expect((await get('/jwt-cookie', { headers: { 'x-token': good } })).status).toBe(200)
    expect((await get(`/jwt-cookie?token=${good}`)).status).toBe(200)
    expect((await get('/jwt-cookie', { headers: bearer(good) })).status).toBe(401)
  })
})

describe('keys and passwords', () => {
  test('a key’s client is told to the service, the key is not', async () => {
    const answer = await get('/key', { headers: { 'x-api-key': 'beta-secret', 'x-client': 'acme' } })
    expect(answer.status).toBe(200)
    expect(answer.json().headers['x-client']).toBe('beta')
    expect(answer.json().headers).not.toHaveProperty('x-api-key')
  })

  test.each([[{}], [{ 'x-api-key': 'wrong' }], [{ 'x-api-key': '' }]])('%j is 401', async (headers) => {
    const answer = await get('/key', { headers: headers as Record<string, string> })
    expect(answer.status).toBe(401)
    expect(answer.json()).toEqual(refused(401, /./, 'key'))
  })

  test('a key in the query; each route has its own', async () => {
    expect((await get('/key-query?k=acme-secret')).status).toBe(200)
    expect((await get('/key-query?k=beta-secret')).status).toBe(401)
    expect((await get('/key-query', { headers: { 'x-api-key': 'acme-secret' } })).status).toBe(401)
  })

  test('Envoy does not show the keys', async () => {
    const { status, body } = await gateway.envoy.admin('/config_dump')
    expect(status).toBe(200)
    expect(body).toContain('api_key_auth')
    expect(body).not.toContain('acme-secret')
  })

  test('a name and a password', async () => {
    const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })
    expect((await get('/basic', { headers: basic('admin:secret') })).status).toBe(200)
    for (const headers of [basic('admin:wrong'), basic('nobody:'), basic('nobody:secret'), {}])
      expect((await get('/basic', { headers })).status).toBe(401)
    expect((await get('/basic')).headers['www-authenticate']).toMatch(/^Basic/)
  })
})

describe('who connects', () => {
  test('addresses', async () => {
    expect((await get('/near')).status).toBe(200)
    const answer = await get('/far', { headers: { 'x-forwarded-for': '10.0.0.1' } })
    expect(answer.status).toBe(403)
    expect(answer.json()).toEqual(refused(403, /RBAC/, 'far'))
  })

  const secure = (name: string | undefined) =>
    new Promise<number>((resolve, reject) => {
      const call = request(
        {
          host: '127.0.0.1',
          port: securePort,
          path: '/certified',
          servername: 'gateway.test',
          ca: readFileSync(tls('ca.pem')),
          agent: false,
          ...(name !== undefined && {
            cert: readFileSync(tls(`${name}.pem`)),
            key: readFileSync(tls(`${name}-key.pem`)),
          }),
        },
        (response) => {
          response.resume()
          resolve(response.statusCode ?? 0)
        },
      )
      call.on('error', reject)
      call.end()
    })

  test('client certificates', async () => {
    expect(await secure('client')).toBe(200)
    expect(await secure('stranger')).toBe(403)
    expect(await secure(undefined)).toBe(403)
    expect(await get('/certified')).toMatchObject({ status: 404 })
  })
})

describe('servers of one’s own', () => {
  test('an authorizer by gRPC', async () => {
    const answer = await get('/checked', { headers: { 'x-pass': 'yes' } })
    expect(answer.status).toBe(200)
    expect(answer.json().headers['x-checked']).toBe('/checked')
    expect(await get('/checked')).toMatchObject({ status: 402, text: 'pay first' })
    expect(a.seen).toHaveLength(1)
  })

  test('an authorizer by HTTP', async () => {
    expect((await get('/checked-http', { headers: { 'x-pass': 'yes' } })).json().headers['x-server']).toBe('a')
    expect(a.seen.map(({ path }) => path)).toEqual(['/check/checked-http', '/checked-http'])
    expect(a.seen[0]!.headers['x-pass']).toBe('yes')
    a.behave.set('/check/checked-http', { status: 401 })
    expect((await get('/checked-http')).status).toBe(401)
  })

  test('an authorizer that does not answer', async () => {
    const answer = await get('/checked-gone')
    expect(answer.status).toBe(503)
    expect(answer.json()).toEqual(refused(503, /.*/, 'checked-gone'))
    expect((await get('/checked-open')).status).toBe(200)
  })

  test('a processor changes requests and answers', async () => {
    const answer = await get('/watched')
    expect(answer.status).toBe(200)
    expect(answer.json().headers['x-watched']).toBe('request')
    expect(answer.headers['x-watched']).toBe('response')
  })
})

test('none of it touches other routes', async () => {
  const answer = await get('/open', {
    headers: { origin: 'https://evil.test', authorization: 'Bearer x.y.z' },
    body: 'x',
  })
  expect(answer.status).toBe(200)
  expect(answer.json().headers.authorization).toBe('Bearer x.y.z')
})
