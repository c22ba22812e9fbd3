import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Soon } from './soon.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const everyMs = 5
const made = () => {
  const act = vi.fn()
  return { act, soon: new Soon(act, everyMs) }
}

test('what is asked for alone is done at the end of the turn', async () => {
  const { act, soon } = made()
  soon.ask()
  soon.ask()
  expect(act).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(0)
  expect(act).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(act).toHaveBeenCalledTimes(1)
})

test('what is asked for all the time is done once in a while, and nothing waits longer than that', async () => {
  const { act, soon } = made()
  for (let ms = 0; ms < 100; ms++) {
    soon.ask()
    await vi.advanceTimersByTimeAsync(1)
  }
  expect(act.mock.calls.length).toBeGreaterThanOrEqual(100 / (everyMs + 1))
  expect(act.mock.calls.length).toBeLessThanOrEqual(100 / everyMs + 1)
  soon.ask()
  const before = act.mock.calls.length
  await vi.advanceTimersByTimeAsync(everyMs)
  expect(act).toHaveBeenCalledTimes(before + 1)
})

test('it can be done at once, then not again; and not where nobody asked', async () => {
  const { act, soon } = made()
  soon.now()
  expect(act).not.toHaveBeenCalled()
  soon.ask()
  soon.now()
  expect(act).toHaveBeenCalledTimes(1)
  soon.ask()
  soon.now()
  expect(act).toHaveBeenCalledTimes(2)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(act).toHaveBeenCalledTimes(2)
})

test('what is asked for while it is being done is done again', async () => {
  const acts: number[] = []
  const soon: Soon = new Soon(() => {
    if (acts.push(acts.length) === 1) soon.ask()
  }, everyMs)
  soon.ask()
  await vi.advanceTimersByTimeAsync(100)
  expect(acts).toHaveLength(2)
})
