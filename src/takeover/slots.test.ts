import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FileJournal } from '../limits/journal.ts'
import { adoptSlots, freeSlot, slotOf } from './slots.ts'

let state: string
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'chaperone-slots-'))
})
afterEach(() => rmSync(state, { recursive: true, force: true }))

const amount = (spent: number) => ({
  meter: {
    id: { key: 'k', endMs: Number.POSITIVE_INFINITY, alerts: [] },
    capacity: 10,
    subject: 's',
    rule: { name: 'r' },
    span: { label: 'l' },
  },
  spent,
})

test('the first free slot is taken', () => {
  expect(freeSlot([])).toBe(0)
  expect(freeSlot([0, 2])).toBe(1)
  expect(freeSlot([1, 0])).toBe(2)
})

test('what a process that is gone has left in its slot is told by the next, and what one that runs has is let be', () => {
  for (const slot of [0, 1, 2]) {
    const { journal, usage } = slotOf(state, slot)
    const left = new FileJournal(journal, `sidecar-${slot}`)
    left.append([amount(slot + 1)])
    left.close()
    mkdirSync(usage)
    writeFileSync(join(usage, `sidecar-${slot}.000000001.jsonl`), `${slot}\n`)
  }
  const running = slotOf(state, 1)
  const before = readFileSync(running.journal, 'utf8')
  adoptSlots(state, 0, [1])
  const own = slotOf(state, 0)
  const legacies = new FileJournal(own.journal, 'next').replay()
  expect(legacies.map(({ sidecar, batches }) => [sidecar, batches[0]?.amounts[0]?.spent]).sort()).toEqual([
    ['sidecar-0', 1],
    ['sidecar-2', 3],
  ])
  expect(readdirSync(own.usage).sort()).toEqual(['sidecar-0.000000001.jsonl', 'sidecar-2.000000001.jsonl'])
  expect(readFileSync(running.journal, 'utf8')).toBe(before)
  expect(readdirSync(running.usage)).toHaveLength(1)
  expect(existsSync(slotOf(state, 2).usage)).toBe(false)
})

test('legacies that nobody has told yet go along', () => {
  const { journal } = slotOf(state, 1)
  const first = new FileJournal(journal, 'first')
  first.append([amount(5)])
  first.close()
  // The second process has made the first one's journal a legacy, and has ended before it told of it.
  new FileJournal(journal, 'second').close()
  adoptSlots(state, 0, [])
  const legacies = new FileJournal(slotOf(state, 0).journal, 'third').replay()
  expect(legacies.map(({ sidecar }) => sidecar)).toEqual(['first'])
})
