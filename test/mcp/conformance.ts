import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The revisions that the suite has requirements for: the last of the old era, the first of the new. */
export type Spec = '2025-11-25' | '2026-07-28'

/** What the suite says of a check. A WARNING is a SHOULD that was not met; INFO and SKIPPED mean that it did not apply. */
export type Status = 'SUCCESS' | 'INFO' | 'SKIPPED' | 'WARNING' | 'FAILURE'

/** From good to bad. */
export const statuses: readonly Status[] = ['SUCCESS', 'INFO', 'SKIPPED', 'WARNING', 'FAILURE']

/** What a scenario came to. */
export interface Outcome {
  readonly passed: number
  readonly failed: number
  /** A line for each check that failed or warned: its id and what the suite says. */
  readonly details: string[]
  /** Each check's status by its id; where the suite gives an id several times, the worst. */
  readonly checks: ReadonlyMap<string, Status>
}

/** The scenarios in the order in which they ran. */
export type Outcomes = Map<string, Outcome>

const installed = (path: string) => fileURLToPath(new URL(`../../node_modules/${path}`, import.meta.url))
// The suite needs Node 22; the package `node` brings one.
const node = installed('node/bin/node')
const suite = installed('@modelcontextprotocol/conformance/dist/index.js')

/**
 * Runs the conformance suite against a server: all that its requirements for a revision name, scored or not, in one process
 * and one after the other, which takes about four seconds.
 * @param scenarios only these, a process each, two at a time
 * @param timeoutMs how long a process of the suite may take
 * @throws Error if the suite does not end in time, or runs nothing, as with a scenario that it does not have; a server that fails is no error
 */
export async function runConformance({
  url,
  spec,
  scenarios,
  timeoutMs = 60_000,
}: {
  url: string
  spec: Spec
  scenarios?: readonly string[]
  timeoutMs?: number
}): Promise<Outcomes> {
  if (!scenarios) return runSuite(['--url', url, '--requirements', spec], timeoutMs)
  const found: Outcomes = new Map()
  const left = [...scenarios]
  const worker = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      // A set of requirements decides what runs, so that a single scenario of it has to be forced.
      const one = ['--url', url, '--scenario', next, '--spec-version', spec, '--force']
      for (const [name, outcome] of await runSuite(one, timeoutMs)) found.set(name, outcome)
    }
  }
  await Promise.all([worker(), worker()])
  return new Map(scenarios.map((name) => [name, found.get(name)!]))
}

async function runSuite(args: readonly string[], timeoutMs: number): Promise<Outcomes> {
  const directory = mkdtempSync(join(tmpdir(), 'chaperone-conformance-'))
  try {
    const said = await output([suite, 'server', ...args, '--output-dir', directory], timeoutMs)
    const outcomes: Outcomes = new Map()
    // A scenario that throws leaves no file.
    for (const [, name] of said.matchAll(/^Running client scenario '(\S+)' against/gm))
      outcomes.set(name!, crashed('the scenario broke off'))
    for (const entry of readdirSync(directory)) {
      const name = /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(entry)?.[1]
      if (name) outcomes.set(name, read(join(directory, entry, 'checks.json')))
    }
    if (outcomes.size === 0) throw new Error(`the conformance suite ran nothing: ${said.slice(0, 500)}`)
    return outcomes
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** What a process of the suite writes, whatever it ends with. */
function output(args: readonly string[], timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs, killSignal: 'SIGKILL' })
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (part: string) => {
        said += part
      })
    child.once('error', reject)
    child.once('close', (_code, signal) => {
      if (!signal) return resolve(said)
      const last = [...said.matchAll(/scenario[: ]+'?([\w-]+)/g)].at(-1)?.[1]
      reject(new Error(`the conformance suite did not end in ${timeoutMs} ms; it was at ${last ?? 'its start'}`))
    })
  })
}

/** A check as the suite writes it. */
interface Check {
  readonly id: string
  readonly status: Status
  readonly description?: string
  readonly errorMessage?: string
}

function read(path: string): Outcome {
  const all = JSON.parse(readFileSync(path, 'utf8')) as Check[]
  const checks = new Map<string, Status>()
  for (const { id, status } of all) checks.set(id, worse(checks.get(id) ?? 'SUCCESS', status))
  return {
    passed: all.filter(({ status }) => status === 'SUCCESS').length,
    failed: all.filter(({ status }) => status === 'FAILURE').length,
    details: all
      .filter(({ status }) => status === 'FAILURE' || status === 'WARNING')
      .map(({ id, status, errorMessage, description }) => `${status} ${id}: ${errorMessage ?? description ?? ''}`),
    checks,
  }
}

const crashed = (why: string): Outcome => ({
  passed: 0,
  failed: 1,
  details: [`FAILURE: ${why}`],
  checks: new Map([['the-scenario-runs', 'FAILURE']]),
})

/** The worse of two. */
export const worse = (a: Status, b: Status): Status => (statuses.indexOf(a) > statuses.indexOf(b) ? a : b)

/** `passed/checks`, the checks being those that passed or failed. */
export const score = ({ passed, failed }: Outcome): string => `${passed}/${passed + failed}`

/** A Markdown table: a row for each scenario of the first run, a column for each run. */
export function markdownTable(runs: Readonly<Record<string, Outcomes>>): string {
  const names = Object.keys(runs)
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const [first] = Object.values(runs)
  return [
    row(['scenario', ...names]),
    row(['---', ...names.map(() => '---')]),
    ...[...(first ?? new Map<string, Outcome>()).keys()].map((scenario) =>
      row([
        scenario,
        ...names.map((name) => {
          const outcome = runs[name]!.get(scenario)
          return outcome ? score(outcome) : '–'
        }),
      ]),
    ),
    '',
  ].join('\n')
}
