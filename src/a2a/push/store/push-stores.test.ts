import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FilePushStore } from './file-push-store.ts'
import { newCallbackId } from './marks.ts'
import { MemoryPushStore } from './memory-push-store.ts'
import { lookInto, pushJournal } from './push-journal.ts'
import { isTaken, type Order, type PushStore } from './push-store.ts'
import { pushStoreSuite } from './push-store-suite.ts'

const order: Order = { task: 't', mark: undefined, ends: false, lifeMs: 60_000, most: 100, mostEach: 10 }

describe('memory', () => {
  let store: PushStore
  beforeEach(() => {
    store = new MemoryPushStore()
  })
  pushStoreSuite(async () => store)

  test('has room for so many callbacks, and makes some of those that are over', async () => {
    let now = 0
    const small = new MemoryPushStore({ now: () => now, most: 2 })
    expect(await small.put('a', 's', undefined)).toBe(true)
    expect(await small.put('b', 's', undefined)).toBe(true)
    expect(await small.put('c', 's', undefined)).toBe(false)
    now += 31 * 24 * 3_600_000
    expect(await small.put('c', 's', undefined)).toBe(true)
  })
})

test('memory has room for so much that waits', async () => {
  const small = new MemoryPushStore({ characters: 10 })
  const [a, b] = [newCallbackId(), newCallbackId()]
  await small.put(a, 's', 't')
  await small.put(b, 's', 't')
  expect(await small.enqueue(a, { id: '1', sealed: '12345' }, order)).toBe('queued')
  expect(await small.enqueue(b, { id: '2', sealed: '123456' }, order)).toBe('full')
  expect(await small.enqueue(b, { id: '2', sealed: '12345' }, order)).toBe('queued')
  expect(await small.enqueue(a, { id: '3', sealed: '1' }, order)).toBe('full')
  const taken = await small.take(1000)
  if (isTaken(taken)) await small.done(taken, undefined)
  await small.remove(b)
  expect(await small.enqueue(a, { id: '4', sealed: '1234567890' }, order)).toBe('queued')
})

describe('file', () => {
  let directory: string
  let path: string
  const opened: FilePushStore[] = []
  const open = () => {
    const store = new FilePushStore(path)
    opened.push(store)
    return store
  }
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'chaperone-push-'))
    path = pushJournal(join(directory, 'private'))
  })
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close()
    rmSync(directory, { recursive: true, force: true })
  })
  pushStoreSuite(async () => opened[0] ?? open())

  /** What a process that is started now finds. @param killed whether the one before could not close */
  const restarted = (killed: boolean) => {
    if (killed) {
      const text = readFileSync(path)
      path = join(directory, 'left.jsonl')
      writeFileSync(path, text, { mode: 0o600 })
    }
    return open()
  }

  test.each([true, false])('all of it is there after a start (killed: %s)', async (killed) => {
    const store = open()
    const id = newCallbackId()
    await store.put(id, 'kept', undefined)
    await store.name('t', 'c', id)
    const mark = 'm'.repeat(22)
    for (const text of ['a', 'b', 'c'])
      await store.enqueue(
        id,
        { id: text, sealed: text },
        { ...order, ends: text === 'c', ...(text === 'a' && { mark }) },
      )
    const first = await store.take(10_000)
    if (isTaken(first)) await store.done(first, 'state')
    const second = await store.take(10_000)
    if (isTaken(second)) await store.later(second, 0, true)
    // Taken, and nobody knows what became of it.
    await store.take(10_000)
    if (!killed) await store.close()
    const again = restarted(killed)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(await again.get(id)).toEqual({ sealed: 'kept', task: 't' })
    expect(await again.find('t', 'c')).toBe(id)
    expect(await again.waiting()).toBe(2)
    expect(await again.enqueue(id, { id: 'a', sealed: 'a' }, { ...order, mark })).toBe('duplicate')
    expect(await again.enqueue(id, { id: 'd', sealed: 'd' }, order)).toBe('ended')
    if (killed) expect(await again.take(10_000)).toMatchObject({ tries: 1, state: 'state', notification: { id: 'b' } })
  })

  test('a line that was cut short is left out, and so is what is none', async () => {
    const store = open()
    const id = newCallbackId()
    await store.put(id, 'kept', 't')
    await store.enqueue(id, { id: 'a', sealed: 'a' }, order)
    await store.close()
    appendFileSync(path, 'null\n{"x":1}\n["nothing","x"]\n["queued","')
    const again = open()
    expect(await again.waiting()).toBe(1)
    await again.enqueue(id, { id: 'b', sealed: 'b' }, order)
    await again.close()
    expect(await open().waiting()).toBe(2)
  })

  test('another process that lives keeps others out until it lets go', async () => {
    const owner = `${process.ppid} ${readFileSync(`/proc/${process.ppid}/stat`, 'latin1').split(') ').at(-1)!.split(' ')[19]}`
    const first = open()
    const id = newCallbackId()
    await first.put(id, 'kept', 't')
    writeFileSync(`${path}.owner`, owner)
    const second = open()
    await expect(second.get(id)).rejects.toThrow(/--state of its own/)
    expect(await lookInto(path).get(id)).toMatchObject({ sealed: 'kept' })
    await first.close()
    await expect(first.get(id)).rejects.toThrow(/closed/)
    expect(await second.get(id)).toMatchObject({ sealed: 'kept' })
    // An id of a process that is used again is another process.
    await second.close()
    writeFileSync(`${path}.owner`, `${process.ppid} 1`)
    expect(await open().get(id)).toMatchObject({ sealed: 'kept' })
  })
})
