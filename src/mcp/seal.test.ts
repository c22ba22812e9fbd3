import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Sealer } from './seal.ts'

const key = (id: string) => ({ id, secret: randomBytes(32) })
const now = 1_800_000_000

test('what was sealed opens again, for the same purpose and the same bound', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string(), fc.string(), (value, bound, other) => {
      const sealer = new Sealer([key('a')])
      const text = sealer.seal('session', bound, value, now)
      expect(sealer.open('session', bound, text, now)).toEqual({
        value: JSON.parse(JSON.stringify(value)),
        expires: now,
      })
      expect(sealer.open('state', bound, text, now)).toBe('invalid')
      if (other !== bound) expect(sealer.open('session', other, text, now)).toBe('invalid')
    }),
  )
})

test('it is visible ASCII without blanks, and never the same twice', () => {
  const sealer = new Sealer([])
  const texts = new Set(Array.from({ length: 1000 }, () => sealer.seal('session', 'b', { n: 1 }, now)))
  expect(texts.size).toBe(1000)
  for (const text of texts) expect(text).toMatch(/^[\x21-\x7e]+$/)
})

test('it expires', () => {
  const sealer = new Sealer([])
  const text = sealer.seal('state', '', 1, now)
  expect(sealer.open('state', '', text, now)).toMatchObject({ value: 1 })
  expect(sealer.open('state', '', text, now + 1)).toBe('expired')
})

describe('what was changed does not open', () => {
  const sealer = new Sealer([key('a')])
  const text = sealer.seal('session', 'bound', { session: 'x'.repeat(50) }, now)

  test('a bit anywhere', () => {
    const [id, rest] = text.split('.') as [string, string]
    const bytes = Buffer.from(rest, 'base64url')
    for (let i = 0; i < bytes.length * 8; i++) {
      const changed = Buffer.from(bytes)
      changed[i >> 3]! ^= 1 << (i & 7)
      expect(sealer.open('session', 'bound', `${id}.${changed.toString('base64url')}`, now)).toBe('invalid')
    }
  })

  test.each([
    '',
    '.',
    'a.',
    'a',
    text.slice(0, -1),
    text.slice(0, 20),
    text.slice(1),
    `b${text.slice(1)}`,
    `${text}${text}`,
  ])('%j', (changed) => expect(sealer.open('session', 'bound', changed, now)).toBe('invalid'))
})

test('keys rotate: the first seals, the others still open, what is gone does not', () => {
  const [old, fresh] = [key('old'), key('new')]
  const before = new Sealer([old]).seal('session', '', 1, now)
  const rotated = new Sealer([fresh, old])
  expect(rotated.open('session', '', before, now)).toMatchObject({ value: 1 })
  expect(rotated.seal('session', '', 1, now)).toMatch(/^new\./)
  expect(new Sealer([fresh]).open('session', '', before, now)).toBe('invalid')
})

test('a key of less than 32 bytes is refused', () => {
  expect(() => new Sealer([{ id: 'short', secret: randomBytes(31) }])).toThrow(RangeError)
})
