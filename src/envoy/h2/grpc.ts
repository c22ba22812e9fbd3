import { encodeLiterals } from './hpack.ts'

/** gRPC over HTTP/2 (PROTOCOL-HTTP2.md): length-prefixed messages, and the header blocks of every answer. */

/** The status codes this layer gives of itself. */
export const grpcStatus = {
  ok: 0,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
} as const

/** Compressed-flag and length. */
export const messagePrefixLength = 5

/** `:status: 200` of the static table, and the content type. */
export const answerHeaders = Buffer.concat([Buffer.of(0x88), encodeLiterals([['content-type', 'application/grpc']])])
/** To what is not gRPC. */
export const unsupportedMediaType = encodeLiterals([[':status', '415']])
export const okTrailers = encodeLiterals([['grpc-status', '0']])

/** The longest grpc-message sent, in bytes once escaped; with the rest it fits any frame. */
const maxStatusMessage = 4096

/** The trailers of a failed call. The message is percent-encoded as the protocol asks, and cut where it is long. */
export function failureTrailers(code: number, message: string): Buffer {
  let escaped = ''
  for (const byte of Buffer.from(message)) {
    escaped +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    if (escaped.length > maxStatusMessage - 3) break
  }
  return encodeLiterals([
    ['grpc-status', String(code)],
    ['grpc-message', escaped],
  ])
}

/** A message that cannot be taken; the call ends with this status. */
export class MessageError extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/**
 * Finds the messages in one stream's DATA. A message that lies whole in one frame is given as a view of the socket's
 * chunk; one that spans frames is put together in memory that grows with what has come, not with what was announced.
 */
export class MessageReader {
  readonly #maxBytes: number
  /** The beginning of a message with its prefix, in a buffer that may be longer. */
  #partial: Buffer | undefined
  #have = 0
  #bytes: Buffer = empty
  #at = 0
  #end = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Whether a message has begun and not ended. */
  get incomplete(): boolean {
    return this.#partial !== undefined
  }

  /** Takes a frame's payload. The messages in it come from `next`, until that gives undefined. */
  feed(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  /** @throws {MessageError} for a compressed message or one over the limit; nothing can be read after it */
  next(): Uint8Array | undefined {
    if (this.#partial) return this.#continue(this.#partial)
    const left = this.#end - this.#at
    if (left === 0) {
      this.#bytes = empty // so that a quiet stream keeps no chunk
      return undefined
    }
    if (left >= messagePrefixLength) {
      const start = this.#at + messagePrefixLength
      const end = start + this.#length(this.#bytes, this.#at)
      if (end <= this.#end) {
        this.#at = end
        return this.#bytes.subarray(start, end)
      }
    }
    this.#have = 0
    return this.#continue(Buffer.allocUnsafe(Math.max(left, messagePrefixLength)))
  }

  /** Adds to the beginning of a message. */
  #continue(partial: Buffer): Uint8Array | undefined {
    let bytes = partial
    this.#partial = bytes
    if (this.#have < messagePrefixLength) this.#take(bytes, messagePrefixLength)
    if (this.#have < messagePrefixLength) return undefined
    const size = messagePrefixLength + this.#length(bytes, 0)
    const wanted = Math.min(size, this.#have + this.#end - this.#at)
    if (wanted > bytes.length) {
      bytes = Buffer.allocUnsafe(Math.min(size, Math.max(wanted, bytes.length * 4)))
      partial.copy(bytes, 0, 0, this.#have)
      this.#partial = bytes
    }
    this.#take(bytes, size)
    if (this.#have < size) return undefined
    this.#partial = undefined
    return bytes.subarray(messagePrefixLength, size)
  }

  #take(bytes: Buffer, upTo: number): void {
    const count = Math.min(upTo - this.#have, this.#end - this.#at)
    this.#bytes.copy(bytes, this.#have, this.#at, this.#at + count)
    this.#have += count
    this.#at += count
  }

  #length(bytes: Buffer, at: number): number {
    const compressed = bytes[at]!
    if (compressed === 1) throw new MessageError(grpcStatus.unimplemented, 'compressed messages are not taken')
    if (compressed !== 0) throw new MessageError(grpcStatus.internal, 'a message with an unknown prefix')
    const length = bytes.readUInt32BE(at + 1)
    if (length > this.#maxBytes)
      throw new MessageError(grpcStatus.resourceExhausted, `a message of ${length} bytes, over ${this.#maxBytes}`)
    return length
  }
}

const empty = Buffer.alloc(0)
