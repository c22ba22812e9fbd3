import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { newCallbackId } from './marks.ts'
import { type DeadLetter, isTaken, type Order, type PushStore, type Taken } from './push-store.ts'

/**
 * What every store of callbacks does.
 * @param open opens the same store, empty for each test, again and again: each is another process's view of it
 */
export function pushStoreSuite(open: () => Promise<PushStore>): void {
  const order = (more: Partial<Order> = {}): Order => ({
    ...{ task: 't', mark: undefined, ends: false, lifeMs: 60_000, most: 100, mostEach: 10 },
    ...more,
  })
  const say = (store: PushStore, id: string, text: string, more: Partial<Order> = {}) =>
    store.enqueue(id, { id: `n-${text}`, sealed: text }, order(more))
  const take = async (store: PushStore, forMs = 10_000): Promise<Taken> => {
    const taken = await store.take(forMs)
    if (!isTaken(taken)) throw new Error(`nothing to take for ${taken.waitMs} ms`)
    return taken
  }
  const nothing = async (store: PushStore) => {
    const taken = await store.take(10_000)
    expect(taken).not.toHaveProperty('callback')
    return isTaken(taken) ? undefined : taken.waitMs
  }
  const letter = (taken: Taken): DeadLetter => ({
    ...{ id: taken.notification.id, agent: 'planner', taskId: 't', host: 'c.example', reason: 'status 500' },
    ...{ tries: taken.tries, sinceMs: taken.sinceMs, givenUpMs: Date.now() },
  })

  test('a callback is there for all until it is removed, and what waits for it goes with it', async () => {
    const [one, two] = [await open(), await open()]
    const id = newCallbackId()
    expect(await one.get(id)).toBeUndefined()
    expect(await say(one, id, 'a')).toBe('unknown')
    expect(await one.put(id, 'sealed', undefined)).toBe(true)
    expect(await two.get(id)).toEqual({ sealed: 'sealed', task: undefined })
    expect(await say(two, id, 'a')).toBe('queued')
    expect(await one.waiting()).toBe(1)
    await one.remove(id)
    expect(await two.get(id)).toBeUndefined()
    expect(await two.waiting()).toBe(0)
    await nothing(two)
  })

  test('it is for one task: the first that it is bound to or that something is said of', async () => {
    const store = await open()
    const [a, b] = [newCallbackId(), newCallbackId()]
    await store.put(a, 's', undefined)
    expect(await store.bind(a, 't')).toBe(true)
    expect(await store.bind(a, 'u')).toBe(false)
    expect(await say(store, a, '1', { task: 'u' })).toBe('other-task')
    await store.put(b, 's', undefined)
    expect(await say(store, b, '1', { task: 'u' })).toBe('queued')
    expect(await store.bind(b, 't')).toBe(false)
    expect(await store.bind(b, 'u')).toBe(true)
    expect(await store.bind(newCallbackId(), 't')).toBe(false)
  })

  test('it is found by its task and its name', async () => {
    const [one, two] = [await open(), await open()]
    await one.name('t', 'c', 'first')
    expect(await two.find('t', 'c')).toBe('first')
    await two.name('t', 'c', 'second')
    expect(await one.find('t', 'c')).toBe('second')
    expect(await one.find('t', 'd')).toBeUndefined()
  })

  test('notifications of one callback are taken in order, one at a time, by whoever comes', async () => {
    const [one, two] = [await open(), await open()]
    const id = newCallbackId()
    await one.put(id, 'kept', 't')
    for (const text of ['a', 'b', 'c']) expect(await say(one, id, text)).toBe('queued')
    const first = await take(two)
    expect(first).toMatchObject({
      ...{ callback: id, kept: 'kept', tries: 0, state: undefined },
      notification: { id: 'n-a', sealed: 'a' },
    })
    expect(Math.abs(first.sinceMs - Date.now())).toBeLessThan(60_000)
    expect(await nothing(one)).toBeGreaterThan(1000)
    await two.done(first, 'state')
    const second = await take(one)
    expect(second).toMatchObject({ state: 'state', notification: { sealed: 'b' } })
    await one.done(second, undefined)
    const third = await take(two)
    expect(third).toMatchObject({ state: 'state', notification: { sealed: 'c' } })
    await two.done(third, undefined)
    expect(await nothing(one)).toBeUndefined()
    expect(await one.waiting()).toBe(0)
  })

  test('callbacks do not wait for each other', async () => {
    const store = await open()
    const ids = [newCallbackId(), newCallbackId()]
    for (const id of ids) {
      await store.put(id, 's', 't')
      await say(store, id, 'x')
    }
    const taken = [await take(store), await take(store)]
    expect(new Set(taken.map(({ callback }) => callback))).toEqual(new Set(ids))
  })

  test('what failed comes again when its time is there, and nothing before it', async () => {
    const store = await open()
    const id = newCallbackId()
    await store.put(id, 's', 't')
    await say(store, id, 'a')
    await say(store, id, 'b')
    await store.later(await take(store), 150, true)
    expect(await nothing(store)).toBeLessThanOrEqual(150)
    await sleep(170)
    const again = await take(store)
    expect(again).toMatchObject({ tries: 1, notification: { sealed: 'a' } })
    await store.later(again, 0, false)
    const released = await take(store)
    expect(released).toMatchObject({ tries: 1, notification: { sealed: 'a' } })
    await store.done(released, undefined)
    expect(await take(store)).toMatchObject({ tries: 0, notification: { sealed: 'b' } })
  })

  test('who took it and died loses it, and can settle it no more', async () => {
    const [dead, alive] = [await open(), await open()]
    const id = newCallbackId()
    await dead.put(id, 's', 't')
    await say(dead, id, 'a')
    const lost = await take(dead, 80)
    expect(await dead.hold(lost, 80)).toBe(true)
    await sleep(100)
    const found = await take(alive)
    expect(found.notification.sealed).toBe('a')
    expect(await dead.hold(lost, 10_000)).toBe(false)
    await dead.done(lost, 'wrong')
    await dead.later(lost, 0, true)
    await dead.giveUp(lost, letter(lost), undefined)
    expect(await alive.waiting()).toBe(1)
    expect(await alive.deadLetters(10)).toEqual([])
    expect(await alive.hold(found, 10_000)).toBe(true)
    await alive.done(found, undefined)
    expect(await alive.waiting()).toBe(0)
  })

  test('what is given up is a dead letter, and the next one follows', async () => {
    const [one, two] = [await open(), await open()]
    const id = newCallbackId()
    await one.put(id, 's', 't')
    await say(one, id, 'a')
    await say(one, id, 'b')
    const taken = await take(one)
    const expected = letter(taken)
    await one.giveUp(taken, expected, 'lost')
    expect(await two.deadLetters(10)).toEqual([expected])
    const next = await take(two)
    expect(next).toMatchObject({ tries: 0, state: 'lost', notification: { sealed: 'b' } })
    await two.giveUp(next, letter(next), undefined)
    expect((await one.deadLetters(10)).map((each) => each.id)).toEqual(['n-b', 'n-a'])
    expect(await one.deadLetters(1)).toHaveLength(1)
  })

  test('the same is taken once, and nothing after the end', async () => {
    const store = await open()
    const id = newCallbackId()
    await store.put(id, 's', 't')
    expect(await say(store, id, 'a', { mark: 'a'.repeat(22) })).toBe('queued')
    expect(await say(store, id, 'a', { mark: 'a'.repeat(22) })).toBe('duplicate')
    expect(await say(store, id, 'x')).toBe('queued')
    expect(await say(store, id, 'x')).toBe('queued')
    expect(await say(store, id, 'z', { mark: 'z'.repeat(22), ends: true })).toBe('queued')
    expect(await say(store, id, 'z', { mark: 'z'.repeat(22), ends: true })).toBe('duplicate')
    expect(await say(store, id, 'b')).toBe('ended')
    // Marks are remembered when all of it is delivered.
    for (let i = 0; i < 4; i++) await store.done(await take(store), undefined)
    expect(await say(store, id, 'a', { mark: 'a'.repeat(22) })).toBe('duplicate')
    expect(await say(store, id, 'b', { mark: 'b'.repeat(22) })).toBe('ended')
  })

  test('it is bounded, in all and for each callback', async () => {
    const store = await open()
    const [a, b] = [newCallbackId(), newCallbackId()]
    await store.put(a, 's', 't')
    await store.put(b, 's', 't')
    expect(await say(store, a, '1', { mostEach: 2 })).toBe('queued')
    expect(await say(store, a, '2', { mostEach: 2 })).toBe('queued')
    expect(await say(store, a, '3', { mostEach: 2 })).toBe('full')
    expect(await say(store, b, '1', { most: 3 })).toBe('queued')
    expect(await say(store, b, '2', { most: 3 })).toBe('full')
    await store.done(await take(store), undefined)
    expect(await say(store, b, '2', { most: 3 })).toBe('queued')
  })

  test('a callback whose life is over takes what waits for it along', async () => {
    const store = await open()
    const id = newCallbackId()
    await store.put(id, 's', 't')
    await say(store, id, 'a', { lifeMs: 60 })
    await store.later(await take(store), 0, true)
    await sleep(100)
    expect(await store.get(id)).toBeUndefined()
    expect(await say(store, id, 'b')).toBe('unknown')
  })

  test('many at once settle all, each once', async () => {
    const stores = [await open(), await open(), await open()]
    const ids = Array.from({ length: 6 }, () => newCallbackId())
    for (const id of ids) await stores[0]!.put(id, 's', 't')
    await Promise.all(
      ids.flatMap((id, i) => Array.from({ length: 8 }, (_, n) => say(stores[(i + n) % 3]!, id, `${i}-${n}`))),
    )
    const got: string[] = []
    await Promise.all(
      stores.map(async (store) => {
        while ((await store.waiting()) > 0) {
          const taken = await store.take(10_000)
          if (!isTaken(taken)) continue
          got.push(taken.notification.sealed)
          await store.done(taken, undefined)
        }
      }),
    )
    expect(got).toHaveLength(48)
    expect(new Set(got).size).toBe(48)
  })
}
