import { Duplex } from 'node:stream'
import { expect, test } from 'vitest'
import { Writer } from './writer.ts'

/** A socket whose peer reads nothing until it is told to. */
class SlowSocket extends Duplex {
  readonly received: Buffer[] = []
  #waiting: (() => void)[] = []

  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    // The bytes are looked at when they leave, as a kernel does that has no room for them yet.
    this.#waiting.push(() => {
      this.received.push(Buffer.from(chunk))
      done()
    })
  }
  async drain(): Promise<Buffer> {
    while (this.#waiting.length > 0) {
      this.#waiting.shift()!()
      await new Promise((resolve) => setImmediate(resolve))
    }
    return Buffer.concat(this.received)
  }
}

test.each([100, 16_384, 65_518, 65_523, 70_000])(
  'frames of %i bytes stay whole while the socket is busy',
  async (size) => {
    const socket = new SlowSocket({ writableHighWaterMark: 1 << 30 })
    const writer = new Writer(socket)
    writer.window = 2 ** 31 - 1
    writer.batching = true
    const count = 40
    for (let stream = 1; stream <= count; stream++) {
      const bytes = Buffer.alloc(size, stream)
      if (stream % 2 === 0) writer.data(stream, bytes, 0, size)
      else writer.message(stream, bytes)
    }
    writer.flush()
    const text = await socket.drain()
    let at = 0
    for (let stream = 1; stream <= count; stream++) {
      const length = text.readUIntBE(at, 3)
      const prefix = stream % 2 === 0 ? 0 : 5
      expect({ length, type: text[at + 3], stream: text.readUInt32BE(at + 5) }).toEqual({
        length: size + prefix,
        type: 0,
        stream,
      })
      expect(text.subarray(at + 9 + prefix, at + 9 + length).every((byte) => byte === stream)).toBe(true)
      at += 9 + length
    }
    expect(at).toBe(text.length)
  },
)
