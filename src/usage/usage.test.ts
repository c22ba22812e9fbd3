import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { RefusalRecord } from '../telemetry/record.ts'
import { recordOf } from '../telemetry/testing.ts'
import type { Batch } from './books.ts'
import { finishedEntry, refusedEntry } from './entry.ts'
import { lineOf, readLine } from './entry-line.ts'
import { MemoryBooks } from './memory-books.ts'
import { addTo, daysOf, groupOf, type Rollup, readGroup, summarize } from './rollup.ts'
import { UsageRecorder } from './usage-recorder.ts'

const caller = {
  identity: 'key',
  subject: 'k1',
  user: 'ann',
  team: 'research',
  organization: 'acme',
  key: 'k1',
  listener: 'l',
}
const record = (more: object = {}) => recordOf({ caller, ...more })
const refusal: RefusalRecord = {
  requestId: 'r',
  operation: 'chat',
  identity: 'key',
  listener: 'default',
  status: 429,
  code: 'rate_limit_exceeded',
  rule: 'limits.rpm',
}
const day = '2026-01-02'

describe('entries', () => {
  test('hold figures and who, and nothing of the content', () => {
    const entry = finishedEntry(record({ traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, revision: 7 }))
    expect(entry).toMatchObject({
      model: 'fast',
      provider: 'openai',
      team: 'research',
      input: 1000,
      output: 91,
      cached: 600,
      reasoning: 40,
      nanoUsd: 250_000_000,
      traceId: 'a'.repeat(32),
    })
    expect(entry).toMatchObject({
      status: 200,
      attempts: ['azure/gpt=503', 'openai/gpt-4o-mini=200'],
      revision: 7,
      asked: undefined,
    })
    expect(finishedEntry(record({ requestModel: 'alias' }))).toMatchObject({ model: 'fast', asked: 'alias' })
    const refused = refusedEntry({ ...refusal, requestModel: 'fast', rules: ['prompts.house'] }, 1)
    expect(refused).toMatchObject({ code: 'rate_limit_exceeded', rule: 'limits.rpm', status: 429, time: 1 })
    expect(refused).toMatchObject({ asked: 'fast', rules: ['prompts.house'] })
    expect(refused).not.toHaveProperty('input')
  })

  test('are lines that say the same, whatever is in them', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.boolean(), (name, refused) => {
        const entry = refused
          ? refusedEntry({ ...refusal, user: name, code: `a\t${name}\n` }, 1)
          : finishedEntry(
              record({ model: name, errorCode: `\t\n${name}`, caller: { ...caller, team: name }, rules: [name, 'x'] }),
            )
        const line = lineOf(entry)
        expect(line.indexOf('\n')).toBe(line.length - 1)
        expect(readLine(line.slice(0, -1))).toEqual(entry)
        // Whoever reads the stream has a reader of JSON, not ours.
        expect(JSON.parse(line.slice(1))).toEqual(JSON.parse(JSON.stringify(entry)))
      }),
    )
  })

  test.each(['', '\t', '{}', '+{"requestId":"r', '-', 'null'])('a line that was cut off is none: %j', (line) => {
    expect(readLine(line)).toBeUndefined()
  })

  test('nonsense of a provider is no amount', () => {
    const usage = finishedEntry(
      record({ usage: { input: Number.NaN, output: -5 }, cost: { usd: Number.POSITIVE_INFINITY } }),
    )
    expect(usage).toMatchObject({ input: 0, output: 0 })
    expect(Number.isSafeInteger(usage.nanoUsd)).toBe(true)
  })
})

describe('adding up', () => {
  test('names with any signs in them come back as they were', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (team, model) => {
        const group = groupOf({ ...finishedEntry(record()), team, model })
        expect(readGroup(group)).toMatchObject({ team, model, user: 'ann' })
      }),
    )
  })

  test('rows are what was asked for, the dearest first', () => {
    const days = new Map<string, Rollup>()
    for (const [team, usd] of [
      ['a', 1],
      ['b', 5],
      ['a', 2],
    ] as const)
      addTo(days, finishedEntry(record({ caller: { ...caller, team }, cost: { usd } })))
    expect([...days.keys()]).toEqual([day])
    const rows = summarize(days, { from: day, to: day, by: ['team'] })
    expect(rows.map(({ group, requests, nanoUsd }) => [group[0], requests, nanoUsd / 1e9])).toEqual([
      ['b', 1, 5],
      ['a', 2, 3],
    ])
    expect(summarize(days, { from: day, to: day, by: ['day', 'user'], only: { team: 'a' } })).toMatchObject([
      { group: [day, 'ann'], requests: 2 },
    ])
    expect(summarize(days, { from: day, to: day, by: [], only: { team: 'nobody' } })).toEqual([])
  })

  test.each([
    ['2026-02-01', '2026-01-01'],
    ['yesterday', '2026-01-01'],
    ['2020-01-01', '2026-01-01'],
    ['2026-13-45', '2026-13-46'],
  ])('%s to %s are no days', (from, to) => {
    expect(() => daysOf({ from, to })).toThrow(RangeError)
  })

  test('a month’s end is followed by the next month', () => {
    expect(daysOf({ from: '2026-02-27', to: '2026-03-01' })).toEqual(['2026-02-27', '2026-02-28', '2026-03-01'])
  })
})

describe('the recorder', () => {
  let directory: string
  const reports: unknown[] = []
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'chaperone-usage-'))
    reports.length = 0
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
    rmSync(directory, { recursive: true, force: true })
  })
  const recorder = (books: MemoryBooks, sidecar = 's1', on = directory) => {
    const made = new UsageRecorder({ books, sidecar, directory: on, report: (error) => reports.push(error) })
    made.start()
    return made
  }
  const requests = async (books: MemoryBooks) =>
    (await books.usage({ from: day, to: day, by: [] })).reduce((sum, row) => sum + row.requests, 0)

  test('tells the books within a second or two, in one batch', async () => {
    const books = new MemoryBooks()
    const write = vi.spyOn(books, 'write')
    const usage = recorder(books)
    for (let i = 0; i < 10; i++) usage.finished(record())
    usage.refused(refusal)
    expect(write).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(2_000)
    expect(write).toHaveBeenCalledTimes(1)
    expect(await requests(books)).toBe(10)
    expect(await books.decision('r')).toMatchObject({ rule: 'limits.rpm' })
    expect(await books.decisions({ limit: 5, refusedOnly: true })).toHaveLength(1)
    expect(readdirSync(directory)).toEqual([])
    await usage.close()
  })

  test('books that are away get everything later, once, and it is said once', async () => {
    const books = new MemoryBooks()
    const real = books.write.bind(books)
    let away = true
    books.write = async (batch: Batch) => {
      await real(batch)
      // Took it, and the answer was lost: it comes again.
      if (away) throw new Error('away')
    }
    const usage = recorder(books)
    for (let i = 0; i < 3; i++) {
      usage.finished(record())
      await vi.advanceTimersByTimeAsync(1_500)
    }
    expect(reports).toHaveLength(1)
    expect(readdirSync(directory).length).toBeGreaterThan(0)
    away = false
    await vi.advanceTimersByTimeAsync(20_000)
    expect(await requests(books)).toBe(3)
    expect(readdirSync(directory)).toEqual([])
    await usage.close()
  })

  test('what a killed process left is told by the next one, once, but for a line that was cut off', async () => {
    const books = new MemoryBooks()
    const killed = recorder(books, 'killed')
    killed.finished(record())
    killed.finished(record())
    await vi.advanceTimersByTimeAsync(1)
    const [file] = readdirSync(directory)
    appendFileSync(join(directory, file!), '+{"requestId":"r')
    vi.clearAllTimers()
    const next = recorder(books, 'next')
    next.finished(record())
    await vi.advanceTimersByTimeAsync(2_000)
    expect(await requests(books)).toBe(3)
    expect(readdirSync(directory)).toEqual([])
    recorder(books, 'third')
    await vi.advanceTimersByTimeAsync(2_000)
    expect(await requests(books)).toBe(3)
    await next.close()
  })

  test('while the books are away long, what they get later is read from disk, and the same', async () => {
    const books = new MemoryBooks()
    const real = books.write.bind(books)
    const got: Batch[] = []
    let away = true
    books.write = async (batch: Batch) => {
      if (away) throw new Error('away')
      got.push(batch)
      await real(batch)
    }
    const usage = recorder(books)
    for (let i = 0; i < 8; i++) {
      usage.finished(record({ requestId: `id-${i}` }))
      usage.refused({ ...refusal, requestId: `refused-${i}` })
      await vi.advanceTimersByTimeAsync(1_500)
    }
    away = false
    await vi.advanceTimersByTimeAsync(20_000)
    expect(await requests(books)).toBe(8)
    expect(got.length).toBeGreaterThan(5)
    for (let i = 0; i < 8; i++)
      expect(await books.decision(`id-${i}`)).toEqual(finishedEntry(record({ requestId: `id-${i}` })))
    expect(await books.decision('refused-7')).toMatchObject({ rule: 'limits.rpm' })
    await usage.close()
  })

  test('books that are away for an hour get every request, what the disk is too small for as sums', async () => {
    const books = new MemoryBooks()
    const real = books.write.bind(books)
    let away = true
    books.write = (batch: Batch) => (away ? Promise.reject(new Error('away')) : real(batch))
    const report = (error: unknown) => reports.push(error)
    const usage = new UsageRecorder({ books, sidecar: 's1', directory, mostBytes: 100_000, report })
    usage.start()
    for (let i = 0; i < 360; i++) {
      usage.finished(record({ requestId: `id-${i}`, cost: { usd: 0.5 } }))
      await vi.advanceTimersByTimeAsync(10_000)
    }
    const bytes = () => readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0)
    expect(bytes()).toBeLessThan(101_000)
    expect(reports.map(String)).toEqual([
      expect.stringContaining('it is kept'),
      expect.stringContaining('only sums are kept'),
    ])
    away = false
    writeFileSync(join(directory, 's1.000000002.jsonl.next'), '=[["20')
    // Whoever comes after a kill tells them as well.
    const heir = recorder(books, 's2')
    await vi.advanceTimersByTimeAsync(30_000)
    await heir.close()
    await usage.close()
    const [row] = await books.usage({ from: day, to: day, by: [] })
    expect(row).toMatchObject({ requests: 360, nanoUsd: 180_000_000_000 })
    expect(await books.decision('id-10')).toBeUndefined()
    expect(await books.decision('id-359')).toMatchObject({ status: 200 })
    expect(readdirSync(directory)).toEqual([])
  })

  test('its end tells what is left', async () => {
    const books = new MemoryBooks()
    const usage = recorder(books)
    usage.finished(record())
    await usage.close()
    expect(await requests(books)).toBe(1)
  })

  test('a disk that takes nothing is said, and usage still counted', async () => {
    const books = new MemoryBooks()
    const usage = recorder(books)
    rmSync(directory, { recursive: true })
    usage.finished(record())
    usage.finished(record())
    await usage.close()
    expect(reports).toHaveLength(1)
    expect(await requests(books)).toBe(2)
  })
})
