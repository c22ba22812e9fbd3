import { createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { McpCredentialRule } from '../../config/mcp.ts'
import { OAuthHttp } from './http.ts'
import { type ServerCredentials, serverCredentials } from './server-credentials.ts'
import { callerOf, TestClock, TestServer } from './testing.ts'

let as: TestServer
let http: OAuthHttp
let clock: TestClock
beforeEach(async () => {
  as = await new TestServer().start()
  http = new OAuthHttp({ timeoutMs: 2000, longest: 64 * 1024 })
  clock = new TestClock()
})
afterEach(async () => {
  await http.close()
  await as.stop()
})

const secrets = { resolve: (reference: string) => (reference === '${env:SECRET}' ? 'hush' : `value of ${reference}`) }
function compile(rule: Exclude<McpCredentialRule, { type: 'user' }>, using: OAuthHttp = http): ServerCredentials {
  return serverCredentials({ name: 'notes', url: `${as.url}/mcp` }, rule, { secrets, http: using, now: clock.now })
}
const client = () => ({
  tokenUrl: `${as.url}/token`,
  clientId: 'gateway',
  clientSecret: '${env:SECRET}',
  scopes: ['a', 'b'],
})
const own = () => compile({ type: 'client-credentials', ...client() })
const exchange = () => compile({ type: 'token-exchange', ...client(), audience: 'notes' })
const ann = () => callerOf('ann', { claims: { exp: clock.ms / 1000 + 7200 } })
const shown = (token: string) => [['authorization', `Bearer ${token}`]]

describe('what is fixed', () => {
  test('nothing, headers and bearer tokens are at hand', () => {
    const none = serverCredentials({ name: 'x', url: 'https://x' }, undefined, { secrets, http })
    expect(none.headers(ann())).toEqual([])
    const headers = compile({ type: 'headers', headers: { 'X-Key': '${env:KEY}' } })
    expect(headers.headers(ann())).toEqual([['x-key', 'value of ${env:KEY}']])
    expect(compile({ type: 'bearer', token: '${env:SECRET}' }).headers(ann())).toEqual(shown('hush'))
    expect(headers.refused(ann(), { status: 401, wwwAuthenticate: undefined, shown: [] })).toBe(false)
  })

  test.each([['notes'], [['other', 'notes']]])('a token for %j is passed on', (aud) => {
    const credentials = compile({ type: 'passthrough', audience: 'notes' })
    expect(credentials.headers(callerOf('ann', { claims: { aud } }))).toEqual(shown('jwt-of-ann'))
  })

  test.each([
    ['another audience', callerOf('ann', { claims: { aud: 'notes2' } }), 'wrong_audience'],
    ['a part of it', callerOf('ann', { claims: { aud: ['note', 's'] } }), 'wrong_audience'],
    ['no audience', callerOf('ann'), 'wrong_audience'],
    ['a key', callerOf('ann', { kind: 'key', claims: { aud: 'notes' } }), 'token_needed'],
  ])('a token with %s is not', (_, caller, reason) => {
    const credentials = compile({ type: 'passthrough', audience: 'notes' })
    expect(() => credentials.headers(caller)).toThrow(expect.objectContaining({ reason }))
  })
})

describe('client credentials', () => {
  test('one request for all who ask at once, then none until shortly before the end', async () => {
    const credentials = own()
    const all = await Promise.all(Array.from({ length: 50 }, () => credentials.headers(ann())))
    expect(new Set(all.map((headers) => headers[0]?.[1]))).toEqual(new Set(['Bearer token-1']))
    expect(as.calls).toHaveLength(1)
    expect(as.calls[0]!.form).toEqual({ grant_type: 'client_credentials', scope: 'a b', resource: `${as.url}/mcp` })
    clock.ms += 3600_000 - 90_000
    expect(credentials.headers(ann())).toEqual(shown('token-1'))
    expect(as.calls).toHaveLength(1)
    clock.ms += 89_000
    // Still good, and its successor is on the way.
    expect(credentials.headers(ann())).toEqual(shown('token-1'))
    await expect.poll(() => credentials.headers(ann())).toEqual(shown('token-2'))
    expect(as.calls).toHaveLength(2)
  })

  test('an expired token is shown to nobody', async () => {
    const credentials = own()
    await credentials.headers(ann())
    clock.ms += 3600_000
    expect(await credentials.headers(ann())).toEqual(shown('token-2'))
  })

  test('a server that takes the secret in the form only gets it there, and is asked so from then on', async () => {
    as.methods = ['client_secret_post']
    const credentials = own()
    expect(await credentials.headers(ann())).toEqual(shown('token-1'))
    clock.ms += 3600_000
    await credentials.headers(ann())
    expect(as.calls.map(({ form }) => form.client_secret)).toEqual([undefined, 'hush', 'hush'])
  })

  test.each([
    ['an error', () => as.secrets.clear(), /gives no token \(invalid_client\)/],
    ['a redirect', () => answer(302, '', { location: '/elsewhere' }), /gives no usable answer/],
    ['no JSON', () => answer(200, '<html>'), /gives no usable answer/],
    ['no token', () => answer(200, '{"token_type":"Bearer"}'), /gives no usable answer/],
    ['a token with a line break', () => answer(200, '{"access_token":"a\\r\\nx: y"}'), /gives no usable answer/],
    ['another kind of token', () => answer(200, '{"access_token":"a","token_type":"DPoP"}'), /gives no usable answer/],
    ['a huge answer', () => answer(200, `{"access_token":"${'a'.repeat(70_000)}"}`), /gives no usable answer/],
    ['an error that is no word', () => answer(400, '{"error":"<b>secret</b>"}'), /gives no token \(unknown\)/],
    ['a failure', () => answer(503, '{}'), /gives no usable answer/],
  ])('after %s it is left alone for a while', async (_, fault, message) => {
    fault()
    const credentials = own()
    await expect(credentials.headers(ann())).rejects.toMatchObject({
      name: 'ServerUnavailable',
      message: expect.stringMatching(message),
    })
    const asked = as.requested.length
    await expect(credentials.headers(ann())).rejects.toThrow(/not asked again yet/)
    expect(as.requested).toHaveLength(asked)
    expect(as.requested).not.toContain('GET /elsewhere')
    as.handlers.clear()
    as.secrets.set('gateway', 'hush')
    clock.ms += 1001
    expect(await credentials.headers(ann())).toEqual(shown('token-1'))
  })

  test('a server that is silent, or drips, is waited for no longer than it may take', async () => {
    const quick = new OAuthHttp({ timeoutMs: 150 })
    try {
      as.handlers.set('/token', (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        const drip = setInterval(() => response.write(' '), 20)
        response.on('close', () => clearInterval(drip))
      })
      const credentials = compile({ type: 'client-credentials', ...client() }, quick)
      const error: unknown = await (credentials.headers(ann()) as Promise<unknown>).catch((cause: unknown) => cause)
      expect(error).toMatchObject({ cause: { message: expect.stringMatching(/does not answer in time/) } })
    } finally {
      await quick.close()
    }
  })

  test('one that nobody listens for is not there', async () => {
    const port = await new Promise<number>((resolve) => {
      const server = createServer().listen(0, '127.0.0.1', () => {
        const { port } = server.address() as { port: number }
        server.close(() => resolve(port))
      })
    })
    const rule = { ...client(), tokenUrl: `http://127.0.0.1:${port}/token` }
    const error: unknown = await (
      compile({ type: 'client-credentials', ...rule }).headers(ann()) as Promise<unknown>
    ).catch((cause: unknown) => cause)
    expect(error).toMatchObject({
      name: 'ServerUnavailable',
      cause: { message: expect.stringMatching(/cannot be reached/) },
    })
    expect(JSON.stringify(error)).not.toContain('hush')
  })

  test('a token that its server refuses is replaced, but not over and over', async () => {
    const credentials = own()
    const first = await credentials.headers(ann())
    const refusal = { status: 401, wwwAuthenticate: undefined, shown: first } as const
    expect(credentials.refused(ann(), refusal)).toBe(false)
    clock.ms += 10_001
    expect(credentials.refused(ann(), { ...refusal, status: 403 })).toBe(false)
    expect(credentials.refused(ann(), refusal)).toBe(true)
    expect(await credentials.headers(ann())).toEqual(shown('token-2'))
    // Another request that was refused with the old one: the new one is to be tried, and stays.
    expect(credentials.refused(ann(), refusal)).toBe(true)
    expect(credentials.headers(ann())).toEqual(shown('token-2'))
  })
})

describe('token exchange', () => {
  test('each subject has its own token, kept by the hash of what it showed', async () => {
    const credentials = exchange()
    const bob = callerOf('bob', { claims: { exp: clock.ms / 1000 + 7200 } })
    expect(await credentials.headers(ann())).toEqual(shown('token-1'))
    expect(await credentials.headers(bob)).toEqual(shown('token-2'))
    expect(credentials.headers(ann())).toEqual(shown('token-1'))
    expect(as.calls[0]!.form).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: 'jwt-of-ann',
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: 'notes',
      scope: 'a b',
      resource: `${as.url}/mcp`,
    })
  })

  test('a token does not outlive the one that it was got for', async () => {
    const credentials = exchange()
    const caller = callerOf('ann', { claims: { exp: clock.ms / 1000 + 100 } })
    await credentials.headers(caller)
    clock.ms += 100_000
    expect(await credentials.headers(caller)).toEqual(shown('token-2'))
  })

  test('who is refused is told so, for a while without another request, and nobody else is', async () => {
    const credentials = exchange()
    const bad = callerOf('bad', { token: 'bad', claims: ann().identity.claims })
    await expect(credentials.headers(bad)).rejects.toMatchObject({ reason: 'exchange_refused' })
    await expect(credentials.headers(bad)).rejects.toMatchObject({ reason: 'exchange_refused' })
    expect(as.calls).toHaveLength(1)
    expect(await credentials.headers(ann())).toEqual(shown('token-1'))
    clock.ms += 10_000
    await expect(credentials.headers(bad)).rejects.toThrow(/exchanged/)
    expect(as.calls).toHaveLength(3)
  })

  test('who shows no token gets none', () => {
    expect(() => exchange().headers(callerOf('ann', { kind: 'key' }))).toThrow(/authenticate with a JWT/)
  })
})

function answer(status: number, body: string, headers: Record<string, string> = {}): void {
  as.handlers.set('/token', (_, response) => void response.writeHead(status, headers).end(body))
}
