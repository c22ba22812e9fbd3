import type { JsonObject } from './conversation.ts'
import type { Observed, ObservedDialect } from './dialect.ts'

/**
 * Watches a server-sent event stream that only passes through: takes the figures from the few events that carry some,
 * and parses no others. The bytes are not copied, unless an event stands across two chunks.
 */
export class StreamWatcher {
  readonly seen: Observed
  readonly #dialect: ObservedDialect
  readonly #keys: readonly Buffer[]
  /** Whether events with usage and no choices are taken out: the client did not ask for them, we did. */
  readonly #hideUsage: boolean
  /** The beginning of an event whose end has not come, in its pieces: joined once, or long events would be copied for each. */
  #held: Buffer[] = []
  #heldLength = 0

  constructor(dialect: ObservedDialect, seen: Observed, hideUsage: boolean) {
    this.#dialect = dialect
    this.#keys = keysOf(dialect)
    this.seen = seen
    this.#hideUsage = hideUsage
  }

  /**
   * Looks at the next piece.
   * @returns what is to be sent in its place, or undefined: the piece as it is
   */
  push(chunk: Uint8Array, last: boolean): Uint8Array | undefined {
    const piece = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const held = this.#held.length > 0
    if (held && !last && this.#heldLength + piece.length <= longestEvent && !this.#endsWith(piece)) {
      this.#hold(piece)
      return this.#hideUsage ? nothing : undefined
    }
    const bytes = held ? Buffer.concat([...this.#held, piece]) : piece
    this.#held = []
    this.#heldLength = 0
    const end = last ? bytes.length : endOfEvents(bytes)
    const hidden = this.#scan(bytes.subarray(0, end))
    const rest = bytes.subarray(end)
    // What is longer is not an event any more: it goes on unseen.
    const unseen = rest.length > longestEvent
    if (!unseen && rest.length > 0) this.#hold(Buffer.from(rest))
    if (!this.#hideUsage) return undefined
    // Whole events only go on, since the one that is to be hidden may be among the unfinished.
    if (!held && (unseen || rest.length === 0) && hidden.length === 0) return undefined
    return without(unseen ? bytes : bytes.subarray(0, end), hidden)
  }

  #hold(piece: Buffer): void {
    if (piece.length === 0) return
    this.#held.push(piece)
    this.#heldLength += piece.length
  }

  /** Whether a blank line ends in this piece, where none has before: it may have begun in the pieces that are held. */
  #endsWith(piece: Buffer): boolean {
    const before: Buffer[] = []
    // A blank line, as far as it can be split: LF, or LF and CR.
    for (let i = this.#held.length - 1, length = 0; i >= 0 && length < 2; length += this.#held[i--]!.length)
      before.unshift(this.#held[i]!.subarray(-2))
    return eventEnd(Buffer.concat([...before, piece]), 0) !== -1
  }

  /** @returns the spans of the events to hide */
  #scan(events: Buffer): [start: number, end: number][] {
    const hidden: [number, number][] = []
    if (!this.#keys.some((key) => events.includes(key))) return hidden
    let start = 0
    while (start < events.length) {
      let end = eventEnd(events, start)
      if (end === -1) end = events.length
      const event = events.subarray(start, end)
      if (this.#keys.some((key) => valueFollows(event, key))) {
        const json = dataOf(event)
        if (json) {
          this.#dialect.observe(json, this.seen)
          if (this.#hideUsage && json.usage && Array.isArray(json.choices) && json.choices.length === 0)
            hidden.push([start, end])
        }
      }
      start = end
    }
    return hidden
  }
}

const longestEvent = 4 * 1024 * 1024
const nothing = new Uint8Array(0)

const keyCache = new WeakMap<ObservedDialect, readonly Buffer[]>()
function keysOf(dialect: ObservedDialect): readonly Buffer[] {
  let keys = keyCache.get(dialect)
  if (!keys) {
    keys = dialect.observedKeys.map((key) => Buffer.from(`"${key}"`))
    keyCache.set(dialect, keys)
  }
  return keys
}

/** Whether the key stands in the event with a value other than null. */
function valueFollows(event: Buffer, key: Buffer): boolean {
  let at = event.indexOf(key)
  while (at !== -1) {
    let next = at + key.length
    while (event[next] === 0x20) next++
    if (event[next] === 0x3a) {
      next++
      while (event[next] === 0x20) next++
      if (event[next] !== 0x6e /* n of null */) return true
    }
    at = event.indexOf(key, at + key.length)
  }
  return false
}

const lf = 0x0a
const cr = 0x0d

/** @returns the index after the blank line that ends the event begun at `start`, or -1 */
function eventEnd(bytes: Buffer, start: number): number {
  let at = start
  for (;;) {
    at = bytes.indexOf(lf, at)
    if (at === -1) return -1
    if (bytes[at + 1] === lf) return at + 2
    if (bytes[at + 1] === cr && bytes[at + 2] === lf) return at + 3
    at++
  }
}

/** @returns the index after the last blank line */
function endOfEvents(bytes: Buffer): number {
  const { length } = bytes
  if (length >= 2 && bytes[length - 1] === lf && bytes[length - 2] === lf) return length
  let end = 0
  for (;;) {
    const next = eventEnd(bytes, end)
    if (next === -1) return end
    end = next
  }
}

/** The JSON of an event's data; undefined where it is none (`[DONE]`, a comment). */
function dataOf(event: Buffer): JsonObject | undefined {
  let data = ''
  for (const line of event.toString('utf8').split(/\r?\n/)) {
    if (line.startsWith('data:')) data += data === '' ? line.slice(5) : `\n${line.slice(5)}`
  }
  try {
    const json: unknown = JSON.parse(data)
    return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as JsonObject) : undefined
  } catch {
    return undefined
  }
}

function without(bytes: Buffer, hidden: readonly [number, number][]): Uint8Array {
  if (hidden.length === 0) return bytes
  const parts: Buffer[] = []
  let from = 0
  for (const [start, end] of hidden) {
    parts.push(bytes.subarray(from, start))
    from = end
  }
  parts.push(bytes.subarray(from))
  return Buffer.concat(parts)
}
