import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RemoteClock } from './clock.ts'

test('a wrong local clock is corrected with the first answer, and setting it later changes nothing', () => {
  let tick = 1_000
  let local = 5_000_000
  const clock = new RemoteClock(
    () => tick,
    () => local,
  )
  expect(clock.now()).toBe(5_000_000)
  tick += 20
  clock.told(1_010, 90_000)
  expect(clock.now()).toBeCloseTo(90_005, -1)
  local = 0
  tick += 100
  expect(clock.now()).toBeCloseTo(90_105, -1)
})

test('it is never further off than the quickest answer was slow, however slow others are', () => {
  const delay = fc.nat(500)
  fc.assert(
    fc.property(fc.array(fc.record({ there: delay, back: delay }), { minLength: 1 }), (answers) => {
      let tick = 0
      const ahead = 123_456_789.5
      const clock = new RemoteClock(
        () => tick,
        () => 0,
      )
      let quickest = Number.POSITIVE_INFINITY
      for (const { there, back } of answers) {
        const sent = tick
        tick += there
        const remote = Math.floor(tick + ahead)
        tick += back
        clock.told(sent, remote)
        quickest = Math.min(quickest, there + back)
        expect(Math.abs(clock.now() - (tick + ahead))).toBeLessThanOrEqual(quickest + 1)
        tick += 50
      }
    }),
  )
})
