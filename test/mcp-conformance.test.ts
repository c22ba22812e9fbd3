import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'
import { type Outcome, runSuite, type SuiteEra, startReference } from './mcp/conformance/suite.ts'

/**
 * The conformance suite, run directly and through the gateway, in all four pairings of eras, alone and with two more servers
 * beside. docs/mcp-eras.md shows the results.
 */

/** What a pairing cannot mean, or what means the same in other words. */
const reasons: Record<string, Record<string, string>> = {
  'new → old': {
    'input-required-result-basic-elicitation':
      'the suite insists on the key `user_name`; a server of the old era gives its requests no keys',
  },
}

const isExtension = (scenario: string) => scenario.startsWith('tasks-')

let gateway: TestGateway
let servers: Record<SuiteEra, Awaited<ReturnType<typeof startReference>>>
const direct: Partial<Record<SuiteEra, Map<string, Outcome>>> = {}
const through = new Map<string, Map<string, Outcome>>()

beforeAll(async () => {
  const [old, fresh] = await Promise.all([startReference('old'), startReference('new')])
  servers = { old, new: fresh }
  const beside = ['everything', 'memory']
  const process_ = (name: string, ...args: string[]) => ({
    type: 'stdio' as const,
    command: process.execPath,
    args: [`node_modules/@modelcontextprotocol/server-${name}/dist/index.js`, ...args],
  })
  gateway = await startGateway({
    mcp: {
      servers: {
        old: { type: 'http', url: old.url, prefix: '' },
        new: { type: 'http', url: fresh.url, prefix: '' },
        everything: process_('everything', 'stdio'),
        memory: process_('memory'),
      },
      endpoints: {
        old: { servers: ['old'] },
        new: { servers: ['new'] },
        'old-and-more': { servers: ['old', ...beside] },
        'new-and-more': { servers: ['everything', 'new', 'memory'] },
      },
    },
  })
  direct.old = await runSuite('old', old.url)
  direct.new = await runSuite('new', fresh.url)
}, 120_000)

afterAll(async () => {
  await gateway?.stop()
  for (const server of Object.values(servers ?? {})) server.stop()
})

test('the suites have run', () => {
  expect([...direct.old!.values()].every(({ failed }) => failed === 0)).toBe(true)
  expect(direct.old!.size).toBeGreaterThan(30)
  expect(direct.new!.size).toBeGreaterThan(45)
})

describe.each(['', '-and-more'])('through the endpoint of the server%s', (more) => {
  test.each([
    ['old', 'old'],
    ['new', 'new'],
    ['new', 'old'],
    ['old', 'new'],
  ] as const)(
    'suite of the %s era, server of the %s era',
    async (suite, server) => {
      const outcomes = await runSuite(suite, `${gateway.url}/mcp/${server}${more}`)
      through.set(`${suite} → ${server}${more}`, outcomes)
      const excused = reasons[`${suite} → ${server}`] ?? {}
      const worse: string[] = []
      for (const [scenario, { passed, failed }] of direct[suite]!) {
        const found = outcomes.get(scenario)
        if (!found) worse.push(`${scenario} did not run`)
        // What the reference server itself does not do is not for the gateway to do.
        else if (found.failed > failed && !(scenario in excused))
          worse.push(`${scenario}: ${found.passed}/${found.failed} instead of ${passed}/${failed}`)
      }
      expect(worse).toEqual([])
      for (const scenario of Object.keys(excused)) expect(outcomes.get(scenario)!.failed).toBeGreaterThan(0)
      expect(gateway.reports).toEqual([])
    },
    60_000,
  )
})

test('docs/mcp-eras.md shows these results', () => {
  const page = readFileSync('docs/mcp-eras.md', 'utf8')
  const cell = (outcome: Outcome | undefined) =>
    outcome ? `${outcome.passed}/${outcome.passed + outcome.failed}` : '–'
  const rows: string[] = []
  for (const suite of ['old', 'new'] as const)
    for (const [scenario, outcome] of direct[suite]!) {
      if (isExtension(scenario)) continue
      const pairings = suite === 'old' ? ['old → old', 'old → new'] : ['new → new', 'new → old']
      rows.push(
        `| ${suite} | ${scenario} | ${cell(outcome)} | ${pairings
          .map((pairing) => cell(through.get(pairing)!.get(scenario)))
          .join(' | ')} |`,
      )
    }
  const missing = rows.filter((row) => !page.includes(row))
  if (missing.length > 0) console.log(missing.join('\n'))
  expect(missing).toEqual([])
  for (const [pairing, excused] of Object.entries(reasons))
    for (const [scenario, reason] of Object.entries(excused))
      expect(page).toContain(`| ${pairing} | ${scenario} | ${reason} |`)
})
