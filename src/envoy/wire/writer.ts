import { lengthTag, varintTag } from './reader.ts'

/** Small messages are cut from one slab after another, as Node's own pool does it. */
const slabSize = 65_536
/** Room before a body that needed a slab of its own, for the headers that go there. */
const roomBeforeBody = 16_384
/** Up to here a loop is faster than a call out of JavaScript. */
const longestByLoop = 64
const longestVarint = 5

/**
 * Writes the protobuf wire format from the end to the beginning, so that the length of a nested message is known when
 * it is due, and nothing is measured or moved: each message lies before the one written last. Fields come out in
 * order if they are written last to first.
 *
 * A message is `start`, its fields, `finish`. A nested one is `const end = writer.written`, its fields,
 * `writer.nest(field, end)`. Tags are of fields 1 to 15: one byte. As in proto3, what is 0 or empty is left out, if
 * the method does not say otherwise.
 */
export class Writer {
  #slab = Buffer.allocUnsafeSlow(slabSize)
  #position = slabSize
  #end = slabSize

  /** Begins a message. What was begun and not finished is gone. */
  start(): void {
    this.#position = this.#end
  }

  /** How many bytes this message has so far. */
  get written(): number {
    return this.#end - this.#position
  }

  /** The message. It is never written again. */
  finish(): Buffer {
    const message = this.#slab.subarray(this.#position, this.#end)
    // A small message must not keep a large slab alive.
    if (this.#slab.length > slabSize) this.#take(slabSize)
    else this.#end = this.#position
    return message
  }

  /** Makes what was written since a message; an empty one is written too. @param end what `written` was */
  nest(field: number, end: number): void {
    this.#makeRoom(longestVarint + 1)
    this.#putVarint(this.written - end)
    this.#slab[--this.#position] = lengthTag(field)
  }

  /** An unsigned 32-bit number, or a boolean as 0 or 1. @throws {RangeError} where the value is neither */
  varint(field: number, value: number): void {
    if (value === 0) return
    if (value >>> 0 !== value) throw new RangeError(`not an unsigned 32-bit number: ${value}`)
    this.#makeRoom(longestVarint + 1)
    this.#putVarint(value)
    this.#slab[--this.#position] = varintTag(field)
  }

  /** Bytes; empty ones are written too. */
  bytes(field: number, bytes: Uint8Array): void {
    const end = this.written
    this.#makeRoom(bytes.length)
    this.#position -= bytes.length
    this.#slab.set(bytes, this.#position)
    this.nest(field, end)
  }

  /** Text, or text as the bytes of its UTF-8. A lone surrogate becomes U+FFFD. */
  text(field: number, text: string): void {
    if (text === '') return
    this.textItem(field, text)
  }

  /** One text of a repeated field: an empty one is written too. */
  textItem(field: number, text: string): void {
    const end = this.written
    if (text.length > longestByLoop || !this.#putAscii(text)) {
      const length = Buffer.byteLength(text)
      this.#makeRoom(length)
      this.#position -= length
      this.#slab.write(text, this.#position)
    }
    this.nest(field, end)
  }

  /** @returns false where the text is not ASCII; nothing is written then */
  #putAscii(text: string): boolean {
    this.#makeRoom(text.length)
    const slab = this.#slab
    const start = this.#position - text.length
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      if (code > 0x7f) return false
      slab[start + index] = code
    }
    this.#position = start
    return true
  }

  #putVarint(value: number): void {
    const size = value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5
    this.#position -= size
    let at = this.#position
    let rest = value
    for (; rest >= 0x80; rest >>>= 7) this.#slab[at++] = (rest & 0x7f) | 0x80
    this.#slab[at] = rest
  }

  #makeRoom(length: number): void {
    if (this.#position >= length) return
    const tail = this.#slab.subarray(this.#position, this.#end)
    const needed = tail.length + length
    this.#take(needed + longestVarint + 1 > slabSize ? needed + roomBeforeBody : slabSize)
    this.#position -= tail.length
    this.#slab.set(tail, this.#position)
  }

  #take(size: number): void {
    this.#slab = Buffer.allocUnsafeSlow(size)
    this.#position = this.#end = size
  }
}

/** The one that messages are written with: writing is never interrupted. */
export const writer = new Writer()
