import { A2aError } from '../errors.ts'

/** gRPC's length-prefixed messages: a flag, four bytes of length, the message (PROTOCOL-HTTP2.md of grpc/grpc). */

const prefix = 5

/**
 * The only message of a unary request, as a view on its bytes.
 * @throws {A2aError} where there is none, more than one, or a compressed one
 */
export function readSingleFrame(body: Uint8Array): Uint8Array {
  if (body.length < prefix) throw new A2aError('invalidRequest', 'The gRPC request ends before its message begins')
  if (body[0] !== 0)
    // gRPC has a status of its own for this (compression.md of grpc/grpc), that of unknown methods.
    throw new A2aError(
      'methodNotFound',
      'Compressed gRPC messages are not read; send them with grpc-encoding: identity',
      {
        headers: [['grpc-accept-encoding', 'identity']],
      },
    )
  const length = new DataView(body.buffer, body.byteOffset, body.byteLength).getUint32(1)
  if (body.length !== prefix + length)
    throw new A2aError('invalidRequest', 'The gRPC request is not exactly one message')
  return body.subarray(prefix)
}

/** A message with its prefix, not compressed. */
export function writeFrame(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(prefix + message.length)
  new DataView(frame.buffer).setUint32(1, message.length)
  frame.set(message, prefix)
  return frame
}

/** Takes messages out of the bytes of an agent's answer, however these are cut into pieces. */
export class FrameReader {
  readonly #limit: number
  /** Pieces of the message that has begun, joined only when it is whole: a long one may come in thousands of them. */
  #pieces: Uint8Array[] = []
  #held = 0
  /** How many bytes must be held before anything can be taken out. */
  #wanted = prefix

  /** @param limit the longest message, bytes */
  constructor(limit: number) {
    this.#limit = limit
  }

  /**
   * Takes the next piece.
   * @returns the messages that end in it
   * @throws {A2aError} `invalidAgentResponse` where a message is compressed, or longer than the limit
   */
  push(chunk: Uint8Array): Uint8Array[] {
    // A copy: the piece may be a view on a buffer that is used again.
    this.#pieces.push(Uint8Array.from(chunk))
    this.#held += chunk.length
    const messages: Uint8Array[] = []
    if (this.#held < this.#wanted) return messages
    let bytes: Uint8Array = Buffer.concat(this.#pieces)
    for (;;) {
      this.#wanted = bytes.length < prefix ? prefix : prefix + this.#lengthOf(bytes)
      if (bytes.length < this.#wanted) break
      messages.push(bytes.subarray(prefix, this.#wanted))
      bytes = bytes.subarray(this.#wanted)
    }
    this.#pieces = bytes.length === 0 ? [] : [bytes]
    this.#held = bytes.length
    return messages
  }

  /** Whether the stream may end here. */
  get whole(): boolean {
    return this.#held === 0
  }

  #lengthOf(bytes: Uint8Array): number {
    const refuse = (what: string) => new A2aError('invalidAgentResponse', `A message of the agent’s ${what}`)
    if (bytes[0] !== 0) throw refuse('is compressed, though it was asked not to')
    const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(1)
    if (length > this.#limit) throw refuse(`has ${length} bytes; at most ${this.#limit} are read`)
    return length
  }
}
