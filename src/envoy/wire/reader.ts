/**
 * Reads the protobuf wire format (https://protobuf.dev/programming-guides/encoding) where it lies: nothing is copied.
 *
 * A message is read by `enter`, then `tag` and what the tag promises until `done`, then `leave`. Whatever would reach
 * past the end of the message that is being read throws.
 */

/** Wire types: the low three bits of a tag. */
const varintType = 0
const fixed64Type = 1
const lengthType = 2
const groupStartType = 3
const groupEndType = 4
const fixed32Type = 5

const longestVarint = 10
/** Deeper groups than any message has; Envoy sends none at all. */
const deepestGroup = 32

const truncated = (): Error => new Error('malformed protobuf: a field ends after its message')

/** The tag of a field that holds a varint. */
export const varintTag = (field: number): number => (field << 3) | varintType

/** The tag of a field that holds text, bytes or a message. */
export const lengthTag = (field: number): number => (field << 3) | lengthType

/** A place in a message. Every method moves it on, and throws an Error where the bytes do not allow that. */
export class Reader {
  readonly bytes: Buffer
  #position = 0
  #end: number

  /** @param bytes one message, which must not change while anything read from it is in use */
  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#end = this.bytes.length
  }

  /** Where in `bytes` the reader is. */
  get position(): number {
    return this.#position
  }

  /** Where in `bytes` the message being read ends. */
  get end(): number {
    return this.#end
  }

  /** Whether the message being read is over. */
  get done(): boolean {
    return this.#position >= this.#end
  }

  /** The next field's number and wire type, as `varintTag` and `lengthTag` give them. */
  tag(): number {
    const tag = this.varint()
    if (tag < 8 || tag > 0xffff_ffff) throw new Error('malformed protobuf: no such field number')
    return tag
  }

  /** A varint, exact up to 2^53 and never rounded to 0. */
  varint(): number {
    if (this.#position < this.#end) {
      const byte = this.bytes[this.#position]!
      if (byte < 0x80) {
        this.#position++
        return byte
      }
    }
    return this.#longVarint()
  }

  #longVarint(): number {
    let value = 0
    let scale = 1
    for (let read = 0; read < longestVarint; read++) {
      if (this.#position >= this.#end) throw truncated()
      const byte = this.bytes[this.#position++]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    throw new Error('malformed protobuf: a number of more than ten bytes')
  }

  /** The length of what begins at `position` then. */
  length(): number {
    const length = this.varint()
    if (length > this.#end - this.#position) throw truncated()
    return length
  }

  /** Passes that many bytes. @returns where they end */
  pass(length: number): number {
    if (length > this.#end - this.#position) throw truncated()
    this.#position += length
    return this.#position
  }

  /** Bytes, as a view. */
  view(): Buffer {
    const length = this.length()
    const start = this.#position
    return this.bytes.subarray(start, this.pass(length))
  }

  /** Text; what is not UTF-8 in it becomes U+FFFD. */
  text(): string {
    const length = this.length()
    const start = this.#position
    return this.bytes.toString('utf8', start, this.pass(length))
  }

  /** Begins a message inside this one. @returns what `leave` wants */
  enter(): number {
    const length = this.length()
    const outer = this.#end
    this.#end = this.#position + length
    return outer
  }

  /** Ends the message that `enter` began, once it is done. */
  leave(outer: number): void {
    this.#end = outer
  }

  /** Passes a field that nobody wants. */
  skip(tag: number): void {
    this.#skip(tag, 0)
  }

  #skip(tag: number, depth: number): void {
    switch (tag & 7) {
      case varintType:
        this.varint()
        return
      case fixed64Type:
        this.pass(8)
        return
      case lengthType:
        this.pass(this.length())
        return
      case groupStartType:
        this.#skipGroup(tag, depth + 1)
        return
      case fixed32Type:
        this.pass(4)
        return
      default:
        throw new Error('malformed protobuf: no such wire type, or the end of a group that did not begin')
    }
  }

  #skipGroup(start: number, depth: number): void {
    if (depth > deepestGroup) throw new Error('malformed protobuf: groups too deep')
    const end = start - groupStartType + groupEndType
    for (let tag = this.tag(); tag !== end; tag = this.tag()) this.#skip(tag, depth)
  }
}
