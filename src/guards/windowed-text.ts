import { longestContext, type Place } from './detectors/detector.ts'
import { type Found, type Hit, type Sight, sorted, Writer } from './local-guard.ts'
import type { Vault } from './vault.ts'

/** A finding that goes on for longer is taken for what it is so far. */
const longestHeld = 16_384
/** What is held beyond this is not searched again with every piece, but only when a part of it has been added. */
const longestCheap = 1_024

/**
 * Looks at a text that comes in pieces, and gives the same as `inspect` gives for the whole. What may still become something is held
 * back, everything before it goes on at once.
 */
export class WindowedText {
  readonly #sights: readonly Sight[]
  readonly #writer: Writer
  /** For each sight: where its last finding ended. */
  readonly #ends: number[]
  #text = ''
  /** The first half of a character (a surrogate pair) whose second half has not come. */
  #half = ''
  /** All that begins before it is known. */
  #decided = 0
  /** So long must the text be before it is searched again. */
  #enough = 0

  constructor(sights: readonly Sight[], parts: { vault: Vault; found: Found }) {
    this.#sights = sights
    this.#writer = new Writer({ ...parts, mayRestore: false })
    this.#ends = sights.map(() => 0)
  }

  /** @returns what may go on now. @throws {GuardDenied} */
  push(piece: string): string {
    const pieces = this.#half + piece
    const cut = pieces.length - (isHighSurrogate(pieces, pieces.length - 1) ? 1 : 0)
    this.#half = pieces.slice(cut)
    this.#text += pieces.slice(0, cut)
    return this.#text.length < this.#enough ? '' : this.#next(false)
  }

  /** @returns the rest. @throws {GuardDenied} */
  end(): string {
    this.#text += this.#half
    this.#half = ''
    return this.#next(true)
  }

  #next(isLast: boolean): string {
    const text = this.#text
    const from = this.#ends.map((end) => Math.max(end, this.#decided))
    const places = this.#sights.map(({ detector }, index) => detector.find(text, from[index]!))
    let decided = text.length
    if (!isLast) {
      this.#sights.forEach(({ detector }, index) => {
        decided = Math.min(decided, detector.open(text, from[index]!), growing(text, places[index]!))
      })
      // Characters that are two units are not cut.
      if (isHighSurrogate(text, decided - 1)) decided--
    }
    const hits: Hit[] = []
    this.#sights.forEach(({ guard, detector }, index) => {
      for (const { start, end } of places[index]!) {
        if (start >= decided) break
        hits.push({ start, end, guard, detector })
        this.#ends[index] = end
      }
    })
    const written = this.#writer.write(text, decided, sorted(hits))
    this.#forget(decided)
    return written
  }

  /** Keeps what is held, and of what is before it what shows whether a word begins there. */
  #forget(decided: number): void {
    const dropped = Math.max(0, decided - longestContext)
    this.#text = this.#text.slice(dropped)
    this.#decided = decided - dropped
    this.#ends.forEach((end, index) => {
      this.#ends[index] = Math.max(0, end - dropped)
    })
    this.#writer.drop(dropped)
    const held = this.#text.length - this.#decided
    this.#enough = held > longestCheap ? this.#text.length + (held >> 4) : 0
  }
}

/** @returns where the last finding begins if it may go on; else the text's end */
function growing(text: string, places: readonly Place[]): number {
  const last = places.at(-1)
  return last && last.end >= text.length - 1 && text.length - last.start < longestHeld ? last.start : text.length
}

const isHighSurrogate = (text: string, at: number) => (text.charCodeAt(at) & 0xfc00) === 0xd800
