import { expect, test } from 'vitest'
import { Sealer } from '../seal.ts'
import { compileCredentials } from './compile.ts'
import { OAuthHttp } from './http.ts'
import { MemoryTokenStore } from './memory-token-store.ts'
import { clientDocument } from './registration.ts'
import { canonicalResource, holdsServer } from './resource.ts'
import { UserCredentials } from './user-credentials.ts'
import { Vault } from './vault.ts'

const parts = {
  secrets: { resolve: () => 'x' },
  http: new OAuthHttp(),
  vault: new Vault(new MemoryTokenStore(), new Sealer([])),
}
const server = { name: 'notes', url: 'https://notes.example/mcp' }
const compile = (publicUrl: string | undefined) =>
  compileCredentials(server, { type: 'user', scopes: [] }, { ...parts, publicUrl })

test('only users need a public URL, and its slash does not count', () => {
  expect(compileCredentials(server, undefined, { ...parts, publicUrl: undefined }).headers({} as never)).toEqual([])
  const credentials = compile('https://gw.example/ai/')
  expect(credentials).toBeInstanceOf(UserCredentials)
  expect((credentials as UserCredentials).server.redirectUri).toBe('https://gw.example/ai/mcp-oauth/callback')
})

test.each([
  [undefined, /is needed by mcp\.servers\.notes/],
  ['http://gw.example', /must be https/],
  ['https://user@gw.example', /must not hold/],
  ['https://gw.example/?a=b', /must not hold/],
])('the public URL %j is refused', (publicUrl, message) => expect(() => compile(publicUrl)).toThrow(message))

test('the metadata document is what an authorization server checks', () => {
  expect(clientDocument('https://gw.example')).toEqual({
    client_id: 'https://gw.example/mcp-oauth/client.json',
    client_name: 'Chaperone',
    client_uri: 'https://gw.example',
    redirect_uris: ['https://gw.example/mcp-oauth/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    application_type: 'web',
    token_endpoint_auth_method: 'none',
  })
})

test.each([
  ['HTTPS://Notes.Example/', 'https://notes.example'],
  ['https://notes.example:443/mcp/#x', 'https://notes.example/mcp/'],
  ['https://notes.example/?a=b', 'https://notes.example/?a=b'],
])('%s is known as %s', (url, resource) => expect(canonicalResource(url)).toBe(resource))

test.each([
  ['https://notes.example/mcp', true],
  ['https://notes.example', true],
  ['https://notes.example/', true],
  ['https://notes.example/mcp/', true],
  ['https://notes.example/m', false],
  ['https://notes.example/mcp/more', false],
  ['https://notes.example:8443/mcp', false],
  ['http://notes.example/mcp', false],
  ['https://notes.example.evil/mcp', false],
  ['https://notes.example/mcp#x', false],
  ['https://notes.example/?tenant=1', false],
  ['nothing', false],
])('%s holds the server: %s', (resource, holds) => expect(holdsServer(resource, server.url)).toBe(holds))
