/**
 * Tells whether a JSON object that comes in pieces is at its end, looking at each character once: its braces and
 * brackets balance and nothing but space follows. Whether it is sound JSON is for its reader to find out.
 */
export class JsonEnd {
  #depth = 0
  #inString = false
  #escaped = false
  #state: 'before' | 'inside' | 'whole' | 'broken' = 'before'

  /** Whether all pieces together are one object. */
  get whole(): boolean {
    return this.#state === 'whole'
  }

  push(text: string): void {
    for (let at = 0; at < text.length && this.#state !== 'broken'; at++) this.#character(text.charCodeAt(at))
  }

  #character(code: number): void {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false
      else if (code === backslash) this.#escaped = true
      else if (code === quote) this.#inString = false
      return
    }
    if (this.#state !== 'inside') {
      if (isSpace(code)) return
      const begins = this.#state === 'before' && code === openBrace
      this.#state = begins ? 'inside' : 'broken'
      this.#depth = 1
      return
    }
    if (code === quote) this.#inString = true
    else if (code === openBrace || code === openBracket) this.#depth++
    else if (code === closeBrace || code === closeBracket) {
      this.#depth--
      if (this.#depth === 0) this.#state = 'whole'
    }
  }
}

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}
