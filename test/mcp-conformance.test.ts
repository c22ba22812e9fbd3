import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { startGateway } from './gateway.ts'
import type { Outcome, Outcomes, Spec } from './mcp/conformance.ts'
import { directRun, expectSame, type GatewayFor } from './mcp/expect-same.ts'
import { type Pairing, pairings } from './mcp/pairings.ts'
import { publishedServer } from './mcp/stdio.ts'

/**
 * The conformance suites of both eras through the gateway and a real Envoy, in all four pairings of eras, alone and with two
 * more servers beside. docs/mcp-eras.md shows the results.
 */

const gatewayFor: GatewayFor = async (servers) => {
  const gateway = await startGateway({ mcp: { servers: servers as never } })
  return {
    url: `${gateway.url}/mcp`,
    stop: async () => {
      await gateway.stop()
      expect(gateway.reports).toEqual([])
    },
  }
}

const through = new Map<Pairing, Outcomes>()
const specs: readonly Spec[] = ['2025-11-25', '2026-07-28']

for (const spec of specs)
  for (const server of ['old', 'new'] as const) {
    const done = (outcomes: Outcomes) => void through.set(`${spec} → ${server}`, outcomes)
    expectSame(`the suite of ${spec}, a server of the ${server} era`, { spec, server, gatewayFor, done })
  }

describe('with two more servers beside', () => {
  const beside = {
    everything: publishedServer('everything', 'stdio'),
    memory: publishedServer('memory'),
  }
  for (const spec of specs)
    for (const server of ['old', 'new'] as const)
      expectSame(`the suite of ${spec}, a server of the ${server} era`, { spec, server, gatewayFor, beside })
})

test('docs/mcp-eras.md shows these results, and the reasons for what is otherwise', async () => {
  const cell = ({ passed, failed }: Outcome) => `${passed}/${passed + failed}`
  const rows: string[] = []
  for (const spec of specs)
    for (const [scenario, outcome] of await directRun(spec)) {
      if (scenario.startsWith('tasks-')) continue
      const [same, other] = spec === '2025-11-25' ? (['old', 'new'] as const) : (['new', 'old'] as const)
      const cells = [same, other].map((server) => cell(through.get(`${spec} → ${server}`)!.get(scenario)!))
      rows.push(`| ${spec} | ${scenario} | ${cell(outcome)} | ${cells.join(' | ')} |`)
    }
  for (const [pairing, scenarios] of Object.entries(pairings))
    for (const [scenario, { not }] of Object.entries(scenarios)) {
      if (not === undefined || scenario.startsWith('tasks-')) continue
      const reasons = typeof not === 'string' ? { '': not } : not
      for (const [check, reason] of Object.entries(reasons))
        rows.push(`| ${pairing} | ${scenario}${check === '' ? '' : `: ${check}`} | ${reason} |`)
    }
  const page = readFileSync('docs/mcp-eras.md', 'utf8')
  const missing = rows.filter((row) => !page.includes(row))
  if (missing.length > 0) console.log(`\n${missing.join('\n')}`)
  expect(missing).toEqual([])
})
