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

/** Fingerprints, taken once for each object: a list that stays the same is not hashed again. */
export class Fingerprints {
  readonly #known = new WeakMap<Tool, Fingerprint | 'none'>()

  /** @returns undefined where the definition is too deep or too long to be pinned */
  of(tool: Tool): Fingerprint | undefined {
    let known = this.#known.get(tool)
    if (known === undefined) {
      known = taken(tool)
      this.#known.set(tool, known)
    }
    return known === 'none' ? undefined : known
  }
}

function taken(tool: Tool): Fingerprint | 'none' {
  try {
    const fingerprint = fingerprintOf(tool)
    return fingerprint.length > longestDefinition ? 'none' : fingerprint
  } catch {
    return 'none'
  }
}
