import type { Duplex } from 'node:stream'
import { defaultMaxFrameSize, defaultWindow, flag, frameHeaderLength, frameType, writeFrameHeader } from './frame.ts'
import { messagePrefixLength } from './grpc.ts'

const segmentSize = 65_536
/** Bytes that wait in the socket before we stop to send data, and to read what would make us answer. */
const highWater = 262_144

/** A stream with messages that the peer has no window for. */
export interface WaitingStream {
  /** Sends one frame. @returns false where it cannot */
  sendNext(): boolean
}

/**
 * Everything one connection sends. Frames are gathered and leave in one write: those made while a chunk is handled
 * when it has been (`flush`), others at the end of the event loop's turn.
 */
export class Writer {
  /** How much the peer takes on the connection (RFC 9113, section 6.9). */
  window = defaultWindow
  /** The peer's settings. */
  maxFrameSize = defaultMaxFrameSize
  initialWindow = defaultWindow
  /** While set, the caller promises to call `flush`. */
  batching = false
  readonly waiting = new Set<WaitingStream>()
  readonly #socket: Duplex
  #bytes = Buffer.allocUnsafeSlow(segmentSize)
  #length = 0
  #scheduled = false
  #shrinkTable = false

  constructor(socket: Duplex) {
    this.#socket = socket
  }

  /** Whether more waits in the socket than should. */
  get congested(): boolean {
    return this.#socket.writableLength > highWater
  }

  /** Tells the peer with the next header block that we use no dynamic table, as a smaller table asks (RFC 7541, section 4.2). */
  shrinkTable(): void {
    this.#shrinkTable = true
  }

  /** @param block a header block that fits one frame */
  headers(stream: number, block: Buffer, endStream: boolean): void {
    const update = this.#shrinkTable ? 1 : 0
    const flags = endStream ? flag.endHeaders | flag.endStream : flag.endHeaders
    const at = this.#frame(update + block.length, frameType.headers, flags, stream)
    if (update) this.#bytes[at] = 0x20
    this.#shrinkTable = false
    this.#bytes.set(block, at + update)
  }

  /** Sends a whole message in one DATA frame. The caller made sure that it fits the windows and a frame. */
  message(stream: number, message: Uint8Array): void {
    const size = messagePrefixLength + message.length
    this.window -= size
    const at = this.#room(frameHeaderLength + messagePrefixLength)
    writeFrameHeader(this.#bytes, at, size, frameType.data, 0, stream)
    writePrefix(this.#bytes, at + frameHeaderLength, message.length)
    this.#append(message, 0, message.length)
  }

  /** Sends a piece of a message in one DATA frame, as `message` does. */
  data(stream: number, bytes: Uint8Array, start: number, end: number): void {
    this.window -= end - start
    // Not in one expression with the line below: making room may change the buffer.
    const at = this.#room(frameHeaderLength)
    writeFrameHeader(this.#bytes, at, end - start, frameType.data, 0, stream)
    this.#append(bytes, start, end)
  }

  reset(stream: number, code: number): void {
    const at = this.#frame(4, frameType.rstStream, 0, stream)
    this.#bytes.writeUInt32BE(code, at)
  }

  settings(pairs: readonly (readonly [id: number, value: number])[]): void {
    let at = this.#frame(pairs.length * 6, frameType.settings, 0, 0)
    for (const [id, value] of pairs) {
      this.#bytes.writeUInt16BE(id, at)
      this.#bytes.writeUInt32BE(value, at + 2)
      at += 6
    }
  }

  settingsAck(): void {
    this.#frame(0, frameType.settings, flag.ack, 0)
  }

  /** @param opaque eight bytes */
  ping(flags: number, opaque: Uint8Array): void {
    const at = this.#frame(8, frameType.ping, flags, 0)
    this.#bytes.set(opaque, at)
  }

  windowUpdate(stream: number, increment: number): void {
    const at = this.#frame(4, frameType.windowUpdate, 0, stream)
    this.#bytes.writeUInt32BE(increment, at)
  }

  goAway(lastStream: number, code: number, message = ''): void {
    const text = Buffer.from(message.slice(0, 200))
    const at = this.#frame(8 + text.length, frameType.goAway, 0, 0)
    this.#bytes.writeUInt32BE(lastStream, at)
    this.#bytes.writeUInt32BE(code, at + 4)
    this.#bytes.set(text, at + 8)
  }

  /** Sends what waits for windows, a frame of each stream in turn, as far as they reach. */
  pump(): void {
    let sent = true
    while (sent && this.window > 0 && !this.congested) {
      sent = false
      for (const stream of this.waiting) if (stream.sendNext()) sent = true
    }
  }

  /** Writes what has been gathered, unless the socket is busy: then it goes when the socket is free. */
  flush(): void {
    if (this.#length > 0 && this.#socket.writableLength === 0) this.#push()
    if (this.congested && !this.#socket.isPaused()) this.#socket.pause()
  }

  /** Sends all that is left, then ends this side of the socket. */
  finish(): void {
    if (this.#length > 0) this.#push()
    this.#socket.end()
    // What the client still sends must be read for it to see our end.
    this.#socket.resume()
  }

  readonly #flushScheduled = (): void => {
    this.#scheduled = false
    this.flush()
  }

  /** A write is done. */
  readonly #written = (): void => {
    if (this.congested) return
    if (this.waiting.size > 0) this.pump()
    this.flush()
    if (this.#socket.isPaused() && !this.congested) this.#socket.resume()
  }

  #push(): void {
    const { writable } = this.#socket
    if (writable) this.#socket.write(this.#bytes.subarray(0, this.#length), this.#written)
    // An idle socket has passed the bytes on to the kernel already, and their memory can be used again.
    if (writable && this.#socket.writableLength > 0) this.#bytes = Buffer.allocUnsafeSlow(segmentSize)
    this.#length = 0
  }

  /** @returns where `count` bytes can be written */
  #room(count: number): number {
    if (this.#length + count > segmentSize) this.#push()
    const at = this.#length
    this.#length += count
    if (!this.batching && !this.#scheduled) {
      this.#scheduled = true
      process.nextTick(this.#flushScheduled)
    }
    return at
  }

  /** @returns where the payload goes */
  #frame(length: number, type: number, flags: number, stream: number): number {
    const at = this.#room(frameHeaderLength + length)
    writeFrameHeader(this.#bytes, at, length, type, flags, stream)
    return at + frameHeaderLength
  }

  #append(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      if (this.#length === segmentSize) this.#push()
      const count = Math.min(end - at, segmentSize - this.#length)
      this.#bytes.set(count === bytes.length ? bytes : bytes.subarray(at, at + count), this.#length)
      this.#length += count
      at += count
    }
  }
}

/** Writes the five bytes before an uncompressed message. */
export function writePrefix(into: Buffer, at: number, length: number): void {
  into[at] = 0
  into.writeUInt32BE(length, at + 1)
}
