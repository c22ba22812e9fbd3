import { escaped, JsonText, unescaped } from './json-text.ts'

const placeholderPattern = /\[[A-Z][A-Z0-9_]{0,30}_\d{1,9}\]/g
/** So much of a text's end may be the beginning of a placeholder. */
const unfinished = /\[(?:[A-Z][A-Z0-9_]{0,40})?$/

/**
 * What was masked in one request, so that the same value gets the same placeholder everywhere and the answer can have it back. Values
 * are kept as they mean: one that was found in JSON is not kept escaped.
 */
export class Vault {
  readonly #placeholders = new Map<string, string>()
  readonly #originals = new Map<string, string>()
  readonly #counts = new Map<string, number>()
  #texts: readonly string[] = []
  #taken: Set<string> | undefined

  /** @param texts in which placeholders may stand already, from another request: new ones get other names */
  avoid(texts: readonly string[]): void {
    this.#texts = texts
  }

  /**
   * @param restorable whether the answer may have the value back
   * @param within the text it was found in, up to there
   * @returns what stands in the value's place: `[CARD_1]`, in JSON always as a part of a string
   */
  mask(label: string, value: string, restorable: boolean, within: JsonText): string {
    const meant = within.isJson ? unescaped(value) : value
    const id = `${label} ${meant}`
    let placeholder = this.#placeholders.get(id)
    if (placeholder === undefined) {
      placeholder = this.#next(label)
      this.#placeholders.set(id, placeholder)
    }
    if (restorable) this.#originals.set(placeholder, meant)
    return within.isJson && !within.inString ? `"${placeholder}"` : placeholder
  }

  /** Whether an answer may hold placeholders that are to be restored. */
  get restores(): boolean {
    return this.#originals.size > 0
  }

  /** @param isJson whether the text is JSON as it is written */
  restore(text: string, isJson: boolean): string {
    if (this.#originals.size === 0) return text
    return text.replace(placeholderPattern, (placeholder) => {
      const original = this.#originals.get(placeholder)
      if (original === undefined) return placeholder
      return isJson ? escaped(original) : original
    })
  }

  #next(label: string): string {
    this.#taken ??= new Set(this.#texts.flatMap((text) => text.match(placeholderPattern) ?? []))
    this.#texts = []
    let count = this.#counts.get(label) ?? 0
    let placeholder: string
    do placeholder = `[${label}_${++count}]`
    while (this.#taken.has(placeholder))
    this.#counts.set(label, count)
    return placeholder
  }
}

/** Restores placeholders in a text that comes in pieces. */
export class RestoringText {
  readonly #vault: Vault
  readonly #json = new JsonText()
  #held = ''

  constructor(vault: Vault) {
    this.#vault = vault
  }

  push(piece: string): string {
    if (!this.#vault.restores) return piece
    const text = this.#held + piece
    const cut = unfinished.exec(text)?.index ?? text.length
    this.#held = text.slice(cut)
    return this.#restored(text.slice(0, cut))
  }

  end(): string {
    const rest = this.#held
    this.#held = ''
    return this.#restored(rest)
  }

  #restored(text: string): string {
    if (text === '') return ''
    this.#json.pass(text)
    return this.#vault.restore(text, this.#json.isJson)
  }
}
