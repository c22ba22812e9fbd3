import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Amount, FileJournal, type JournalMeter, type Legacy } from './journal.ts'

let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chaperone-journal-'))
  path = join(directory, 'usage')
})
afterEach(() => rmSync(directory, { recursive: true }))

const meter = (key: string, endMs: number | undefined = 1_000): JournalMeter => ({
  id: { key, endMs, alerts: [{ threshold: 0.5 }] },
  capacity: 100,
  subject: `whose ${key}`,
  rule: { name: 'pot' },
  span: { label: '2026-11' },
})
const amount = (key: string, spent: number): Amount => ({ meter: meter(key), spent })
const told = (legacies: Legacy[]) =>
  legacies.map(({ sidecar, batches }) => [
    sidecar,
    batches.map(({ sequence, amounts }) => [sequence, amounts.map(({ meter, spent }) => [meter.id.key, spent])]),
  ])
const successor = (name = 'heir') => new FileJournal(path, name)

test('what was settled is handed on as sums, with all that is known of their meters', () => {
  const journal = new FileJournal(path, 'one')
  journal.append([amount('a', 1), amount('b', 10)])
  journal.append([amount('a', 2)])
  const [legacy] = successor().replay()
  expect(legacy).toMatchObject({
    sidecar: 'one',
    batches: [
      {
        sequence: 1,
        amounts: [
          { meter: meter('a'), spent: 3 },
          { meter: meter('b'), spent: 10 },
        ],
      },
    ],
  })
  legacy!.done()
  expect(readdirSync(directory)).toEqual([])
})

test('a batch keeps its number, and what came after it gets the next, at each try', () => {
  const journal = new FileJournal(path, 'one')
  journal.append([amount('a', 1)])
  journal.seal(7, [amount('a', 1)])
  journal.append([amount('a', 5)])
  const expected = [
    [
      'one',
      [
        [7, [['a', 1]]],
        [8, [['a', 5]]],
      ],
    ],
  ]
  for (let life = 0; life < 3; life++) expect(told(successor(`heir-${life}`).replay())).toEqual(expected)
})

test('what the authority has is not handed on, and an empty journal is no file', () => {
  const journal = new FileJournal(path, 'one')
  journal.append([amount('a', 1), amount('b', 2)])
  journal.seal(1, [amount('a', 1)])
  journal.acknowledged(1)
  journal.seal(2, [amount('b', 2)])
  journal.acknowledged(2)
  expect(existsSync(path)).toBe(false)
  // Numbers go on after that: an authority would take a lower one for a repetition.
  journal.append([amount('a', 4)])
  expect(told(successor().replay())).toEqual([['one', [[3, [['a', 4]]]]]])
})

test('a journal is written anew when it is long, and says the same', () => {
  const journal = new FileJournal(path, 'one')
  journal.seal(1, [amount('a', 1)])
  const name = 'x'.repeat(200)
  for (let i = 0; i < 60_000; i++) journal.append([amount(`${name}${i % 10}`, 1)])
  expect(statSync(path).size).toBeLessThan(1.2 * 2 ** 20)
  journal.append([amount('a', 1)])
  const [[, batches]] = told(successor().replay()) as [[string, [number, [string, number][]][]]]
  expect(batches[0]).toEqual([1, [['a', 1]]])
  expect(batches[1]![1]).toContainEqual([`${name}3`, 6_000])
  expect(batches[1]![0]).toBe(2)
})

test('a line that was cut short was not settled; damage costs no more than its line', () => {
  const journal = new FileJournal(path, 'one')
  journal.append([amount('a', 1)])
  appendFileSync(path, 'null\n5\n{"sidecar":"../../etc"}\n["settled",99,1]\n["settled",0,"x"]\n["settled",0,2]\n["sett')
  expect(told(successor().replay())).toEqual([['one', [[1, [['a', 3]]]]]])
})

test('a file that is no journal is put out of the way', () => {
  appendFileSync(path, 'something else')
  expect(successor().replay()).toEqual([])
})

test('meters without an end are described as such', () => {
  const journal = new FileJournal(path, 'one')
  const forever = { meter: meter('a', Number.POSITIVE_INFINITY), spent: 1 }
  const idle = { meter: { ...meter('b'), id: { key: 'b', endMs: undefined, alerts: [] } }, spent: 1 }
  journal.append([forever, idle])
  const [legacy] = successor().replay()
  expect(legacy!.batches[0]!.amounts.map(({ meter }) => meter.id.endMs)).toEqual([Number.POSITIVE_INFINITY, undefined])
  expect(readFileSync(`${path}.one`, 'utf8')).toContain('never')
})

describe('with a pace', () => {
  /** What has to be written is written when the test says so. */
  const paced = (name = 'one') => {
    const writes: (() => void)[] = []
    const asked = { count: 0 }
    const journal = new FileJournal(path, name, (write) => {
      writes.push(write)
      return { ask: () => void asked.count++ }
    })
    return { journal, write: () => writes[0]!(), asked }
  }

  test('many settlements are one line, and a batch never gets ahead of what was settled', () => {
    const { journal, write, asked } = paced()
    for (let i = 0; i < 100; i++) journal.append([amount('a', 1), amount('b', 2)])
    expect(asked.count).toBe(100)
    expect(existsSync(path)).toBe(false)
    write()
    write()
    expect(readFileSync(path, 'utf8').match(/settled/g)).toHaveLength(1)
    journal.append([amount('a', 5)])
    journal.seal(1, [amount('a', 105)])
    journal.append([amount('b', 7)])
    write()
    expect(told(successor().replay())).toEqual([
      [
        'one',
        [
          [1, [['a', 105]]],
          [2, [['b', 207]]],
        ],
      ],
    ])
  })

  test('its end writes what is left', () => {
    const { journal, write } = paced()
    journal.append([amount('a', 3)])
    journal.close()
    write()
    expect(told(successor().replay())).toEqual([['one', [[1, [['a', 3]]]]]])
  })

  test('what a disk did not take is said with the next settlement, and written with it', () => {
    const { journal, write } = paced()
    rmSync(directory, { recursive: true })
    journal.append([amount('a', 3)])
    expect(write).not.toThrow()
    mkdirSync(directory)
    expect(() => journal.append([amount('a', 4)])).toThrow(/ENOENT/)
    write()
    expect(() => journal.append([amount('a', 5)])).not.toThrow()
    write()
    expect(told(successor().replay())).toEqual([['one', [[1, [['a', 12]]]]]])
  })

  test('a batch that was told while the disk took nothing leaves nothing to tell', () => {
    const { journal, write } = paced()
    journal.append([amount('a', 3)])
    rmSync(directory, { recursive: true })
    expect(() => journal.seal(1, [amount('a', 3)])).toThrow()
    mkdirSync(directory)
    journal.acknowledged(1)
    write()
    expect(successor().replay()).toEqual([])
  })
})
