import fc from 'fast-check'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { chooseFirst, HealthBook, TargetHealth, type Weighted } from './balance.ts'

const minute = 60_000

/** A linear congruential generator: the same draws in every run. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}

function member(weight: number, health: Partial<TargetHealth> = {}): Weighted {
  return { weight, health: Object.assign(new TargetHealth(), health) }
}

/** Each member's part of many first choices. */
function shares(group: readonly Weighted[], now = 0): number[] {
  const random = randomFrom(1)
  const draws = 40_000
  const counts = group.map(() => 0)
  for (let i = 0; i < draws; i++) counts[chooseFirst([group], now, random)[1]]!++
  return counts.map((count) => count / draws)
}

describe('chooseFirst', () => {
  test('weights are the shares of the traffic where nothing else differs', () => {
    const [a, b, c] = shares([member(1), member(2), member(5)])
    expect(a).toBeCloseTo(1 / 8, 1.5)
    expect(b).toBeCloseTo(2 / 8, 1.5)
    expect(c).toBeCloseTo(5 / 8, 1.5)
  })

  test('the faster of two is taken whenever it is drawn at all', () => {
    const [fast, slow] = shares([member(1, { latencyMs: 100 }), member(1, { latencyMs: 101 })])
    expect(fast).toBeCloseTo(3 / 4, 1.5)
    expect(slow).toBeCloseTo(1 / 4, 1.5)
  })

  test('attempts under way count as latency does', () => {
    const [idle] = shares([member(1, { latencyMs: 199 }), member(1, { latencyMs: 100, inFlight: 1 })])
    const [slower] = shares([member(1, { latencyMs: 201 }), member(1, { latencyMs: 100, inFlight: 1 })])
    expect(idle).toBeCloseTo(3 / 4, 1.5)
    expect(slower).toBeCloseTo(1 / 4, 1.5)
  })

  test('a target that nothing is known of counts as the fastest, and less so the more it has under way', () => {
    const [fresh] = shares([member(1, { inFlight: 1 }), member(1, { latencyMs: 100, inFlight: 2 }), member(1)])
    const [busy] = shares([member(1, { inFlight: 3 }), member(1, { latencyMs: 100, inFlight: 2 })])
    expect(fresh).toBeGreaterThan(0.3)
    expect(busy).toBeCloseTo(1 / 4, 1.5)
  })

  test('a target that is out is not drawn; it is again as soon as its time is over', () => {
    const group = [member(1), member(1_000, { outUntil: 500 })]
    expect(shares(group, 499)).toEqual([1, 0])
    expect(shares(group, 500)[1]).toBeGreaterThan(0.9)
  })

  test('a later group serves only while no target of an earlier one is in', () => {
    const out = { outUntil: 100 }
    const groups = [[member(1, out), member(1, out)], [member(1, out)], [member(1)]]
    expect(chooseFirst(groups, 99)).toEqual([2, 0])
    expect(chooseFirst(groups, 100)[0]).toBe(0)
    groups[1]![0]!.health.outUntil = 0
    expect(chooseFirst(groups, 99)).toEqual([1, 0])
  })

  test('where all are out, the one that is back soonest is tried', () => {
    const groups = [[member(1, { outUntil: 30 })], [member(1, { outUntil: 20 }), member(1, { outUntil: 10 })]]
    expect(chooseFirst(groups, 0)).toEqual([1, 1])
  })

  test('whatever the weights, states and draws: a member that is there, and is in where one is', () => {
    const health = fc.record({
      inFlight: fc.nat(1_000),
      latencyMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e9, noNaN: true })),
      outUntil: fc.nat(200),
    })
    const group = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 1_000 }), health).map(([weight, state]) => member(weight, state)),
      { minLength: 1, maxLength: 5 },
    )
    const draw = fc.oneof(fc.constantFrom(0, 1 - Number.EPSILON / 2), fc.double({ min: 0, max: 1, maxExcluded: true }))
    fc.assert(
      fc.property(fc.array(group, { minLength: 1, maxLength: 3 }), fc.infiniteStream(draw), (groups, draws) => {
        const [g, m] = chooseFirst(groups, 100, () => draws.next().value as number)
        const isIn = ({ health }: Weighted) => health.isIn(100)
        const chosen = isIn(groups[g]![m]!)
        expect(chosen).toBe(groups.flat().some(isIn))
        expect(groups.slice(0, g).flat().some(isIn)).toBe(false)
      }),
    )
  })
})

describe('TargetHealth', () => {
  let health: TargetHealth
  beforeEach(() => {
    health = new TargetHealth()
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    return () => vi.restoreAllMocks()
  })

  /** An attempt that begins and fails at one moment. */
  const fail = (now: number, retryAfterMs?: number) => health.failed(now, now, retryAfterMs)

  test('is out for as long as the target asks, and no longer', () => {
    fail(1_000, 20_000)
    expect(health.isIn(20_999)).toBe(false)
    expect(health.isIn(21_000)).toBe(true)
  })

  test('a wish for hours is five minutes', () => {
    fail(0, 1e12)
    expect(health.outUntil).toBe(5 * minute)
  })

  test('a shorter wish does not take a longer one back', () => {
    fail(0, 60_000)
    fail(1_000, 2_000)
    expect(health.outUntil).toBe(60_000)
  })

  test('a target that always says "at once" is out after three failures like any other', () => {
    fail(0, 0)
    fail(0, 0)
    expect(health.isIn(0)).toBe(true)
    fail(0, 0)
    expect(health.isIn(0)).toBe(false)
  })

  test('two failures in a row leave it in, a success between forgives', () => {
    for (let i = 0; i < 10; i++) {
      fail(i)
      fail(i)
      expect(health.isIn(i)).toBe(true)
      health.succeeded(i, 5)
    }
  })

  test('each failure on probation doubles the time, up to five minutes', () => {
    const times: number[] = []
    let now = 0
    fail(now)
    fail(now)
    for (let i = 0; i < 12; i++) {
      fail(now)
      times.push(health.outUntil - now)
      now = health.outUntil
    }
    expect(times.slice(0, 4)).toEqual([2_000, 4_000, 8_000, 16_000])
    expect(times.at(-1)).toBe(5 * minute)
    health.succeeded(now, 5)
    for (let i = 0; i < 3; i++) fail(now)
    expect(health.outUntil - now).toBe(2_000)
  })

  test('the times are spread by a tenth', () => {
    vi.mocked(Math.random).mockReturnValueOnce(0)
    for (let i = 0; i < 3; i++) fail(0)
    expect(health.outUntil).toBe(1_800)
  })

  test('a hundred attempts that fall together are one outage, not a hundred', () => {
    for (let i = 0; i < 100; i++) health.failed(0, 1_000 + i, undefined)
    expect(health.outUntil).toBe(1_002 + 2_000)
    // Those that fail when its time is over, but began before, say nothing of the time since.
    health.failed(0, 5_000, undefined)
    expect(health.isIn(5_000)).toBe(true)
    health.failed(5_000, 5_001, undefined)
    expect(health.outUntil).toBe(5_001 + 4_000)
  })

  test('an answer that was under way when the target asked for rest does not end the rest', () => {
    health.failed(0, 1_000, 60_000)
    health.succeeded(500, 700)
    expect(health.isIn(60_999)).toBe(false)
    health.succeeded(2_000, 100)
    expect(health.isIn(2_100)).toBe(true)
  })

  test('the latency follows the last answers, each with a fifth', () => {
    health.succeeded(0, 100)
    expect(health.latencyMs).toBe(100)
    health.succeeded(0, 200)
    expect(health.latencyMs).toBe(120)
    for (let i = 0; i < 50; i++) health.succeeded(0, 500)
    expect(health.latencyMs).toBeCloseTo(500, 0)
  })
})

describe('HealthBook', () => {
  test('one state for one key, whatever the key', () => {
    const book = new HealthBook()
    for (const key of ['a m', '__proto__', 'constructor']) {
      expect(book.of(key)).toBeInstanceOf(TargetHealth)
      expect(book.of(key)).toBe(book.of(key))
    }
    expect([...book.entries()].map(([key]) => key)).toEqual(['a m', '__proto__', 'constructor'])
  })

  test('forgets what no rules name, but not while attempts are under way', () => {
    const book = new HealthBook()
    const busy = book.of('busy')
    busy.started()
    const kept = book.of('kept')
    const gone = book.of('gone')
    book.keepOnly(new Set(['kept']))
    expect(book.of('busy')).toBe(busy)
    expect(book.of('kept')).toBe(kept)
    expect(book.of('gone')).not.toBe(gone)
    busy.ended()
    book.keepOnly(new Set())
    expect([...book.entries()]).toEqual([])
  })
})
