import { crc32 } from 'node:zlib'
import { Int64, type MessageHeaders } from '@smithy/eventstream-codec'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type EventStreamMessage, EventStreamParser, MAX_FRAME_BYTES } from './eventstream.ts'
import { codec, cut, frame } from './testing.ts'

function parse(...chunks: Uint8Array[]): { messages: EventStreamMessage[]; parser: EventStreamParser } {
  const parser = new EventStreamParser()
  return { messages: chunks.flatMap((chunk) => parser.push(chunk)), parser }
}

const name = fc.string({ minLength: 1, maxLength: 20, unit: fc.constantFrom(...':-abcdefgz') })
const headerValue: fc.Arbitrary<MessageHeaders[string]> = fc.oneof(
  fc.record({ type: fc.constant('string' as const), value: fc.string({ unit: 'grapheme' }) }),
  fc.record({ type: fc.constant('boolean' as const), value: fc.boolean() }),
  fc.record({ type: fc.constant('byte' as const), value: fc.integer({ min: -128, max: 127 }) }),
  fc.record({ type: fc.constant('short' as const), value: fc.integer({ min: -32768, max: 32767 }) }),
  fc.record({ type: fc.constant('integer' as const), value: fc.integer() }),
  fc.record({ type: fc.constant('long' as const), value: fc.integer().map((value) => Int64.fromNumber(value)) }),
  fc.record({ type: fc.constant('binary' as const), value: fc.uint8Array({ maxLength: 40 }) }),
  fc.record({ type: fc.constant('timestamp' as const), value: fc.integer().map((value) => new Date(value)) }),
  fc.record({ type: fc.constant('uuid' as const), value: fc.uuid() }),
)
const message = fc.record({
  headers: fc.dictionary(name, headerValue, { maxKeys: 6, noNullPrototype: true }),
  body: fc.uint8Array({ maxLength: 300 }),
})

test('messages of any headers, split anywhere, are as they were encoded', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 5 }), fc.array(fc.nat(), { maxLength: 12 }), (sent, positions) => {
      const bytes = Buffer.concat(sent.map((message) => codec.encode(message)))
      const { messages, parser } = parse(...cut(bytes, positions))
      expect(parser.fault).toBeUndefined()
      expect(parser.pending).toBe(false)
      expect(messages.map(({ headers, body }) => [Object.fromEntries(headers), Buffer.from(body)])).toEqual(
        sent.map(({ headers, body }) => [
          Object.fromEntries(
            Object.entries(headers).flatMap(([name, { type, value }]) => (type === 'string' ? [[name, value]] : [])),
          ),
          Buffer.from(body),
        ]),
      )
    }),
  )
})

test('one byte at a time', () => {
  const bytes = Buffer.concat([frame({ a: '1' }, 'x'), frame({ a: '2' }, '')])
  const { messages } = parse(...[...bytes].map((byte) => Uint8Array.of(byte)))
  expect(messages.map(({ headers }) => headers.get('a'))).toEqual(['1', '2'])
})

test('a wrong bit anywhere is found, and what came before it stands', () => {
  const good = frame({ ':event-type': 'messageStart' }, { role: 'assistant' })
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(7), fc.array(fc.nat(), { maxLength: 4 }), (at, bit, positions) => {
      const bad = Buffer.from(good)
      bad[at]! ^= 1 << bit
      const { messages, parser } = parse(...cut(Buffer.concat([good, bad, good]), positions))
      expect(messages).toHaveLength(1)
      expect(parser.fault).toBeTypeOf('string')
      expect(() => codec.decode(bad)).toThrow()
    }),
  )
})

test('after a fault nothing more is read', () => {
  const parser = new EventStreamParser()
  parser.push(Buffer.from('HTTP/1.1 502 Bad Gateway'))
  expect(parser.fault).toMatch(/checksum/)
  expect(parser.push(frame({}, 'x'))).toEqual([])
})

/** A prelude whose own checksum is right. */
function prelude(total: number, headers: number): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt32BE(total, 0)
  bytes.writeUInt32BE(headers, 4)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 8)), 8)
  return bytes
}

describe('lengths', () => {
  test.each([
    ['a frame over the limit', MAX_FRAME_BYTES + 1, 0, /longer than the limit/],
    ['the largest length there is', 0xffff_ffff, 0, /longer than the limit/],
    ['a frame too short for its own checksums', 15, 0, /shorter/],
    ['headers longer than the frame', 100, 85, /shorter/],
    ['no length at all', 0, 0, /shorter/],
  ])('%s is refused at its prelude', (_, total, headers, fault) => {
    expect(parse(prelude(total, headers)).parser.fault).toMatch(fault)
  })

  test('a frame at the limit is read, in many pieces', () => {
    const bytes = codec.encode({ headers: {}, body: Buffer.alloc(MAX_FRAME_BYTES - 16, 1) })
    expect(bytes.length).toBe(MAX_FRAME_BYTES)
    const pieces = Array.from({ length: 256 }, (_, i) => bytes.subarray(i * 65536, (i + 1) * 65536))
    const { messages, parser } = parse(...pieces)
    expect(parser.fault).toBeUndefined()
    expect(messages.map(({ body }) => body.length)).toEqual([MAX_FRAME_BYTES - 16])
  })

  test('headers that do not end where they should are a fault', () => {
    const bytes = Buffer.concat([prelude(20, 4), Buffer.from([9, 97, 98, 99]), Buffer.alloc(4)])
    bytes.writeUInt32BE(crc32(bytes.subarray(0, 16)), 16)
    expect(parse(bytes).parser.fault).toBeTypeOf('string')
  })

  test('half a frame is pending', () => {
    const { messages, parser } = parse(frame({}, 'abc').subarray(0, 13))
    expect(messages).toEqual([])
    expect(parser.pending).toBe(true)
  })
})
