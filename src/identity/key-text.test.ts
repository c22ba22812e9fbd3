import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isIntact, keyHash, keyIdOf, keyTextPattern, newKeyId, newKeyText } from './key-text.ts'

test('a key has its form, and says its id', () => {
  for (let i = 0; i < 200; i++) {
    const id = newKeyId()
    const text = newKeyText(id)
    expect(text).toMatch(/^chp_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/)
    expect(`key: "${text}",`).toMatch(keyTextPattern)
    expect(keyIdOf(text)).toBe(id)
    expect(isIntact(text)).toBe(true)
  }
})

test('the checksum notices every mistyped character and every swap', () => {
  const text = newKeyText(newKeyId())
  const place = fc.integer({ min: 4, max: text.length - 1 })
  fc.assert(
    fc.property(place, fc.constantFrom(...'09azAZ_-é '), (at, character) => {
      const typed = text.slice(0, at) + character + text.slice(at + 1)
      expect(isIntact(typed)).toBe(typed === text)
    }),
  )
  fc.assert(
    fc.property(place, place, (a, b) => {
      const letters = [...text]
      ;[letters[a], letters[b]] = [letters[b]!, letters[a]!]
      expect(isIntact(letters.join(''))).toBe(letters.join('') === text)
    }),
  )
})

test('what is no key has no id', () => {
  const text = newKeyText(newKeyId())
  for (const other of ['', 'chp_', text.slice(1), `${text} `, text.slice(0, -1), `sk-${text}`, text.replace('_', '-')])
    expect([other, keyIdOf(other), isIntact(other)]).toEqual([other, undefined, false])
})

test('the checksum is CRC-32 as others compute it, so that scanners can check keys', () => {
  const body = `chp_${'0'.repeat(12)}_${'0'.repeat(43)}`
  // Python: zlib.crc32(body.encode()) == 3168606191
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  let rest = 3168606191
  let checksum = ''
  for (let i = 0; i < 6; i++, rest = Math.floor(rest / 62)) checksum = digits[rest % 62]! + checksum
  expect(isIntact(body + checksum)).toBe(true)
})

test('a hash covers the whole text', () => {
  expect(keyHash('a')).toBe('ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb')
})

test('the characters of a key are evenly spread', () => {
  const counts = new Map<string, number>()
  for (let i = 0; i < 3000; i++)
    for (const character of newKeyText(newKeyId()).slice(17, 60))
      counts.set(character, (counts.get(character) ?? 0) + 1)
  expect(counts.size).toBe(62)
  // 129,000 draws, 2,081 expected of each; six standard deviations are 272.
  for (const count of counts.values()) expect(Math.abs(count - 2081)).toBeLessThan(300)
})
