import { fieldRole, type Role } from './fields.ts'
import { ConnectionError, errorCode } from './frame.ts'
import { decodeHuffman } from './huffman.ts'

/** HPACK (RFC 7541): a decoder with its dynamic table, and an encoder of literals that needs none. */

/** A header block that cannot be read; the connection's compression state is lost with it. */
export class HpackError extends ConnectionError {
  constructor(message: string) {
    super(errorCode.compressionError, message)
  }
}

/** A header field. Envoy sends most by index, so what it means to us is worked out once. */
export class Field {
  readonly name: string
  readonly value: string
  /** Section 4.1. */
  readonly size: number
  readonly role: Role

  constructor(name: string, value: string) {
    this.name = name
    this.value = value
    this.size = name.length + value.length + 32
    this.role = fieldRole(name, value)
  }
}

/** Appendix A; an index counts from 1. */
const staticTable = (
  ':authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|' +
  ':status 204|:status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|' +
  'accept-encoding gzip, deflate|accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|' +
  'authorization|cache-control|content-disposition|content-encoding|content-language|content-length|' +
  'content-location|content-range|content-type|cookie|date|etag|expect|expires|from|host|if-match|' +
  'if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|link|location|max-forwards|' +
  'proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|' +
  'strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate'
)
  .split('|')
  .map((line) => {
    const space = line.indexOf(' ')
    return space === -1 ? new Field(line, '') : new Field(line.slice(0, space), line.slice(space + 1))
  })

/** The dynamic table's size where nothing else is agreed (RFC 9113, section 6.5.2); we never agree anything else. */
export const defaultTableSize = 4096

/** The most entries that fit: each counts 32 bytes and its text. The ring below needs a power of two. */
const capacity = defaultTableSize / 32

let scratch = Buffer.allocUnsafeSlow(1024)

/** Decodes one connection's header blocks, in the order they came. */
export class HpackDecoder {
  readonly #maxListSize: number
  /** A ring: the newest entry is before `#next`. */
  readonly #ring = new Array<Field | undefined>(capacity).fill(undefined)
  #next = 0
  #count = 0
  #size = 0
  #maxSize = defaultTableSize
  #bytes: Buffer = scratch
  #at = 0
  #end = 0
  readonly #fields: Field[] = []

  /** @param maxListSize the most that a block's fields may come to, as RFC 9113 section 6.5.2 counts */
  constructor(maxListSize: number) {
    this.#maxListSize = maxListSize
  }

  /** The dynamic table's entries, newest first. */
  get table(): Field[] {
    return Array.from({ length: this.#count }, (_, index) => this.#dynamic(index))
  }

  /**
   * Decodes one block.
   * @returns the fields, in an array that the next call uses again; undefined where they exceed the list size
   * @throws {HpackError} where the block is not well coded
   */
  decode(bytes: Buffer, start: number, end: number): readonly Field[] | undefined {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
    const fields = this.#fields
    fields.length = 0
    let listSize = 0
    let begun = false
    while (this.#at < end) {
      const first = bytes[this.#at]!
      if (first >= 0x20 && first < 0x40) {
        if (begun) throw new HpackError('a table size update after a field')
        this.#resize(this.#integer(0x1f))
        continue
      }
      begun = true
      const field = first >= 0x80 ? this.#indexed(this.#integer(0x7f)) : this.#literal(first)
      listSize += field.size
      // The rest is decoded all the same: later blocks build on the table.
      if (listSize <= this.#maxListSize) fields.push(field)
    }
    return listSize <= this.#maxListSize ? fields : undefined
  }

  /** Section 6.2. */
  #literal(first: number): Field {
    const keep = first >= 0x40
    const index = this.#integer(keep ? 0x3f : 0x0f)
    const name = index === 0 ? this.#string() : this.#indexed(index).name
    const field = new Field(name, this.#string())
    if (keep) this.#add(field)
    return field
  }

  /** Section 2.3.3. */
  #indexed(index: number): Field {
    if (index === 0) throw new HpackError('index 0')
    if (index <= staticTable.length) return staticTable[index - 1]!
    if (index - staticTable.length > this.#count) throw new HpackError('an index outside the tables')
    return this.#dynamic(index - staticTable.length - 1)
  }

  #dynamic(index: number): Field {
    return this.#ring[(this.#next - 1 - index) & (capacity - 1)]!
  }

  /** Section 4.4. */
  #add(field: Field): void {
    this.#evict(this.#maxSize - field.size)
    if (field.size > this.#maxSize) return
    this.#ring[this.#next] = field
    this.#next = (this.#next + 1) & (capacity - 1)
    this.#count++
    this.#size += field.size
  }

  #resize(size: number): void {
    if (size > defaultTableSize) throw new HpackError('a table size over the agreed one')
    this.#maxSize = size
    this.#evict(size)
  }

  /** Section 4.3. */
  #evict(room: number): void {
    while (this.#size > room && this.#count > 0) {
      this.#size -= this.#dynamic(this.#count - 1).size
      this.#ring[(this.#next - this.#count) & (capacity - 1)] = undefined
      this.#count--
    }
  }

  /** Section 5.1. */
  #integer(mask: number): number {
    let value = this.#byte() & mask
    if (value < mask) return value
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#byte()
      value += (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw new HpackError('an integer that is too long')
  }

  /** Section 5.2. */
  #string(): string {
    if (this.#at >= this.#end) throw new HpackError('a block that ends too soon')
    const coded = this.#bytes[this.#at]! >= 0x80
    const length = this.#integer(0x7f)
    const start = this.#at
    if (length > this.#end - start) throw new HpackError('a string that is too long')
    this.#at += length
    if (!coded) return this.#bytes.toString('latin1', start, this.#at)
    if (length * 2 > scratch.length) scratch = Buffer.allocUnsafeSlow(length * 2)
    const decoded = decodeHuffman(this.#bytes, start, this.#at, scratch)
    if (decoded === -1) throw new HpackError('a string that is not well coded')
    return scratch.toString('latin1', 0, decoded)
  }

  #byte(): number {
    if (this.#at >= this.#end) throw new HpackError('a block that ends too soon')
    return this.#bytes[this.#at++]!
  }
}

/** Encodes fields as literals that no table remembers (section 6.2.2), so that the result can be sent many times. */
export function encodeLiterals(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), ...encodeString(name), ...encodeString(value)]))
}

function encodeString(text: string): Buffer[] {
  const bytes = Buffer.from(text, 'latin1')
  if (bytes.length < 0x7f) return [Buffer.of(bytes.length), bytes]
  const prefix = [0x7f]
  let rest = bytes.length - 0x7f
  for (; rest >= 0x80; rest >>>= 7) prefix.push((rest & 0x7f) | 0x80)
  prefix.push(rest)
  return [Buffer.from(prefix), bytes]
}
