/** What was masked in one request, so that the same value gets the same placeholder and the answer can have it back. */
export class Vault {
  readonly #placeholders = new Map<string, string>()
  readonly #originals = new Map<string, string>()
  readonly #counts = new Map<string, number>()

  /** @returns the placeholder of a value: `[CARD_1]` */
  mask(label: string, value: string, restorable: boolean): string {
    const id = `${label} ${value}`
    let placeholder = this.#placeholders.get(id)
    if (placeholder === undefined) {
      const count = (this.#counts.get(label) ?? 0) + 1
      this.#counts.set(label, count)
      placeholder = `[${label}_${count}]`
      this.#placeholders.set(id, placeholder)
    }
    if (restorable) this.#originals.set(placeholder, value)
    return placeholder
  }

  /** Whether an answer may hold placeholders that are to be restored. */
  get restores(): boolean {
    return this.#originals.size > 0
  }

  restore(text: string): string {
    if (this.#originals.size === 0) return text
    return text.replace(placeholderPattern, (placeholder) => this.#originals.get(placeholder) ?? placeholder)
  }
}

const placeholderPattern = /\[[A-Z][A-Z0-9_]{0,30}_\d{1,9}\]/g
/** How much of a text's end may be the beginning of a placeholder. */
const unfinished = /\[(?:[A-Z][A-Z0-9_]{0,40})?$/

/** Restores placeholders in a text that comes in pieces. */
export class RestoringText {
  readonly #vault: Vault
  #held = ''

  constructor(vault: Vault) {
    this.#vault = vault
  }

  push(piece: string): string {
    const text = this.#held + piece
    const cut = unfinished.exec(text)?.index ?? text.length
    this.#held = text.slice(cut)
    return this.#vault.restore(text.slice(0, cut))
  }

  end(): string {
    const rest = this.#vault.restore(this.#held)
    this.#held = ''
    return rest
  }
}
