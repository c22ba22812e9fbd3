import { type AgentCard, generateAgentCardSignature, verifyAgentCardSignature } from '@a2a-js/sdk'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import type { JsonObject } from '../../json.ts'
import { readResult, writeResult } from '../translate/wire.ts'
import { canonicalCard, canonicalCardOfSdks, canonicalJson } from './canonical.ts'
import { freshnessOf } from './freshness.ts'
import { cardKeys } from './keys.ts'
import { interfacesOf, longestCard, type ReadCard, readCard } from './read-card.ts'
import { type CardOffer, cardForBoth, rewriteCard } from './rewrite-card.ts'
import { type CardSigner, signCard, verifyCard } from './signatures.ts'

const bytes = (value: unknown) => Buffer.from(JSON.stringify(value))
const read = (value: unknown): ReadCard => readCard(bytes(value))

/** 1.0, section 8.5, shortened, and with what it calls `security` by its name in the proto. */
const modern: JsonObject = {
  name: 'Route Planner',
  description: 'Plans routes.',
  supportedInterfaces: [
    { url: 'https://agent.example.com/a2a/v1', protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
    { url: 'https://agent.example.com/grpc', protocolBinding: 'GRPC', protocolVersion: '1.0', tenant: 'acme' },
    { url: 'https://agent.example.com/old', protocolBinding: 'JSONRPC', protocolVersion: '0.3' },
  ],
  provider: { organization: 'Example', url: 'https://example.com' },
  version: '1.2.0',
  documentationUrl: 'https://docs.example.com',
  capabilities: { streaming: true, pushNotifications: true, extendedAgentCard: false },
  securitySchemes: {
    google: { openIdConnectSecurityScheme: { openIdConnectUrl: 'https://accounts.example.com/oidc' } },
  },
  securityRequirements: [{ schemes: { google: { list: ['openid'] } } }],
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [
    {
      id: 'route',
      name: 'Route',
      description: 'Finds one',
      tags: ['maps'],
      securityRequirements: [{ schemes: { google: { list: ['maps'] } } }],
    },
    { id: 'pay', name: 'Pay', description: 'Pays tolls', tags: ['money'], examples: ['Pay 3 €'] },
  ],
}

/** 0.3, section 5.7, shortened. */
const legacy: JsonObject = {
  protocolVersion: '0.3.0',
  name: 'Old Planner',
  description: 'Plans routes.',
  url: 'https://old.example.com/a2a/v1',
  preferredTransport: 'JSONRPC',
  additionalInterfaces: [
    { url: 'https://old.example.com/a2a/v1', transport: 'JSONRPC' },
    { url: 'https://old.example.com/a2a/json', transport: 'HTTP+JSON' },
  ],
  version: '1.2.0',
  capabilities: { streaming: true, stateTransitionHistory: true },
  securitySchemes: {
    key: { type: 'apiKey', in: 'header', name: 'x-key' },
    bearer: { type: 'http', scheme: 'bearer' },
    tls: { type: 'mutualTLS' },
    oauth: {
      type: 'oauth2',
      flows: {
        clientCredentials: { tokenUrl: 'https://t.example', scopes: { a: 'b' } },
        implicit: { authorizationUrl: 'https://a.example', scopes: {} },
      },
    },
  },
  security: [{ bearer: [] }, { oauth: ['a'] }],
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [{ id: 'route', name: 'Route', description: 'Finds one', tags: ['maps'], security: [{ oauth: ['a'] }] }],
  supportsAuthenticatedExtendedCard: true,
}

describe('reading', () => {
  test('a card of 1.0 is as it was, without what nobody knows', () => {
    expect(read({ ...modern, surprise: 1 }).card).toEqual(modern)
  })

  test('a card of 0.3 as 1.0 has it', () => {
    expect(read(legacy).card).toEqual({
      name: 'Old Planner',
      description: 'Plans routes.',
      supportedInterfaces: [
        { url: 'https://old.example.com/a2a/v1', protocolBinding: 'JSONRPC', protocolVersion: '0.3' },
        { url: 'https://old.example.com/a2a/json', protocolBinding: 'HTTP+JSON', protocolVersion: '0.3' },
      ],
      version: '1.2.0',
      capabilities: { streaming: true, extendedAgentCard: true },
      securitySchemes: {
        key: { apiKeySecurityScheme: { location: 'header', name: 'x-key' } },
        bearer: { httpAuthSecurityScheme: { scheme: 'bearer' } },
        tls: { mtlsSecurityScheme: {} },
        oauth: {
          oauth2SecurityScheme: { flows: { clientCredentials: { tokenUrl: 'https://t.example', scopes: { a: 'b' } } } },
        },
      },
      securityRequirements: [{ schemes: { bearer: {} } }, { schemes: { oauth: { list: ['a'] } } }],
      defaultInputModes: ['text/plain'],
      defaultOutputModes: ['text/plain'],
      skills: [
        {
          id: 'route',
          name: 'Route',
          description: 'Finds one',
          tags: ['maps'],
          securityRequirements: [{ schemes: { oauth: { list: ['a'] } } }],
        },
      ],
    })
  })

  test.each(['jsonrpc', 'http+json'] as const)('and back over %s', (binding) => {
    const wire = { binding, version: '0.3' } as const
    const neutral = readResult('getExtendedCard', legacy, wire)
    expect(readResult('getExtendedCard', writeResult('getExtendedCard', neutral, wire), wire)).toEqual(neutral)
  })

  test('an agent of 1.0 alone has no card of 0.3', () => {
    const card = read({ ...modern, supportedInterfaces: [(modern.supportedInterfaces as unknown[])[0]] }).card
    expect(() => writeResult('getExtendedCard', card, { binding: 'jsonrpc', version: '0.3' })).toThrow(
      expect.objectContaining({ kind: 'versionNotSupported' }),
    )
  })

  test.each<[string, unknown, RegExp]>([
    ['no interface', { ...modern, supportedInterfaces: [] }, /interface/],
    ['no name', { ...modern, name: '' }, /name/],
    ['a name that is none', { ...modern, name: 5 }, /name/],
    ['a skill twice', { ...modern, skills: [{ id: 'a' }, { id: 'a' }] }, /two skills/],
    ['a skill without an id', { ...modern, skills: [{ name: 'a' }] }, /without an id/],
    [
      'too many skills',
      { ...modern, skills: Array.from({ length: 1001 }, (_, n) => ({ id: `s${n}` })) },
      /1001 skills/,
    ],
    ['a scheme of nobody', { ...legacy, securitySchemes: { a: { type: 'magic' } } }, /securitySchemes\.a\.type/],
    ['a list', [], /not a JSON object/],
    ['too long', { ...modern, description: 'x'.repeat(longestCard) }, /at most/],
  ])('refuses one with %s', (_, value, why) => {
    expect(() => read(value)).toThrow(
      expect.objectContaining({ kind: 'invalidAgentResponse', message: expect.stringMatching(why) as unknown }),
    )
  })

  test('interfaces that are not used, and why', () => {
    const at = (url: string, protocolBinding = 'JSONRPC', protocolVersion = '1.0') => ({
      url,
      protocolBinding,
      protocolVersion,
    })
    const { card } = read({
      ...modern,
      supportedInterfaces: [
        at('https://agent.example.com/a', 'JSONRPC', '1.0.1'),
        at('https://agent.example.com/b', 'HTTP+JSON', '0.3'),
        at('https://gateway.example.com/a2a/planner'),
        at('http://169.254.169.254/latest'),
        at('https://me:secret@agent.example.com/'),
        at('file:///etc/passwd'),
        at('nonsense'),
        at('https://agent.example.com/ws', 'https://example.com/bindings/websocket'),
        at('https://agent.example.com/c', 'JSONRPC', '7.0'),
      ],
    })
    const { usable, unused } = interfacesOf(card, {
      may: (url) => url.host === 'agent.example.com',
      own: (url) => url.host === 'gateway.example.com',
      secure: true,
    })
    expect(usable.map(({ url, binding, version }) => [url.pathname, binding, version])).toEqual([
      ['/a', 'jsonrpc', '1.0'],
      ['/b', 'http+json', '0.3'],
    ])
    expect(unused.map(({ reason }) => reason)).toEqual([
      'its URL is the gateway’s own',
      'its URL is at a place that the rules do not name for this agent',
      'its URL has a user name or password in it',
      'its URL is not one of http or https',
      'its URL is not one of http or https',
      'its binding is not known here',
      'its version of A2A is not known here',
    ])
  })
})

const offer: CardOffer = {
  interfaces: [
    { url: 'https://gw.example/a2a/planner', binding: 'jsonrpc', version: '1.0' },
    { url: 'https://gw.example/a2a/planner', binding: 'http+json', version: '1.0' },
    { url: 'https://gw.example/a2a/planner', binding: 'jsonrpc', version: '0.3' },
  ],
  skill: (id) => id !== 'pay',
  securitySchemes: { gateway: { httpAuthSecurityScheme: { scheme: 'bearer' } } },
  securityRequirements: [{ schemes: { gateway: {} } }],
  push: false,
}

describe('rewriting', () => {
  const rewritten = rewriteCard(read({ ...modern, signatures: [{ protected: 'a', signature: 'b' }] }).card, offer)

  test('everything that leads past the gateway is gone', () => {
    expect(JSON.stringify(rewritten)).not.toMatch(/agent\.example|google|acme|"pay"/)
    expect(rewritten.signatures).toBeUndefined()
    expect(rewritten.capabilities).toEqual({ streaming: true, pushNotifications: false, extendedAgentCard: false })
    expect(rewritten.supportedInterfaces).toEqual([
      { url: 'https://gw.example/a2a/planner', protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
      { url: 'https://gw.example/a2a/planner', protocolBinding: 'HTTP+JSON', protocolVersion: '1.0' },
      { url: 'https://gw.example/a2a/planner', protocolBinding: 'JSONRPC', protocolVersion: '0.3' },
    ])
    expect(rewritten).toMatchObject({ name: 'Route Planner', provider: { organization: 'Example' } })
  })

  test('one document for clients of both versions', () => {
    const both = cardForBoth(rewritten)
    expect(both).toMatchObject({
      url: 'https://gw.example/a2a/planner',
      preferredTransport: 'JSONRPC',
      protocolVersion: '0.3.0',
      security: [{ gateway: [] }],
    })
    expect(both.securitySchemes).toEqual({
      gateway: { type: 'http', scheme: 'bearer', httpAuthSecurityScheme: { scheme: 'bearer' } },
    })
    expect(read(both).card).toEqual(read(rewritten).card)
  })

  test('an agent that is offered in 1.0 alone has nothing of 0.3', () => {
    const alone = rewriteCard(read(modern).card, { ...offer, interfaces: offer.interfaces.slice(0, 2) })
    expect(cardForBoth(alone)).toBe(alone)
  })
})

describe('the canonical form', () => {
  test('the example of the specification (1.0, section 8.4.1)', () => {
    const card = {
      name: 'Example Agent',
      description: '',
      capabilities: { streaming: false, pushNotifications: false, extensions: [] },
      skills: [],
    }
    // The example is a fragment: the fields that are required and not in it are put back as well.
    const { defaultInputModes, defaultOutputModes, supportedInterfaces, version, ...rest } = JSON.parse(
      canonicalCard(read({ ...card, url: 'https://x.example' }).card),
    ) as JsonObject
    expect([defaultInputModes, defaultOutputModes, version]).toEqual([[], [], ''])
    expect(supportedInterfaces).toHaveLength(1)
    expect(canonicalJson(rest)).toBe(
      '{"capabilities":{"pushNotifications":false,"streaming":false},"description":"","name":"Example Agent","skills":[]}',
    )
  })

  test('RFC 8785, section 3.2.2 and 3.2.3', () => {
    const value = JSON.parse(
      String.raw`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"€$\u000F\u000aA'B\"\\\\\"\/","literals":[null,true,false]}`,
    ) as unknown
    expect(canonicalJson(value)).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    )
    const names = { '€': 1, '\r': 2, '\ufb33': 3, '1': 4, '😀': 5, '\u0080': 6, ö: 7 }
    expect(Object.values(JSON.parse(canonicalJson(names)) as object).length).toBe(7)
    expect([...canonicalJson(names).matchAll(/:(\d)/g)].map(([, digit]) => digit).join('')).toBe('2467153')
    expect(() => canonicalJson('\ud800')).toThrow(RangeError)
    expect(() => canonicalJson({ a: Number.NaN })).toThrow(RangeError)
  })
})

describe('signatures', () => {
  let signer: CardSigner
  let jwk: JWK
  let privateKey: CardSigner['key']
  const find = (kid: string) => (kid === 'key-1' ? jwk : undefined)
  const theirSigner = () => generateAgentCardSignature(privateKey as never, { alg: 'ES256', typ: 'JOSE', kid: 'key-1' })

  beforeAll(async () => {
    // The SDK says there which of several signatures it did not take.
    vi.spyOn(console, 'debug').mockImplementation(() => undefined)
    const pair = await generateKeyPair('ES256')
    privateKey = pair.privateKey
    jwk = { ...(await exportJWK(pair.publicKey)), kid: 'key-1' }
    signer = { key: privateKey, alg: 'ES256', kid: 'key-1', jku: 'https://gw.example/jwks.json' }
  })

  /** The SDK has the oneofs of its types as `$case`; its JSON is what goes over the wire. */
  const asSdk = async (card: JsonObject): Promise<JsonObject> => {
    const signed = await theirSigner()(card as unknown as AgentCard)
    return signed as unknown as JsonObject
  }

  test.each([
    ['full', modern],
    ['with empty fields that are required', { ...modern, description: '', skills: [] }],
  ])('the SDK’s are understood: %s', async (_, card) => {
    expect(await verifyCard(read(await asSdk(card)), find)).toEqual({ type: 'verified', kid: 'key-1' })
  })

  test.each([
    ['full', modern],
    ['with empty fields that are required', { ...modern, description: '', skills: [] }],
  ])('ours are understood by the SDK, and by us: %s', async (_, document) => {
    const signed = await signCard(read(document).card, signer)
    await verifyAgentCardSignature(async () => jwk as never)(signed as unknown as AgentCard)
    expect(await verifyCard(read(signed), find)).toMatchObject({ type: 'verified' })
  })

  test('one form is signed where there is but one', async () => {
    expect((await signCard(read(modern).card, signer)).signatures).toHaveLength(1)
    const empty = read({ ...modern, skills: [] }).card
    expect(canonicalCard(empty)).not.toBe(canonicalCardOfSdks(empty))
    expect((await signCard(empty, signer)).signatures).toHaveLength(2)
  })

  test('a document for both versions carries the signature of its 1.0 card', async () => {
    const card = read(rewriteCard(read(modern).card, offer)).card
    const signed = await signCard(card, signer, cardForBoth(card))
    expect(signed.url).toBe('https://gw.example/a2a/planner')
    expect(await verifyCard(read(signed), find)).toMatchObject({ type: 'verified' })
    await verifyAgentCardSignature(async () => jwk as never)(signed as unknown as AgentCard)
  })

  test('a card of 0.3, as it is', async () => {
    const { FlattenedSign } = await import('jose')
    const jws = await new FlattenedSign(Buffer.from(canonicalJson(legacy)))
      .setProtectedHeader({ alg: 'ES256', kid: 'key-1' })
      .sign(privateKey)
    const signed = { ...legacy, signatures: [{ protected: jws.protected, signature: jws.signature }] }
    expect(await verifyCard(read(signed), find)).toMatchObject({ type: 'verified' })
    expect(await verifyCard(read({ ...signed, url: 'https://evil.example' }), find)).toMatchObject({ type: 'invalid' })
  })

  test.each<[string, (signed: JsonObject) => JsonObject]>([
    ['another name', (card) => ({ ...card, name: 'Impostor' })],
    [
      'another URL',
      (card) => ({
        ...card,
        supportedInterfaces: [{ url: 'https://evil.example', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
      }),
    ],
    ['another skill', (card) => ({ ...card, skills: [...(card.skills as unknown[]), { id: 'x' }] })],
    ['no URL of 1.0', ({ supportedInterfaces: _, ...card }) => ({ ...card, url: 'https://evil.example' })],
  ])('a card with %s is not the one that was signed', async (_, change) => {
    const signed = await signCard(read(modern).card, signer)
    expect(await verifyCard(read(change(signed)), find)).toEqual({
      type: 'invalid',
      reasons: ['it is not of this card'],
    })
  })

  test('fields of 0.3 beside a card of 1.0 are not signed and not read', async () => {
    const signed = await signCard(read(modern).card, signer)
    const both = read({
      ...signed,
      url: 'https://evil.example',
      additionalInterfaces: [{ url: 'https://evil.example', transport: 'GRPC' }],
    })
    expect(await verifyCard(both, find)).toMatchObject({ type: 'verified' })
    expect(JSON.stringify(both.card)).not.toContain('evil')
  })

  test.each<[string, object, string]>([
    ['no algorithm', { alg: 'none', kid: 'key-1' }, 'its algorithm is not one that is taken'],
    ['a symmetric one', { alg: 'HS256', kid: 'key-1' }, 'its algorithm is not one that is taken'],
    ['no key', { alg: 'ES256' }, 'its protected header names no key'],
    ['a key of a stranger', { alg: 'ES256', kid: 'key-2' }, 'its key is not one that is trusted'],
    [
      'a critical header',
      { alg: 'ES256', kid: 'key-1', crit: ['b64'], b64: false },
      'its header demands what is not known here',
    ],
    ['another algorithm than the key’s', { alg: 'RS256', kid: 'key-1' }, 'it is not of this card'],
  ])('a signature with %s', async (_, header, reason) => {
    const { signatures } = await signCard(read(modern).card, signer)
    const [{ signature }] = signatures as [{ signature: string }]
    const forged = { protected: Buffer.from(JSON.stringify(header)).toString('base64url'), signature }
    expect(await verifyCard(read({ ...modern, signatures: [forged] }), find)).toEqual({
      type: 'invalid',
      reasons: [reason],
    })
  })

  test('one good signature of several is enough, none is said', async () => {
    const { signatures } = await signCard(read(modern).card, signer)
    expect(
      await verifyCard(
        read({ ...modern, signatures: [{ protected: 'x', signature: 'y' }, ...(signatures as unknown[])] }),
        find,
      ),
    ).toMatchObject({ type: 'verified' })
    expect(await verifyCard(read(modern), find)).toEqual({ type: 'unsigned' })
  })
})

describe('keys', () => {
  const key = (kid: string, more: object = {}) => ({ kty: 'EC', crv: 'P-256', x: 'a', y: 'b', kid, ...more })
  const asked: string[] = []
  const find = cardKeys(
    { keys: [key('ours')], urls: ['https://keys.example/a', 'https://keys.example/b'] },
    async (url) => {
      asked.push(url)
      return {
        keys: url.endsWith('a')
          ? [key('a'), { kty: 'oct', k: 'AAAA', kid: 'secret' }, key('enc', { use: 'enc' })]
          : [key('b')],
      }
    },
  )

  test('of the rules, of sets that they name, and no others', async () => {
    expect(await find('ours', 'https://evil.example')).toMatchObject({ kid: 'ours' })
    expect(await find('a', 'https://evil.example')).toBeUndefined()
    expect(asked).toEqual([])
    expect(await find('a', 'https://keys.example/b')).toBeUndefined()
    expect(await find('a', 'https://keys.example/a')).toMatchObject({ kid: 'a' })
    expect(await find('b', undefined)).toMatchObject({ kid: 'b' })
    expect(await find('secret', 'https://keys.example/a')).toBeUndefined()
    expect(await find('enc', 'https://keys.example/a')).toBeUndefined()
  })
})

describe('how long a card is good for', () => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  const minute = 60_000
  test.each<[string, Record<string, string>, number]>([
    ['nothing', {}, 5 * minute],
    ['max-age', { 'cache-control': 'public, max-age=120' }, 2 * minute],
    ['less what it has spent elsewhere', { 'cache-control': 'max-age=120', age: '60' }, minute],
    ['of shared caches', { 'cache-control': 'max-age=1, s-maxage="60"' }, minute],
    ['too long', { 'cache-control': 'max-age=9999999' }, 60 * minute],
    ['too old', { 'cache-control': 'max-age=10', age: '60' }, 0],
    ['no number', { 'cache-control': 'max-age=soon' }, 0],
    ['no-store', { 'cache-control': 'max-age=60, No-Store' }, 0],
    ['no-cache', { 'cache-control': 'no-cache, max-age=60' }, 0],
    ['private', { 'cache-control': 'private, max-age=60' }, 0],
    ['a date', { expires: 'Thu, 01 Jan 2026 00:03:00 GMT' }, 3 * minute],
    [
      'a date by the agent’s clock',
      { expires: 'Thu, 01 Jan 2026 00:03:00 GMT', date: 'Thu, 01 Jan 2026 00:02:00 GMT' },
      minute,
    ],
    ['a date that is none', { expires: '0' }, 0],
  ])('%s', (_, headers, lifetimeMs) => {
    const bounds = { default: 5 * minute, most: 60 * minute }
    expect(freshnessOf(new Map(Object.entries(headers)), bounds, now).lifetimeMs).toBe(lifetimeMs)
  })

  test('what to ask again with', () => {
    const headers = new Map([
      ['etag', '"v1"'],
      ['last-modified', 'Thu, 01 Jan 2026 00:00:00 GMT'],
    ])
    expect(freshnessOf(headers, { default: 1, most: 2 }, now)).toEqual({
      lifetimeMs: 1,
      etag: '"v1"',
      lastModified: 'Thu, 01 Jan 2026 00:00:00 GMT',
    })
  })
})
