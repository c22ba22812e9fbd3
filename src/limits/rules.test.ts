import fc from 'fast-check'
import { expect, test } from 'vitest'
import { budgets, limits } from '../config/limits.ts'
import { compileRules, factsOf } from './testing.ts'

const ann = factsOf({ user: 'ann', team: 'blue', organization: 'acme', key: 'k1', model: 'gpt' })

test('a rule has exactly one amount, and slots have no period', () => {
  expect(limits.safeParse({ a: { requests: 1, tokens: 1 } }).success).toBe(false)
  expect(limits.safeParse({ a: {} }).success).toBe(false)
  expect(limits.safeParse({ a: { concurrent: 1, per: 'day' } }).success).toBe(false)
  expect(limits.safeParse({ a: { concurrent: 1 } }).success).toBe(true)
  expect(budgets.safeParse({ a: { usd: 1, tokens: 1 } }).success).toBe(false)
  expect(budgets.safeParse({ a: {} }).success).toBe(false)
})

test('amounts become whole units, periods have defaults, alerts ascend', () => {
  const [pace, slots, pot] = compileRules({
    limits: { pace: { requests: 5 }, slots: { concurrent: 2 } },
    budgets: { pot: { usd: 0.1, by: ['team'], amounts: { blue: 1_000_000 }, alerts: [1, 0.5, 1] } },
  })
  expect([pace!.kind, pace!.period, slots!.period, pot!.kind, pot!.period]).toEqual([
    ...['requests', 'minute', 'now', 'usd', 'month'],
  ])
  expect(pot!.capacity('red')).toBe(100_000_000)
  expect(pot!.capacity('blue')).toBe(1e15)
  expect(pot!.alerts).toEqual([{ threshold: 0.5 }, { threshold: 1 }])
})

test('rules that lead to another model come last, so that one that refuses is heard first', () => {
  const rules = compileRules({
    budgets: { soft: { usd: 1, atEnd: { downgrade: 'mini' } }, hard: { usd: 1 } },
    limits: { pace: { requests: 1 } },
  })
  expect(rules.map(({ name }) => name)).toEqual(['pace', 'hard', 'soft'])
})

test.each([
  [[], ''],
  [['user'], 'ann'],
  [['organization', 'team', 'user', 'key'], 'acme/blue/ann/k1'],
  [['model', 'listener'], 'gpt/default'],
  [[{ expression: 'request.bytes' }, 'user'], '0/ann'],
  [[{ expression: 'identity.nothing' }], undefined],
  [[{ expression: 'identity.claims' }], undefined],
])('a request counted by %j is %j’s', (by, subject) => {
  const [rule] = compileRules({ limits: { a: { requests: 1, by: by as ['user'] } } })
  expect(rule!.subject(ann)).toBe(subject)
})

test('without one of its values a rule is not for a request', () => {
  const [rule] = compileRules({ limits: { a: { requests: 1, by: ['team', 'user'] } } })
  expect(rule!.subject(factsOf({ user: 'ann' }))).toBeUndefined()
  expect(rule!.subject(factsOf({ user: 'ann', team: '' }))).toBeUndefined()
})

test('no two combinations of values are one subject, and none is long', () => {
  const [rule] = compileRules({ limits: { a: { requests: 1, by: ['team', 'user'] } } })
  const text = fc.oneof(
    fc.string({ minLength: 1, unit: fc.constantFrom('a', '/', '%', '2', 'F') }),
    fc.string({ minLength: 1, maxLength: 400 }),
  )
  fc.assert(
    fc.property(text, text, text, text, (team, user, otherTeam, otherUser) => {
      const one = rule!.subject(factsOf({ team, user }))!
      const other = rule!.subject(factsOf({ team: otherTeam, user: otherUser }))
      expect(one === other).toBe(team === otherTeam && user === otherUser)
      expect(Buffer.byteLength(one)).toBeLessThanOrEqual(256)
    }),
  )
})

test('an amount for a subject whose name is long is found', () => {
  const long = 'x'.repeat(300)
  const [rule] = compileRules({ limits: { a: { requests: 1, by: ['user'], amounts: { [long]: 9 } } } })
  expect(rule!.capacity(rule!.subject(factsOf({ user: long }))!)).toBe(9)
})

test('a condition that fails on a request counts it: in doubt a limit holds', () => {
  const [rule] = compileRules({ limits: { a: { requests: 1, when: 'identity.claims.plan == free' } } })
  expect(rule!.applies(ann)).toBe(true)
})
