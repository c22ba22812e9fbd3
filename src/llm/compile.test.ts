import { describe, expect, test } from 'vitest'
import { HealthBook } from './balance.ts'
import { compiled, type RulesText } from './testing.ts'

const server = (host: string, more = {}) => ({ type: 'openai-compatible', baseUrl: `https://${host}/v1`, ...more })
const providers = {
  a: server('a.example'),
  b: server('b.example'),
  c: { type: 'anthropic', apiKey: '${env:C}' },
  d: server('d.example', { apis: ['embeddings'] }),
}
const models = (targets: object[], more = {}) => compiled({ providers, models: { m: { targets, ...more } } })
const namesOf = (targets: readonly { provider: { name: string } }[]) => targets.map(({ provider }) => provider.name)

describe('the model a name means', () => {
  const rules = compiled({
    providers,
    models: Object.fromEntries(
      ['gpt-4o', 'gpt-*', 'gpt-4*', '*', '__proto__x', 'constructor'].map((name) => [
        name,
        { targets: [{ provider: 'a' }] },
      ]),
    ),
    aliases: { fast: 'gpt-4o', toString: 'gpt-4o' },
  })

  test.each([
    ['gpt-4o', 'gpt-4o'],
    ['gpt-4o-mini', 'gpt-4*'],
    ['gpt-4', 'gpt-4*'],
    ['gpt-5', 'gpt-*'],
    ['GPT-5', '*'],
    ['', '*'],
    ['__proto__', '*'],
    ['constructor', 'constructor'],
    ['valueOf', '*'],
  ])('%s: %s', (name, model) => {
    expect(rules.model(name)?.name).toBe(model)
  })

  test('none where no pattern fits', () => {
    const few = compiled({ providers, models: { 'x-*': { targets: [{ provider: 'a' }] } } })
    for (const name of ['', 'x', 'constructor', '__proto__', 'x*']) expect(few.model(name)).toBeUndefined()
  })

  test('an alias is one of its own, not what every object has', () => {
    expect(rules.alias('fast')).toBe('gpt-4o')
    expect(rules.alias('toString')).toBe('gpt-4o')
    for (const name of ['constructor', '__proto__', 'hasOwnProperty', 'gpt-5']) expect(rules.alias(name)).toBe(name)
  })

  test('names that can be asked for, and patterns, apart', () => {
    expect([...rules.modelNames].sort()).toEqual(['__proto__x', 'constructor', 'fast', 'gpt-4o', 'toString'])
    expect(rules.patterns).toEqual(['gpt-4*', 'gpt-*', '*'])
  })
})

describe('the lineup of an operation', () => {
  test('has the targets that can serve it, and is not there where none can', () => {
    const rules = models([{ provider: 'a' }, { provider: 'c' }, { provider: 'd' }])
    const model = rules.model('m')!
    expect(namesOf(model.lineup('chat')!.groups.flat())).toEqual(['a', 'c'])
    expect(namesOf(model.lineup('embeddings')!.groups.flat())).toEqual(['a', 'd'])
    expect(namesOf(model.lineup('count_tokens')!.groups.flat())).toEqual(['c'])
    expect(
      models([{ provider: 'd' }])
        .model('m')!
        .lineup('chat'),
    ).toBeUndefined()
  })

  test('has its groups by priority, whatever the order of the rules', () => {
    const { groups } = models([
      { provider: 'c', priority: 7 },
      { provider: 'a', priority: 0 },
      { provider: 'b', priority: 7 },
    ])
      .model('m')!
      .lineup('chat')!
    expect(groups.map(namesOf)).toEqual([['a'], ['c', 'b']])
  })

  test('from each first choice: the rest of its group, the groups after it, then the ones before', () => {
    const { orders } = models([
      { provider: 'a' },
      { provider: 'b', priority: 1 },
      { provider: 'c', priority: 1 },
      { provider: 'a', model: 'last', priority: 2 },
    ])
      .model('m')!
      .lineup('chat')!
    const order = (group: number, member: number) => namesOf(orders[group]![member]!.targets).join('')
    expect([order(0, 0), order(1, 0), order(1, 1), order(2, 0)]).toEqual(['abca', 'bcaa', 'cbaa', 'aabc'])
    for (const { targets, pool } of orders.flat())
      expect(pool.upstreams).toEqual(targets.map(({ upstream }) => upstream.id))
  })

  test('no more targets than attempts, and the route class says how many', () => {
    const rules = models([{ provider: 'a' }, { provider: 'b' }, { provider: 'c' }], { maxAttempts: 2 })
    const model = rules.model('m')!
    for (const { targets } of model.lineup('chat')!.orders.flat()) expect(targets).toHaveLength(2)
    expect(model.routeClass).toMatchObject({ attempts: 2 })
    expect(models([{ provider: 'a' }], { maxAttempts: 9 }).model('m')!.routeClass.attempts).toBe(1)
  })
})

describe('the topology', () => {
  test('has every pool and route class that a plan can name, once', () => {
    const targets = [{ provider: 'a' }, { provider: 'b' }]
    const rules = compiled({
      providers,
      models: { m: { targets }, n: { targets: [...targets].reverse() }, o: { targets, timeouts: { total: '5s' } } },
    })
    const { pools, routeClasses, upstreams } = rules.topology
    const wanted = ['m', 'n', 'o'].flatMap((name) => rules.model(name)!.lineup('chat')!.orders.flat())
    expect(new Set(pools.map(({ id }) => id))).toEqual(new Set(wanted.map(({ pool }) => pool.id)))
    expect(pools).toHaveLength(2)
    expect(routeClasses).toHaveLength(2)
    expect(upstreams.map(({ host }) => host)).toEqual(['a.example', 'b.example', 'api.anthropic.com', 'd.example'])
    const known = new Set(upstreams.map(({ id }) => id))
    expect(pools.flatMap((pool) => pool.upstreams).every((id) => known.has(id))).toBe(true)
  })

  test('whatever decides where a request goes, and to whom, makes another upstream', () => {
    const id = (rule: object) => compiled({ providers: { a: rule } }).topology.upstreams[0]!.id
    const changes: object[] = [
      { baseUrl: 'https://other.example/v1' },
      { baseUrl: 'http://a.example/v1' },
      { baseUrl: 'https://a.example:8443/v1' },
      { tls: { caFile: '/ca.pem' } },
      { tls: { serverName: 'other' } },
      { connectTimeout: '9s' },
      { type: 'anthropic', apiKey: '${env:A}' },
    ]
    const ids = changes.map((change) => id({ ...server('a.example'), ...change }))
    expect(new Set([...ids, id(server('a.example'))]).size).toBe(changes.length + 1)
    expect(id(server('a.example'))).toBe(id(server('a.example')))
  })
})

test('a target of a provider that is not there is told by name', () => {
  expect(() => compiled({ models: { m: { targets: [{ provider: 'constructor' }] } } })).toThrow(
    'models.m: there is no provider constructor',
  )
})

describe('the health of targets', () => {
  const book = new HealthBook()
  const health = (text: RulesText) => compiled(text, book).model('m')!.lineup('chat')!.groups[0]![0]!.health
  const rules = { providers, models: { m: { targets: [{ provider: 'a' }] } } }

  test('lives on when the rules change, as long as the address and the model are the same', () => {
    const before = health(rules)
    expect(health({ ...rules, aliases: { x: 'm' } })).toBe(before)
    expect(health({ providers, models: { m: { targets: [{ provider: 'a', model: 'other' }] } } })).not.toBe(before)
  })

  test('is forgotten with the last rule that names its target', () => {
    const before = health(rules)
    compiled({}, book)
    expect([...book.entries()]).toEqual([])
    expect(health(rules)).not.toBe(before)
  })
})
