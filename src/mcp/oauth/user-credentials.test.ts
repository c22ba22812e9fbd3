import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Identity } from '../../identity/identity.ts'
import type { LocalAnswer } from '../../protocol.ts'
import { Sealer } from '../seal.ts'
import { Authorizations } from './authorizations.ts'
import type { Browser } from './browser.ts'
import { OAuthHttp } from './http.ts'
import { MemoryTokenStore } from './memory-token-store.ts'
import type { AuthorizationNeeded } from './needed.ts'
import { callerOf, TestClock, TestServer } from './testing.ts'
import { UserCredentials } from './user-credentials.ts'
import type { UserCredentialRule } from './user-rule.ts'
import { UserServer } from './user-server.ts'
import { Vault } from './vault.ts'

const local = 'http://localhost:10000'
const shared = 'https://gw.example'
const key = { id: 'k1', secret: Buffer.alloc(32, 7) }
const secrets = { resolve: () => 'hush' }
const ann = callerOf('ann')
const bob = callerOf('bob')
const shown = (token: string) => [['authorization', `Bearer ${token}`]]

let as: TestServer
let http: OAuthHttp
let clock: TestClock
let store: MemoryTokenStore
let reports: unknown[]
beforeEach(async () => {
  as = await new TestServer().start()
  http = new OAuthHttp({ timeoutMs: 2000 })
  clock = new TestClock()
  store = new MemoryTokenStore(clock.now)
  reports = []
})
afterEach(async () => {
  await http.close()
  await as.stop()
})

/** One replica of the gateway. */
function gateway(base = local, more: Partial<UserCredentialRule> = {}, keys = [key]) {
  const vault = new Vault(store, new Sealer(keys), clock.now)
  const rule: UserCredentialRule = { type: 'user', scopes: [], ...more }
  const server = new UserServer({ name: 'notes', url: `${as.url}/mcp` }, rule, { secrets, http, vault, base })
  const credentials = new UserCredentials(server)
  const pages = new Authorizations({
    vault,
    base,
    server: (name) => (name === 'notes' ? server : undefined),
    report: (error) => reports.push(error),
  })
  return { credentials, pages, server, vault, base }
}
type Gateway = ReturnType<typeof gateway>

/** A browser with its cookies. */
class TestBrowser {
  #cookie: string | undefined
  readonly identity: Identity | undefined
  constructor(identity?: Identity) {
    this.identity = identity
  }
  get shows(): Browser {
    return { cookie: this.#cookie, identity: this.identity }
  }
  took({ headers }: LocalAnswer): void {
    const cookie = headers.find(([name]) => name === 'set-cookie')?.[1]
    if (cookie !== undefined) this.#cookie = cookie.split(';')[0]
  }
}

const needed = (promise: unknown): Promise<AuthorizationNeeded> =>
  (promise as Promise<unknown>).then(
    () => {
      throw new Error('no authorization was needed')
    },
    (error: AuthorizationNeeded) => {
      expect(error.name).toBe('McpError')
      expect(error.reason).toBe('authorization_needed')
      return error
    },
  )
const queryOf = (url: string | URL) => new URL(url).searchParams

/** Opens the link and goes on. @returns where the browser is sent */
async function leave({ pages }: Gateway, { url }: AuthorizationNeeded, browser: TestBrowser): Promise<string> {
  const page = await pages.startPage(queryOf(url), browser.shows)
  expect(page.status).toBe(200)
  browser.took(page)
  const ticket = /name="ticket" value="([^"]+)"/.exec(page.body)![1]!
  const answer = await pages.leave(new URLSearchParams({ ticket }), browser.shows)
  expect(answer.status).toBe(303)
  return answer.headers.find(([name]) => name === 'location')![1]
}

async function authorize(replica: Gateway, caller = ann, browser = new TestBrowser()) {
  const location = await leave(replica, await needed(replica.credentials.headers(caller)), browser)
  return replica.pages.completeAuthorization(as.authorize(location).searchParams, browser.shows)
}

describe('a user authorizes', () => {
  test('from the refusal to the token, over two replicas', async () => {
    const [one, two] = [gateway(), gateway()]
    const error = await needed(one.credentials.headers(ann))
    expect(error.url).toMatch(/^http:\/\/localhost:10000\/mcp-oauth\/start\?ticket=k1\./)
    expect(error.body).toMatchObject({
      code: -32042,
      data: { elicitations: [{ mode: 'url', elicitationId: error.elicitationId }] },
    })
    // Nobody who sees the URL learns whose it is.
    expect(Buffer.from(error.url.split('k1.')[1]!, 'base64url').toString('latin1')).not.toContain('ann')
    const browser = new TestBrowser()
    const location = await leave(two, error, browser)
    expect(Object.fromEntries(queryOf(location))).toMatchObject({
      response_type: 'code',
      client_id: 'client-1',
      redirect_uri: 'http://localhost:10000/mcp-oauth/callback',
      code_challenge_method: 'S256',
      resource: `${as.url}/mcp`,
      scope: 'notes:read',
    })
    expect(as.registrations).toMatchObject([
      { application_type: 'native', token_endpoint_auth_method: 'client_secret_basic' },
    ])
    const completed = await one.pages.completeAuthorization(as.authorize(location).searchParams, browser.shows)
    expect(completed).toMatchObject({
      outcome: 'authorized',
      elicitationId: error.elicitationId,
      server: 'notes',
      answer: { status: 200 },
    })
    expect(await two.credentials.headers(ann)).toEqual(shown('token-1'))
    expect(two.credentials.headers(ann)).toEqual(shown('token-1'))
    await needed(two.credentials.headers(bob))
    expect(as.calls).toHaveLength(1)
  })

  test('calls of the same moment get the same link', async () => {
    const { credentials } = gateway()
    const all = await Promise.all([1, 2, 3].map(() => needed(credentials.headers(ann))))
    expect(new Set(all.map(({ url }) => url)).size).toBe(1)
    expect((await needed(credentials.headers(ann))).url).toBe(all[0]!.url)
    expect((await needed(credentials.headers(bob))).url).not.toBe(all[0]!.url)
  })

  test('a link that was used is not given again', async () => {
    const replica = gateway()
    const link = await needed(replica.credentials.headers(ann))
    await leave(replica, link, new TestBrowser())
    expect((await needed(replica.credentials.headers(ann))).elicitationId).not.toBe(link.elicitationId)
  })

  test('a server that answers the question with a stream is heard all the same', async () => {
    as.challengeScope = undefined
    as.handlers.set('/mcp', (_, response) => {
      const metadata = `${as.url}/.well-known/oauth-protected-resource/mcp`
      response.writeHead(401, {
        'content-type': 'text/event-stream',
        'www-authenticate': `Bearer scope="notes:stream", resource_metadata="${metadata}"`,
      })
      response.write(': never ends\n\n')
    })
    const replica = gateway()
    const location = await leave(replica, await needed(replica.credentials.headers(ann)), new TestBrowser())
    expect(queryOf(location).get('scope')).toBe('notes:stream')
  })

  test('without a challenge the metadata is at its well-known place, and says the scopes', async () => {
    as.metadata = { scopes_supported: ['offline_access'] }
    as.handlers.set('/mcp', (_, response) => void response.writeHead(405).end())
    const replica = gateway()
    const location = await leave(replica, await needed(replica.credentials.headers(ann)), new TestBrowser())
    expect(queryOf(location).get('scope')).toBe('notes:all offline_access')
    expect(queryOf(location).get('prompt')).toBe('consent')
  })

  test('a server of 2025-03-26 without metadata is authorized for by its origin', async () => {
    for (const path of ['/.well-known/oauth-protected-resource/mcp', '/.well-known/oauth-protected-resource'])
      as.handlers.set(path, (_, response) => void response.writeHead(404).end())
    as.handlers.set('/mcp', (_, response) => void response.writeHead(401).end())
    expect(await authorize(gateway())).toMatchObject({ outcome: 'authorized' })
  })

  test('the gateway is its metadata document where that is taken, and registered where the rules say', async () => {
    as.metadata = { client_id_metadata_document_supported: true }
    const document = gateway(shared, { confirm: 'none' })
    expect(await authorize(document)).toMatchObject({ outcome: 'authorized' })
    expect(as.calls[0]!.form.client_id).toBe('https://gw.example/mcp-oauth/client.json')
    const ruled = gateway(local, { issuer: as.url, clientId: 'gateway', clientSecret: '${env:SECRET}' })
    expect(await authorize(ruled)).toMatchObject({ outcome: 'authorized' })
    expect(as.calls[1]!.authorization).toBe(`Basic ${Buffer.from('gateway:hush').toString('base64')}`)
    expect(as.registrations).toHaveLength(0)
  })

  test('one registration serves all users, also where they come at once', async () => {
    const [one, two] = [gateway(), gateway()]
    await Promise.all([authorize(one, ann), authorize(two, bob)])
    expect(as.registrations).toHaveLength(1)
  })

  test.each([
    ['anonymous callers', callerOf('anonymous', { kind: 'anonymous' })],
    [
      'pods without a user',
      { identity: { ...callerOf('pod', { kind: 'pod' }).identity, user: undefined }, token: undefined },
    ],
  ])('%s have nothing of their own', (_, caller) => {
    expect(() => gateway().credentials.headers(caller)).toThrow(expect.objectContaining({ reason: 'identity_needed' }))
  })

  test.each([
    [{ clientId: 'x' }, /issuer: is needed/],
    [{ clientSecret: '${env:X}' }, /clientId: is needed/],
  ])('a rule with %j is refused', (more, message) => {
    expect(() => gateway(local, more)).toThrow(message)
  })
})

describe('nobody authorizes for somebody else', () => {
  test('a browser of its own shows a code, and only who saw it uses the tokens', async () => {
    const replica = gateway(shared)
    const browser = new TestBrowser()
    const completed = await authorize(replica, ann, browser)
    expect(completed.outcome).toBe('confirm')
    const code = /<code>(.*)<\/code>/.exec(completed.answer.body)![1]!
    const waiting = { reason: 'confirmation_needed', form: { mode: 'form' } }
    await expect(replica.credentials.headers(ann)).rejects.toMatchObject(waiting)
    await needed(replica.credentials.confirm(bob, code))
    await expect(replica.credentials.confirm(ann, 'AAAA-AAAA')).rejects.toMatchObject(waiting)
    await gateway(shared).credentials.confirm(ann, code.toLowerCase().replace('-', ' '))
    expect(await replica.credentials.headers(ann)).toEqual(shown('token-1'))
    await needed(replica.credentials.headers(bob))
  })

  test('there are five tries for a code, also all at once', async () => {
    const replica = gateway(shared)
    const { answer } = await authorize(replica)
    const code = /<code>(.*)<\/code>/.exec(answer.body)![1]!
    const tries = await Promise.allSettled(Array.from({ length: 5 }, () => replica.credentials.confirm(ann, 'WRONG')))
    expect(tries.every(({ status }) => status === 'rejected')).toBe(true)
    await needed(replica.credentials.confirm(ann, code))
    await needed(replica.credentials.headers(ann))
  })

  test('a browser that shows who it is needs no code, and is refused with the link of another', async () => {
    const replica = gateway(shared)
    expect(await authorize(replica, ann, new TestBrowser(ann.identity))).toMatchObject({ outcome: 'authorized' })
    const link = await needed(replica.credentials.headers(bob))
    const page = await replica.pages.startPage(queryOf(link.url), new TestBrowser(ann.identity).shows)
    expect(page.status).toBe(403)
  })

  test('the answer counts in the browser that left only', async () => {
    const replica = gateway()
    const browser = new TestBrowser()
    const back = as.authorize(await leave(replica, await needed(replica.credentials.headers(ann)), browser))
    const victim = new TestBrowser()
    victim.took(
      await replica.pages.startPage(queryOf((await needed(replica.credentials.headers(bob))).url), victim.shows),
    )
    for (const shows of [victim.shows, { cookie: undefined }, { cookie: 'chaperone-oauth=x' }])
      expect(await replica.pages.completeAuthorization(back.searchParams, shows)).toMatchObject({
        answer: { status: 400 },
      })
    const two = { cookie: `${browser.shows.cookie}; ${victim.shows.cookie}` }
    expect(await replica.pages.completeAuthorization(back.searchParams, two)).toMatchObject({ answer: { status: 400 } })
    expect(as.calls).toHaveLength(0)
    expect(await replica.pages.completeAuthorization(back.searchParams, browser.shows)).toMatchObject({
      outcome: 'authorized',
    })
  })

  test('links and answers are good once, and not for long', async () => {
    const replica = gateway()
    const browser = new TestBrowser()
    const link = await needed(replica.credentials.headers(ann))
    const location = await leave(replica, link, browser)
    const again = new URLSearchParams({ ticket: queryOf(link.url).get('ticket')! })
    expect(await replica.pages.leave(again, browser.shows)).toMatchObject({
      status: 400,
      body: expect.stringMatching(/used already/),
    })
    expect(await replica.pages.startPage(again, browser.shows)).toMatchObject({
      status: 400,
      body: expect.stringMatching(/used already/),
    })
    const back = as.authorize(location).searchParams
    const both = await Promise.all([1, 2].map(() => replica.pages.completeAuthorization(back, browser.shows)))
    expect(both.map(({ outcome }) => outcome).sort()).toEqual(['authorized', undefined])
    expect(as.calls).toHaveLength(1)
    const late = await needed(replica.credentials.headers(bob))
    clock.ms += 601_000
    expect(await replica.pages.startPage(queryOf(late.url), browser.shows)).toMatchObject({
      status: 400,
      body: expect.stringMatching(/too old/),
    })
  })

  test.each([
    ['another origin', { origin: 'https://evil.example' }],
    ['no cookie', { cookie: undefined }],
  ])('a form that comes with %s leads nowhere', async (_, more) => {
    const replica = gateway()
    const link = await needed(replica.credentials.headers(ann))
    const browser = new TestBrowser()
    browser.took(await replica.pages.startPage(queryOf(link.url), browser.shows))
    const form = new URLSearchParams({ ticket: queryOf(link.url).get('ticket')! })
    expect(await replica.pages.leave(form, { ...browser.shows, ...more })).toMatchObject({ status: 400 })
    expect(await replica.pages.leave(form, { ...browser.shows, origin: local })).toMatchObject({ status: 303 })
  })

  test.each(['', 'x', 'k1.AAAA', 'k9.AAAA', `k1.${'A'.repeat(70_000)}`])(
    'a ticket that is none opens nothing: %#',
    async (ticket) => {
      const { pages } = gateway()
      expect(await pages.startPage(new URLSearchParams({ ticket }), { cookie: undefined })).toMatchObject({
        status: 400,
      })
    },
  )

  test('names are shown as they are', async () => {
    const replica = gateway()
    const caller = callerOf('<img src=x onerror=alert(1)>\u202e')
    const link = await needed(replica.credentials.headers(caller))
    const { body, headers } = await replica.pages.startPage(queryOf(link.url), { cookie: undefined })
    expect(body).toContain('&lt;img src=x onerror=alert(1)&gt;\\u{202e}')
    expect(body).not.toContain('<img')
    expect(Object.fromEntries(headers)).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
      'set-cookie': expect.stringMatching(/; HttpOnly; SameSite=Lax; Max-Age=1200$/),
    })
  })
})

describe('authorization servers that are not what they should be', () => {
  test.each<[string, Record<string, string | undefined>, string]>([
    ['iss of another', { iss: 'https://evil.example' }, 'mixed'],
    ['iss with a slash more', { iss: 'SLASH' }, 'mixed'],
    ['no iss', { iss: undefined }, 'mixed'],
    ['an error from another', { iss: 'https://evil.example', code: undefined, error: 'access_denied' }, 'mixed'],
    ['no code', { code: undefined }, 'invalid'],
  ])('an answer with %s is not used', async (_, answer, kind) => {
    const replica = gateway()
    const browser = new TestBrowser()
    const location = await leave(replica, await needed(replica.credentials.headers(ann)), browser)
    if (answer.iss === 'SLASH') answer.iss = `${as.url}/`
    const completed = await replica.pages.completeAuthorization(
      as.authorize(location, answer).searchParams,
      browser.shows,
    )
    expect(completed.answer.status).toBe(400)
    expect(completed.answer.body).toMatch(kind === 'mixed' ? /somewhere else/ : /does not work/)
    expect(completed.answer.body).not.toContain('access_denied')
    expect(as.calls).toHaveLength(0)
  })

  test('an answer may lack iss where the server never says it', async () => {
    as.metadata = { authorization_response_iss_parameter_supported: false }
    const replica = gateway()
    const browser = new TestBrowser()
    const location = await leave(replica, await needed(replica.credentials.headers(ann)), browser)
    const back = as.authorize(location, { iss: undefined }).searchParams
    expect(await replica.pages.completeAuthorization(back, browser.shows)).toMatchObject({ outcome: 'authorized' })
  })

  test('a refusal is told in its own word, and nothing else of it', async () => {
    const replica = gateway()
    const browser = new TestBrowser()
    const location = await leave(replica, await needed(replica.credentials.headers(ann)), browser)
    const back = as.authorize(location, {
      code: undefined,
      error: 'access_denied',
      error_description: '<b>call us</b>',
    })
    const completed = await replica.pages.completeAuthorization(back.searchParams, browser.shows)
    expect(completed).toMatchObject({
      server: 'notes',
      answer: { status: 400, body: expect.stringMatching(/\(access_denied\)/) },
    })
    expect(completed.answer.body).not.toContain('call us')
  })

  test.each([
    ['metadata of another issuer', () => (as.metadata = { issuer: 'https://honest.example' }), /another issuer/],
    ['an issuer with a slash more', () => (as.metadata = { issuer: `${as.url}/` }), /another issuer/],
    ['no PKCE', () => (as.metadata = { code_challenge_methods_supported: undefined }), /PKCE/],
    ['plain PKCE only', () => (as.metadata = { code_challenge_methods_supported: ['plain'] }), /PKCE/],
    ['a token endpoint inside', () => (as.metadata = { token_endpoint: 'https://169.254.169.254/token' }), /169\.254/],
    ['a token endpoint without TLS', () => (as.metadata = { token_endpoint: 'http://as.example/token' }), /not https/],
    ['a script for an endpoint', () => (as.metadata = { authorization_endpoint: 'javascript:alert(1)' }), /not https/],
    ['no token endpoint', () => (as.metadata = { token_endpoint: undefined }), /no authorization or token endpoint/],
    [
      'metadata of another resource',
      () => (as.resourceMetadata = { resource: 'https://bank.example/mcp' }),
      /another resource/,
    ],
    [
      'an issuer without TLS',
      () => (as.resourceMetadata = { authorization_servers: ['http://as.example'] }),
      /not https/,
    ],
    [
      'an issuer on the network of the gateway',
      () => (as.resourceMetadata = { authorization_servers: ['https://169.254.169.254/'] }),
      /169\.254/,
    ],
    [
      'a redirect',
      () =>
        as.handlers.set('/.well-known/oauth-authorization-server', (_, response) => {
          response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data' }).end()
        }),
      /redirect/,
    ],
    [
      'endless metadata',
      () =>
        as.handlers.set('/.well-known/oauth-authorization-server', (_, response) => {
          response.writeHead(200).end(`{"x":"${'x'.repeat(300_000)}"}`)
        }),
      /longer than/,
    ],
    ['no way to register', () => (as.metadata = { registration_endpoint: undefined }), /registers no clients/],
  ])('with %s nobody is sent there', async (_, fault, message) => {
    fault()
    const replica = gateway()
    const browser = new TestBrowser()
    const link = await needed(replica.credentials.headers(ann))
    let page = await replica.pages.startPage(queryOf(link.url), browser.shows)
    if (page.status === 200) {
      browser.took(page)
      page = await replica.pages.leave(queryOf(link.url), browser.shows)
    }
    expect(page.status).toBe(502)
    expect(reports).toMatchObject([{ message: expect.stringMatching(message) }])
    expect(as.calls).toHaveLength(0)
  })

  test('a server that names another issuer than the rules gets nobody sent there', async () => {
    as.resourceMetadata = { authorization_servers: ['https://evil.example'] }
    const replica = gateway(local, { issuer: as.url, clientId: 'gateway', clientSecret: '${env:SECRET}' })
    const link = await needed(replica.credentials.headers(ann))
    expect((await replica.pages.startPage(queryOf(link.url), { cookie: undefined })).status).toBe(502)
    expect(reports).toMatchObject([{ message: expect.stringMatching(/not authorized for by the issuer/) }])
  })
})

describe('tokens that end', () => {
  test('are refreshed once by all replicas, and the refresh token is never used twice', async () => {
    const replicas = Array.from({ length: 4 }, () => gateway())
    await authorize(replicas[0]!)
    clock.ms += 3600_000
    const all = await Promise.all(
      replicas.flatMap(({ credentials }) => [1, 2, 3].map(() => credentials.headers(ann) as Promise<unknown>)),
    )
    expect(new Set(all.map((headers) => JSON.stringify(headers)))).toEqual(new Set([JSON.stringify(shown('token-2'))]))
    expect(as.calls.map(({ form }) => form.grant_type)).toEqual(['authorization_code', 'refresh_token'])
    expect(as.calls[1]!.form.resource).toBe(`${as.url}/mcp`)
    for (let round = 3; round < 6; round++) {
      clock.ms += 3600_000
      expect(await replicas[round % 4]!.credentials.headers(ann)).toEqual(shown(`token-${round}`))
    }
  })

  test('a refresh that is refused ends the grant, and what is left of it is revoked', async () => {
    const revoked: string[] = []
    as.metadata = { revocation_endpoint: `${as.url}/revoke` }
    as.handlers.set('/revoke', (_, response, body) => {
      revoked.push(body)
      response.end('{}')
    })
    const { credentials } = gateway()
    await authorize({ ...gateway(), credentials })
    as.revokeAll()
    clock.ms += 3600_000
    await needed(credentials.headers(ann))
    expect(revoked).toHaveLength(1)
    await needed(credentials.headers(ann))
    expect(as.calls).toHaveLength(2)
  })

  test('an authorization server that is away ends nothing, and is left alone for a while', async () => {
    const replica = gateway()
    await authorize(replica)
    as.handlers.set('/token', (_, response) => void response.writeHead(503).end())
    clock.ms += 3600_000 - 30_000
    expect(await replica.credentials.headers(ann)).toEqual(shown('token-1'))
    clock.ms += 60_000
    const asked = as.requested.length
    await expect(replica.credentials.headers(ann)).rejects.toMatchObject({ name: 'ServerUnavailable' })
    const after = as.requested.filter((line) => line === 'POST /token').length
    await expect(replica.credentials.headers(ann)).rejects.toMatchObject({ name: 'ServerUnavailable' })
    expect(as.requested.filter((line) => line === 'POST /token')).toHaveLength(after)
    expect(as.requested.length).toBeGreaterThan(asked)
    as.handlers.clear()
    clock.ms += 2000
    expect(await replica.credentials.headers(ann)).toEqual(shown('token-2'))
  })

  test('a secret of the rules that is wrong for a while ends nobody’s grant', async () => {
    const replica = gateway(local, { issuer: as.url, clientId: 'gateway', clientSecret: '${env:SECRET}' })
    await authorize(replica)
    as.secrets.set('gateway', 'another')
    clock.ms += 3600_000
    await expect(replica.credentials.headers(ann)).rejects.toMatchObject({ name: 'ServerUnavailable' })
    as.secrets.set('gateway', 'hush')
    clock.ms += 2000
    expect(await replica.credentials.headers(ann)).toEqual(shown('token-2'))
  })

  test('a server that refuses a token gets a refreshed one, or the user is asked', async () => {
    const { credentials, ...rest } = gateway()
    await authorize({ credentials, ...rest })
    const first = (await credentials.headers(ann))!
    const refusal = { status: 401, wwwAuthenticate: 'Bearer error="invalid_token"', shown: first } as const
    clock.ms += 20_000
    expect(await credentials.refused(ann, refusal)).toBe(true)
    expect(await credentials.headers(ann)).toEqual(shown('token-2'))
    // Refused with what is no longer shown: the new one is to be tried.
    expect(await credentials.refused(ann, refusal)).toBe(true)
    // Refused as soon as it came: another would be too.
    await needed(credentials.refused(ann, { ...refusal, shown: shown('token-2') as never }))
    expect(as.calls).toHaveLength(2)
  })

  test('a server that wants more scopes gets the user asked for those and the ones of before', async () => {
    const replica = gateway()
    await authorize(replica)
    const refusal = {
      status: 403,
      wwwAuthenticate: 'Bearer error="insufficient_scope", scope="notes:write"',
      shown: await replica.credentials.headers(ann),
    } as const
    const link = await needed(replica.credentials.refused(ann, refusal))
    const browser = new TestBrowser()
    const location = await leave(replica, link, browser)
    expect(queryOf(location).get('scope')).toBe('notes:read notes:write')
    await replica.pages.completeAuthorization(as.authorize(location).searchParams, browser.shows)
    expect(await replica.credentials.refused(ann, refusal)).toBe(true)
    const shownNow = await replica.credentials.headers(ann)
    expect(shownNow).toEqual(shown('token-2'))
    // It has them now: asking again would not help.
    expect(await replica.credentials.refused(ann, { ...refusal, shown: shownNow })).toBe(false)
  })

  test('a user who disconnects has nothing left', async () => {
    const replica = gateway()
    await authorize(replica)
    await replica.credentials.headers(ann)
    await replica.credentials.disconnect(ann)
    await needed(replica.credentials.headers(ann))
  })
})

describe('what is kept', () => {
  test('says nothing without the key, opens with the old key beside a new one, and for nobody else', async () => {
    const values = new Map<string, string>()
    const set = store.set.bind(store)
    store.set = async (name, value, until) => {
      values.set(name, value)
      return set(name, value, until)
    }
    await authorize(gateway())
    const grant = [...values].find(([name]) => name.startsWith('grant:'))!
    expect(grant[1]).toMatch(/^k1\./)
    expect(Buffer.from(grant[1].slice(3), 'base64url').toString('latin1')).not.toContain('token-1')
    const next = { id: 'k2', secret: Buffer.alloc(32, 8) }
    expect(await gateway(local, {}, [next, key]).credentials.headers(ann)).toEqual(shown('token-1'))
    await needed(gateway(local, {}, [next]).credentials.headers(ann))
    // Who can write to the store moves a value to another user: it opens for nobody there.
    await needed(gateway().credentials.headers(bob))
    const bobs = new Map<string, string>()
    store.get = async (name) => {
      bobs.set(name, '')
      return name.startsWith('grant:') ? grant[1] : undefined
    }
    await needed(gateway().credentials.headers(bob))
    expect([...bobs.keys()].some((name) => name.startsWith('grant:') && name !== grant[0])).toBe(true)
  })

  test('a store that is away is told of, and authorizes nobody', async () => {
    const replica = gateway()
    store.get = () => Promise.reject(Object.assign(new Error('SET x secret'), { name: 'Error' }))
    await expect(replica.credentials.headers(ann)).rejects.toThrow()
  })
})
