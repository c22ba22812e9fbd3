import { beforeAll, describe, expect, test } from 'vitest'
import { identities as identitiesSchema, listenerIdentity, teams as teamsSchema } from '../config/identities.ts'
import { Authenticator, type IdentityRules, requiredHeaders } from './authenticator.ts'
import { KeySets } from './jwks.ts'
import type { IssuedKey } from './key-record.ts'
import type { KeyDirectory } from './key-store.ts'
import { newKeyId, newKeyText } from './key-text.ts'
import { MemoryKeyStore } from './memory-key-store.ts'

const nowMs = Date.UTC(2026, 0, 1)
const agent = 'spiffe://corp/ns/prod/sa/agent'

const rules: IdentityRules = {
  listeners: {
    keys: { identity: listenerIdentity.parse({ accept: ['key'] }) },
    tokens: { identity: listenerIdentity.parse({ accept: ['jwt'] }) },
    sidecar: { identity: listenerIdentity.parse({ accept: ['pod'] }) },
    open: { identity: listenerIdentity.parse({}) },
    mixed: { identity: listenerIdentity.parse({ accept: ['key', 'jwt', 'anonymous'] }) },
    tls: { identity: listenerIdentity.parse({ accept: ['key', 'mtls', 'pod'] }), tls: { clientCaFile: '/ca.pem' } },
    mesh: { identity: listenerIdentity.parse({ accept: ['mtls'], trustForwardedClientCert: true }) },
    plain: { identity: listenerIdentity.parse({ accept: ['mtls', 'pod'] }) },
  },
  identities: identitiesSchema.parse({
    issuers: { corp: { issuer: 'https://id', audiences: ['chaperone'], jwksFile: '/nowhere.json' } },
    workloads: {
      agents: { spiffeId: 'spiffe://corp/ns/*/sa/agent', user: 'agent', team: 'search', models: ['gpt-*', 'o3'] },
    },
    pod: { user: 'pod-user', team: 'search' },
  }),
  teams: teamsSchema.parse({
    search: { organization: 'acme', models: ['gpt-5', 'gpt-5-*', 'claude'], servers: ['github'] },
  }),
}

const store = new MemoryKeyStore(() => nowMs)
const keySets = new KeySets({ report: () => {} })
const authenticator = new Authenticator(rules, { keys: store.directory(), keySets })
const identify = (listener: string, headers: Record<string, string> = {}, atMs = nowMs) =>
  authenticator.identify({ listener, headers: new Map(Object.entries(headers)) }, atMs)

let issued: IssuedKey
beforeAll(async () => {
  issued = await store.create({
    name: 'k',
    user: 'ann',
    team: 'search',
    models: ['gpt-*', 'o3'],
    expiresAt: nowMs + 1000,
  })
})

describe('keys', () => {
  test.each([
    ['x-chaperone-key', ''],
    ['x-chaperone-key', 'Bearer '],
    ['authorization', 'Bearer '],
    ['authorization', 'bearer   '],
    ['authorization', ''],
    ['x-api-key', ''],
    ['api-key', ''],
    ['x-goog-api-key', ''],
  ])('in %s as %j', (header, scheme) => {
    expect(identify('keys', { [header]: scheme + issued.text })).toMatchObject({
      kind: 'key',
      subject: issued.record.id,
      key: issued.record.id,
      user: 'ann',
      team: 'search',
      organization: 'acme',
      claims: {},
    })
  })

  test('a key may use what both it and its team may use', () => {
    const identity = identify('keys', { 'x-api-key': issued.text })
    if (!('mayUseModel' in identity)) throw new Error('not let in')
    const models = ['gpt-5', 'gpt-5-mini', 'gpt-4', 'o3', 'claude', '']
    expect(models.filter((model) => identity.mayUseModel(model))).toEqual(['gpt-5', 'gpt-5-mini'])
    expect(['github', 'jira'].filter((server) => identity.mayUseServer(server))).toEqual(['github'])
  })

  test('an empty list allows nothing; a team that the rules do not list bounds nothing', async () => {
    const { text } = await store.create({ name: 'k', team: 'constructor', models: [] })
    const identity = identify('keys', { 'x-api-key': text })
    expect(identity).toMatchObject({ team: 'constructor' })
    if (!('mayUseModel' in identity)) throw new Error('not let in')
    expect([identity.mayUseModel('gpt-5'), identity.mayUseServer('anything')]).toEqual([false, true])
  })

  test('the identity is made once for a key, and again when the key changes', async () => {
    const { record, text } = await store.create({ name: 'k' })
    const first = identify('keys', { 'x-api-key': text })
    expect(identify('keys', { 'x-api-key': text })).toBe(first)
    await store.rotate(record.id)
    expect(identify('keys', { 'x-api-key': text })).not.toBe(first)
    await store.revoke(record.id)
    expect(identify('keys', { 'x-api-key': text })).toMatchObject({ status: 401, code: 'revoked_key' })
  })

  test('why a key is refused, and what to do', async () => {
    const other = newKeyText(newKeyId())
    const forged = newKeyText(issued.record.id)
    const rotated = await store.create({ name: 'k' })
    await store.rotate(rotated.record.id, { graceMs: 0 })
    const answers = [
      identify('keys', { 'x-api-key': 'chp_short' }),
      identify('keys', { 'x-api-key': `${issued.text.slice(0, -1)}!` }),
      identify('keys', { 'x-api-key': `${issued.text},${issued.text}` }),
      identify('keys', { 'x-api-key': other }),
      identify('keys', { 'x-api-key': forged }),
      identify('keys', { 'x-api-key': issued.text }, nowMs + 1000),
      identify('keys', { 'x-api-key': rotated.text }),
    ]
    expect(answers.map((answer) => ('code' in answer ? answer.code : 'in'))).toEqual([
      ...Array<string>(5).fill('invalid_key'),
      'expired_key',
      'replaced_key',
    ])
    expect(answers[5]).toMatchObject({
      message: 'This key has expired. Ask its owner for a new one: chaperone keys rotate.',
    })
    for (const secret of [other, forged, rotated.text, 'chp_short'])
      expect(JSON.stringify(answers)).not.toContain(secret)
  })

  test('a key that is unknown because no keys could be loaded is not called wrong', () => {
    const keys: KeyDirectory = { loaded: false, verify: () => 'unknown' }
    const blind = new Authenticator(rules, { keys, keySets })
    expect(blind.identify({ listener: 'keys', headers: new Map([['x-api-key', issued.text]]) }, nowMs)).toMatchObject({
      status: 503,
      code: 'keys_unavailable',
    })
  })
})

describe('which credential counts', () => {
  test('x-chaperone-key excludes all others', () => {
    expect(identify('keys', { 'x-chaperone-key': 'sk-other', authorization: `Bearer ${issued.text}` })).toMatchObject({
      code: 'unaccepted_credentials',
    })
    expect(identify('mixed', { 'x-chaperone-key': '' })).toMatchObject({ code: 'unaccepted_credentials' })
    expect(identify('tokens', { 'x-chaperone-key': issued.text })).toMatchObject({ code: 'unaccepted_credentials' })
    expect(identify('keys', { 'x-chaperone-key': issued.text, authorization: 'Bearer chp_bad' })).toMatchObject({
      kind: 'key',
    })
  })

  test('a key comes before a token, wherever they stand', () => {
    expect(identify('mixed', { authorization: 'Bearer a.b.c', 'x-api-key': issued.text })).toMatchObject({
      kind: 'key',
    })
  })

  test('of several keys the first counts, and must be valid', () => {
    expect(identify('keys', { 'x-api-key': issued.text, authorization: 'Bearer chp_bad' })).toMatchObject({
      code: 'invalid_key',
    })
  })

  test('a bad credential never falls back', async () => {
    expect(identify('mixed', { authorization: 'Bearer chp_bad' })).toMatchObject({ code: 'invalid_key' })
    expect(await identify('mixed', { authorization: 'Bearer eyJ.eyJ.sig' })).toMatchObject({ code: 'invalid_token' })
    expect(identify('tls', { 'x-forwarded-client-cert': 'garbage' })).toMatchObject({
      code: 'invalid_client_certificate',
    })
  })

  test('the dummy key of an SDK is nobody’s credential', () => {
    expect(identify('mixed', { authorization: 'Bearer sk-dummy' })).toMatchObject({ kind: 'anonymous' })
    expect(identify('keys', { authorization: 'Bearer sk-dummy' })).toMatchObject({
      status: 401,
      code: 'unaccepted_credentials',
      message:
        'What was shown is no credential that is accepted here. Show a Chaperone key (in x-chaperone-key, or where your SDK takes its API key).',
    })
    expect(identify('tokens', { authorization: `Bearer ${issued.text}` })).toMatchObject({
      code: 'unaccepted_credentials',
    })
  })

  test('what a listener does not accept it does not look at', () => {
    for (const headers of [
      { authorization: `Bearer ${issued.text}` },
      { 'x-chaperone-key': 'junk' },
      { 'x-forwarded-client-cert': `URI=${agent}` },
    ] as Record<string, string>[]) {
      expect(identify('open', headers)).toMatchObject({ kind: 'anonymous', subject: 'anonymous' })
      expect(identify('sidecar', headers)).toMatchObject({
        kind: 'pod',
        subject: 'pod',
        user: 'pod-user',
        organization: 'acme',
      })
    }
  })

  test('who shows nothing is told what to show', () => {
    expect(identify('keys')).toMatchObject({ status: 401, code: 'missing_credentials' })
    expect(identify('mixed')).toMatchObject({ kind: 'anonymous' })
    expect(identify('mesh')).toMatchObject({
      message: 'No credentials were shown. Show a client certificate of a workload of the rules.',
    })
    expect(identify('gone')).toMatchObject({ status: 503, code: 'unknown_listener' })
  })
})

describe('client certificates', () => {
  const own = `By=spiffe://corp/gateway;Hash=1;Subject="";URI=${agent}`

  test('a workload of the rules', () => {
    const identity = identify('tls', { 'x-forwarded-client-cert': own })
    expect(identity).toMatchObject({
      kind: 'mtls',
      subject: agent,
      user: 'agent',
      team: 'search',
      organization: 'acme',
    })
    if (!('mayUseModel' in identity)) throw new Error('not let in')
    expect([identity.mayUseModel('gpt-5'), identity.mayUseModel('o3')]).toEqual([true, false])
    expect(identify('tls', { 'x-forwarded-client-cert': own })).toBe(identity)
  })

  test('any other is refused, also where requests without one are taken', () => {
    expect(identify('tls', { 'x-forwarded-client-cert': 'Hash=1;URI=spiffe://evil/ns/prod/sa/agent' })).toMatchObject({
      code: 'unknown_workload',
    })
    expect(identify('tls', { 'x-forwarded-client-cert': 'Hash=1;Subject="CN=agent"' })).toMatchObject({
      code: 'invalid_client_certificate',
    })
    expect(identify('tls')).toMatchObject({ kind: 'pod' })
  })

  test('a key that comes with one is whose it is', () => {
    expect(identify('tls', { 'x-forwarded-client-cert': own, 'x-api-key': issued.text })).toMatchObject({ kind: 'key' })
    expect(identify('tls', { 'x-forwarded-client-cert': own, 'x-api-key': 'chp_bad' })).toMatchObject({
      code: 'invalid_key',
    })
    expect(identify('tls', { 'x-forwarded-client-cert': own, 'x-api-key': 'sk-dummy' })).toMatchObject({ kind: 'mtls' })
  })

  test('elements in front are believed neither from our own Envoy nor in a mesh', () => {
    const forged = `URI=spiffe://corp/ns/prod/sa/agent,Hash=1;URI=spiffe://corp/ns/prod/sa/other`
    expect(identify('tls', { 'x-forwarded-client-cert': forged })).toMatchObject({ code: 'invalid_client_certificate' })
    expect(identify('mesh', { 'x-forwarded-client-cert': forged })).toMatchObject({ code: 'unknown_workload' })
    expect(identify('mesh', { 'x-forwarded-client-cert': `URI=spiffe://corp/admin,${own}` })).toMatchObject({
      subject: agent,
    })
  })

  test('the header is not believed where nobody but the client can have written it', () => {
    expect(identify('plain', { 'x-forwarded-client-cert': own })).toMatchObject({ kind: 'pod' })
  })
})

test('the headers that are needed', () => {
  const keyHeaders = ['x-chaperone-key', 'authorization', 'x-api-key', 'api-key', 'x-goog-api-key']
  const of = (...names: string[]) =>
    requiredHeaders({ listeners: Object.fromEntries(names.map((name) => [name, rules.listeners[name]!])) })
  expect(of('open', 'sidecar')).toEqual([])
  expect(of('keys')).toEqual(keyHeaders)
  expect(of('tokens')).toEqual(['x-chaperone-key', 'authorization'])
  expect(of('tls', 'mixed')).toEqual([...keyHeaders, 'x-forwarded-client-cert'])
})

test('a key costs little: far under what would show in a request', () => {
  const asking = { listener: 'keys', headers: new Map([['authorization', `Bearer ${issued.text}`]]) }
  const round = (times: number) => {
    const start = performance.now()
    for (let i = 0; i < times; i++) void authenticator.identify(asking, nowMs)
    return ((performance.now() - start) / times) * 1000
  }
  round(20_000)
  // 2 µs where nothing else runs; other work of the machine may only make a round slower, so the best one counts.
  expect(Math.min(...Array.from({ length: 10 }, () => round(2000)))).toBeLessThan(5)
})
