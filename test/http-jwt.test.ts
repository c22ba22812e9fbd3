import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'
import { ask, type EchoServer, echoServer } from './http/echo.ts'

/** The issuers' `algorithms` on routes that Envoy decides by itself: one key can sign in several ways, not all of them accepted. */

const directory = mkdtempSync(join(tmpdir(), 'chaperone-jwt-'))
// Of no algorithm: it signs in all ways of RSA.
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
let shop: EchoServer
let gateway: TestGateway

beforeAll(async () => {
  shop = await echoServer('shop')
  const jwksFile = join(directory, 'jwks.json')
  writeFileSync(jwksFile, JSON.stringify({ keys: [keys.publicKey.export({ format: 'jwk' })] }))
  const issuer = (name: string, algorithms: ('RS256' | 'RS512')[]) => ({
    issuer: `https://${name}.test`,
    audiences: ['shop'],
    jwksFile,
    algorithms,
  })
  const route = (name: string, jwt: { issuers: string[]; optional?: boolean }) => ({
    name,
    hosts: ['shop.test'],
    match: { path: `/${name}` },
    service: 'shop',
    jwt,
  })
  gateway = await startGateway({
    identities: { issuers: { narrow: issuer('narrow', ['RS256']), wide: issuer('wide', ['RS256', 'RS512']) } },
    http: {
      services: { shop: { url: shop.url } },
      routes: [
        route('narrow', { issuers: ['narrow'] }),
        route('both', { issuers: ['narrow', 'wide'] }),
        route('optional', { issuers: ['narrow'], optional: true }),
      ],
    },
  })
})

afterAll(async () => {
  await gateway?.stop()
  await shop?.close()
  rmSync(directory, { recursive: true, force: true })
})

async function status(path: string, issuer?: string, alg = 'RS256'): Promise<number> {
  const token = await new SignJWT({})
    .setProtectedHeader({ alg })
    .setIssuer(`https://${issuer}.test`)
    .setAudience('shop')
    .setExpirationTime('5m')
    .sign(keys.privateKey)
  const headers = { authorization: `Bearer ${token}` }
  return (await ask(gateway.url, path, { host: 'shop.test', ...(issuer !== undefined && { headers }) })).status
}

test.each([
  ['/narrow', 'narrow', 'RS256', 200],
  ['/narrow', 'narrow', 'RS512', 403],
  ['/both', 'narrow', 'RS256', 200],
  ['/both', 'narrow', 'RS512', 403],
  ['/both', 'wide', 'RS512', 200],
  ['/both', 'wide', 'RS384', 403],
  ['/optional', 'narrow', 'RS256', 200],
  ['/optional', 'narrow', 'RS512', 403],
])('%s: a token of %s by %s is %i', async (path, issuer, algorithm, expected) => {
  expect(await status(path, issuer, algorithm)).toBe(expected)
})

test('no token is a matter of the route', async () => {
  expect(await status('/narrow')).toBe(401)
  expect(await status('/optional')).toBe(200)
})
