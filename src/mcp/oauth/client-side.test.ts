import fc from 'fast-check'
import { expect, test } from 'vitest'
import { challenge } from './challenge.ts'
import { protectedResourceMetadata, resourceMetadataUrl } from './protected-resource.ts'
import { publicBase } from './public-base.ts'
import { readChallenge } from './read-challenge.ts'

test.each([
  ['https://gw.example/', undefined, 'https://gw.example'],
  ['https://gw.example/ai/', 'evil.example', 'https://gw.example/ai'],
  [undefined, 'GW.example:8443', 'http://gw.example:8443'],
  [undefined, '[::1]:10000', 'http://[::1]:10000'],
  [undefined, undefined, undefined],
  [undefined, '', undefined],
  [undefined, 'a"b', undefined],
  [undefined, 'user@host', undefined],
  [undefined, 'host/path', undefined],
  [undefined, 'host\r\nx: y', undefined],
])('the public URL of %j asked as %j is %j', (rule, authority, expected) => {
  expect(publicBase(rule, { scheme: 'http', authority })).toBe(expected)
})

test('an endpoint says who gives its tokens', () => {
  const of = { base: 'https://gw.example', path: '/mcp/notes', issuers: ['https://a', 'https://b', 'https://a'] }
  expect(protectedResourceMetadata({ ...of, scopes: ['read', 'offline_access'], name: 'Notes' })).toEqual({
    resource: 'https://gw.example/mcp/notes',
    authorization_servers: ['https://a', 'https://b'],
    scopes_supported: ['read'],
    bearer_methods_supported: ['header'],
    resource_name: 'Notes',
  })
  expect(protectedResourceMetadata(of)).not.toHaveProperty('scopes_supported')
})

test.each([
  ['https://gw.example', '/mcp', 'https://gw.example/.well-known/oauth-protected-resource/mcp'],
  ['https://gw.example/ai', '/mcp/a', 'https://gw.example/.well-known/oauth-protected-resource/ai/mcp/a'],
])('the metadata of %s%s is at %s', (base, path, expected) => {
  expect(resourceMetadataUrl({ base, path })).toBe(expected)
})

const resourceMetadata = 'https://gw.example/.well-known/oauth-protected-resource/mcp'
test.each([
  [401, { shown: false, resourceMetadata }, `Bearer resource_metadata="${resourceMetadata}"`],
  [401, { shown: false }, 'Bearer'],
  [
    401,
    { shown: true, resourceMetadata, description: 'It "expired"\r\n.' },
    `Bearer error="invalid_token", error_description="It 'expired'''.", resource_metadata="${resourceMetadata}"`,
  ],
  [
    403,
    { shown: true, resourceMetadata, scopes: ['files:read', 'files:write', 'b"d', 'offline_access'] },
    `Bearer error="insufficient_scope", scope="files:read files:write", resource_metadata="${resourceMetadata}"`,
  ],
] as const)('a refusal with %i: %#', (status, refusal, expected) => {
  expect(challenge(status, refusal)).toBe(expected)
})

test.each([
  [undefined, undefined],
  ['', undefined],
  ['Basic realm="x"', undefined],
  ['Bearer', {}],
  ['bEaReR scope="a b a"', { scopes: ['a', 'b'] }],
  ['Bearer error=invalid_token', { error: 'invalid_token' }],
  ['Basic YWJj==, Bearer resource_metadata="https://a/b"', { resourceMetadata: 'https://a/b' }],
  ['Basic realm="Bearer scope=\\"no\\"", Bearer scope="yes"', { scopes: ['yes'] }],
  ['Bearer scope="x", Digest scope="y"', { scopes: ['x'] }],
  ['Bearer scope="x", scope="y"', { scopes: ['x'] }],
  ['Bearer error="a\\"b"', { error: 'a"b' }],
  ['Bearer scope="never ends', {}],
  [`Bearer scope="${'x'.repeat(9000)}"`, undefined],
])('WWW-Authenticate is read: %#', (header, expected) => {
  expect(readChallenge(header)).toEqual(expected)
})

test('what is written is read, and nothing that is read throws', () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-z:.]{1,20}$/), { minLength: 1, maxLength: 20 }), (scopes) => {
      const read = readChallenge(challenge(403, { shown: true, scopes, resourceMetadata }))
      expect(read).toEqual({ scopes: [...new Set(scopes)], error: 'insufficient_scope', resourceMetadata })
    }),
  )
  fc.assert(fc.property(fc.string({ maxLength: 300 }), (text) => void readChallenge(`Bearer ${text}`)))
})
