import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Encrypted, encryptedOf, readEncrypted, writeEncrypted } from './encrypted.ts'

const origin = fc.constantFrom('anthropic', 'gemini', 'bedrock')
const opaque = fc.record({ origin, value: fc.string({ unit: 'binary' }) })
const encrypted: fc.Arbitrary<Encrypted> = fc.oneof(
  fc.record({ kind: fc.constantFrom('signature', 'redacted'), opaque }),
  fc.record({
    kind: fc.constant('call'),
    callId: fc.string({ unit: fc.constantFrom('a', ':', '%', '3', 'A', '2', '5', '\n', '\ud800') }),
    opaque,
  }),
)

test('foreign data comes back as what it was', () => {
  fc.assert(
    fc.property(encrypted, (value) => {
      expect(readEncrypted(writeEncrypted(value))).toEqual(value)
    }),
  )
})

test("OpenAI's own goes through byte for byte", () => {
  const own = { redacted: { origin: 'openai', value: 'gAAAA:==' } } as const
  expect(encryptedOf(own)).toBe('gAAAA:==')
  expect(encryptedOf({ signature: own.redacted })).toBe('gAAAA:==')
  expect(readEncrypted('gAAAA:==')).toEqual({ kind: 'redacted', opaque: own.redacted })
  expect(encryptedOf({})).toBeUndefined()
})

test.each(['chaperone.gemini.', 'chaperone.gemini.other:x', 'chaperone.gemini.call:x'])(
  '%s is not of our making',
  (text) => {
    expect(readEncrypted(text)).toBeUndefined()
  },
)
