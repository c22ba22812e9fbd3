import { afterEach, beforeEach, expect, test } from 'vitest'
import { digest } from './digest.ts'
import type { PinStore } from './pin-store.ts'
import { forgottenMs, mostTools, refreshMs, settledMs } from './server-pins.ts'
import { toolNamed, waitingFor } from './testing.ts'

/** A store of the suite's own, and what the suite needs to know about it. */
export interface StoreUnderTest {
  readonly store: PinStore
  /** Another store upon the same pins, as another process would open it; undefined where no other can see them. */
  open?(): Promise<PinStore>
  close(): Promise<void>
}

const read = toolNamed('read')
const write = toolNamed('write')
const changedRead = toolNamed('read', 'Reads, and sends it home.')
const of = (tool: typeof read) => ({ tool: tool.name, digest: digest(tool) })
const ann = { by: 'ann' }

/**
 * What every store of pins does. To be called within a `describe`.
 * @param setUp opens an empty store whose time is `now`
 * @param withinMs how soon other stores obey a change
 */
export function pinStoreSuite(setUp: (now: () => number) => Promise<StoreUnderTest>, withinMs: number): void {
  const start = Date.UTC(2026, 0, 1)
  let nowMs = start
  let subject: StoreUnderTest
  let store: PinStore

  beforeEach(async () => {
    nowMs = start
    subject = await setUp(() => nowMs)
    store = subject.store
  })
  afterEach(async () => await subject.close())

  test('knows nothing first', async () => {
    expect(await store.list()).toEqual([])
    expect(store.pins('files').approved.size).toBe(0)
    expect(store.pins('files')).toBe(store.pins('files'))
  })

  test('what was seen waits, and is approved as it was seen', async () => {
    await store.see('files', [waitingFor(read), waitingFor(write)])
    expect(store.pins('files').waiting.get('read')).toEqual({
      ...of(read),
      definition: read,
      firstSeenAt: start,
      lastSeenAt: start,
    })
    nowMs += 1000
    const pins = await store.approve('files', [of(read)], { by: 'ann', message: 'reviewed' })
    expect(pins).toEqual([
      { ...of(read), definition: read, approvedBy: 'ann', approvedAt: start + 1000, message: 'reviewed' },
    ])
    const [{ approved, waiting } = store.pins('none')] = await store.list()
    expect([...approved.values()]).toEqual(pins)
    expect([...waiting.keys()]).toEqual(['write'])
    expect(store.pins('files').approved.get('read')?.digest).toBe(digest(read))
  })

  test('another definition than the one that waits is not approved, nor anything beside it', async () => {
    await store.see('files', [waitingFor(read), waitingFor(write)])
    await store.see('files', [waitingFor(changedRead)])
    await expect(store.approve('files', [of(write), of(read)], ann)).rejects.toMatchObject({ code: 'conflict' })
    await expect(store.approve('files', [of(write), { tool: 'x', digest: '' }], ann)).rejects.toMatchObject({
      code: 'not_found',
    })
    expect(store.pins('files').approved.size).toBe(0)
    await store.approve('files', [of(changedRead)], ann)
    // What is approved already is none the worse for being approved again.
    await store.approve('files', [of(changedRead)], ann)
  })

  test('what cannot be pinned is never approved', async () => {
    await store.see('files', [{ type: 'waiting', tool: 'huge', digest: '' }])
    await expect(store.approve('files', [{ tool: 'huge', digest: '' }], ann)).rejects.toMatchObject({ code: 'invalid' })
    expect((await store.list())[0]?.waiting.get('huge')?.definition).toBeUndefined()
  })

  test('an approval that is taken back waits again; a tool that is gone is forgotten', async () => {
    await store.see('files', [waitingFor(read), waitingFor(write)])
    await store.approve('files', [of(read), of(write)], ann)
    await store.see('files', [{ type: 'missing', tool: 'write' }])
    expect(store.pins('files').approved.get('write')?.missingSince).toBe(start)
    await store.revoke('files', ['read', 'write'])
    expect(store.pins('files').approved.size).toBe(0)
    expect([...store.pins('files').waiting.keys()]).toEqual(['read'])
    await expect(store.revoke('files', ['read'])).rejects.toMatchObject({ code: 'not_found' })
  })

  test('a missing tool that is back is there', async () => {
    await store.see('files', [waitingFor(read)])
    await store.approve('files', [of(read)], ann)
    await store.see('files', [{ type: 'missing', tool: 'read' }])
    await store.see('files', [{ type: 'approved', ...of(read) }])
    expect(store.pins('files').approved.get('read')).not.toHaveProperty('missingSince')
  })

  test('a change that its server took back waits no longer, once nobody has seen it for a while', async () => {
    await store.see('files', [waitingFor(read)])
    await store.approve('files', [of(read)], ann)
    await store.see('files', [waitingFor(changedRead)])
    nowMs += settledMs - 1
    await store.see('files', [{ type: 'approved', ...of(read) }])
    expect(store.pins('files').waiting.size).toBe(1)
    nowMs += 1
    await store.see('files', [{ type: 'approved', ...of(read) }])
    expect(store.pins('files').waiting.size).toBe(0)
  })

  test('a gateway that does not know the last approval yet changes nothing by what it saw', async () => {
    await store.see('files', [waitingFor(read)])
    await store.approve('files', [of(read)], ann)
    const before = store.pins('files')
    // To it the approved definition is one that waits.
    await store.see('files', [waitingFor(read)])
    expect(store.pins('files')).toEqual(before)
    // Or it takes for approved what was so before.
    await store.see('files', [waitingFor(changedRead)])
    nowMs += settledMs
    await store.see('files', [{ type: 'approved', tool: 'read', digest: digest(write) }])
    expect([...store.pins('files').waiting.keys()]).toEqual(['read'])
  })

  test('that something is still seen is noted now and then; what nobody sees is forgotten', async () => {
    await store.see('files', [waitingFor(read), waitingFor(write)])
    const before = store.pins('files')
    nowMs += refreshMs - 1
    await store.see('files', [waitingFor(read)])
    expect(store.pins('files')).toEqual(before)
    nowMs += 1
    await store.see('files', [waitingFor(read)])
    expect(store.pins('files').waiting.get('read')).toMatchObject({ firstSeenAt: start, lastSeenAt: nowMs })
    nowMs = start + forgottenMs + 1
    await store.see('files', [])
    expect([...store.pins('files').waiting.keys()]).toEqual(['read'])
  })

  test('a flood is bounded', async () => {
    // The last definition of a tool takes the place of the one before.
    for (let i = 0; i < 20; i++) await store.see('one', [waitingFor(toolNamed('t', `version ${i}`))])
    expect(store.pins('one').waiting.size).toBe(1)
    await store.see('long', [waitingFor(toolNamed('n'.repeat(501)))])
    expect(store.pins('long').waiting.size).toBe(0)
    const many = Array.from({ length: mostTools + 500 }, (_, i) => waitingFor(toolNamed(`t${i}`)))
    await store.see('files', many)
    expect(store.pins('files').waiting.size).toBe(mostTools)
    const large = Array.from({ length: 100 }, (_, i) => waitingFor(toolNamed(`t${i}`, 'x'.repeat(60_000))))
    await store.see('large', large)
    expect(store.pins('large').waiting.size).toBe(69)
    // Nor is more approved than can be kept, however often something waits.
    const of69 = (round: number) =>
      Array.from({ length: 69 }, (_, i) => toolNamed(`r${round}_${i}`, 'x'.repeat(60_000)))
    for (const round of [0, 1]) {
      await store.see('round', of69(round).map(waitingFor))
      await store.approve('round', of69(round).map(of), ann)
    }
    await store.see('round', of69(2).map(waitingFor))
    await expect(store.approve('round', of69(2).map(of), ann)).rejects.toMatchObject({ code: 'invalid' })
    expect(store.pins('round').approved.size).toBe(138)
  })

  test('names that objects have by nature are names', async () => {
    const tools = ['__proto__', 'constructor', 'toString', '', 'ein Name', '𝔘'].map((name) => toolNamed(name))
    await store.see('files', tools.map(waitingFor))
    await store.approve('files', tools.map(of), ann)
    const [pins] = await store.list()
    expect([...pins!.approved.keys()].sort()).toEqual(tools.map(({ name }) => name).sort())
  })

  test('a watch tells the servers whose approvals changed, and no others', async () => {
    const told: string[] = []
    const stop = store.watch((servers) => told.push(...servers))
    await store.see('files', [waitingFor(read)])
    expect(told).toEqual([])
    await store.approve('files', [of(read)], ann)
    expect(told).toEqual(['files'])
    await store.revoke('files', ['read'])
    expect(told).toEqual(['files', 'files'])
    stop()
    await store.approve('files', [of(read)], ann)
    expect(told).toHaveLength(2)
  })

  test('what another process approves is in force within a second', async () => {
    const other = (await subject.open?.()) ?? store
    const told: string[] = []
    store.watch((servers) => told.push(...servers))
    try {
      await store.see('files', [waitingFor(read)])
      expect((await other.list())[0]?.waiting.size).toBe(1)
      await other.approve('files', [of(read)], ann)
      await expect
        .poll(() => store.pins('files').approved.get('read')?.digest, { interval: 5, timeout: Math.max(1, withinMs) })
        .toBe(digest(read))
      expect(told).toEqual(['files'])
    } finally {
      if (other !== store) await other.close()
    }
  })

  test('changes at the same time are all kept', async () => {
    const other = (await subject.open?.()) ?? store
    try {
      const tools = Array.from({ length: 16 }, (_, i) => toolNamed(`t${i}`))
      await Promise.all(tools.map((tool, i) => (i % 2 ? store : other).see('files', [waitingFor(tool)])))
      await Promise.all(tools.map((tool, i) => (i % 2 ? other : store).approve('files', [of(tool)], ann)))
      const [pins] = await store.list()
      expect(pins!.approved.size).toBe(16)
      expect(pins!.waiting.size).toBe(0)
    } finally {
      if (other !== store) await other.close()
    }
  })
}
