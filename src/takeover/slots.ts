import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync } from 'node:fs'
import { basename, join } from 'node:path'

/**
 * The part of a state directory in which a service keeps what was settled and is not told yet. One process may use it at a time, so a
 * service that takes another's place, which still finishes something, has another slot.
 */
export interface Slot {
  /** The file of what was settled. */
  readonly journal: string
  /** The directory of usage. */
  readonly usage: string
}

export function slotOf(state: string, slot: number): Slot {
  const suffix = slot === 0 ? '' : `-${slot}`
  return { journal: join(state, `settled${suffix}.jsonl`), usage: join(state, `usage${suffix}`) }
}

/** @returns the first slot that nobody has */
export function freeSlot(taken: readonly number[]): number {
  let slot = 0
  while (taken.includes(slot)) slot++
  return slot
}

/**
 * Makes what processes that are gone have left in other slots this one's, before it is opened.
 * @param taken slots whose processes still run
 */
export function adoptSlots(state: string, slot: number, taken: readonly number[]): void {
  const own = slotOf(state, slot)
  const slots = readdirSync(state).flatMap((name) => {
    const match = /^(?:settled|usage)(?:-(\d{1,4}))?(?:\.jsonl.*)?$/.exec(name)
    return match ? [Number(match[1] ?? 0)] : []
  })
  for (const other of new Set(slots)) {
    if (other === slot || taken.includes(other)) continue
    const left = slotOf(state, other)
    for (const name of readdirSync(state)) {
      if (!name.startsWith(basename(left.journal)) || name.endsWith('.new')) continue
      // Legacies beside the journal are named for whose they are, which is said in them again.
      renameSync(join(state, name), `${own.journal}.${randomUUID()}`)
    }
    if (!existsSync(left.usage)) continue
    mkdirSync(own.usage, { recursive: true, mode: 0o700 })
    for (const name of readdirSync(left.usage)) renameSync(join(left.usage, name), join(own.usage, name))
    rmdirSync(left.usage)
  }
}
