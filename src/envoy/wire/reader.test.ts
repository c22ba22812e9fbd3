import { BinaryWriter } from '@bufbuild/protobuf/wire'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lengthTag, Reader, varintTag } from './reader.ts'

const reading = (...bytes: number[]): Reader => new Reader(Uint8Array.from(bytes))

describe('varints', () => {
  it('are read as written', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 53n }), (value) => {
        const reader = new Reader(new BinaryWriter().uint64(value).finish())
        expect(BigInt(reader.varint())).toBe(value)
        expect(reader.done).toBe(true)
      }),
    )
  })

  it('above 2^53 are not 0', () => {
    for (const value of [2n ** 63n, 2n ** 64n - 1n, 2n ** 53n + 1n])
      expect(new Reader(new BinaryWriter().uint64(value).finish()).varint()).toBeGreaterThan(2 ** 52)
  })

  it('may be longer than they need to be, up to ten bytes', () => {
    expect(reading(0x80, 0x00).varint()).toBe(0)
    expect(reading(0x85, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00).varint()).toBe(5)
    expect(() => reading(...Array<number>(10).fill(0x80), 0x00).varint()).toThrow('more than ten bytes')
  })

  it('that are cut short throw', () => {
    expect(() => reading().varint()).toThrow('ends after its message')
    expect(() => reading(0xff).varint()).toThrow('ends after its message')
  })
})

describe('tags', () => {
  it('have a field number from 1 to 2^29 - 1', () => {
    expect(reading(0x08).tag()).toBe(varintTag(1))
    expect(reading(0x6a).tag()).toBe(lengthTag(13))
    expect(reading(0xff, 0xff, 0xff, 0xff, 0x0f).tag()).toBe(0xffff_ffff)
    expect(() => reading(0x00).tag()).toThrow('no such field number')
    expect(() => reading(0x07).tag()).toThrow('no such field number')
    expect(() => reading(0x80, 0x80, 0x80, 0x80, 0x10).tag()).toThrow('no such field number')
  })
})

describe('lengths', () => {
  it('stay inside the message', () => {
    for (const read of [
      (reader: Reader) => reader.view(),
      (reader: Reader) => reader.text(),
      (reader: Reader) => reader.enter(),
      (reader: Reader) => reader.skip(lengthTag(1)),
    ]) {
      expect(() => read(reading(3, 1, 2))).toThrow('ends after its message')
      // 2^32 + 1 must not be taken for 1.
      expect(() => read(reading(0x81, 0x80, 0x80, 0x80, 0x10, 1, 2))).toThrow('ends after its message')
      expect(() => read(reading(2, 1, 2))).not.toThrow()
    }
  })

  it('stay inside the inner message', () => {
    const reader = reading(2, 2, 1, 1, 1)
    const outer = reader.enter()
    expect(() => reader.view()).toThrow('ends after its message')
    reader.leave(outer)
  })

  it('of an inner message bring the reader back to the outer one', () => {
    const reader = reading(2, 1, 7, 9)
    const outer = reader.enter()
    expect([...reader.view()]).toEqual([7])
    expect(reader.done).toBe(true)
    reader.leave(outer)
    expect([reader.done, reader.varint(), reader.done]).toEqual([false, 9, true])
  })
})

describe('skipping', () => {
  const skipped = (...bytes: number[]): number => {
    const reader = reading(...bytes)
    reader.skip(reader.tag())
    return reader.position
  }

  it('passes each wire type', () => {
    expect(skipped(0x08, 0x96, 0x01)).toBe(3)
    expect(skipped(0x09, 1, 2, 3, 4, 5, 6, 7, 8)).toBe(9)
    expect(skipped(0x0a, 2, 1, 2)).toBe(4)
    expect(skipped(0x0d, 1, 2, 3, 4)).toBe(5)
  })

  it('passes groups in groups', () => {
    expect(skipped(0x0b, 0x0c)).toBe(2)
    expect(skipped(0x0b, 0x10, 5, 0x1b, 0x0a, 1, 0x1c, 0x1c, 0x0c)).toBe(9)
  })

  it('throws on fields cut short', () => {
    for (const bytes of [[0x09, 1, 2, 3, 4, 5, 6, 7], [0x0d, 1, 2, 3], [0x0b], [0x0b, 0x10, 5], [0x0a, 1]])
      expect(() => skipped(...bytes)).toThrow('ends after its message')
  })

  it('throws on ends of other groups and on wire types that are none', () => {
    expect(() => skipped(0x0c)).toThrow('group that did not begin')
    expect(() => skipped(0x0b, 0x14)).toThrow('group that did not begin')
    expect(() => skipped(0x0e)).toThrow('no such wire type')
    expect(() => skipped(0x0f)).toThrow('no such wire type')
  })

  it('throws on groups so deep that no stack holds them', () => {
    expect(() => new Reader(Buffer.alloc(1_000_000, 0x0b)).skip(0x0b)).toThrow('too deep')
  })
})
