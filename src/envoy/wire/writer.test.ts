import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { text } from './arbitraries.ts'
import { Writer } from './writer.ts'

function written(write: (writer: Writer) => void): Buffer {
  const writer = new Writer()
  writer.start()
  write(writer)
  return writer.finish()
}

describe('Writer', () => {
  it('writes numbers as protobuf-es does', () => {
    const edges = fc.constantFrom(1, 127, 128, 16_383, 16_384, 2 ** 21 - 1, 2 ** 21, 2 ** 28 - 1, 2 ** 28, 2 ** 32 - 1)
    fc.assert(
      fc.property(fc.oneof(edges, fc.integer({ min: 1, max: 2 ** 32 - 1 })), (value) => {
        const expected = new BinaryWriter().tag(3, WireType.Varint).uint32(value).finish()
        expect(written((writer) => writer.varint(3, value))).toEqual(Buffer.from(expected))
      }),
    )
  })

  it('refuses numbers that the wire format cannot hold so', () => {
    for (const value of [-1, 1.5, Number.NaN, 2 ** 32])
      expect(() => written((w) => w.varint(1, value))).toThrow(RangeError)
  })

  it('writes text as protobuf-es does, of any length and script', () => {
    const long = fc.tuple(text, fc.nat(200_000)).map(([unit, length]) => unit.repeat(length).slice(0, 200_000))
    fc.assert(
      fc.property(fc.oneof(text, long), (value) => {
        const expected = new BinaryWriter().tag(2, WireType.LengthDelimited).string(value).finish()
        expect(written((writer) => writer.textItem(2, value)).equals(expected)).toBe(true)
      }),
    )
  })

  it('writes U+FFFD for a lone surrogate', () => {
    for (const rest of ['', 'x'.repeat(100)])
      expect(
        written((writer) => writer.text(1, `a\ud800${rest}`))
          .subarray(2)
          .toString(),
      ).toBe(`a\ufffd${rest}`)
  })

  it('leaves out what is 0 or empty, but for bytes, items and nested messages', () => {
    expect(written((writer) => writer.varint(1, 0))).toHaveLength(0)
    expect(written((writer) => writer.text(1, ''))).toHaveLength(0)
    expect([...written((writer) => writer.textItem(1, ''))]).toEqual([0x0a, 0])
    expect([...written((writer) => writer.bytes(1, new Uint8Array(0)))]).toEqual([0x0a, 0])
    expect([...written((writer) => writer.nest(1, 0))]).toEqual([0x0a, 0])
  })

  it('nests', () => {
    const message = written((writer) => {
      writer.varint(2, 9)
      const end = writer.written
      writer.varint(1, 5)
      writer.nest(1, end)
    })
    expect([...message]).toEqual([0x0a, 2, 0x08, 5, 0x10, 9])
  })

  it('keeps every message as it was, however many follow and however long they are', () => {
    const writer = new Writer()
    const lengths = fc.array(fc.oneof(fc.nat(300), fc.nat(70_000), fc.constantFrom(65_536, 65_530, 200_000)), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(lengths, (lengths) => {
        const messages = lengths.map((length, index) => {
          writer.start()
          writer.varint(3, index + 1)
          writer.bytes(2, Buffer.alloc(length, index))
          writer.text(1, 'before the body')
          return writer.finish()
        })
        messages.forEach((message, index) => {
          const expected = new BinaryWriter().tag(1, WireType.LengthDelimited).string('before the body')
          expected.tag(2, WireType.LengthDelimited).bytes(Buffer.alloc(lengths[index]!, index))
          expected.tag(3, WireType.Varint).uint32(index + 1)
          expect(message.equals(expected.finish())).toBe(true)
        })
      }),
      { numRuns: 30 },
    )
  })

  it('begins anew after a message that was given up', () => {
    const writer = new Writer()
    writer.start()
    writer.text(1, 'given up')
    writer.start()
    writer.varint(1, 7)
    expect([...writer.finish()]).toEqual([0x08, 7])
  })

  it('does not keep a large body alive for a small message', () => {
    const writer = new Writer()
    writer.start()
    writer.bytes(1, Buffer.alloc(1 << 20))
    writer.finish()
    writer.start()
    writer.varint(1, 7)
    expect(writer.finish().buffer.byteLength).toBeLessThanOrEqual(65_536)
  })
})
