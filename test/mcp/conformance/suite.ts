import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { eventually } from '../../gateway.ts'
import { freePort } from '../../harness.ts'

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))
/** The suite needs a later Node than the gateway does. */
const node = path('../../../node_modules/node/bin/node')
const suite = path('../../../node_modules/@modelcontextprotocol/conformance/dist/index.js')
const run = promisify(execFile)

export type SuiteEra = 'old' | 'new'

/** How many of a scenario's checks went which way. */
export interface Outcome {
  readonly passed: number
  readonly failed: number
}

/** The reference server of the suite, of one era only. */
export async function startReference(era: SuiteEra): Promise<{ url: string; stop(): void }> {
  const port = await freePort()
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', path('testdata/everything-server.ts')], {
    env: { ...process.env, PORT: String(port), ERA: era },
    stdio: 'ignore',
  })
  const url = `http://localhost:${port}/mcp`
  await eventually(async () => {
    await (await fetch(url)).arrayBuffer()
  }, 30_000)
  return { url, stop: () => void child.kill() }
}

/** Runs the suite of an era against an endpoint. @returns the scenarios in their order */
export async function runSuite(era: SuiteEra, url: string): Promise<Map<string, Outcome>> {
  const which = era === 'old' ? ['--spec-version', '2025-11-25'] : ['--requirements', '2026-07-28']
  // It ends with 1 where anything failed, which is for the caller to judge.
  const { stdout } = await run(node, [suite, 'server', '--url', url, ...which], {
    maxBuffer: 64 * 1024 * 1024,
    timeout: 120_000,
  }).catch((error: { stdout?: string }) => {
    if (typeof error.stdout === 'string' && error.stdout.includes('=== SUMMARY ===')) return { stdout: error.stdout }
    throw error
  })
  const outcomes = new Map<string, Outcome>()
  for (const [, name, passed, failed] of stdout.matchAll(/^[✓✗] (\S+): (\d+) passed, (\d+) failed$/gmu))
    outcomes.set(name!, { passed: Number(passed), failed: Number(failed) })
  return outcomes
}
