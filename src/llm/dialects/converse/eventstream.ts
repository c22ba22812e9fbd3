import { crc32 } from 'node:zlib'
import { EventStreamCodec } from '@smithy/eventstream-codec'

/**
 * AWS's event-stream framing (application/vnd.amazon.eventstream), read as the bytes come. A frame is
 *
 *     total length (4) | headers length (4) | CRC32 of those 8 (4) | headers | payload | CRC32 of all before (4)
 *
 * (https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html). `@smithy/eventstream-codec` decodes whole
 * frames; this finds them in bytes that are split anywhere, and bounds them.
 */

/** Longest frame that is accepted, in bytes. */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024

export interface EventStreamMessage {
  /** The headers whose value is a string: `:message-type`, `:event-type`, `:exception-type`, … */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Uint8Array
}

const preludeBytes = 12
const checksumBytes = 4

/** An incremental reader of frames: bytes in, messages out. Never throws; see `fault`. */
export class EventStreamParser {
  readonly #pieces: Uint8Array[] = []
  /** Bytes in `#pieces`. */
  #held = 0
  /** Bytes without which nothing more can be read: a prelude, or the frame whose prelude is known. */
  #needed = preludeBytes
  #fault: string | undefined

  /** Why the stream cannot be read any further; what came before it stands. */
  get fault(): string | undefined {
    return this.#fault
  }

  /** Whether a frame has begun and its end has not come. */
  get pending(): boolean {
    return this.#held > 0
  }

  /** @returns the messages completed by this chunk; none after a fault. */
  push(chunk: Uint8Array): EventStreamMessage[] {
    const messages: EventStreamMessage[] = []
    if (this.#fault !== undefined || chunk.length === 0) return messages
    this.#pieces.push(chunk)
    this.#held += chunk.length
    if (this.#held < this.#needed) return messages
    let rest = this.#take()
    try {
      for (;;) {
        this.#needed = rest.length < preludeBytes ? preludeBytes : frameLength(rest)
        if (rest.length < this.#needed) break
        messages.push(readFrame(rest.subarray(0, this.#needed)))
        rest = rest.subarray(this.#needed)
      }
    } catch (error) {
      // Whatever the codec throws, it is the frame that is wrong.
      this.#fault = error instanceof Error ? error.message : String(error)
      return messages
    }
    if (rest.length > 0) this.#pieces.push(rest)
    this.#held = rest.length
    return messages
  }

  #take(): Buffer {
    const [first] = this.#pieces
    const bytes = this.#pieces.length === 1 && first ? asBuffer(first) : Buffer.concat(this.#pieces)
    this.#pieces.length = 0
    this.#held = 0
    return bytes
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/**
 * Checks a prelude before anything waits for the length it tells.
 * @throws {RangeError} where no frame begins here, or one that is too long
 */
function frameLength(bytes: Buffer): number {
  if (crc32(bytes.subarray(0, 8)) !== bytes.readUInt32BE(8)) throw new RangeError('the checksum of a prelude is wrong')
  const length = bytes.readUInt32BE(0)
  if (length > MAX_FRAME_BYTES) throw new RangeError(`a frame of ${length} bytes is longer than the limit`)
  if (length < preludeBytes + bytes.readUInt32BE(4) + checksumBytes)
    throw new RangeError('a frame is shorter than its own headers')
  return length
}

const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === 'string' ? bytes : asBuffer(bytes).toString('utf8')),
  (text) => Buffer.from(text, 'utf8'),
)

/** @throws {Error} where a checksum or a header is wrong */
function readFrame(frame: Uint8Array): EventStreamMessage {
  const { headers, body } = codec.decode(frame)
  const texts = new Map<string, string>()
  for (const [name, { type, value }] of Object.entries(headers)) if (type === 'string') texts.set(name, value)
  return { headers: texts, body }
}
