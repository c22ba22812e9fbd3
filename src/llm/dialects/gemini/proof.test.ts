import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Opaque } from '../../conversation.ts'
import { foreignMark, isForeign, readProof, unsigned, writeProof } from './proof.ts'

const origin = fc.constantFrom<Opaque['origin']>('openai', 'anthropic', 'bedrock')
const kind = fc.constantFrom('signature' as const, 'redacted' as const)
const value = fc.string({ unit: 'grapheme', minLength: 1 })

describe('proof', () => {
  test('Gemini’s own goes as it came', () => {
    const proof = { kind: 'signature', opaque: { origin: 'gemini', value: 'EgIIAQ==' } } as const
    expect(writeProof(proof)).toBe('EgIIAQ==')
    expect(readProof('EgIIAQ==')).toEqual(proof)
    expect(isForeign('EgIIAQ==')).toBe(false)
  })

  test('another’s comes back as it was, through either alphabet of base64, with padding or without', () => {
    fc.assert(
      fc.property(kind, origin, value, (kind, origin, value) => {
        const proof = { kind, opaque: { origin, value } }
        const text = writeProof(proof)
        expect(text).toMatch(/^[A-Za-z0-9+/]+=*$/)
        expect(text.startsWith(foreignMark)).toBe(true)
        const urlSafe = text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
        for (const form of [text, urlSafe]) {
          expect(isForeign(form)).toBe(true)
          expect(readProof(form)).toEqual(proof)
        }
      }),
    )
  })

  test('the mark of a call that nobody signed proves nothing', () => {
    const text = writeProof({ kind: 'signature', opaque: unsigned })
    expect(isForeign(text)).toBe(true)
    expect(readProof(text)).toBeUndefined()
  })

  test('what only looks like a mark', () => {
    const other = Buffer.from('chaperone.somebody.signature:x').toString('base64')
    expect(isForeign(other)).toBe(false)
    expect(readProof(other)).toEqual({ kind: 'signature', opaque: { origin: 'gemini', value: other } })
    const nonsense = Buffer.from('chaperone.openai.nonsense').toString('base64')
    expect(readProof(nonsense)).toBeUndefined()
  })
})
