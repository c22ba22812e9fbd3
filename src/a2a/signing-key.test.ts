import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type ReadCard, readCard } from './card/read-card.ts'
import { signCard, verifyCard } from './card/signatures.ts'
import { mintDelegation, verifyDelegation } from './delegation/token.ts'
import { keySet, makeSigningKey, readSigningKey, type SigningAlgorithm, type SigningKey } from './signing-key.ts'

const pkcs8 = { format: 'pem', type: 'pkcs8' } as const
const pems: Record<SigningAlgorithm, string> = {
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export(pkcs8).toString(),
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export(pkcs8).toString(),
  EdDSA: generateKeyPairSync('ed25519').privateKey.export(pkcs8).toString(),
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export(pkcs8).toString(),
  PS256: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export(pkcs8).toString(),
}

const card = (document: unknown): ReadCard => readCard(Buffer.from(JSON.stringify(document)))
const plain = {
  name: 'a',
  supportedInterfaces: [{ url: 'https://a.example', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
}

async function signsAll(signer: SigningKey): Promise<void> {
  const find = (kid: string) => keySet([signer]).keys.find((key) => key.kid === kid)
  const signed = await signCard(card(plain).card, { ...signer, jku: 'https://gw.example/jwks.json' })
  expect(await verifyCard(card(signed), find)).toEqual({ type: 'verified', kid: signer.kid })
  const wanted = {
    tree: { id: 't', subject: 'u', budgets: [] },
    actors: ['a'],
    callee: 'b',
    rights: {},
    lifetimeMs: 60_000,
  }
  const { token } = await mintDelegation(wanted, { ...signer, issuer: 'gw' }, Date.now)
  expect(await verifyDelegation(token, 'b', { issuers: ['gw'], find }, Date.now)).toMatchObject({ subject: 'u' })
}

describe.each(Object.entries(pems) as [SigningAlgorithm, string][])('%s', (alg, pem) => {
  test('signs what its published key verifies', () => signsAll(readSigningKey(pem, alg, 'k1')))

  test('is published without what signs', () => {
    const [jwk] = keySet([readSigningKey(pem, alg, 'k1')]).keys
    expect(jwk).toMatchObject({ kid: 'k1', alg, use: 'sig' })
    for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) expect(jwk).not.toHaveProperty(secret)
  })

  test('does not take a key of another', () => {
    const other = alg === 'ES256' ? 'ES384' : 'ES256'
    expect(() => readSigningKey(pem, other, 'k1')).toThrow(/not one for/)
  })
})

test('a key of the process', async () => {
  const [one, other] = [await makeSigningKey(), await makeSigningKey()]
  expect(one.kid).not.toBe(other.kid)
  await signsAll(one)
})

test('a text that is no key is not repeated', () => {
  expect(() => readSigningKey('swordfish', 'ES256', 'k')).toThrow(
    expect.not.objectContaining({ message: expect.stringContaining('swordfish') as unknown }) as Error,
  )
})

test('RSA keys that are too short', () => {
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export(pkcs8).toString()
  expect(() => readSigningKey(short, 'RS256', 'k')).toThrow(/2048/)
})
