import type { Detector, Place } from './detectors/detector.ts'
import { GuardDenied } from './guards.ts'
import type { Vault } from './vault.ts'

/** A guard that looks for itself, ready to use. */
export interface LocalGuard {
  /** The name in the rules. */
  readonly name: string
  readonly detectors: readonly Detector[]
  readonly action: 'deny' | 'mask' | 'alert'
  readonly restore: boolean
  /** What a refused caller is told beside what was found. */
  readonly message: string | undefined
}

/** Told of what was found where a guard only alerts, and where it masks or refuses. */
export type Found = (guard: string, label: string, action: LocalGuard['action']) => void

interface Hit extends Place {
  readonly guard: LocalGuard
  readonly detector: Detector
}

/**
 * Looks at a text with all guards.
 * @returns the text with what is to be masked replaced
 * @throws {GuardDenied}
 */
export function inspect(text: string, guards: readonly LocalGuard[], vault: Vault, found: Found): string {
  return replace(text, 0, text.length, hitsIn(text, guards), vault, found)
}

/** What the guards find, in order; of overlapping places the first one, and a refusal before anything else. */
function hitsIn(text: string, guards: readonly LocalGuard[]): Hit[] {
  const hits = guards.flatMap((guard) =>
    guard.detectors.flatMap((detector) => detector.find(text).map((place): Hit => ({ ...place, guard, detector }))),
  )
  const order = { deny: 0, mask: 1, alert: 2 }
  return hits.sort((a, b) => a.start - b.start || order[a.guard.action] - order[b.guard.action] || b.end - a.end)
}

function replace(text: string, from: number, to: number, hits: readonly Hit[], vault: Vault, found: Found): string {
  let written = ''
  let position = from
  for (const { start, end, guard, detector } of hits) {
    if (end <= from || start >= to) continue
    if (guard.action === 'deny') {
      found(guard.name, detector.label, 'deny')
      throw denied(guard, detector)
    }
    if (guard.action === 'alert') {
      found(guard.name, detector.label, 'alert')
      continue
    }
    if (start < position) continue
    found(guard.name, detector.label, 'mask')
    written += text.slice(position, start) + vault.mask(detector.label, text.slice(start, end), guard.restore)
    position = end
  }
  return written + text.slice(position, to)
}

function denied({ name, message }: LocalGuard, { plural }: Detector): GuardDenied {
  return new GuardDenied(
    name,
    `The guard ${name} of this gateway lets no ${plural} pass. ${message ?? 'Take them out and try again.'}`,
  )
}

/** A finding that goes on for longer is taken for what it is so far. */
const longestHeld = 16_384

/**
 * Looks at a text that comes in pieces. What may still become part of a finding is held back; some of what went before is kept, because
 * it decides where a finding begins.
 */
export class WindowedText {
  readonly #guards: readonly LocalGuard[]
  readonly #vault: Vault
  readonly #found: Found
  readonly #window: number
  /** What has gone, as far as it matters, and what is held. */
  #text = ''
  #gone = 0

  constructor(guards: readonly LocalGuard[], vault: Vault, found: Found) {
    this.#guards = guards
    this.#vault = vault
    this.#found = found
    this.#window = Math.max(0, ...guards.flatMap((guard) => guard.detectors.map(({ window }) => window)))
  }

  /** @throws {GuardDenied} */
  push(piece: string): string {
    this.#text += piece
    return this.#emit(this.#text.length - this.#window)
  }

  /** @throws {GuardDenied} */
  end(): string {
    return this.#emit(this.#text.length, true)
  }

  #emit(wanted: number, last = false): string {
    if (wanted <= this.#gone && !last) return ''
    const text = this.#text
    const hits = hitsIn(text, this.#guards).filter(({ start }) => start >= this.#gone)
    let cut = wanted
    // After a finding that was cut, what goes on is a finding of its own.
    let context = this.#window
    if (!last)
      for (const { start, end } of hits)
        if (start < cut && end > cut) {
          const endless = end - start > longestHeld
          cut = endless ? end : start
          if (endless) context = 0
        }
    const refusing = hits.find(({ guard, end }) => guard.action === 'deny' && (last || end < text.length))
    if (refusing) cut = Math.max(cut, refusing.end)
    const written = replace(text, this.#gone, cut, hits, this.#vault, this.#found)
    this.#gone = cut
    const forget = Math.max(0, this.#gone - context)
    this.#text = text.slice(forget)
    this.#gone -= forget
    return written
  }
}
