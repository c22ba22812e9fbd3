/** So much of a streamed text is asked about at once: up to the end of a sentence, or a little more. */
const usual = 400
const longest = 1_200
const sentenceEnds = ['. ', '! ', '? ', '\n']

/** Cuts a text that comes in pieces into windows of a few sentences. */
export class TextWindows {
  #text = ''

  /** @returns the window that has become full, if one has */
  push(piece: string): string | undefined {
    this.#text += piece
    const cut = this.#cut()
    if (cut === 0) return undefined
    const window = this.#text.slice(0, cut)
    this.#text = this.#text.slice(cut)
    return window
  }

  /** @returns the rest; maybe nothing */
  end(): string {
    const rest = this.#text
    this.#text = ''
    return rest
  }

  #cut(): number {
    const { length } = this.#text
    if (length < usual) return 0
    const sentence = Math.max(...sentenceEnds.map((end) => this.#text.lastIndexOf(end)))
    if (sentence >= usual / 2) return sentence + 1
    if (length < longest) return 0
    const word = this.#text.lastIndexOf(' ')
    return word >= usual / 2 ? word + 1 : length
  }
}
