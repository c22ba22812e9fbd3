import { describe, expect, test } from 'vitest'
import { type Fresh, Refreshing } from './refreshing.ts'

const hour = 3_600_000

describe('Refreshing', () => {
  test('loads once for all who ask at the same time, then gives the value at once', async () => {
    const { source, loads } = setup()
    const waiting = [source.get(), source.get(), source.get()]
    expect(loads).toHaveLength(1)
    loads[0]!.resolve({ value: 'a', expires: hour })
    expect(await Promise.all(waiting)).toEqual(['a', 'a', 'a'])
    expect(source.get()).toBe('a')
    expect(loads).toHaveLength(1)
  })

  test('renews before the end, once, while the old value is still served', async () => {
    const { source, loads, clock } = setup()
    await first(source, loads, { value: 'a', expires: hour })
    clock.now = hour - 300_000
    expect([source.get(), source.get()]).toEqual(['a', 'a'])
    expect(loads).toHaveLength(2)
    loads[1]!.resolve({ value: 'b', expires: 2 * hour })
    await settled()
    expect(source.get()).toBe('b')
  })

  test('does not hand out a value in its last moments', async () => {
    const { source, loads, clock } = setup()
    await first(source, loads, { value: 'a', expires: hour })
    clock.now = hour - 9_000
    const next = source.get()
    loads[1]!.resolve({ value: 'b', expires: 2 * hour })
    expect(await next).toBe('b')
  })

  test('half of what is left of a short-lived value passes before it is asked for again', async () => {
    const { source, loads, clock } = setup()
    await first(source, loads, { value: 'a', expires: 110_000 })
    clock.now = 49_000
    expect(source.get()).toBe('a')
    expect(loads).toHaveLength(1)
    clock.now = 51_000
    expect(source.get()).toBe('a')
    expect(loads).toHaveLength(2)
  })

  test('a failed renewal is not seen while the old value is valid, and is tried again after a pause', async () => {
    const { source, loads, clock } = setup()
    await first(source, loads, { value: 'a', expires: hour })
    clock.now = hour - 200_000
    expect(source.get()).toBe('a')
    loads[1]!.reject(new Error('down'))
    await settled()
    expect(source.get()).toBe('a')
    expect(loads).toHaveLength(2)
    clock.now += 2000
    expect(source.get()).toBe('a')
    expect(loads).toHaveLength(3)
  })

  test('without a value a failure is repeated during the pause, and loaded anew after it', async () => {
    const { source, loads, clock } = setup()
    const failing = source.get()
    loads[0]!.reject(new Error('down'))
    await expect(failing).rejects.toThrow('down')
    await expect(source.get()).rejects.toThrow('down')
    expect(loads).toHaveLength(1)
    clock.now = 2000
    const next = source.get()
    loads[1]!.resolve({ value: 'a' })
    expect(await next).toBe('a')
  })

  test('a value without end is looked up again, and kept where that fails', async () => {
    const { source, loads, clock } = setup()
    await first(source, loads, { value: 'a' })
    clock.now = 299_999
    expect(source.get()).toBe('a')
    expect(loads).toHaveLength(1)
    clock.now = 300_000
    expect(source.get()).toBe('a')
    loads[1]!.reject(new Error('gone'))
    await settled()
    clock.now = 100 * hour
    expect(source.get()).toBe('a')
  })

  test('a load that began before forget does not bring its value back', async () => {
    const { source, loads } = setup()
    const old = source.get()
    source.forget()
    const next = source.get()
    loads[1]!.resolve({ value: 'new', expires: hour })
    expect(await next).toBe('new')
    loads[0]!.resolve({ value: 'old', expires: hour })
    expect(await old).toBe('old')
    expect(source.get()).toBe('new')
  })

  test('a load that never answers fails, and does not keep the next one from starting', async () => {
    const { source, loads, clock } = setup(5)
    await expect(source.get()).rejects.toThrow(/no answer within/)
    clock.now = 2000
    const next = source.get()
    loads[1]!.resolve({ value: 'a' })
    expect(await next).toBe('a')
  })
})

interface Load {
  resolve(fresh: Fresh<string>): void
  reject(error: Error): void
}

function setup(timeout = 20_000) {
  const clock = { now: 0 }
  const loads: Load[] = []
  const source = new Refreshing<string>(() => new Promise((resolve, reject) => loads.push({ resolve, reject })), {
    early: 300_000,
    keep: 300_000,
    pause: 2000,
    timeout,
    now: () => clock.now,
  })
  return { source, loads, clock }
}

async function first(source: Refreshing<string>, loads: Load[], fresh: Fresh<string>): Promise<void> {
  const value = source.get()
  loads[0]!.resolve(fresh)
  await value
}

const settled = () => new Promise((resolve) => setImmediate(resolve))
