import { lengthTag, type Reader } from './reader.ts'

/** How many numbers `WireHeaders` keeps of a header: where its name begins and ends, and its value. */
const spanSize = 4

/**
 * Headers as they lie in a message. Of the many headers of a message few are asked for, so that each is decoded when
 * it is. Of several with one name the last counts. What is not UTF-8 becomes U+FFFD.
 */
export class WireHeaders implements ReadonlyMap<string, string> {
  readonly #bytes: Buffer
  readonly #spans: number[] = []
  #decoded: Map<string, string> | undefined

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Adds a header by where its name and its value lie. Only while the message is read. */
  add(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    this.#spans.push(nameStart, nameEnd, valueStart, valueEnd)
  }

  get(name: string): string | undefined {
    const span = this.#find(name)
    if (span >= 0) return this.#bytes.toString('utf8', this.#spans[span + 2], this.#spans[span + 3])
    return isAscii(name) ? undefined : this.#all().get(name)
  }

  has(name: string): boolean {
    return this.#find(name) >= 0 || (!isAscii(name) && this.#all().has(name))
  }

  /** @returns the last header of this name; negative where there is none, or where the name is not ASCII */
  #find(name: string): number {
    const spans = this.#spans
    const length = name.length
    let span = spans.length - spanSize
    for (; span >= 0; span -= spanSize) {
      const start = spans[span]!
      if (spans[span + 1]! - start === length && isAt(this.#bytes, start, name)) break
    }
    return span
  }

  #all(): Map<string, string> {
    if (this.#decoded) return this.#decoded
    const decoded = new Map<string, string>()
    const spans = this.#spans
    for (let span = 0; span < spans.length; span += spanSize)
      decoded.set(
        this.#bytes.toString('utf8', spans[span], spans[span + 1]),
        this.#bytes.toString('utf8', spans[span + 2], spans[span + 3]),
      )
    this.#decoded = decoded
    return decoded
  }

  get size(): number {
    return this.#all().size
  }

  forEach(callback: (value: string, name: string, headers: ReadonlyMap<string, string>) => void): void {
    for (const [name, value] of this.#all()) callback(value, name, this)
  }

  entries(): MapIterator<[string, string]> {
    return this.#all().entries()
  }

  keys(): MapIterator<string> {
    return this.#all().keys()
  }

  values(): MapIterator<string> {
    return this.#all().values()
  }

  [Symbol.iterator](): MapIterator<[string, string]> {
    return this.#all().entries()
  }
}

/** Whether this text lies there; never so where it is not ASCII. */
export function isAt(bytes: Buffer, start: number, text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code !== bytes[start + index] || code > 0x7f) return false
  }
  return true
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false
  return true
}

/** envoy.config.core.v3.HeaderMap; envoy.config.core.v3.HeaderValue, whose first two fields a map's entry has too. */
const field = { headers: lengthTag(1), key: lengthTag(1), value: lengthTag(2), rawValue: lengthTag(3) }

/** Reads an entry of a map<string, string>. @throws {Error} on bytes that are none */
export function readMapEntry(reader: Reader, into: WireHeaders): void {
  readHeader(reader, into, false)
}

/** Reads a HeaderMap. The raw value counts where it is not empty. @throws {Error} on bytes that are none */
export function readHeaderMap(reader: Reader, into: WireHeaders): void {
  const outer = reader.enter()
  while (!reader.done) {
    const tag = reader.tag()
    if (tag === field.headers) readHeader(reader, into, true)
    else reader.skip(tag)
  }
  reader.leave(outer)
}

function readHeader(reader: Reader, into: WireHeaders, takesRaw: boolean): void {
  const outer = reader.enter()
  if (!readShortHeader(reader, into, takesRaw)) readAnyHeader(reader, into, takesRaw)
  reader.leave(outer)
}

/**
 * Nearly every header is a name and then a value, each shorter than 128 bytes and so with a length of one byte. To
 * look for that first halves the time.
 * @returns false where the header is another; nothing is read then
 */
function readShortHeader(reader: Reader, into: WireHeaders, takesRaw: boolean): boolean {
  const { bytes, position, end } = reader
  // Beyond the bytes is undefined, which no comparison lets pass; within them, the last one keeps to the message.
  if (bytes[position] !== field.key) return false
  const nameLength = bytes[position + 1]!
  if (!(nameLength < 0x80)) return false
  const nameStart = position + 2
  const nameEnd = nameStart + nameLength
  const valueTag = bytes[nameEnd]
  if (valueTag !== field.value && !(takesRaw && valueTag === field.rawValue)) return false
  const valueLength = bytes[nameEnd + 1]!
  const valueStart = nameEnd + 2
  if (!(valueLength < 0x80) || valueStart + valueLength !== end) return false
  reader.pass(end - position)
  into.add(nameStart, nameEnd, valueStart, end)
  return true
}

function readAnyHeader(reader: Reader, into: WireHeaders, takesRaw: boolean): void {
  let nameStart = 0
  let nameEnd = 0
  let valueStart = 0
  let valueEnd = 0
  let rawStart = 0
  let rawEnd = 0
  while (!reader.done) {
    const tag = reader.tag()
    if (tag === field.key) {
      const length = reader.length()
      nameStart = reader.position
      nameEnd = reader.pass(length)
    } else if (tag === field.value) {
      const length = reader.length()
      valueStart = reader.position
      valueEnd = reader.pass(length)
    } else if (tag === field.rawValue && takesRaw) {
      const length = reader.length()
      rawStart = reader.position
      rawEnd = reader.pass(length)
    } else reader.skip(tag)
  }
  if (rawEnd > rawStart) into.add(nameStart, nameEnd, rawStart, rawEnd)
  else into.add(nameStart, nameEnd, valueStart, valueEnd)
}
