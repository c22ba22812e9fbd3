import { describe, expect, test } from 'vitest'
import { upstream } from '../harness.ts'
import { baseline } from './baseline.ts'
import { compare, describeDifference } from './compare.ts'
import { markdownTable, type Outcome, type Outcomes, runConformance, type Status, score } from './conformance.ts'
import { directRun, expectSame, type GatewayFor, startReference } from './expect-same.ts'
import { type Pairing, pairings } from './pairings.ts'
import { startProxy } from './proxy.ts'

/** The reference servers and the comparison that the runs through the gateway rest on, with nothing of ours in between. */

const throughProxy: GatewayFor = ({ reference }) => {
  if (reference?.type !== 'http') throw new Error('the proxy is for one server over HTTP')
  return startProxy(reference.url)
}

describe.each(['2025-11-25', '2026-07-28'] as const)('the suite of %s', (spec) => {
  test('says of the reference server of its era what it said before', async () => {
    const outcomes = await directRun(spec)
    expect(Object.fromEntries([...outcomes].map(([name, outcome]) => [name, score(outcome)]))).toEqual(baseline[spec])
    const failed = [...outcomes].filter(([name, { failed }]) => failed > 0 && !name.startsWith('tasks-'))
    expect(failed).toEqual([])
  }, 90_000)

  test('has no scenario that the table of pairings does not know', async () => {
    const scenarios = [...(await directRun(spec)).keys()].sort()
    for (const server of ['old', 'new'] as const) {
      const pairing: Pairing = `${spec} → ${server}`
      expect(Object.keys(pairings[pairing]).sort()).toEqual(scenarios)
    }
  })
})

// Nothing that only passes bytes on may make a difference.
expectSame('old suite → proxy → old server', {
  spec: '2025-11-25',
  server: 'old',
  gatewayFor: throughProxy,
  reasons: {},
})
expectSame('new suite → proxy → new server', {
  spec: '2026-07-28',
  server: 'new',
  gatewayFor: throughProxy,
  reasons: {},
})

test('a server of the other era, without a gateway, is a difference in every scenario', async () => {
  const scenarios = ['tools-list', 'tools-call-simple-text', 'input-required-result-basic-elicitation', 'caching']
  const server = await startReference('old')
  const through = await runConformance({ url: server.url, spec: '2026-07-28', scenarios })
  await server.stop()
  expect([...through.keys()]).toEqual(scenarios)
  const direct = new Map([...(await directRun('2026-07-28'))].filter(([name]) => scenarios.includes(name)))
  const { differences } = compare(direct, through)
  expect(new Set(differences.map(({ scenario }) => scenario))).toEqual(new Set(scenarios))
  expect(differences.every(({ details }) => details.length > 0)).toBe(true)
}, 60_000)

test('a server that cannot be reached fails', async () => {
  const server = await startReference('new')
  await server.stop()
  const outcomes = await runConformance({ url: server.url, spec: '2026-07-28', scenarios: ['tools-list'] })
  expect(outcomes.get('tools-list')!.checks.get('tools-list')).toBe('FAILURE')
  expect(outcomes.get('tools-list')!.details.join()).toContain('FAILURE tools-list: ')
}, 60_000)

test('a scenario that the suite does not have is an error', async () => {
  const url = 'http://127.0.0.1:9/mcp'
  await expect(runConformance({ url, spec: '2026-07-28', scenarios: ['nothing'] })).rejects.toThrow('Unknown scenario')
}, 60_000)

test('a suite that does not end is stopped, and says where it was', async () => {
  const silent = await upstream(() => {})
  const run = runConformance({ url: silent.url, spec: '2026-07-28', timeoutMs: 3_000 })
  await expect(run).rejects.toThrow('did not end in 3000 ms; it was at server-stateless')
  await silent.close()
}, 60_000)

describe('the comparison', () => {
  const outcome = (checks: Record<string, Status>): Outcome => ({
    passed: Object.values(checks).filter((status) => status === 'SUCCESS').length,
    failed: Object.values(checks).filter((status) => status === 'FAILURE').length,
    details: [],
    checks: new Map(Object.entries(checks)),
  })
  const outcomes = (scenarios: Record<string, Record<string, Status>>): Outcomes =>
    new Map(Object.entries(scenarios).map(([name, checks]) => [name, outcome(checks)]))
  const direct = outcomes({ a: { one: 'SUCCESS', two: 'WARNING' }, b: { three: 'SUCCESS' } })

  test('passes over what is the same or better', () => {
    const through = outcomes({ a: { one: 'SUCCESS', two: 'SUCCESS' }, b: { three: 'SUCCESS' }, c: { four: 'FAILURE' } })
    expect(compare(direct, through)).toEqual({ differences: [], needless: [] })
  })

  test.each<[string, Record<string, Record<string, Status>>, string]>([
    ['fails', { a: { one: 'FAILURE', two: 'WARNING' }, b: { three: 'SUCCESS' } }, 'FAILURE'],
    ['only warns', { a: { one: 'WARNING', two: 'WARNING' }, b: { three: 'SUCCESS' } }, 'WARNING'],
    ['did not apply', { a: { one: 'INFO', two: 'WARNING' }, b: { three: 'SUCCESS' } }, 'INFO'],
    ['is not there', { a: { two: 'WARNING' }, b: { three: 'SUCCESS' } }, 'missing'],
  ])('finds a check that %s', (_, scenarios, through) => {
    expect(compare(direct, outcomes(scenarios)).differences).toEqual([
      { scenario: 'a', check: 'one', direct: 'SUCCESS', through, details: [] },
    ])
  })

  test('finds a scenario that did not run', () => {
    const through = outcomes({ b: { three: 'SUCCESS' } })
    expect(compare(direct, through).differences.map(({ check }) => check)).toEqual(['one', 'two'])
  })

  test('takes reasons for a scenario or a check, and gives back those that nothing needed', () => {
    const through = outcomes({ a: { one: 'FAILURE', two: 'WARNING' }, b: { three: 'FAILURE' } })
    const reasons = { 'a/one': 'cannot be', 'a/two': 'not needed', b: 'cannot be', gone: 'not needed' }
    expect(compare(direct, through, reasons)).toEqual({ differences: [], needless: ['a/two', 'gone'] })
  })

  test('says each difference in a line', () => {
    const found = { scenario: 'a', check: 'one', direct: 'SUCCESS', through: 'FAILURE' } as const
    expect(describeDifference({ ...found, details: ['FAILURE two: other', 'FAILURE one: broken'] })).toBe(
      'a/one: SUCCESS → FAILURE; FAILURE one: broken',
    )
    expect(describeDifference({ ...found, through: 'missing', details: [] })).toBe('a/one: SUCCESS → missing')
  })

  test('is shown as a table', () => {
    const through = outcomes({ a: { one: 'FAILURE' } })
    expect(markdownTable({ direct, through })).toBe(
      '| scenario | direct | through |\n| --- | --- | --- |\n| a | 1/1 | 0/1 |\n| b | 1/1 | – |\n',
    )
  })
})
