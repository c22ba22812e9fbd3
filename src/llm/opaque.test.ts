import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Opaque } from './conversation.ts'
import { ownOpaque, unwrapOpaque, wrapOpaque } from './opaque.ts'

const origins: Opaque['origin'][] = ['openai', 'anthropic', 'gemini', 'bedrock']
const origin = fc.constantFrom(...origins)
const value = fc.string({ unit: 'binary' })

test('what went out comes back as it was, of the origin it was', () => {
  fc.assert(
    fc.property(origin, origin, value, (from, native, text) => {
      const opaque = { origin: from, value: text }
      expect(unwrapOpaque(wrapOpaque(opaque, native), native)).toEqual(opaque)
    }),
  )
})

test('an API’s own data goes in unmarked, all other says where it is from', () => {
  expect(wrapOpaque({ origin: 'anthropic', value: 'sig' }, 'anthropic')).toBe('sig')
  expect(wrapOpaque({ origin: 'gemini', value: 'a\nb.c' }, 'anthropic')).toBe('chaperone.gemini.a\nb.c')
})

test.each(['chaperone.openai', 'chaperone.nobody.x', 'xchaperone.openai.x', 'Chaperone.openai.x', ''])(
  '“%s” is no mark',
  (text) => {
    expect(unwrapOpaque(text, 'gemini')).toEqual({ origin: 'gemini', value: text })
  },
)

test('data is shown to its own origin only', () => {
  for (const from of origins)
    for (const to of origins) expect(ownOpaque({ origin: from, value: 'v' }, to)).toBe(from === to ? 'v' : undefined)
  expect(ownOpaque(undefined, 'openai')).toBeUndefined()
})
