/** HTTP/2 frames (RFC 9113, section 4): the numbers, and how a byte stream is cut into them. */

export const frameType = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goAway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const

export const flag = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const

/** Section 6.5.2. */
export const setting = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
} as const

/** Section 7. */
export const errorCode = {
  noError: 0x0,
  protocolError: 0x1,
  internalError: 0x2,
  flowControlError: 0x3,
  streamClosed: 0x5,
  frameSizeError: 0x6,
  refusedStream: 0x7,
  compressionError: 0x9,
  enhanceYourCalm: 0xb,
} as const

/** What both sides start with; this side never asks for more. */
export const defaultMaxFrameSize = 16_384
export const defaultWindow = 65_535
export const maxWindow = 0x7fff_ffff
export const maxStream = 0x7fff_ffff
export const frameHeaderLength = 9

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** The connection cannot go on (section 5.4.1): GOAWAY with this code ends it. */
export class ConnectionError extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** A stream cannot go on (section 5.4.2): RST_STREAM with this code ends it. */
export class StreamError extends Error {
  readonly code: number

  constructor(code: number) {
    super('a stream error')
    this.code = code
  }
}

/** Writes a frame header at `at`; nine bytes. */
export function writeFrameHeader(
  into: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): void {
  into[at] = length >>> 16
  into[at + 1] = length >>> 8
  into[at + 2] = length
  into[at + 3] = type
  into[at + 4] = flags
  into[at + 5] = stream >>> 24
  into[at + 6] = stream >>> 16
  into[at + 7] = stream >>> 8
  into[at + 8] = stream
}

/** Gets each frame; its payload is `bytes` from `start` to `end`, and those bytes do not change afterwards. */
export interface FrameSink {
  frame(type: number, flags: number, stream: number, bytes: Buffer, start: number, end: number): void
}

/**
 * Cuts what a client sends into its preface (section 3.4) and frames. A frame that lies whole in a chunk is not
 * copied; one that straddles chunks is put together in memory of its own.
 */
export class FrameReader {
  readonly #sink: FrameSink
  #prefaceSeen = 0
  /** The beginning of a frame: at first nine bytes long for the header, then as long as the frame. */
  #partial: Buffer | undefined
  #have = 0

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /**
   * Takes the next chunk and hands over every frame that is complete.
   * @throws {ConnectionError} for a wrong preface or a frame over the maximum size, and what the sink throws
   */
  push(chunk: Buffer): void {
    let at = this.#prefaceSeen < preface.length ? this.#skipPreface(chunk) : 0
    if (this.#partial) at = this.#complete(this.#partial, chunk, at)
    while (chunk.length - at >= frameHeaderLength) {
      const end = at + frameHeaderLength + payloadLength(chunk, at)
      if (end > chunk.length) break
      this.#emit(chunk, at, end)
      at = end
    }
    if (at < chunk.length && !this.#partial) this.#keep(chunk, at)
  }

  #skipPreface(chunk: Buffer): number {
    const count = Math.min(preface.length - this.#prefaceSeen, chunk.length)
    if (chunk.compare(preface, this.#prefaceSeen, this.#prefaceSeen + count, 0, count) !== 0)
      throw new ConnectionError(errorCode.protocolError, 'the client does not speak HTTP/2')
    this.#prefaceSeen += count
    return count
  }

  #keep(chunk: Buffer, at: number): void {
    const size = chunk.length - at < frameHeaderLength ? 0 : payloadLength(chunk, at)
    this.#partial = Buffer.allocUnsafe(frameHeaderLength + size)
    this.#have = chunk.copy(this.#partial, 0, at)
  }

  /** @returns where the next frame begins in the chunk */
  #complete(partial: Buffer, chunk: Buffer, from: number): number {
    let bytes = partial
    let at = from + this.#fill(bytes, chunk, from)
    if (this.#have < bytes.length) return at
    if (bytes.length === frameHeaderLength && payloadLength(bytes, 0) > 0) {
      bytes = Buffer.allocUnsafe(frameHeaderLength + payloadLength(bytes, 0))
      partial.copy(bytes)
      this.#partial = bytes
      at += this.#fill(bytes, chunk, at)
      if (this.#have < bytes.length) return at
    }
    this.#partial = undefined
    this.#emit(bytes, 0, bytes.length)
    return at
  }

  #fill(bytes: Buffer, chunk: Buffer, from: number): number {
    const count = chunk.copy(bytes, this.#have, from)
    this.#have += count
    return count
  }

  #emit(bytes: Buffer, at: number, end: number): void {
    const stream = ((bytes[at + 5]! & 0x7f) << 24) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 8) | bytes[at + 8]!
    this.#sink.frame(bytes[at + 3]!, bytes[at + 4]!, stream, bytes, at + frameHeaderLength, end)
  }
}

function payloadLength(bytes: Buffer, at: number): number {
  const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
  if (length > defaultMaxFrameSize) throw new ConnectionError(errorCode.frameSizeError, 'a frame over the maximum size')
  return length
}
