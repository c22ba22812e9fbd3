import { expect, test } from 'vitest'
import { policies as schema } from '../config/policies.ts'
import { ExpressionCompiler, ExpressionError } from './expression.ts'
import { factsOf } from './facts-of.ts'
import { Policies } from './policies.ts'
import { runTable, table } from './table.ts'

const compile = (input: Parameters<typeof schema.parse>[0], budgets: string[] = []) =>
  new Policies(schema.parse(input), new ExpressionCompiler(budgets))

test('without policies everything is allowed, and no facts are needed', () => {
  const policies = compile({})
  expect(policies.trivial).toBe(true)
  expect(policies.decide(factsOf()).effect).toBe('allow')
})

test('a deny that applies wins over an allow', () => {
  const policies = compile({
    default: 'deny',
    rules: {
      everyone: { effect: 'allow', when: 'true' },
      'no-opus': { effect: 'deny', when: 'model.startsWith("claude-opus")', message: 'Use claude-haiku-4-5.' },
    },
  })
  expect(policies.trivial).toBe(false)
  expect(policies.decide(factsOf({ model: 'gpt-5' }))).toEqual({ effect: 'allow', policy: 'everyone' })
  expect(policies.decide(factsOf({ model: 'claude-opus-4' }))).toEqual({
    effect: 'deny',
    policy: 'no-opus',
    message: 'Use claude-haiku-4-5.',
  })
})

test('with the default deny, what no policy allows is denied, and the message says so', () => {
  const policies = compile({
    default: 'deny',
    rules: { research: { effect: 'allow', when: 'identity.team == "research"' } },
  })
  expect(policies.decide(factsOf({ identity: { team: 'research' } })).effect).toBe('allow')
  expect(policies.decide(factsOf())).toMatchObject({
    effect: 'deny',
    message: expect.stringContaining('No policy allows'),
  })
})

test('conditions that cannot be evaluated err on the safe side', () => {
  const when = 'identity.claims.level > 3'
  expect(compile({ rules: { deny: { effect: 'deny', when } } }).decide(factsOf()).effect).toBe('deny')
  expect(compile({ default: 'deny', rules: { allow: { effect: 'allow', when } } }).decide(factsOf()).effect).toBe(
    'deny',
  )
  const facts = factsOf({ identity: { claims: { level: 4 } } })
  expect(compile({ default: 'deny', rules: { allow: { effect: 'allow', when } } }).decide(facts).effect).toBe('allow')
})

test.each([
  ['request.method == "POST" && request.bytes > 10', true],
  ['request.stream', false],
  ['request.operation in ["chat", "messages"]', true],
  ['request.path.startsWith("/v1/")', true],
  ['request.listener == "default"', true],
  ['identity.kind == "jwt" && "admins" in identity.claims.groups', true],
  ['identity.user == "ann" && identity.team == "" && identity.organization == "" && identity.key == ""', true],
  ['identity.subject.matches("^a[0-9]+$")', true],
  ['has(parameters.temperature) && parameters.temperature > 1.5', true],
  ['!has(parameters.tools)', true],
  ['tool.server == "github" && tool.arguments.repo == "x"', true],
  ['agent.name == "coder" && agent.depth < 3', true],
  ['agent.from == "planner"', true],
  ['now.getHours("Europe/Berlin") == 9', true],
  ['spent["month"] > 0.5 && spent.month < 1.0', true],
])('%s', (source, expected) => {
  const facts = factsOf({
    identity: { kind: 'jwt', subject: 'a12', user: 'ann', claims: { groups: ['admins'] } },
    parameters: { temperature: 1.7 },
    tool: { server: 'github', name: 'search', arguments: { repo: 'x' } },
    agent: { name: 'coder', skill: 's', depth: 2, from: 'planner' },
    now: new Date('2026-01-15T08:30:00Z'),
    spent: { month: 0.7 },
  })
  expect(new ExpressionCompiler(['month']).condition(source, !expected)(facts)).toBe(expected)
})

test.each([
  ['model == 1', /overload/, 1],
  ['identity.nam == "x"', /no such key: nam/, 10],
  ['model ==', /unexpected token/, 9],
  ['nothing == 1', /unknown variable/i, 1],
  ['model', /must be a condition \(bool\), and is a string/, 1],
  ['model.matches(identity.user)', /must be written out/, 15],
  ['model.matches("(?=a)b")', /look-around/, 15],
  ['model.matches("(a)\\\\1")', /back-references/, 15],
  ['now.getHours("Europe/Berln") < 6', /no time zone "Europe\/Berln"/, 14],
  ['now.getHours("02:00") < 6', /a time zone is a name/, 14],
  ['model.matches("(")', /the pattern is wrong/, 15],
  ['spent["week"] > 0.5', /there is no budget "week"/, 1],
  ['spent[model] > 0.5', /the name of a budget/, 1],
  ['size(spent) > 1', /the name of a budget/, 6],
  [`${'('.repeat(60)}true${')'.repeat(60)}`, /./, 1],
])('%s is refused', (source, message, column) => {
  const compiler = new ExpressionCompiler(['month'])
  let error: unknown
  try {
    compiler.condition(source, true)
  } catch (thrown) {
    error = thrown
  }
  expect(error).toBeInstanceOf(ExpressionError)
  expect((error as ExpressionError).message).toMatch(message)
  if (column > 1) expect((error as ExpressionError).column).toBe(column)
})

test('the explanation has every policy, and which one decided', () => {
  const policies = compile({
    rules: { a: { effect: 'deny', when: 'model == "x"' }, b: { effect: 'deny', when: 'request.stream' } },
  })
  expect(policies.explain(factsOf({ model: 'x' }))).toMatchObject({
    verdict: { effect: 'deny', policy: 'a' },
    steps: [
      { policy: 'a', applies: true, decided: true },
      { policy: 'b', applies: false, decided: false },
    ],
  })
})

test('tables tell which cases do not hold', () => {
  const policies = compile({ rules: { night: { effect: 'deny', when: 'now.getHours() < 6' } } })
  const { tests } = table.parse({
    tests: [
      { name: 'by night', now: '2026-01-01T03:00:00Z', expect: 'deny', policy: 'night' },
      { name: 'by day', now: '2026-01-01T12:00:00Z', expect: 'deny' },
      { name: 'by another', now: '2026-01-01T03:00:00Z', expect: 'deny', policy: 'other' },
    ],
  })
  expect(runTable(tests, policies).map(({ name, passed, expected }) => [name, passed, expected])).toEqual([
    ['by night', true, undefined],
    ['by day', false, 'deny'],
    ['by another', false, 'deny by other'],
  ])
})
