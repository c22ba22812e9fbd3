import fc from 'fast-check'
import { expect, test } from 'vitest'
import { scrub } from './scrub.ts'

test.each([
  ['Authorization: Bearer abc.def', 'Authorization: Bearer [redacted]'],
  ['authorization: Basic dXNlcjpwYXNz', 'authorization: Basic [redacted]'],
  ['GET /v1?api_key=1&x=2', 'GET /v1?api_key=[redacted]&x=2'],
  ['GET /v1beta/models?key=AIzaSyA&alt=sse', 'GET /v1beta/models?key=[redacted]&alt=sse'],
  ['x-api-key: abcdef0123456789', 'x-api-key: [redacted]'],
  ["'api-key': '0123456789abcdef'", "'api-key': '[redacted]'"],
  ['{"access_token":"abc.def","expires_in":1}', '{"access_token":"[redacted]","expires_in":1}'],
  ['x-amz-security-token: FwoGZXIvYXdzE', 'x-amz-security-token: [redacted]'],
  ['Credential=AKIAIOSFODNN7EXAMPLE/2026, Signature=00112233', 'Credential=[redacted]/2026, Signature=[redacted]'],
  ['client_secret=abc&x=1', 'client_secret=[redacted]&x=1'],
  ['connect to https://user:pa55@proxy.example:3128', 'connect to https://[redacted]@proxy.example:3128'],
  ['key sk-proj-0123456789abc end', 'key [redacted] end'],
  ['AKIAIOSFODNN7EXAMPLE', '[redacted]'],
  ['token eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln end', 'token [redacted] end'],
  ['-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- ok', '[redacted] ok'],
  ['cut: -----BEGIN PRIVATE KEY-----\nMIIE', 'cut: [redacted]'],
])('%s is scrubbed', (text, scrubbed) => {
  expect(scrub(text)).toBe(scrubbed)
})

test.each([
  'a task-force of sk-y',
  'a basic request to https://host:8080/a?keyword=1 failed',
  'messages.1.content.0.thinking.signature: Field required',
  'secrets: ${env:OPENAI_API_KEY} is not set',
  'max_tokens=5 is too few tokens: 10 are needed',
])('%s stays as it is', (text) => {
  expect(scrub(text)).toBe(text)
})

test('no text takes long', () => {
  const piece = fc.constantFrom(
    '-----BEGIN ',
    'PRIVATE KEY-----',
    '://',
    'a:',
    '@',
    'api_key',
    '=',
    ' ',
    'eyJaaaa.',
    'basic ',
    'x',
  )
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 8 }), (pieces) => {
      const text = pieces.join('').repeat(Math.ceil(50_000 / pieces.join('').length))
      const began = performance.now()
      scrub(text)
      expect(performance.now() - began).toBeLessThan(5_000)
    }),
    { numRuns: 50 },
  )
})
