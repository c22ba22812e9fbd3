import { createHmac } from 'node:crypto'
import {
  exportJWK,
  exportSPKI,
  type FetchImplementation,
  generateKeyPair,
  type JWTHeaderParameters,
  SignJWT,
} from 'jose'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { identities, teams as teamsSchema } from '../config/identities.ts'
import type { Identity, Unidentified } from './identity.ts'
import { KeySets } from './jwks.ts'
import { looksLikeToken, Tokens } from './tokens.ts'

const nowMs = Date.UTC(2026, 0, 1)
const now = nowMs / 1000

type Pair = Awaited<ReturnType<typeof generateKeyPair>>
let pair: Pair
let stranger: Pair
let rsa: Pair
let asked = 0
let down = false

const { issuers } = identities.parse({
  issuers: {
    corp: {
      issuer: 'https://id',
      audiences: ['chaperone', 'gateway'],
      jwksUri: 'https://id/jwks',
      teamClaim: 'realm.team',
      organizationClaim: 'https://id/org',
      userClaim: 'email',
    },
    ci: { issuer: 'https://ci', audiences: ['chaperone'], jwksUri: 'https://id/jwks', clockSkew: '0s' },
    ciAdmin: { issuer: 'https://ci', audiences: ['admin'], jwksUri: 'https://id/jwks', teamClaim: 'groups' },
  },
})
const teams = teamsSchema.parse({ search: { organization: 'acme', models: ['gpt-5'] } })

let tokens: Tokens
const fetch: FetchImplementation = async () => {
  asked++
  if (down) throw new Error('refused')
  const keys = await Promise.all(
    [pair, rsa].map(async ({ publicKey }, i) => ({ ...(await exportJWK(publicKey)), kid: ['ec', 'rsa'][i] })),
  )
  return Response.json({ keys })
}

beforeAll(async () => {
  ;[pair, stranger] = await Promise.all(
    [1, 2].map(() => generateKeyPair('ES256', { extractable: true })) as [Promise<Pair>, Promise<Pair>],
  )
  rsa = await generateKeyPair('RS256', { extractable: true })
})
beforeEach(() => {
  asked = 0
  down = false
  tokens = new Tokens(issuers, teams, new KeySets({ report: () => {}, fetch }))
})

const good = {
  iss: 'https://id',
  aud: 'chaperone',
  sub: 'u1',
  email: 'ann@corp',
  exp: now + 3600,
  realm: { team: 'search' },
}
const sign = (claims: Record<string, unknown> = {}, header: Partial<JWTHeaderParameters> = {}, key = pair.privateKey) =>
  new SignJWT({ ...good, ...claims }).setProtectedHeader({ alg: 'ES256', kid: 'ec', ...header }).sign(key)
const verify = async (token: string, atMs = nowMs) => await tokens.verify(token, atMs)
const codeOf = (answer: Identity | Unidentified) => ('code' in answer ? answer.code : 'let in')
const raw = (header: unknown, payload: unknown = good, signature = '') =>
  `${[header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.${signature}`

describe('who it is', () => {
  test('by the claims that the rules name', async () => {
    const identity = await verify(await sign({ 'https://id/org': 'other' }))
    expect(identity).toMatchObject({
      kind: 'jwt',
      subject: 'corp/u1',
      user: 'ann@corp',
      team: 'search',
      organization: 'other',
      key: undefined,
      claims: { sub: 'u1', realm: { team: 'search' } },
    })
    if (!('mayUseModel' in identity)) throw new Error('not let in')
    expect([identity.mayUseModel('gpt-5'), identity.mayUseModel('o3')]).toEqual([true, false])
  })

  test('the team’s organization, where the token names none; no team at all', async () => {
    expect(await verify(await sign())).toMatchObject({ organization: 'acme' })
    const none = await verify(await sign({ realm: {} }))
    expect(none).toMatchObject({ team: undefined, organization: undefined })
  })

  test('the subject where it has no sub; subjects of two issuers are not one', async () => {
    expect(await verify(await sign({ sub: undefined }))).toMatchObject({ subject: 'corp/ann@corp' })
    expect(await verify(await sign({ iss: 'https://ci' }))).toMatchObject({
      subject: 'ci/u1',
      user: 'u1',
      team: undefined,
    })
  })

  test('of two rules for one issuer, the one whose audience the token names', async () => {
    expect(
      await verify(await sign({ iss: 'https://ci', aud: ['x', 'admin'], groups: ['all', 'search'] })),
    ).toMatchObject({
      subject: 'ciAdmin/u1',
      team: 'search',
    })
  })

  test.each([
    ['email', undefined],
    ['email', 5],
    ['email', ''],
    ['email', 'x'.repeat(201)],
    ['realm', { team: {} }],
    ['https://id/org', 7],
  ])('a claim %s that is %j names nobody', async (claim, value) => {
    expect(codeOf(await verify(await sign({ [claim]: value })))).toBe('invalid_token')
  })
})

describe('what is refused', () => {
  test.each<[string, Record<string, unknown>, string]>([
    ['expired', { exp: now - 31 }, 'expired_token'],
    ['without an end', { exp: undefined }, 'invalid_token'],
    ['not yet valid', { nbf: now + 31 }, 'token_not_yet_valid'],
    ['for others', { aud: ['elsewhere'] }, 'wrong_audience'],
    ['for nobody', { aud: undefined }, 'wrong_audience'],
    ['of an unknown issuer', { iss: 'https://evil' }, 'unknown_issuer'],
    ['of no issuer', { iss: undefined }, 'unknown_issuer'],
    ['of an issuer by a prototype’s name', { iss: '__proto__' }, 'unknown_issuer'],
  ])('%s', async (_, claims, code) => {
    expect(await verify(await sign(claims))).toMatchObject({ status: 401, code })
  })

  test('clocks may differ by the issuer’s skew, and no more', async () => {
    expect(codeOf(await verify(await sign({ exp: now - 29 })))).toBe('let in')
    expect(codeOf(await verify(await sign({ nbf: now + 29 })))).toBe('let in')
    expect(codeOf(await verify(await sign({ iss: 'https://ci', exp: now })))).toBe('expired_token')
  })

  test('signatures of others, and changed tokens', async () => {
    expect(codeOf(await verify(await sign({}, {}, stranger.privateKey)))).toBe('invalid_token')
    const [header, , signature] = (await sign()).split('.')
    const payload = Buffer.from(JSON.stringify({ ...good, email: 'root@corp' })).toString('base64url')
    expect(codeOf(await verify(`${header}.${payload}.${signature}`))).toBe('invalid_token')
    expect(codeOf(await verify(await sign({}, { kid: 'none' })))).toBe('invalid_token')
  })

  test('no signature at all', async () => {
    for (const alg of ['none', 'None', 'NONE', '', undefined, 5, ['ES256']])
      expect(codeOf(await verify(raw({ alg, kid: 'ec' })))).toBe('invalid_token')
    expect(codeOf(await verify(raw({ alg: 'ES256', kid: 'ec' })))).toBe('invalid_token')
  })

  test('HMAC with the public key as its secret', async () => {
    const secret = await exportSPKI(rsa.publicKey)
    const unsigned = raw({ alg: 'HS256', kid: 'rsa' }).slice(0, -1)
    const signature = createHmac('sha256', secret).update(unsigned).digest('base64url')
    expect(codeOf(await verify(`${unsigned}.${signature}`))).toBe('invalid_token')
    expect(asked).toBe(0)
  })

  test('algorithms that the rules do not allow, though the key fits', async () => {
    expect(codeOf(await verify(await sign({}, { alg: 'RS256', kid: 'rsa' }, rsa.privateKey)))).toBe('let in')
    const { privateKey } = await generateKeyPair('PS256')
    expect(await verify(await sign({}, { alg: 'PS256', kid: 'rsa' }, privateKey))).toMatchObject({
      message: 'Tokens of corp must be signed with RS256 or ES256 or EdDSA.',
    })
  })

  test('a key that the token brings along', async () => {
    const jwk = await exportJWK(stranger.publicKey)
    expect(codeOf(await verify(await sign({}, { jwk, kid: 'ec' }, stranger.privateKey)))).toBe('invalid_token')
  })

  test('critical extensions, and tokens of another kind', async () => {
    expect(codeOf(await verify(raw({ alg: 'ES256', kid: 'ec', crit: ['exp'], exp: 1 })))).toBe('invalid_token')
    expect(codeOf(await verify(raw({ alg: 'ES256', kid: 'ec', crit: ['b64'], b64: true })))).toBe('invalid_token')
    expect(codeOf(await verify(await sign({}, { typ: 'logout+jwt' })))).toBe('invalid_token')
    expect(codeOf(await verify(await sign({}, { typ: 'dpop+jwt' })))).toBe('invalid_token')
    for (const typ of ['JWT', 'at+jwt', 'application/at+JWT', 'JOSE'])
      expect(codeOf(await verify(await sign({}, { typ })))).toBe('let in')
  })

  test('what is no token, or a very long one', async () => {
    for (const text of [
      'a.b.c',
      '..',
      'e30.e30.',
      raw(5),
      raw(null, null),
      raw({ alg: 'ES256' }, 'text'),
      raw({ alg: 'ES256' }, []),
    ])
      expect(codeOf(await verify(text))).toMatch(/^(invalid_token|unknown_issuer)$/)
    expect(await verify(await sign({ padding: 'x'.repeat(17_000) }))).toMatchObject({
      message: 'This token is longer than 16384 characters.',
    })
    expect(asked).toBe(0)
  })
})

describe('checking once', () => {
  test('a token that was checked is known at once, until it expires', async () => {
    const token = await sign({ exp: now + 60 })
    const identity = await verify(token)
    expect(tokens.verify(token, nowMs)).toBe(identity)
    expect(tokens.verify(token, nowMs + 89_999)).toBe(identity)
    expect(codeOf(await verify(token, nowMs + 90_001))).toBe('expired_token')
  })

  test('and for five minutes at most', async () => {
    const token = await sign()
    const identity = await verify(token)
    expect(tokens.verify(token, nowMs + 299_999)).toBe(identity)
    expect(tokens.verify(token, nowMs + 300_000)).toBeInstanceOf(Promise)
    expect(await verify(token, nowMs + 300_000)).not.toBe(identity)
  })

  test('requests at once with the same token check it together', async () => {
    const token = await sign()
    const [first, ...others] = Array.from({ length: 5 }, () => tokens.verify(token, nowMs))
    for (const other of others) expect(other).toBe(first)
    expect(codeOf(await first!)).toBe('let in')
  })

  test('a token that was refused is not remembered', async () => {
    down = true
    const token = await sign()
    expect(await verify(token)).toMatchObject({ status: 503, code: 'issuer_unavailable' })
    tokens = new Tokens(issuers, teams, new KeySets({ report: () => {}, fetch }))
    down = false
    expect(codeOf(await verify(token))).toBe('let in')
  })
})

test('what looks like a token', () => {
  expect(['a.b.c', 'a.b.', 'a_-9.b.c'].every(looksLikeToken)).toBe(true)
  expect(['', 'sk-abc', 'a.b', '.b.c', 'a.b.c.d.e', 'a.b.c=', 'a b.c.d'].some(looksLikeToken)).toBe(false)
})
