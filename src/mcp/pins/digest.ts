import { createHash } from 'node:crypto'
import type { Tool } from '../protocol.ts'
import { canonicalJson } from './canonical.ts'

/** The longest definition, in characters of its canonical form, that can be pinned. What is longer floods a model's context. */
export const longestDefinition = 64 * 1024

/** What a definition is known by. */
export interface Fingerprint {
  /** SHA-256 of the canonical form, 64 hexadecimal digits. */
  readonly digest: string
  /** The canonical form, in characters. */
  readonly length: number
}

/**
 * The digest of a tool as a server defines it. It is taken over all members, those that nobody knows yet as well: name, title,
 * description, inputSchema, outputSchema, annotations, icons, execution, _meta. What is passed on is what is pinned.
 * @returns SHA-256 of the canonical JSON (RFC 8785), 64 hexadecimal digits
 * @throws {RangeError} where it is nested too deep
 */
export function digest(tool: Tool): string {
  return fingerprintOf(tool).digest
}

/** @throws {RangeError} where it is nested too deep */
export function fingerprintOf(tool: Tool): Fingerprint {
  const text = canonicalJson(tool)
  return { digest: createHash('sha256').update(text).digest('hex'), length: text.length }
}

/** Characters of definitions whose fingerprints are remembered. */
const mostRemembered = 8 * 1024 * 1024

/**
 * Fingerprints, taken once: of an object, and of a text. Each list of a server is parsed anew, so that its objects are others while
 * they say the same; writing them as they are takes a fraction of what sorting and hashing them does.
 */
export class Fingerprints {
  readonly #objects = new WeakMap<Tool, Fingerprint | 'none'>()
  /** By the definition as it was written, the oldest first. */
  readonly #texts = new Map<string, Fingerprint>()
  #characters = 0

  /** @returns undefined where the definition is too deep or too long to be pinned */
  of(tool: Tool): Fingerprint | undefined {
    let known = this.#objects.get(tool)
    if (known === undefined) {
      known = this.#ofText(tool)
      this.#objects.set(tool, known)
    }
    return known === 'none' ? undefined : known
  }

  #ofText(tool: Tool): Fingerprint | 'none' {
    try {
      const text = JSON.stringify(tool)
      if (text.length > longestDefinition) return 'none'
      const known = this.#texts.get(text)
      if (known) return known
      const taken = fingerprintOf(tool)
      this.#remember(text, taken)
      return taken
    } catch {
      // Too deep, for one or the other.
      return 'none'
    }
  }

  #remember(text: string, fingerprint: Fingerprint): void {
    this.#texts.set(text, fingerprint)
    this.#characters += text.length
    for (const oldest of this.#texts.keys()) {
      if (this.#characters <= mostRemembered) return
      this.#texts.delete(oldest)
      this.#characters -= oldest.length
    }
  }
}
