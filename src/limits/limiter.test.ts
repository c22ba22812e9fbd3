import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type BudgetAlert, Ledger, type LedgerOptions } from './ledger.ts'
import { Limiter } from './limiter.ts'
import { MemoryAuthority } from './memory-authority.ts'
import { admitted, compileRules, factsOf, nothing, refused } from './testing.ts'

const start = Date.parse('2026-11-23T19:05:30Z')
const anyone = factsOf({ user: 'ann', team: 'blue' })
const estimate = (tokens = 0, usd = 0) => {
  return () => ({ tokens, nanoUsd: usd * 1e9 })
}

function world(written: Parameters<typeof compileRules>[0], options: Partial<LedgerOptions> = {}) {
  const clock = { now: start }
  const alerts: BudgetAlert[] = []
  const authority = new MemoryAuthority(() => clock.now)
  const ledger = new Ledger({ authority, alert: (alert) => alerts.push(alert), ...options })
  const limiter = new Limiter(ledger, compileRules(written))
  return { clock, alerts, authority, ledger, limiter }
}

describe('requests', () => {
  test('exactly as many as the rule says, then a refusal that says whose limit it was and when it opens', () => {
    const { limiter } = world({ limits: { pace: { requests: 3, per: 'minute', by: ['user'] } } })
    for (let i = 0; i < 3; i++) admitted(limiter.admit(anyone, estimate())).ticket.settle(nothing)
    expect(refused(limiter.admit(anyone, estimate()))).toEqual({
      type: 'refused',
      rule: 'pace',
      kind: 'limit',
      unit: 'requests',
      subject: 'ann',
      capacity: 3,
      opensInMs: 30_000,
      why: 'used_up',
      headers: [
        ['x-ratelimit-limit-requests', '3'],
        ['x-ratelimit-remaining-requests', '0'],
        ['x-ratelimit-reset-requests', '30s'],
      ],
    })
    admitted(limiter.admit(factsOf({ user: 'bob' }), estimate()))
  })

  test('count while they are under way', () => {
    const { limiter } = world({ limits: { pace: { requests: 2 } } })
    admitted(limiter.admit(anyone, estimate()))
    admitted(limiter.admit(anyone, estimate()))
    expect(refused(limiter.admit(anyone, estimate()))).toMatchObject({ why: 'reserved', opensInMs: 1_000, subject: '' })
  })

  test('the next period begins anew; what settles late goes to its own', () => {
    const { clock, limiter } = world({ limits: { pace: { requests: 1 } } })
    const { ticket } = admitted(limiter.admit(anyone, estimate()))
    clock.now = Date.parse('2026-11-23T19:06:00Z')
    const second = admitted(limiter.admit(anyone, estimate()))
    ticket.settle(nothing)
    expect(refused(limiter.admit(anyone, estimate())).why).toBe('reserved')
    second.ticket.settle(nothing)
    expect(refused(limiter.admit(anyone, estimate()))).toMatchObject({ why: 'used_up', opensInMs: 60_000 })
  })

  test('a capacity of nothing admits nothing', () => {
    const { limiter } = world({ limits: { none: { requests: 0 } } })
    expect(refused(limiter.admit(anyone, estimate())).why).toBe('used_up')
  })

  test('single callers may have other amounts, and a rule is for those its condition names', () => {
    const { limiter } = world({
      limits: { pace: { requests: 1, by: ['user'], amounts: { ann: 2 }, when: 'identity.team == blue' } },
    })
    admitted(limiter.admit(anyone, estimate()))
    admitted(limiter.admit(anyone, estimate()))
    refused(limiter.admit(anyone, estimate()))
    for (let i = 0; i < 5; i++) admitted(limiter.admit(factsOf({ user: 'ann', team: 'red' }), estimate()))
  })
})

describe('all or nothing', () => {
  test('a refusal by one rule leaves nothing reserved in the others', () => {
    const { limiter } = world({
      limits: { wide: { requests: 3, by: ['team'] }, narrow: { requests: 1, by: ['user'] } },
    })
    admitted(limiter.admit(factsOf({ user: 'ann', team: 'blue' }), estimate()))
    for (let i = 0; i < 5; i++) expect(refused(limiter.admit(anyone, estimate())).rule).toBe('narrow')
    admitted(limiter.admit(factsOf({ user: 'bob', team: 'blue' }), estimate()))
    admitted(limiter.admit(factsOf({ user: 'cid', team: 'blue' }), estimate()))
    expect(refused(limiter.admit(factsOf({ user: 'dan', team: 'blue' }), estimate())).rule).toBe('wide')
  })
})

describe('slots', () => {
  test('come back when a request ends, once for each', () => {
    const { limiter } = world({ limits: { few: { concurrent: 2 } } })
    const first = admitted(limiter.admit(anyone, estimate()))
    admitted(limiter.admit(anyone, estimate()))
    expect(refused(limiter.admit(anyone, estimate()))).toMatchObject({ unit: 'concurrent', opensInMs: 1_000 })
    first.ticket.settle(nothing)
    first.ticket.settle(nothing)
    admitted(limiter.admit(anyone, estimate()))
    refused(limiter.admit(anyone, estimate()))
  })
})

describe('tokens and money', () => {
  test('an estimate is reserved, the true use is counted', () => {
    const { limiter } = world({ limits: { rate: { tokens: 1_000 } } })
    const first = admitted(limiter.admit(anyone, estimate(900)))
    const second = admitted(limiter.admit(anyone, estimate(900)))
    expect(refused(limiter.admit(anyone, estimate(1))).why).toBe('reserved')
    first.ticket.settle({ tokens: 100, nanoUsd: 0 })
    second.ticket.settle({ tokens: 100, nanoUsd: 0 })
    const third = admitted(limiter.admit(anyone, estimate(1)))
    expect(Object.fromEntries(third.headers)['x-ratelimit-remaining-tokens']).toBe('799')
    third.ticket.settle({ tokens: 5_000, nanoUsd: 0 })
    expect(refused(limiter.admit(anyone, estimate(1))).why).toBe('used_up')
  })

  test('what comes from outside is made a whole number that is not negative', () => {
    const { limiter } = world({ budgets: { pot: { usd: 1, by: ['user'] } } })
    for (const nanoUsd of [-5, Number.NaN, 0.5]) {
      const { ticket } = admitted(limiter.admit(anyone, () => ({ tokens: 0, nanoUsd })))
      ticket.settle({ tokens: 0, nanoUsd })
    }
    expect(limiter.spent('pot', anyone)).toBe(1e-9)
  })

  test('alerts are told once for each threshold, subject and period', async () => {
    const { limiter, ledger, alerts, clock } = world({
      budgets: { pot: { usd: 10, per: 'day', by: ['user'], alerts: [1, 0.5] } },
    })
    const spend = async (usd: number, user: string) => {
      const { ticket } = admitted(limiter.admit(factsOf({ user }), estimate(0, usd)))
      ticket.settle({ tokens: 0, nanoUsd: usd * 1e9 })
      await ledger.flush()
    }
    await spend(4, 'ann')
    expect(alerts).toEqual([])
    await spend(2, 'ann')
    await spend(1, 'ann')
    expect(alerts).toEqual([{ budget: 'pot', subject: 'ann', share: 0.6, threshold: 0.5, period: '2026-11-23' }])
    await spend(20, 'bob')
    expect(alerts.slice(1).map(({ subject, threshold }) => [subject, threshold])).toEqual([
      ['bob', 0.5],
      ['bob', 1],
    ])
    clock.now += 86_400_000
    await spend(5, 'ann')
    expect(alerts[3]).toMatchObject({ subject: 'ann', period: '2026-11-24', share: 0.5 })
  })

  test('the share that is spent is known, with what has not been told', () => {
    const { limiter } = world({ budgets: { pot: { tokens: 100, by: ['team'] } } })
    expect(limiter.spent('pot', anyone)).toBe(0)
    admitted(limiter.admit(anyone, estimate(10))).ticket.settle({ tokens: 25, nanoUsd: 0 })
    expect(limiter.spent('pot', anyone)).toBe(0.25)
    expect(limiter.spent('pot', factsOf({ team: 'red' }))).toBe(0)
    expect(limiter.spent('no such budget', anyone)).toBe(0)
  })

  test('a budget that ends in a cheaper model counts that one’s requests, however much', () => {
    const { limiter } = world({
      budgets: { pot: { tokens: 10, atEnd: { downgrade: 'mini' } } },
      limits: { pace: { requests: 3 } },
    })
    admitted(limiter.admit(anyone, estimate(10))).ticket.settle({ tokens: 10, nanoUsd: 0 })
    expect(limiter.admit(anyone, estimate(10))).toEqual({ type: 'downgrade', model: 'mini', budget: 'pot' })
    admitted(limiter.admit(anyone, estimate(10), false)).ticket.settle({ tokens: 10, nanoUsd: 0 })
    expect(limiter.spent('pot', anyone)).toBe(2)
    admitted(limiter.admit(anyone, estimate(10), false))
    expect(refused(limiter.admit(anyone, estimate(10), false)).rule).toBe('pace')
  })
})

describe('revisions', () => {
  test('counts go on where a rule counts the same, under its new amount too', () => {
    const { limiter, ledger } = world({ limits: { pace: { requests: 2, by: ['user'] } } })
    admitted(limiter.admit(anyone, estimate())).ticket.settle(nothing)
    admitted(limiter.admit(anyone, estimate())).ticket.settle(nothing)
    refused(limiter.admit(anyone, estimate()))
    const more = new Limiter(ledger, compileRules({ limits: { pace: { requests: 3, by: ['user'] } } }))
    admitted(more.admit(anyone, estimate())).ticket.settle(nothing)
    expect(refused(more.admit(anyone, estimate())).why).toBe('used_up')
    const fewer = new Limiter(ledger, compileRules({ limits: { pace: { requests: 1, by: ['user'] } } }))
    expect(refused(fewer.admit(anyone, estimate())).why).toBe('used_up')
    const other = new Limiter(ledger, compileRules({ limits: { pace: { tokens: 3, by: ['user'] } } }))
    admitted(other.admit(anyone, estimate(1)))
  })
})

describe('several sidecars', () => {
  test('never admit more than there is, whatever the order, and leave nothing stranded', () => {
    const step = fc.record({ sidecar: fc.nat(2), settle: fc.boolean() })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.array(step, { maxLength: 120 }), (capacity, steps) => {
        const { authority, clock } = world({})
        const rules = compileRules({ limits: { pace: { requests: capacity, per: 'day' } } })
        const ledgers = [0, 1, 2].map(() => new Ledger({ authority }))
        const limiters = ledgers.map((ledger) => new Limiter(ledger, rules))
        let count = 0
        const admit = (sidecar: number, settle: boolean) => {
          const admission = limiters[sidecar]!.admit(anyone, estimate())
          if (admission instanceof Promise || admission.type !== 'admitted') return
          count++
          if (settle) admission.ticket.settle(nothing)
        }
        for (const { sidecar, settle } of steps) admit(sidecar, settle)
        expect(count).toBeLessThanOrEqual(capacity)
        // After a while without use, what one held is another's.
        for (let i = 0; i < 8; i++) {
          clock.now += 1_000
          for (const ledger of ledgers) {
            ledger.sweep()
            void ledger.flush()
          }
        }
        for (let i = 0; i <= capacity; i++) admit(i % 3, true)
        expect(count).toBe(capacity)
      }),
    )
  })

  test('the lease of one that died comes back after 30 seconds', () => {
    const { authority, clock, limiter } = world({ limits: { few: { concurrent: 2 } } })
    const rules = compileRules({ limits: { few: { concurrent: 2 } } })
    const dead = new Limiter(new Ledger({ authority }), rules)
    admitted(dead.admit(anyone, estimate()))
    admitted(dead.admit(anyone, estimate()))
    expect(refused(limiter.admit(anyone, estimate())).why).toBe('reserved')
    clock.now += 29_000
    refused(limiter.admit(anyone, estimate()))
    clock.now += 1_001
    admitted(limiter.admit(anyone, estimate()))
    admitted(limiter.admit(anyone, estimate()))
  })
})

describe('bounds', () => {
  test('meters that nobody uses are forgotten, and more than there is room for are refused', () => {
    const { limiter, ledger, clock } = world({ limits: { pace: { concurrent: 5, by: ['user'] } } }, { maxMeters: 100 })
    const tickets = []
    for (let i = 0; i < 100; i++) tickets.push(admitted(limiter.admit(factsOf({ user: `u${i}` }), estimate())).ticket)
    expect(refused(limiter.admit(factsOf({ user: 'one more' }), estimate())).why).toBe('store')
    for (const ticket of tickets) ticket.settle(nothing)
    for (let i = 0; i < 3; i++) {
      clock.now += 61_000
      ledger.sweep()
      void ledger.flush()
    }
    expect(ledger.size).toBe(0)
    admitted(limiter.admit(factsOf({ user: 'one more' }), estimate()))
  })

  test('a subject that lasts longer than its period is forgotten with it', () => {
    const { limiter, ledger, clock } = world({ limits: { pace: { requests: 5, by: ['user'] } } })
    admitted(limiter.admit(anyone, estimate())).ticket.settle(nothing)
    void ledger.flush()
    clock.now += 60_000
    ledger.sweep()
    expect(ledger.size).toBe(0)
  })
})
