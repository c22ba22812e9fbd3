import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { startGateway } from './gateway.ts'
import { runConformance } from './mcp/conformance.ts'
import { startOldSuiteTasks } from './mcp/old-suite-tasks.ts'
import { publishedServer } from './mcp/stdio.ts'

/** The conformance suite's scenarios of the tasks extension: neither SDK's server has it, but one of the old era has tasks. */
const scenarios = [
  'tasks-lifecycle',
  'tasks-capability-negotiation',
  'tasks-wire-fields',
  'tasks-request-state-removal',
  'tasks-mrtr-input',
  'tasks-request-headers',
  'tasks-dispatch-and-envelope',
  'tasks-required-task-error',
]

/** Checks that cannot come out, and why. */
const reasons: Readonly<Record<string, string>> = {
  'sep-2663-server-returns-missing-capability-when-required':
    'the gateway waits for the task on behalf of a client that knows none, so that there is nothing to refuse',
}

test('the suite of the new era about tasks, a server of the old one with two more beside', async () => {
  const server = await startOldSuiteTasks()
  const gateway = await startGateway({
    mcp: {
      servers: {
        tasks: { type: 'http', url: server.url, prefix: '' },
        everything: publishedServer('everything', 'stdio'),
        memory: publishedServer('memory'),
      },
    },
  })
  try {
    const outcomes = await runConformance({ url: `${gateway.url}/mcp`, spec: '2026-07-28', scenarios })
    expect(gateway.reports).toEqual([])
    const rows: string[] = []
    const wrong: string[] = []
    for (const [scenario, { passed, failed, checks }] of outcomes) {
      rows.push(`| 2026-07-28 | ${scenario} | ${passed}/${passed + failed} |`)
      for (const [check, status] of checks) {
        const bad = status === 'FAILURE' || status === 'WARNING'
        if (bad !== check in reasons) wrong.push(`${scenario}: ${check}: ${status}`)
        else if (bad) rows.push(`| ${scenario}: ${check} | ${reasons[check]} |`)
      }
    }
    expect(wrong).toEqual([])
    const page = readFileSync('docs/mcp-eras.md', 'utf8')
    expect(rows.filter((row) => !page.includes(row))).toEqual([])
  } finally {
    await gateway.stop()
    await server.stop()
  }
}, 120_000)
