import { describe, expect, test } from 'vitest'
import { rulesSchema } from '../config/schema.ts'
import { explainDecision, type KeptDecision } from './explain-decision.ts'

const written = {
  providers: { o: { type: 'openai', apiKey: '${env:K}' } },
  models: { m: { targets: [{ provider: 'o' }] }, small: { targets: [{ provider: 'o' }] } },
  aliases: { fast: 'm' },
  policies: {
    rules: {
      night: { effect: 'deny', when: 'now.getHours() < 6' },
      interns: { effect: 'deny', when: 'identity.team == "interns"' },
      research: { effect: 'allow', when: 'identity.team == "research"' },
      rest: { effect: 'allow', when: 'true' },
    },
  },
  prompts: { house: { append: 'x' }, other: { append: 'y', when: 'false' } },
  guards: { pii: { detect: ['email'], action: 'mask' }, keys: { detect: ['secret'], action: 'deny' } },
  limits: { rpm: { requests: 5, per: 'minute', by: ['user'] } },
  budgets: { team: { usd: 10, by: ['team'], atEnd: { downgrade: 'small' } } },
}
const rules = rulesSchema.parse(written)
const strict = rulesSchema.parse({ ...written, policies: { ...written.policies, default: 'deny' } })
const decision = (more: Partial<KeptDecision>): KeptDecision => ({
  identity: 'key',
  subject: 'k1',
  team: 'research',
  model: 'm',
  status: 200,
  attempts: ['o/m=429', 'o/m=200'],
  ...more,
})
const says = (more: Partial<KeptDecision>, by: typeof rules | null = rules) =>
  explainDecision(decision(more), by ?? undefined).map(
    ({ rule, says, refuses }) => `${refuses ? '!' : ''}${rule}: ${says}`,
  )

describe('how it came to a decision', () => {
  test('one that was let in: every rule, in the order they were asked, and what providers said', () => {
    const parts = ['policies.rules.research', 'prompts.house', 'guards.pii mask EMAIL', 'limits.rpm', 'budgets.team']
    expect(says({ asked: 'fast', rules: parts }, strict)).toEqual([
      'identity: key k1: research',
      'aliases.fast: the model is m',
      'models.m: served by o/m',
      'policies.rules.night: did not apply',
      'policies.rules.interns: did not apply',
      'policies.rules.research: applied: allow, and decided',
      'prompts.house: applied',
      'prompts.other: did not apply',
      'guards.pii: found something: mask EMAIL',
      'guards.keys: found nothing, or was not for it',
      'limits.rpm: had room, and counted it',
      'budgets.team: had room, and counted it',
      'o/m: was asked, and said 429',
      'o/m: was asked, and said 200',
      'outcome: 200',
    ])
    expect(says({ rules: [] })).toContain('policies.default: allow')
  })

  test('one that was refused: nothing after the rule that did was asked', () => {
    const refused = { attempts: undefined, status: 403, code: 'policy_denied', model: '', asked: 'm' }
    expect(says({ ...refused, rule: 'policies.rules.interns' }).slice(2)).toEqual([
      'policies.rules.night: did not apply',
      '!policies.rules.interns: refused it: policy_denied',
      'outcome: 403 policy_denied',
    ])
    expect(says({ ...refused, rule: 'policies.default' }, strict).slice(-2)).toEqual([
      '!policies.default: refused it: policy_denied',
      'outcome: 403 policy_denied',
    ])
    const limited = {
      ...refused,
      status: 429,
      code: 'rate_limit_exceeded',
      rule: 'limits.rpm',
      rules: ['prompts.house'],
    }
    expect(says(limited).slice(-4)).toEqual([
      'guards.pii: found nothing, or was not for it',
      'guards.keys: found nothing, or was not for it',
      '!limits.rpm: refused it: rate_limit_exceeded',
      'outcome: 429 rate_limit_exceeded',
    ])
    const guarded = { ...refused, code: 'guard_denied', rule: 'guards.keys', rules: ['guards.keys deny SECRET'] }
    expect(says(guarded).slice(-3)).toEqual([
      'guards.keys: found something: deny SECRET',
      '!guards.keys: refused it: guard_denied',
      'outcome: 403 guard_denied',
    ])
  })

  test('one whose budget led to a cheaper model', () => {
    expect(says({ asked: 'm', model: 'small', downgraded: 'team', rules: ['budgets.team'] })).toContain(
      'budgets.team: used up: small answers instead',
    )
  })

  test('without its rules, what was kept', () => {
    const parts = ['policies.rules.gone', 'guards.pii mask EMAIL']
    expect(says({ rules: parts, attempts: undefined, rule: 'limits.rpm', code: 'c', status: 429 }, null)).toEqual([
      'identity: key k1: research',
      'policies.rules.gone: had a part in it',
      'guards.pii: found something: mask EMAIL',
      '!limits.rpm: refused it: c',
      'outcome: 429 c',
    ])
    expect(says({ identity: 'none', subject: undefined, team: undefined, status: 0 }, null).at(-1)).toBe(
      'outcome: the client went away',
    )
  })
})
