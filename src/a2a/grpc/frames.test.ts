import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameReader, readSingleFrame, writeFrame } from './frames.ts'

test('messages come out of a stream as they went in, however it is cut', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 })
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sent, cuts) => {
      const bytes = Buffer.concat(sent.map(writeFrame))
      const reader = new FrameReader(50)
      const got: Uint8Array[] = []
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const next = at + cuts[turn % cuts.length]!
        got.push(...reader.push(bytes.subarray(at, next)))
        at = next
      }
      expect(got.map((message) => [...message])).toEqual(sent.map((message) => [...message]))
      expect(reader.whole).toBe(true)
    }),
  )
})

test('a stream that ends in a message is not whole', () => {
  const reader = new FrameReader(50)
  expect(reader.push(writeFrame(new Uint8Array(9)).subarray(0, 12))).toEqual([])
  expect(reader.whole).toBe(false)
})

test('a message that is too long is refused before it is there', () => {
  const head = writeFrame(new Uint8Array(51)).subarray(0, 5)
  expect(() => new FrameReader(50).push(head)).toThrow(expect.objectContaining({ kind: 'invalidAgentResponse' }))
})

test('a compressed message is refused on either side, as gRPC wants it', () => {
  const frame = writeFrame(new Uint8Array([1, 2]))
  frame[0] = 1
  expect(() => readSingleFrame(frame)).toThrow(
    expect.objectContaining({ kind: 'methodNotFound', headers: [['grpc-accept-encoding', 'identity']] }),
  )
  expect(() => new FrameReader(50).push(frame)).toThrow(expect.objectContaining({ kind: 'invalidAgentResponse' }))
})

test('one message, and only one', () => {
  const frame = writeFrame(new Uint8Array([1, 2]))
  expect([...readSingleFrame(frame)]).toEqual([1, 2])
  for (const wrong of [frame.subarray(0, 6), Buffer.concat([frame, frame]), new Uint8Array(0)])
    expect(() => readSingleFrame(wrong)).toThrow(expect.objectContaining({ kind: 'invalidRequest' }))
})
