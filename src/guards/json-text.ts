/**
 * Follows a text from its beginning and knows whether it is JSON as it is written (arguments of calls, structured answers), and whether
 * it is inside a string now. JSON that does not begin with a brace is not told from prose.
 */
export class JsonText {
  #isJson: boolean | undefined
  #inString = false
  #escaped = false

  /** Whether it has begun like a JSON object. */
  get isJson(): boolean {
    return this.#isJson === true
  }

  get inString(): boolean {
    return this.#inString
  }

  /** Goes on by a piece. */
  pass(piece: string): void {
    if (this.#isJson === undefined) {
      const first = /\S/.exec(piece)?.[0]
      if (first !== undefined) this.#isJson = first === '{'
    }
    if (!this.#isJson) return
    for (const sign of piece)
      if (this.#escaped) this.#escaped = false
      else if (sign === '\\') this.#escaped = this.#inString
      else if (sign === '"') this.#inString = !this.#inString
  }
}

/** @returns a text as it is written inside a JSON string */
export const escaped = (text: string): string => JSON.stringify(text).slice(1, -1)

/** @returns what is written inside a JSON string; the text itself where it is not written so */
export function unescaped(text: string): string {
  if (!text.includes('\\')) return text
  try {
    return JSON.parse(`"${text}"`) as string
  } catch {
    return text
  }
}
