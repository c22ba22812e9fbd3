import type { Detector, Place } from './detectors/detector.ts'
import { GuardDenied } from './guards.ts'
import { JsonText } from './json-text.ts'
import type { Vault } from './vault.ts'

/** A guard that looks for itself, ready to use. */
export interface LocalGuard {
  /** The name in the rules. */
  readonly name: string
  readonly action: 'deny' | 'mask' | 'alert'
  /** Whether the answer may have back what it masks in a request. */
  readonly restore: boolean
  /** What a refused caller is told beside what was found. */
  readonly message: string | undefined
}

/** One thing that a guard looks for. */
export interface Sight {
  readonly guard: LocalGuard
  readonly detector: Detector
}

/** Something found. */
export interface Hit extends Place, Sight {}

/** Told of what was found and what was done about it. */
export type Found = (guard: string, label: string, action: LocalGuard['action']) => void

const order = { alert: 0, deny: 1, mask: 2 }

/** Puts hits in the order in which they are acted on: by place; of those that begin together refusals first, then the longest. */
export function sorted(hits: Hit[]): Hit[] {
  return hits.sort((a, b) => a.start - b.start || order[a.guard.action] - order[b.guard.action] || b.end - a.end)
}

/**
 * Looks at a whole text.
 * @param mayRestore whether the answer may have back what is masked here
 * @returns the text with what is to be masked replaced
 * @throws {GuardDenied}
 */
export function inspect(
  text: string,
  sights: readonly Sight[],
  parts: { readonly vault: Vault; readonly found: Found; readonly mayRestore: boolean },
): string {
  const hits: Hit[] = []
  for (const { guard, detector } of sights)
    for (const { start, end } of detector.find(text)) hits.push({ start, end, guard, detector })
  if (hits.length === 0) return text
  const writer = new Writer(parts)
  return writer.write(text, text.length, sorted(hits))
}

/** Writes a text piece by piece with what is to be masked replaced. */
export class Writer {
  readonly #vault: Vault
  readonly #found: Found
  readonly #mayRestore: boolean
  readonly #json = new JsonText()
  /** What is before it has been written. */
  #position = 0

  constructor({ vault, found, mayRestore }: { vault: Vault; found: Found; mayRestore: boolean }) {
    this.#vault = vault
    this.#found = found
    this.#mayRestore = mayRestore
  }

  /** Forgets the text's beginning. */
  drop(length: number): void {
    this.#position -= length
  }

  /**
   * Goes on writing. Where two things to be masked overlap, the second one's rest is masked too.
   * @param to where to; further where something masked ends there
   * @param hits sorted, what begins before `to`
   * @throws {GuardDenied}
   */
  write(text: string, to: number, hits: readonly Hit[]): string {
    let written = ''
    for (const { start, end, guard, detector } of hits) {
      const { name, action, restore } = guard
      if (action === 'mask' && end <= this.#position) continue
      this.#found(name, detector.label, action)
      if (action === 'deny') throw denied(guard, detector)
      if (action === 'alert') continue
      const from = Math.max(start, this.#position)
      const before = text.slice(this.#position, from)
      const value = text.slice(from, end)
      this.#json.pass(before)
      written += before + this.#vault.mask(detector.label, value, restore && this.#mayRestore, this.#json)
      this.#json.pass(value)
      this.#position = end
    }
    if (to <= this.#position) return written
    const rest = text.slice(this.#position, to)
    this.#json.pass(rest)
    this.#position = to
    return written + rest
  }
}

function denied({ name, message }: LocalGuard, { plural }: Detector): GuardDenied {
  return new GuardDenied(
    name,
    `The guard ${name} of this gateway lets no ${plural} pass. ${message ?? 'Take them out and try again.'}`,
  )
}
