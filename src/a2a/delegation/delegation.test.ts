import fc from 'fast-check'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Identity } from '../../identity/identity.ts'
import { delegated } from './caller.ts'
import { extendChain, longestChain, readActors, writeActors } from './chain.ts'
import { allows, intersection, type Rights } from './rights.ts'
import {
  type DelegationSigner,
  type DelegationTrust,
  mintDelegation,
  type NewDelegation,
  verifyDelegation,
} from './token.ts'

describe('the chain', () => {
  test('reads what it writes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: longestChain }),
        (actors) => {
          expect(readActors(writeActors(actors))).toEqual(actors)
        },
      ),
    )
  })

  test('the outermost claim is who acts now (RFC 8693, section 4.1)', () => {
    expect(readActors({ sub: 'b', act: { sub: 'a' } })).toEqual(['a', 'b'])
    expect(writeActors(['a', 'b'])).toEqual({ sub: 'b', act: { sub: 'a' } })
    expect(readActors(undefined)).toEqual([])
  })

  test.each([
    ['a text'],
    [{ act: { sub: 'a' } }],
    [{ sub: '' }],
    [{ sub: 'a', act: null }],
    [{ sub: 'x'.repeat(600) }],
  ])('%j is none', (act) => {
    expect(() => readActors(act)).toThrow(expect.objectContaining({ reason: 'malformed_token' }))
  })

  test('one that is too long is not read to its end', () => {
    let act: object = { sub: 'first' }
    for (let n = 0; n < 10_000; n++) act = { sub: `a${n}`, act }
    expect(() => readActors(act)).toThrow(expect.objectContaining({ reason: 'delegation_too_deep' }))
  })

  test('grows by who delegates', () => {
    expect(extendChain([], 'a', 'b', 1)).toEqual(['a'])
    expect(extendChain(['a'], 'b', 'c', 2)).toEqual(['a', 'b'])
  })

  test.each<[string[], string, string]>([
    [[], 'a', 'a'],
    [['a'], 'b', 'a'],
    [['a'], 'b', 'b'],
    [['a', 'b'], 'a', 'c'],
  ])('%j, %s asks %s: a loop', (before, caller, callee) => {
    expect(() => extendChain(before, caller, callee, 9)).toThrow(expect.objectContaining({ reason: 'delegation_loop' }))
  })

  test('has an end', () => {
    expect(() => extendChain(['a', 'b'], 'c', 'd', 2)).toThrow(/a → b → c → d are 3 delegations; the rules allow 2/)
    const long = Array.from({ length: longestChain }, (_, n) => `a${n}`)
    expect(() => extendChain(long, 'x', 'y', 1000)).toThrow(expect.objectContaining({ reason: 'delegation_too_deep' }))
  })
})

describe('rights', () => {
  const names = fc.array(fc.constantFrom('*', 'gpt-*', 'gpt-4o', 'claude-*', 'claude-3', 'g*', ''), { maxLength: 3 })
  const rights = fc.record(
    { models: names, servers: names, agents: names },
    { requiredKeys: [] },
  ) as fc.Arbitrary<Rights>
  const name = fc.constantFrom('gpt-4o', 'gpt-5', 'claude-3', 'gemini', '')

  test('the intersection allows exactly what both allow', () => {
    fc.assert(
      fc.property(rights, rights, name, fc.constantFrom('models', 'servers', 'agents'), (one, other, asked, kind) => {
        expect(allows(intersection(one, other), kind, asked)).toBe(
          allows(one, kind, asked) && allows(other, kind, asked),
        )
      }),
    )
  })

  test('nothing said bounds nothing, an empty list allows nothing', () => {
    expect(allows({}, 'models', 'x')).toBe(true)
    expect(allows({ models: [] }, 'models', 'x')).toBe(false)
  })

  test('an identity gets no more than it had', () => {
    const identity: Identity = {
      kind: 'key',
      subject: 'k',
      claims: {},
      mayUseModel: (model) => model !== 'gpt-5',
      mayUseServer: () => true,
    }
    const bounded = delegated(identity, {
      id: 'd',
      subject: 'key:p',
      actors: ['key:p'],
      callee: 'planner',
      root: 'tree-1',
      budgets: [{ id: 'tree-1', by: 'key:p', usd: 1 }],
      rights: { models: ['gpt-*'], servers: [] },
      expires: 0,
    })
    expect(['gpt-4o', 'gpt-5', 'claude-3'].map((model) => bounded.mayUseModel(model))).toEqual([true, false, false])
    expect(bounded.mayUseServer('files')).toBe(false)
    expect(bounded.delegation).toEqual({
      tree: 'tree-1',
      subject: 'key:p',
      chain: ['key:p'],
      id: 'd',
      agent: 'planner',
      budgets: [{ id: 'tree-1', by: 'key:p', usd: 1 }],
    })
  })
})

describe('the token', () => {
  let signer: DelegationSigner
  let jwk: JWK
  let now = Date.parse('2026-01-01T00:00:00Z')
  const clock = () => now
  const trust = (more: Partial<DelegationTrust> = {}): DelegationTrust => ({
    issuers: ['gw'],
    find: (kid) => (kid === 'k1' ? jwk : undefined),
    ...more,
  })
  const budgets = [{ id: 'tree-1', by: 'user-1', usd: 2, time: 60, until: 1_800_000_000_000 }]
  const first: NewDelegation = {
    tree: { id: 'tree-1', subject: 'user-1', budgets },
    actors: ['a'],
    callee: 'b',
    rights: { models: ['gpt-*', 'claude-3'] },
    trace: '4bf92f3577b34da6a3ce929d0e0e4736',
    lifetimeMs: 60_000,
  }
  const refusal = (reason: string) => expect.objectContaining({ name: 'DelegationError', reason }) as unknown

  beforeAll(async () => {
    const pair = await generateKeyPair('ES256')
    jwk = await exportJWK(pair.publicKey)
    signer = { key: pair.privateKey, alg: 'ES256', kid: 'k1', issuer: 'gw' }
  })

  test('says what was delegated', async () => {
    const { token, delegation } = await mintDelegation(first, signer, clock)
    expect(await verifyDelegation(token, 'b', trust(), clock)).toEqual(delegation)
    expect(delegation).toMatchObject({
      subject: 'user-1',
      actors: ['a'],
      callee: 'b',
      root: 'tree-1',
      budgets,
      expires: now + 60_000,
    })
  })

  test('the next one is of the same tree, may less, and does not live longer', async () => {
    const { delegation: parent } = await mintDelegation(first, signer, clock)
    const wanted = {
      tree: { id: 'another', subject: 'mallory', budgets },
      actors: extendChain(parent.actors, 'b', 'c', 5),
      callee: 'c',
      parent,
      rights: { models: ['gpt-4o', 'o1'], servers: ['files'] },
      lifetimeMs: 3_600_000,
    }
    const { token } = await mintDelegation(wanted, signer, clock)
    expect(await verifyDelegation(token, 'c', trust(), clock)).toMatchObject({
      subject: 'user-1',
      actors: ['a', 'b'],
      root: parent.root,
      budgets,
      trace: parent.trace,
      rights: { models: ['gpt-4o'], servers: ['files'] },
      expires: parent.expires,
    })
  })

  test('is of use to the callee alone', async () => {
    const { token } = await mintDelegation(first, signer, clock)
    await expect(verifyDelegation(token, 'a', trust(), clock)).rejects.toEqual(refusal('wrong_audience'))
    await expect(verifyDelegation(token, 'mallory', trust(), clock)).rejects.toEqual(refusal('wrong_audience'))
  })

  test('lives for its time', async () => {
    const begun = now
    const { token } = await mintDelegation(first, signer, clock)
    try {
      now = begun - 60_000
      await expect(verifyDelegation(token, 'b', trust(), clock)).rejects.toEqual(refusal('token_not_yet_valid'))
      now = begun + 61_000
      expect(await verifyDelegation(token, 'b', trust(), clock)).toBeDefined()
      now = begun + 66_000
      await expect(verifyDelegation(token, 'b', trust(), clock)).rejects.toEqual(refusal('expired_token'))
    } finally {
      now = begun
    }
  })

  test('of strangers does not count', async () => {
    const { token } = await mintDelegation(first, signer, clock)
    await expect(verifyDelegation(token, 'b', trust({ issuers: ['other'] }), clock)).rejects.toEqual(
      refusal('unknown_issuer'),
    )
    await expect(verifyDelegation(token, 'b', trust({ find: () => undefined }), clock)).rejects.toEqual(
      refusal('unknown_key'),
    )
    const other = await generateKeyPair('ES256')
    const { token: forged } = await mintDelegation(first, { ...signer, key: other.privateKey }, clock)
    await expect(verifyDelegation(forged, 'b', trust(), clock)).rejects.toEqual(refusal('bad_signature'))
  })

  test('cannot be changed, or stripped of its signature', async () => {
    const { token } = await mintDelegation(first, signer, clock)
    const [header = '', payload = '', signature = ''] = token.split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
    const changed = Buffer.from(JSON.stringify({ ...claims, rights: {} })).toString('base64url')
    await expect(verifyDelegation(`${header}.${changed}.${signature}`, 'b', trust(), clock)).rejects.toEqual(
      refusal('bad_signature'),
    )
    const none = Buffer.from(JSON.stringify({ alg: 'none', kid: 'k1', typ: 'chaperone-delegation+jwt' })).toString(
      'base64url',
    )
    await expect(verifyDelegation(`${none}.${payload}.`, 'b', trust(), clock)).rejects.toEqual(refusal('bad_signature'))
  })

  const sign = (claims: object, typ = 'chaperone-delegation+jwt') => {
    const seconds = now / 1000
    return new SignJWT({
      iss: 'gw',
      sub: 'u',
      aud: 'b',
      iat: seconds,
      nbf: seconds,
      exp: seconds + 60,
      jti: 'j',
      txn: 't',
      act: { sub: 'a' },
      rights: {},
      ...claims,
    })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ })
      .sign(signer.key)
  }
  test.each<[string, object, string]>([
    ['no chain', { act: undefined }, 'malformed_token'],
    ['a chain that is none', { act: 'a' }, 'malformed_token'],
    ['no tree', { txn: undefined }, 'malformed_token'],
    ['no end', { exp: undefined }, 'malformed_token'],
    ['no rights', { rights: undefined }, 'malformed_token'],
    ['rights that nobody knows', { rights: { everything: ['*'] } }, 'malformed_token'],
    ['rights that are no list', { rights: { models: '*' } }, 'malformed_token'],
    ['two audiences', { aud: ['b', 'c'] }, 'malformed_token'],
    ['budgets that are no list', { budgets: { usd: 5 } }, 'malformed_token'],
    ['a budget of what nobody knows', { budgets: [{ id: 'b', by: 'a', wishes: 3 }] }, 'malformed_token'],
    ['a budget that is no amount', { budgets: [{ id: 'b', by: 'a', usd: '5' }] }, 'malformed_token'],
    ['a budget below nothing', { budgets: [{ id: 'b', by: 'a', usd: -1 }] }, 'malformed_token'],
    ['a time without an end', { budgets: [{ id: 'b', by: 'a', time: 5 }] }, 'malformed_token'],
    ['too many budgets', { budgets: Array(9).fill({ id: 'b', by: 'a', usd: 5 }) }, 'malformed_token'],
    ['its own callee in the chain', { act: { sub: 'b' } }, 'delegation_loop'],
  ])('with %s is refused', async (_, claims, reason) => {
    expect(await verifyDelegation(await sign({}), 'b', trust(), clock)).toBeDefined()
    await expect(verifyDelegation(await sign(claims), 'b', trust(), clock)).rejects.toEqual(refusal(reason))
  })

  test('is not another token of the same signer', async () => {
    await expect(verifyDelegation(await sign({}, 'JWT'), 'b', trust(), clock)).rejects.toEqual(
      refusal('malformed_token'),
    )
  })

  test.each(['', 'a.b', 'not a token', `${'x'.repeat(20_000)}`])('%.12s is none', async (token) => {
    await expect(verifyDelegation(token, 'b', trust(), clock)).rejects.toEqual(refusal('malformed_token'))
  })
})
